//! Sizes as people write them in `windlass.toml`.

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de::Error};
use std::time::Duration;

/// PostgreSQL's units: each is 1,024 of the one before.
const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1 << 10),
    ("MB", 1 << 20),
    ("GB", 1 << 30),
    ("TB", 1 << 40),
];

/// Bytes, written like "40 GB".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        number.parse::<u64>().ok()?.checked_mul(*factor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom("a size is written like \"40 GB\"; units are B, kB, MB, GB, TB")
        })
    }
}

/// A time span that may be zero, which is written "0".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace(pub(super) Duration);

impl<'de> Deserialize<'de> for Pace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let span = text.parse::<SignedDuration>().ok();
        span.and_then(|span| Duration::try_from(span).ok())
            .filter(|span| *span <= Duration::from_hours(1))
            .map(Self)
            .ok_or_else(|| {
                D::Error::custom(
                    "a pace is written like \"1s\" or \"5min\", at most \"1h\", or \"0\" for none",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_read_as_written() {
        assert_eq!(Size::parse("40 GB"), Some(Size(40 << 30)));
        assert_eq!(Size::parse("512MB"), Some(Size(512 << 20)));
        assert_eq!(Size::parse("7"), Some(Size(7)));
        assert_eq!(Size::parse("GB"), None);
        assert_eq!(Size::parse("4.5 GB"), None);
        assert_eq!(Size::parse("99999999999 TB"), None);
        assert_eq!(Size::parse("-1 GB"), None);
    }
}
