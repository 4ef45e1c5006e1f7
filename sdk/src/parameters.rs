//! Types for parameters that people write: a size such as `"10 MB"`, a span such as `"4h"`.
//!
//! In JSON and on the command line both are strings, and so they are in the schema: an operator reads the default as it would be typed.

use crate::text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::time::Duration;

/// A number of bytes, written as `"10 MB"`. Units are PostgreSQL's: B, kB, MB, GB, TB, each 1,024 of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many MB.
    pub const fn megabytes(megabytes: u64) -> Self {
        Self(megabytes.saturating_mul(1 << 20))
    }

    /// In bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// Whether so many bytes are at least this.
    pub const fn reached_by(self, bytes: u64) -> bool {
        bytes >= self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let factor = match unit {
            "B" | "" => 1,
            "kB" => 1 << 10,
            "MB" => 1 << 20,
            "GB" => 1 << 30,
            "TB" => 1_u64 << 40,
            _ => return None,
        };
        number.checked_mul(factor).map(Self)
    }
}

/// A span of time, written as `"4h"`. Units: ms, s, min, h, d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// So many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self::minutes(hours.saturating_mul(60))
    }

    /// So many days of 24 hours.
    pub const fn days(days: u64) -> Self {
        Self::hours(days.saturating_mul(24))
    }

    /// In milliseconds, as the host's records have it.
    pub const fn as_milliseconds(self) -> u64 {
        self.0
    }

    /// As the standard library has it.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(factor).map(Self)
    }
}

/// Manifests of objects of a cluster, which an operator gives as `@FILE` or `@FOLDER`. windlass reads them: YAML or JSON, one or more objects a file, no
/// Secrets, at most 1 MiB. They are parameters like any other, so a plan is bound to what they say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifests(pub Vec<Manifest>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name of its file.
    pub file: String,
    /// What it says.
    pub object: serde_json::Value,
}

impl schemars::JsonSchema for Manifests {
    fn schema_name() -> Cow<'static, str> {
        "Manifests".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "format": "manifests", "items": { "type": "object" } })
    }
}

/// A whole number, and the unit after it with or without a space between.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

macro_rules! written {
    ($type:ident, $what:literal, $pattern:literal, $text:path) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$text(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| {
                    serde::de::Error::custom(format!("`{text}` is not {}", $what))
                })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&exact(self.0, &Self::UNITS))
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

written!(
    Size,
    "a size such as `10 MB`",
    "^[0-9]+ ?(B|kB|MB|GB|TB)?$",
    text::bytes
);
written!(
    Span,
    "a span of time such as `90s`, `30min` or `4h`",
    "^[0-9]+ ?(ms|s|min|h|d)$",
    text::duration
);

impl Size {
    const UNITS: [(u64, &'static str); 5] = [
        (1 << 40, " TB"),
        (1 << 30, " GB"),
        (1 << 20, " MB"),
        (1 << 10, " kB"),
        (1, " B"),
    ];
}

impl Span {
    const UNITS: [(u64, &'static str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
        (1, "ms"),
    ];
}

/// In the largest unit that loses nothing, so that what is written is read back the same.
fn exact(value: u64, units: &[(u64, &str)]) -> String {
    let (factor, unit) = units
        .iter()
        .find(|(factor, _)| value != 0 && value.is_multiple_of(*factor))
        .or(units.last())
        .copied()
        .unwrap_or((1, ""));
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::{Size, Span};

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [
            ("10 MB", 10 << 20),
            ("10MB", 10 << 20),
            ("1 GB", 1 << 30),
            ("512 B", 512),
            ("0 B", 0),
        ] {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
        }
        for text in [
            "",
            "MB",
            "10 mb",
            "-1 MB",
            "1.5 GB",
            "99999999999 TB",
            "10 MB x",
        ] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
        for size in [Size(0), Size(1), Size(1536), Size::megabytes(10)] {
            let json = serde_json::to_string(&size).unwrap();
            assert_eq!(serde_json::from_str::<Size>(&json).unwrap(), size, "{json}");
        }
    }

    #[test]
    fn spans_are_read_and_written() {
        for (text, span) in [
            ("4h", Span::hours(4)),
            ("30 min", Span::minutes(30)),
            ("90s", Span::seconds(90)),
            ("5ms", Span(5)),
        ] {
            assert_eq!(Span::parse(text), Some(span), "{text}");
        }
        for text in ["", "4", "4 hours", "1h30min", "∞"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        assert_eq!(serde_json::to_string(&Span::hours(4)).unwrap(), "\"4h\"");
        assert_eq!(
            serde_json::to_string(&Span::seconds(90)).unwrap(),
            "\"90s\""
        );
    }
}
