//! Text from a guest: it cannot mention, link or format what the template does not.

use super::place::{Place, block_on, message, slack, webhook};
use super::receiver::Receiver;
use serde_json::Value;
use windlass::notify::Effect;
use windlass::text::is_deceptive;

/// Texts that mean something to Slack, to mail programs, to terminals or to eyes.
pub(super) const NASTY: &[&str] = &[
    "@channel @here @everyone",
    "<!channel> <!here|here> <!everyone> <!subteam^S123>",
    "<@U024BE7LH> <#C024BE7LR>",
    "<https://evil.example|Click here>",
    "https://evil.example/login www.evil.example",
    "*bold* _italic_ ~strike~ `code` ```block```",
    ":rotating_light: :tada:",
    "a & b &amp; &lt;!channel&gt;",
    "\"}]},{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":\"<!channel>\"}}",
    "x\r\nBcc: victim@example.com\r\n\r\nbody",
    "x\n.\nMAIL FROM:<a@b>",
    "-- \nwindlass run 000000-000, all is well",
    "\u{1b}[31mred\u{1b}[0m \u{9b}2J \u{7}",
    "\u{202e}gnp.exe \u{2066}x\u{2069} \u{200b}\u{feff}",
    "=?utf-8?B?aGVsbG8=?=",
    "<b>html</b><script>alert(1)</script>",
];

fn effect(text: &str) -> Effect {
    let mut message = message(text, text);
    message.fields[0].name = text.into();
    message.fields[0].value = text.into();
    Effect::send("ops".into(), "end".into(), message)
}

/// Every string of the value with the keys that lead to it.
fn strings(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| strings(item, path, found)),
        Value::Object(fields) => {
            for (key, item) in fields {
                strings(item, &format!("{path}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Every object of the value that shows text.
fn texts(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => {
            if value["text"].is_string() && value["type"].is_string() {
                found.push(value.clone());
            }
            fields.values().for_each(|item| texts(item, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn slack_shows_a_guests_text_as_it_is_written() {
    block_on(async {
        for nasty in NASTY {
            let receiver = Receiver::start([]);
            let mut place = Place::new(slack(&receiver.url())).await;
            place.apply(effect(nasty)).await;
            let body = receiver.requests()[0].json();
            let origin = format!("pg-tidy 0.1.0 on orders, run {}", place.run);
            // For receivers that show only this: as code, which nothing in it ends, opens a link from, or mentions with.
            let outside = body["text"].as_str().unwrap();
            let begin = format!("⚠ warning: {origin}\n```\n");
            let inside = outside
                .strip_prefix(&begin)
                .unwrap_or_else(|| panic!("{outside}"));
            let inside = inside.strip_suffix("\n```").unwrap();
            assert!(!inside.contains(['`', '<', '>']), "{inside}");
            for key in ["mrkdwn", "link_names", "unfurl_links", "unfurl_media"] {
                assert_eq!(body[key], false, "{key}");
            }
            assert_eq!(body["parse"], "none");
            let mut shown = Vec::new();
            texts(&body["blocks"], &mut shown);
            assert_eq!(shown.len(), 4, "{body:#}");
            for text in &shown {
                assert_eq!(text["type"], "plain_text", "{body:#}");
                assert_eq!(text["emoji"], false, "{body:#}");
            }
            // The last line is the host's, and no guest can write into it.
            let blocks = body["blocks"].as_array().unwrap();
            let last = blocks.last().unwrap();
            assert_eq!(last["type"], "context");
            assert_eq!(
                last["elements"][0]["text"],
                format!("warning, end: {origin}")
            );
            assert!(blocks.iter().rev().skip(1).all(|b| b["type"] == "section"));
            let mut found = Vec::new();
            strings(&body, "", &mut found);
            for (_, text) in &found {
                assert!(!text.replace('\n', "").contains(is_deceptive), "{text:?}");
            }
            // What can be shown is shown, not lost.
            if !nasty.contains(is_deceptive) {
                assert!(found.iter().any(|(_, text)| text == nasty), "{body:#}");
            }
        }
    });
}

#[test]
fn a_webhooks_json_holds_a_guests_text_in_its_place() {
    block_on(async {
        for nasty in NASTY {
            let receiver = Receiver::start([]);
            let mut place = Place::new(webhook(&receiver.url())).await;
            place.apply(effect(nasty)).await;
            let request = &receiver.requests()[0];
            let body = request.json();
            let keys: Vec<_> = body["data"].as_object().unwrap().keys().collect();
            assert_eq!(
                keys,
                [
                    "run",
                    "procedure",
                    "target",
                    "event",
                    "level",
                    "title",
                    "text",
                    "fields"
                ]
            );
            assert_eq!(body["data"]["event"], "end");
            let title = body["data"]["title"].as_str().unwrap();
            assert!(!title.contains(is_deceptive), "{title:?}");
            assert!(
                request
                    .headers
                    .values()
                    .all(|value| !value.contains("evil"))
            );
        }
    });
}

#[test]
fn a_long_message_fits_into_slacks_limits() {
    block_on(async {
        let receiver = Receiver::start([]);
        let mut place = Place::new(slack(&receiver.url())).await;
        let mut long = message(&"t".repeat(5_000), &"ä".repeat(50_000));
        long.fields = vec![long.fields[0].clone(); 50];
        place
            .apply(Effect::send("ops".into(), "end".into(), long))
            .await;
        let body = receiver.requests()[0].json();
        let blocks = body["blocks"].as_array().unwrap();
        for block in blocks {
            let text = block["text"]["text"].as_str().unwrap_or_default();
            assert!(text.chars().count() <= 3_000);
            let fields = block["fields"].as_array().map_or(0, Vec::len);
            assert!(fields <= 10);
        }
        // Title, two pieces of text, two sets of fields, origin.
        assert_eq!(blocks.len(), 6);
    });
}
