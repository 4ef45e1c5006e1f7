//! How things are written for people: amounts, times, and text from others that must not play tricks on a terminal. Pure.

use crate::clock::Millis;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

/// The text on one line, with each character spelt out that moves the cursor, reorders what stands around it or cannot be seen.
///
/// Text from guests and targets goes through this before people see it.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut spelt = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\n' => spelt.push_str("\\n"),
            '\r' => spelt.push_str("\\r"),
            '\t' => spelt.push_str("\\t"),
            char if is_deceptive(char) => {
                // Writing to a string does not fail.
                let _ = write!(spelt, "\\u{{{:x}}}", u32::from(char));
            }
            char => spelt.push(char),
        }
    }
    Cow::Owned(spelt)
}

/// The JSON text with each such character as an escape. It means the same: JSON has them only within strings.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    let tricky = |char: char| char != '\n' && is_deceptive(char);
    if !json.contains(tricky) {
        return Cow::Borrowed(json);
    }
    let mut spelt = String::with_capacity(json.len() + 8);
    for char in json.chars() {
        if tricky(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(spelt, "\\u{unit:04x}");
            }
        } else {
            spelt.push(char);
        }
    }
    Cow::Owned(spelt)
}

/// Whether the character does something else than stand there and be seen: controls, line ends, direction marks, fillers, tags.
pub fn is_deceptive(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Bytes in the units that PostgreSQL itself prints: "86 MB", "1.2 GB".
pub fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut tenths = u128::from(amount) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let whole = (tenths + 5) / 10;
    if unit >= 3 && tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{whole} {}", UNITS[unit])
    }
}

/// `0.2 s`, `12 s`, `5 min 41 s`, `3 h 12 min`, `2 d 4 h`: the two largest units, cut off.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: u64, unit: &str, small: u64, smaller: &str| {
        if small == 0 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {smaller}")
        }
    };
    match () {
        () if seconds >= 86400 => two(days, "d", hours, "h"),
        () if seconds >= 3600 => two(hours, "h", minutes, "min"),
        () if seconds >= 60 => two(minutes, "min", seconds % 60, "s"),
        () if seconds >= 10 => format!("{seconds} s"),
        () => {
            let tenths = duration.as_millis() / 100;
            match (tenths / 10, tenths % 10) {
                (0, 0) if !duration.is_zero() => format!("{} ms", duration.as_millis().max(1)),
                (whole, tenth) => format!("{whole}.{tenth} s"),
            }
        }
    }
}

/// The same for milliseconds, as the journal has them.
pub fn milliseconds(milliseconds: u64) -> String {
    duration(Duration::from_millis(milliseconds))
}

