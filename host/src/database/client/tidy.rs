//! The text of a statement without the values that it may hold. Pure.

const LONGEST: usize = 300;

/// Statements whose constants the server replaces. Of any other only the first word can be shown: it may hold a password.
const NORMALISED: &[&str] = &[
    "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE",
];

/// At most 300 characters, on one line, without comments and without quoted texts, which the server may have left in.
pub(super) fn tidy(text: &str) -> String {
    let bare = without_values(text);
    let bare = bare.trim_start_matches(['(', ' ']);
    let word: String = bare.chars().take_while(char::is_ascii_alphabetic).collect();
    if NORMALISED
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&word))
    {
        bare.chars().take(LONGEST).collect()
    } else {
        word.to_ascii_uppercase()
    }
}

fn without_values(text: &str) -> String {
    let mut bare = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (skipped, shown) = match c {
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), " "),
            '/' if rest.starts_with("/*") => (comment(rest), " "),
            '\'' => (quoted(rest, bare.ends_with(['e', 'E'])), "'…'"),
            '"' => {
                let end = identifier(rest);
                bare.push_str(&rest[..end]);
                (end, "")
            }
            '$' => match dollar_quoted(rest) {
                Some(end) => (end, "'…'"),
                None => (1, "$"),
            },
            c if c.is_whitespace() => (c.len_utf8(), " "),
            c => {
                bare.push(c);
                (c.len_utf8(), "")
            }
        };
        if !(shown == " " && bare.ends_with(' ')) {
            bare.push_str(shown);
        }
        rest = &rest[skipped..];
    }
    bare.trim().to_owned()
}

/// Comments nest. The length of the first one.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of the text in single quotes; one that is cut off ends where all ends.
fn quoted(text: &str, escapes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn identifier(text: &str) -> usize {
    text[1..].find('"').map_or(text.len(), |end| end + 2)
}

/// The length of `$tag$…$tag$`; nothing for a parameter such as `$1`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = text[1..].find('$')? + 2;
    let tag = &text[..tag_end];
    let name = &tag[1..tag_end - 1];
    if name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        return None;
    }
    Some(
        text[tag_end..]
            .find(tag)
            .map_or(text.len(), |end| tag_end + end + tag_end),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normalised_statements_are_shown_on_one_line() {
        assert_eq!(
            tidy("select *\n  from  t -- trace=abc\n where a = $1 /* b=/*c*/ */ and b = $12"),
            "select * from t where a = $1 and b = $12"
        );
        assert_eq!(tidy("/* app */ (SELECT $1)"), "SELECT $1)");
        assert_eq!(
            tidy(&format!("SELECT {}", "a".repeat(500))).chars().count(),
            300
        );
    }

    #[test]
    fn other_statements_are_one_word() {
        assert_eq!(tidy("ALTER ROLE bob PASSWORD 'hunter2'"), "ALTER");
        assert_eq!(tidy("/* x */ create user bob password 'hunter2'"), "CREATE");
        assert_eq!(tidy("<insufficient privilege>"), "");
    }

    #[test]
    fn values_left_in_are_hidden() {
        for secret in [
            "'hunter2'",
            "E'a\\'hunter2'",
            "'it''s hunter2'",
            "$$hunter2$$",
            "$x$hunter2 $$ $x$",
            "'hunter2",
        ] {
            let shown = tidy(&format!("SELECT {secret}"));
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("'…'"), "{shown}");
        }
        assert_eq!(
            tidy("SELECT \"it's\", $1 FROM t$a"),
            "SELECT \"it's\", $1 FROM t$a"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[-/*'\"$a1 \\\\\n€E]{0,40}") {
            prop_assert!(tidy(&text).chars().count() <= 300);
        }
    }
}
