//! Figures as people read them.

use crate::database::ObjectName;

const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];

/// `schema.name`.
pub fn name(object: &ObjectName) -> String {
    format!("{}.{}", object.schema, object.name)
}

/// A number of bytes in PostgreSQL's units: 1 kB is 1,024 bytes. One decimal below ten.
///
/// ```
/// # use windlass_sdk::text::bytes;
/// assert_eq!(bytes(900), "900 B");
/// assert_eq!(bytes(1_536), "1.5 kB");
/// assert_eq!(bytes(90_177_536), "86 MB");
/// assert_eq!(bytes(18_612_224), "18 MB");
/// ```
pub fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let unit = UNITS[unit];
    if tenths < 100 && !tenths.is_multiple_of(10) {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", (tenths + 5) / 10)
    }
}

/// A span of milliseconds in its two largest units.
///
/// ```
/// # use windlass_sdk::text::duration;
/// assert_eq!(duration(250), "250 ms");
/// assert_eq!(duration(42_000), "42 s");
/// assert_eq!(duration(11_520_000), "3 h 12 min");
/// ```
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A span of microseconds: below 10 ms with two decimals, else like [`duration`].
///
/// ```
/// # use windlass_sdk::text::microseconds;
/// assert_eq!(microseconds(250), "0.25 ms");
/// assert_eq!(microseconds(2_000), "2 ms");
/// assert_eq!(microseconds(3), "less than 0.01 ms");
/// assert_eq!(microseconds(1_500_000), "1 s");
/// ```
pub fn microseconds(microseconds: u64) -> String {
    let hundredths = microseconds / 10;
    match (hundredths, hundredths / 100, hundredths % 100) {
        (0, ..) => "less than 0.01 ms".to_owned(),
        (_, 10.., _) | (_, _, 0) => duration(microseconds / 1000),
        (_, whole, rest) => format!("{whole}.{rest:02} ms"),
    }
}

/// A number with thousands apart.
///
/// ```
/// # use windlass_sdk::text::number;
/// assert_eq!(number(812_000), "812,000");
/// ```
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: "1 table", "2 tables", "3 indexes".
///
/// ```
/// # use windlass_sdk::text::count;
/// assert_eq!(count(1_u32, "table"), "1 table");
/// assert_eq!(count(1_200_u64, "index"), "1,200 indexes");
/// assert_eq!(count(2_u32, "query"), "2 queries");
/// assert_eq!(count(2_u32, "day"), "2 days");
/// ```
pub fn count(count: impl TryInto<u64>, thing: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let vowel = |stem: &str| stem.ends_with(['a', 'e', 'o', 'u']);
    let (stem, ending) = match (count, thing.strip_suffix('y')) {
        (1, _) => (thing, ""),
        (_, Some(stem)) if !vowel(stem) => (stem, "ies"),
        (..) if thing.ends_with(['s', 'x']) => (thing, "es"),
        (..) => (thing, "s"),
    };
    format!("{} {stem}{ending}", number(count))
}
