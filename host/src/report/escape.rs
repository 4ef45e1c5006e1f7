//! Text from others in Markdown.

use crate::text::printable;

/// The text as a command to type, if it has nothing in it but what commands have.
pub(super) fn code(text: &str) -> String {
    let plain_words = |char: char| char.is_ascii_alphanumeric() || " -.".contains(char);
    if text.chars().all(plain_words) {
        format!("`{text}`")
    } else {
        plain(text)
    }
}

/// The text as Markdown that shows it as it is: on one line, no markup, no links, no mentions.
pub(super) fn plain(text: &str) -> String {
    let text = printable(text);
    let mut escaped = String::with_capacity(text.len() + 8);
    for (at, char) in text.char_indices() {
        match char {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '&' | '#' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(char);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // What some renderers make a link or a mention of without any markup.
            ':' if text[at..].starts_with("://") => escaped.push_str("&#58;"),
            '.' if text[..at].to_lowercase().ends_with("www") => escaped.push_str("&#46;"),
            '@' => escaped.push_str("&#64;"),
            // What would begin a list within a list.
            '-' | '+' | '=' if at == 0 => {
                escaped.push('\\');
                escaped.push(char);
            }
            '.' | ')' if begins_list(&text, at) => {
                escaped.push('\\');
                escaped.push(char);
            }
            char => escaped.push(char),
        }
    }
    escaped
}

/// Whether what ends here would be read as the number of a list's item.
fn begins_list(text: &str, at: usize) -> bool {
    at > 0
        && text[..at].bytes().all(|byte| byte.is_ascii_digit())
        && !text[at + 1..].starts_with(|next: char| next != ' ')
}
