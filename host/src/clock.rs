//! Time: instants and spans as they are stored and written, and the only place that asks what time it is.

use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An instant as it is stored and crosses the guest border: milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The same instant for calendars and people.
    pub fn timestamp(self) -> Timestamp {
        i64::try_from(self.0)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// Milliseconds from `earlier` to `self`; zero if the clock went back.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<Timestamp> for Millis {
    fn from(timestamp: Timestamp) -> Self {
        Self(u64::try_from(timestamp.as_millisecond()).unwrap_or(0))
    }
}

/// The longest span that anyone may write: a year. Deadlines that are further away than that are none.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A span of time as people write it, such as "5s" or "30min": longer than zero, at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.signed())
    }
}

impl Span {
    fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.signed().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<SignedDuration>()
            .ok()
            .and_then(|span| Duration::try_from(span).ok())
            .filter(|span| !span.is_zero() && *span <= LONGEST)
            .map(Self)
            .ok_or_else(|| {
                D::Error::custom(
                    "a time span is written like \"5s\" or \"30min\", longer than zero and at most a year",
                )
            })
    }
}

/// Tells the time. One per process, handed down.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Where the time of day was when the runtime's clock was there; absent for the machine's own.
    driven: Option<(Millis, Instant)>,
    /// The time is never earlier than this. All clones share it.
    not_before: Arc<AtomicU64>,
}

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A time of day that moves with the runtime's clock, which a test stops and drives.
    #[cfg(test)]
    pub fn driven(from: Millis) -> Self {
        let here = Self::system().instant();
        Self {
            driven: Some((from, here)),
            ..Self::default()
        }
    }

    /// The time of day, for records and for expiry. It never goes back, and is never earlier than the last recorded entry.
    pub fn now(&self) -> Millis {
        let told = self.told().0;
        let before = self.not_before.fetch_max(told, Ordering::Relaxed);
        Millis(told.max(before))
    }

    /// From now on the time is never earlier than this. Returns how far the machine's clock is behind it.
    pub fn not_before(&self, recorded: Millis) -> Duration {
        self.not_before.fetch_max(recorded.0, Ordering::Relaxed);
        Duration::from_millis(recorded.since(self.told()))
    }

    /// What the machine says.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn told(&self) -> Millis {
        match self.driven {
            Some((from, here)) => {
                let passed = self.instant().saturating_duration_since(here);
                let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
                Millis(from.0.saturating_add(passed))
            }
            None => Timestamp::now().into(),
        }
    }

    /// The monotonic time, for deadlines: the clock by which the runtime sleeps.
    pub fn instant(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Millis, Span};
    use std::time::Duration;

    #[test]
    fn time_does_not_go_back_behind_what_is_recorded() {
        let clock = Clock::system();
        let now = clock.now();
        assert!(clock.not_before(Millis(now.0 - 1)).is_zero());
        let later = Millis(now.0 + 3_600_000);
        let behind = clock.clone().not_before(later);
        assert!(behind > Duration::from_mins(59), "{behind:?}");
        assert_eq!(clock.now(), later);
    }

    #[test]
    fn a_span_is_positive_and_within_reason() {
        let read = |text: &str| serde_json::from_value::<Span>(text.into());
        assert_eq!(read("30min").unwrap(), Span(Duration::from_mins(30)));
        assert_eq!(read("30min").unwrap().to_string(), "30m");
        for refused in ["-1h", "0s", "9223372036854775807s", "2 years", "soon"] {
            let error = read(refused).unwrap_err().to_string();
            assert!(error.starts_with("a time span is written like"), "{error}");
        }
    }
}
