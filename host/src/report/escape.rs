//! Text from others in Markdown.

use crate::text::printable;

/// The text as Markdown that shows it as it is: on one line, no markup, no links, no mentions. What could be any of these, also to a
/// renderer that looks for them after all escapes are undone, stands as code.
pub(super) fn plain(text: &str) -> String {
    let text = printable(text);
    if is_harmless(&text) {
        text.into_owned()
    } else {
        code(&text)
    }
}

/// The text as code.
pub(super) fn code(text: &str) -> String {
    let text = printable(text);
    let longest = text.split(|char| char != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0) + 1);
    // A blank at both ends is taken away by the reader, and parts what begins with a fence from the fence.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Markdown as one cell of a table, where a bar would end the cell even within code.
pub(super) fn cell(markdown: &str) -> String {
    markdown.replace('|', "\\|")
}

/// Whether it is plain words, which no renderer makes anything else of.
fn is_harmless(text: &str) -> bool {
    let is_word = |char: char| char.is_alphanumeric() || " .,;:()/%=+-→·–…".contains(char);
    let lower = text.to_lowercase();
    let is_linked = ["://", "www.", "gh-"]
        .iter()
        .any(|mark| lower.contains(mark));
    text.is_empty()
        || text.starts_with(|first: char| first.is_alphanumeric() || first == '–')
            && text.chars().all(is_word)
            && !text.ends_with(' ')
            && !is_linked
            && !begins_list(text)
            && !has_symbol(text)
}

/// Whether it begins as the item of a numbered list does.
fn begins_list(text: &str) -> bool {
    let rest = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let mut marks = rest.chars();
    rest.len() < text.len()
        && matches!(marks.next(), Some('.' | ')'))
        && matches!(marks.next(), Some(' ') | None)
}

/// Whether it has what some renderers make a picture of, such as `:tada:`.
fn has_symbol(text: &str) -> bool {
    let mut between = text.split(':').skip(1).peekable();
    while let Some(word) = between.next() {
        if between.peek().is_some() && !word.is_empty() && !word.contains(' ') {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{cell, code, plain};
    use crate::text::printable;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser};

    /// What a reader of Markdown makes of it, as text; anything else that is no text as `?`.
    fn read(markdown: &str) -> String {
        let mut read = String::new();
        for event in Parser::new_ext(markdown, Options::all()) {
            if let Event::Text(text) | Event::Code(text) = event {
                read.push_str(&text);
            } else if !matches!(event, Event::Start(_) | Event::End(_)) {
                read.push('?');
            }
        }
        read
    }

    #[test]
    fn words_stay_words_and_all_else_is_code() {
        for harmless in [
            "86 MB → 31 MB",
            "public.orders, done",
            "vacuum (analyze)",
            "1 effect",
        ] {
            assert_eq!(plain(harmless), harmless);
        }
        for tricky in [
            "@all",
            "a@b.example",
            "#12",
            "GH-12",
            "http://e.example",
            "www.e.example",
            ":tada:",
            "1. x",
            "- x",
            "<b>",
            "a_b",
            "*a*",
            "~~a~~",
            "&#64;all",
            "[a](b)",
            "$x$",
            "a\\",
            "| a |",
        ] {
            let shown = plain(tricky);
            assert_eq!(shown, format!("`{tricky}`"));
            assert_eq!(read(&shown), tricky);
        }
        assert_eq!(plain("a `b`"), "`` a `b` ``");
        assert_eq!(code("windlass undo 1"), "`windlass undo 1`");
        assert_eq!(cell(&plain("a|b")), "`a\\|b`");
    }

    #[test]
    fn a_long_text_takes_no_time() {
        let long = "www.".repeat(200_000);
        assert!(plain(&long).len() > long.len());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_what_is_there(text in "[ -~äöü表\n\u{202e}]{1,40}") {
            prop_assume!(!text.trim().is_empty());
            let there = printable(&text);
            prop_assert_eq!(read(&format!("x {} x", plain(&text))), format!("x {there} x"));
            let table = format!("| a | b |\n|---|---|\n| {} | y |", cell(&plain(&text)));
            prop_assert_eq!(read(&table), format!("ab{}y", there));
        }
    }
}
