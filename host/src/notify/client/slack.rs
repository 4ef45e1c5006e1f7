//! A message as Slack's Block Kit has it. Whatever a guest wrote stands in `plain_text`, which has no markup, mentions or links.

use super::letter::Letter;
use serde_json::{Value, json};

/// Longest text of a section, in characters.
const SECTION: usize = 3_000;
/// Most fields of a section.
const FIELDS: usize = 10;

/// Longest text outside the blocks, in characters.
const OUTSIDE: usize = 2_000;

/// The body of the request. Some receivers of this shape show only what stands outside the blocks, and Slack does so in notifications. So title
/// and text stand there too, as code: in code nothing is a mention, a link or markup.
pub(super) fn body(letter: &Letter) -> Value {
    let origin = format!("{} {}: {}", letter.mark(), letter.level(), letter.origin());
    let message = &letter.message;
    let fields = message.fields.iter();
    let fields = fields.map(|field| format!("{}: {}", field.name, field.value));
    let told: Vec<_> = [message.title.clone(), message.text.clone()]
        .into_iter()
        .chain(fields)
        .filter(|line| !line.trim().is_empty())
        .collect();
    let told: String = told
        .join("\n")
        .replace('`', "'")
        .chars()
        .take(OUTSIDE)
        .collect();
    json!({
        "text": escaped(&format!("{origin}\n```\n{told}\n```")),
        "mrkdwn": false,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks(letter),
    })
}

fn blocks(letter: &Letter) -> Vec<Value> {
    let message = &letter.message;
    let title = format!("{} {}", letter.mark(), message.title);
    let mut blocks = vec![section(&title)];
    blocks.extend(pieces(&message.text).iter().map(|piece| section(piece)));
    let fields: Vec<_> = message
        .fields
        .iter()
        .map(|field| plain(&format!("{}\n{}", field.name, field.value)))
        .collect();
    blocks.extend(
        fields
            .chunks(FIELDS)
            .map(|fields| json!({ "type": "section", "fields": fields })),
    );
    let origin = format!("{}, {}: {}", letter.level(), letter.event, letter.origin());
    blocks.push(json!({ "type": "context", "elements": [plain(&origin)] }));
    blocks
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": plain(text) })
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// None for an empty text: a section must have one.
fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(SECTION)
        .map(|piece| piece.iter().collect())
        .filter(|piece: &String| !piece.trim().is_empty())
        .collect()
}

/// What Slack asks of all texts that are no `plain_text`.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What Slack says of a message that it does not take: one of its own words, and nothing else of what came.
pub(super) fn word(body: &[u8]) -> Option<&'static str> {
    const WORDS: &[&str] = &[
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_blocks",
        "invalid_payload",
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_service_id",
        "no_team",
        "no_text",
        "posting_to_general_channel_denied",
        "team_disabled",
        "too_many_attachments",
        "user_not_found",
    ];
    let said = body.trim_ascii();
    WORDS.iter().find(|word| word.as_bytes() == said).copied()
}