/// `2025-11-21 12:00 UTC`.
pub fn minute(at: Millis) -> String {
    at.timestamp().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The same, and the time in another zone where it is another: `2025-11-21 12:00 UTC (13:00 CET)`, with the day where that is another too.
pub fn minute_in(at: Millis, zone: &TimeZone) -> String {
    let utc = minute(at);
    let there = at.timestamp().to_zoned(zone.clone());
    let here = at.timestamp().to_zoned(TimeZone::UTC);
    if there.offset() == here.offset() {
        return utc;
    }
    let format = if there.date() == here.date() {
        "%H:%M %Z"
    } else {
        "%Y-%m-%d %H:%M %Z"
    };
    format!("{utc} ({})", there.strftime(format))
}

/// `1 effect`, `2 effects`.
pub fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

/// How many columns a terminal gives the text. East Asian wide characters and emoji take two.
pub fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(char: char) -> usize {
    match u32::from(char) {
        0x300..=0x36f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text, or, if it takes more columns, lines of it broken between words, later ones set in by `indent`. A word that is longer than a
/// line is broken too.
pub fn wrap(text: &str, columns: usize, indent: usize) -> String {
    if fits(text, Some(columns)) {
        return text.to_owned();
    }
    let words = text.trim_start_matches(' ');
    let mut lines = String::new();
    let mut line = text[..text.len() - words.len()].to_owned();
    let mut fresh = true;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let mut rest = word;
        while !fits(
            rest,
            columns.checked_sub(width(&line) + usize::from(!fresh)),
        ) {
            if fresh {
                let cut = fitting(rest, columns.saturating_sub(width(&line)));
                line.push_str(&rest[..cut]);
                rest = &rest[cut..];
            }
            lines.push_str(&line);
            lines.push('\n');
            line = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(rest);
        fresh = false;
    }
    lines + &line
}

/// Whether the text takes no more columns than there are. Looks no further than it must: a word can be very long.
fn fits(text: &str, columns: Option<usize>) -> bool {
    columns.is_some_and(|columns| begins_with(text, columns) == text.len())
}

/// How many bytes of the text fit into so many columns; at least its first character.
fn fitting(text: &str, columns: usize) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    begins_with(text, columns).max(first)
}

/// How many bytes of the text fit into so many columns.
fn begins_with(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    for (at, char) in text.char_indices() {
        taken += columns_of(char);
        if taken > columns {
            return at;
        }
    }
    text.len()
}

/// The text, or its beginning with `…` if it takes more columns.
pub fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    if fits(text, Some(columns)) {
        return Cow::Borrowed(text);
    }
    let cut = fitting(text, columns.saturating_sub(1).max(1));
    Cow::Owned(format!("{}…", &text[..cut]))
}

/// The text, cut to this many bytes with a marker that says so.
pub fn shortened(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push_str(" … (cut)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(8192), "8 kB");
        assert_eq!(bytes(90_177_536), "86 MB");
        assert_eq!(bytes(1_288_490_189), "1.2 GB");
        assert_eq!(bytes(u64::MAX), "16777216 TB");
    }

    #[test]
    fn times_and_counts_read_as_people_say_them() {
        for (ms, text) in [
            (0, "0.0 s"),
            (7, "7 ms"),
            (230, "0.2 s"),
            (9_999, "9.9 s"),
            (12_300, "12 s"),
            (60_000, "1 min"),
            (341_000, "5 min 41 s"),
            (11_520_000, "3 h 12 min"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(milliseconds(ms), text);
        }
        assert_eq!(counted(1, "effect"), "1 effect");
        assert_eq!(counted(0, "effect"), "0 effects");
        let noon = Millis(1_763_726_400_000);
        assert_eq!(minute(noon), "2025-11-21 12:00 UTC");
        let zoned = |zone| minute_in(noon, &TimeZone::get(zone).unwrap());
        assert_eq!(zoned("UTC"), "2025-11-21 12:00 UTC");
        assert_eq!(zoned("Europe/Berlin"), "2025-11-21 12:00 UTC (13:00 CET)");
        assert_eq!(
            zoned("Pacific/Auckland"),
            "2025-11-21 12:00 UTC (2025-11-22 01:00 NZDT)"
        );
    }

    #[test]
    fn tricks_are_spelt_out() {
        assert!(matches!(printable("naïve 表 ✓"), Cow::Borrowed(_)));
        assert_eq!(printable("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(printable("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(printable("\u{202e}txt.\u{2066}"), "\\u{202e}txt.\\u{2066}");
        assert_eq!(
            printable("\u{9b}2J\u{7f}\u{200b}"),
            "\\u{9b}2J\\u{7f}\\u{200b}"
        );
    }

    #[test]
    fn json_means_the_same_without_tricks() {
        let text = "a\u{9b}\u{202e}\u{e0041}\u{7f} 表\n";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let safe = printable_json(&json);
        assert!(
            !safe.lines().any(|line| line.contains(is_deceptive)),
            "{safe}"
        );
        assert_eq!(serde_json::from_str::<[String; 1]>(&safe).unwrap(), [text]);
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7, 2), "one two\n  three");
        assert_eq!(wrap("abcdefghij", 4, 1), "abcd\n efg\n hij");
        assert_eq!(wrap("  x y", 80, 0), "  x y");
        assert_eq!(shorten("public.accounts", 8), "public.…");
        assert_eq!(width("表✓"), 3);
    }

    proptest! {
        #[test]
        fn nothing_deceptive_is_left(text in any::<String>()) {
            prop_assert!(!printable(&text).contains(is_deceptive));
        }

        #[test]
        fn wrapping_fits_and_loses_nothing(text in "[a-z表 ]{0,200}", columns in 10_usize..80, indent in 0_usize..6) {
            let wrapped = wrap(&text, columns, indent);
            for line in wrapped.lines() {
                prop_assert!(width(line) <= columns, "{line:?}");
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&wrapped), letters(&text));
        }
    }
}
