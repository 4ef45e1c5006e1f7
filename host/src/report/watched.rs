//! What users saw during a run, at endpoints that were watched beside it.

use crate::call::Read;
use crate::clock::Millis;
use crate::journal::{Call, Entry};
use crate::probe::Turn;
use crate::text::milliseconds;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Stretches that a line names; the figures count all.
const NAMED: usize = 3;

/// What a watch saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Watched {
    /// Logical name.
    pub endpoint: String,
    /// For how long it was watched, in milliseconds.
    pub watched_ms: u64,
    /// For how long of that it did not pass, in milliseconds.
    pub down_ms: u64,
    /// When it did not pass, first to last.
    pub down: Vec<Stretch>,
    /// When nobody watched, between its first and its last sample: windlass was not there, or it was given up.
    pub unwatched: Vec<Stretch>,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stretch {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Why; empty where that is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What is known so far of one endpoint.
#[derive(Clone, Debug)]
struct One {
    watched: Watched,
    /// Since when it is as it is, and how: none if nobody watches.
    now: Option<(Millis, Option<String>)>,
    /// Since when nobody watches, and why.
    lost: Option<(Millis, String)>,
}

/// Folds a run's entries to what its watches saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Watching {
    all: Vec<One>,
    /// Until when windlass was certainly there.
    there: Option<Millis>,
}

impl Watching {
    pub(super) fn take(&mut self, at: Millis, entry: &Entry) {
        match entry {
            Entry::Turned(turn) => self.turn(turn),
            // Who goes on with a run was not there before.
            Entry::Resumed { .. } => {
                let there = self.there.unwrap_or(at);
                self.lose(there, "windlass was not there");
            }
            Entry::Stopped { .. } => self.lose(at, "the run was stopped"),
            Entry::End { .. } => self.lose(at, ""),
            Entry::Observed {
                call: Call::Read(Read::Probe(read)),
                answer: Ok(_),
            } if read.is_watch() => {
                self.of(&read.endpoint);
            }
            Entry::Begin(_)
            | Entry::Observed { .. }
            | Entry::Waiting { .. }
            | Entry::Refused { .. }
            | Entry::Step { .. }
            | Entry::Log { .. }
            | Entry::Check { .. }
            | Entry::Panicked { .. }
            | Entry::Intended { .. }
            | Entry::Noted { .. }
            | Entry::Done { .. }
            | Entry::Failed { .. }
            | Entry::NotDone { .. }
            | Entry::InDoubt { .. }
            | Entry::Unwinding { .. }
            | Entry::Undoing { .. }
            | Entry::Undone { .. }
            | Entry::UndoFailed { .. }
            | Entry::CancelRequested { .. }
            | Entry::UndoRequested { .. } => {}
        }
        // What was seen by then is recorded before each entry but these, which come from elsewhere.
        if !matches!(entry, Entry::Noted { .. } | Entry::CancelRequested { .. }) {
            self.there = Some(at);
        }
    }

    /// What is known of the endpoint; from here on it is to be watched.
    fn of(&mut self, endpoint: &str) -> &mut One {
        let mut known = self.all.iter();
        let place = known.position(|one| one.watched.endpoint == endpoint);
        let place = place.unwrap_or_else(|| {
            self.all.push(One::new(endpoint));
            self.all.len() - 1
        });
        &mut self.all[place]
    }

    fn turn(&mut self, turn: &Turn) {
        let one = self.of(&turn.endpoint);
        one.settle(turn.seen);
        if let Some((since, why)) = one.lost.take() {
            one.watched.unwatched.push(stretch(since, turn.seen, why));
        }
        match turn.passes {
            Some(true) => one.now = Some((turn.seen, None)),
            Some(false) => one.now = Some((turn.seen, Some(turn.why.clone()))),
            None => one.lost = Some((turn.seen, turn.why.clone())),
        }
    }

    fn lose(&mut self, at: Millis, why: &str) {
        for one in &mut self.all {
            // Whose first sample is not recorded was to be watched all the same.
            if one.lost.is_none() {
                one.settle(at);
                one.lost = Some((at, why.to_owned()));
            }
        }
    }

    /// What was seen of each endpoint, up to the last entry.
    pub(super) fn close(mut self) -> Vec<Watched> {
        let there = self.there.unwrap_or(Millis(0));
        self.lose(there, "");
        let close = |mut one: One| {
            if let Some((since, why)) = one.lost.take()
                && !why.is_empty()
                && since < there
            {
                one.watched.unwatched.push(stretch(since, there, why));
            }
            one.watched
        };
        self.all.into_iter().map(close).collect()
    }
}

impl One {
    fn new(endpoint: &str) -> Self {
        Self {
            watched: Watched {
                endpoint: endpoint.to_owned(),
                watched_ms: 0,
                down_ms: 0,
                down: Vec::new(),
                unwatched: Vec::new(),
            },
            now: None,
            lost: None,
        }
    }

    /// Counts what was so until now.
    fn settle(&mut self, at: Millis) {
        let Some((since, down)) = self.now.take() else {
            return;
        };
        let took = at.since(since);
        self.watched.watched_ms += took;
        if let Some(why) = down {
            self.watched.down_ms += took;
            self.watched.down.push(stretch(since, at, why));
        }
    }
}

fn stretch(from: Millis, until: Millis, why: String) -> Stretch {
    Stretch {
        from: from.timestamp(),
        until: Millis(until.0.max(from.0)).timestamp(),
        why,
    }
}

impl Watched {
    /// In one line: `shop: down 12 s of 3 min 2 s, 10:31:07 to 10:31:19: it answered 503, not 200`.
    pub(super) fn line(&self, zone: &TimeZone) -> String {
        let time = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
        let named = |stretch: &Stretch| {
            let when = format!("{} to {}", time(stretch.from), time(stretch.until));
            if stretch.why.is_empty() {
                when
            } else {
                format!("{when}: {}", stretch.why)
            }
        };
        let all = milliseconds(self.watched_ms);
        let mut line = if self.down.is_empty() {
            format!("{}: up all {all}", self.endpoint)
        } else {
            let down = milliseconds(self.down_ms);
            format!("{}: down {down} of {all}", self.endpoint)
        };
        let some = |stretches: &[Stretch]| {
            let shown: Vec<_> = stretches.iter().take(NAMED).map(named).collect();
            let more = stretches.len().saturating_sub(NAMED);
            let rest = if more > 0 {
                format!("; {more} times more")
            } else {
                String::new()
            };
            shown.join("; ") + &rest
        };
        if !self.down.is_empty() {
            line = format!("{line}, {}", some(&self.down));
        }
        if !self.unwatched.is_empty() {
            line = format!("{line}; not watched {}", some(&self.unwatched));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{Watched, Watching};
    use crate::clock::Millis;
    use crate::journal::{Entry, Outcome};
    use crate::probe::Turn;
    use jiff::tz::TimeZone;

    /// Entries with the second at which each was recorded.
    fn seen(entries: &[(u64, Entry)]) -> Vec<Watched> {
        let mut watching = Watching::default();
        for (second, entry) in entries {
            watching.take(Millis(second * 1000), entry);
        }
        watching.close()
    }

    fn turn(second: u64, passes: Option<bool>) -> (u64, Entry) {
        let turn = Turn {
            endpoint: "shop".into(),
            seen: Millis(second * 1000),
            passes,
            why: if passes == Some(true) {
                String::new()
            } else {
                "why".into()
            },
        };
        (second, Entry::Turned(turn))
    }

    fn step(second: u64) -> (u64, Entry) {
        (second, Entry::Step { name: "s".into() })
    }

    fn resumed(second: u64) -> (u64, Entry) {
        let by = "bob".into();
        (
            second,
            Entry::Resumed {
                by,
                grants: Vec::new(),
            },
        )
    }

    fn end(second: u64) -> (u64, Entry) {
        let summary = String::new();
        (
            second,
            Entry::End {
                outcome: Outcome::Succeeded,
                summary,
            },
        )
    }

    fn line(entries: &[(u64, Entry)]) -> String {
        seen(entries)[0].line(&TimeZone::UTC)
    }

    #[test]
    fn how_long_it_was_down_is_told() {
        let up = line(&[turn(10, Some(true)), step(60), end(70)]);
        assert_eq!(up, "shop: up all 1 min");
        let down = [
            turn(10, Some(true)),
            turn(20, Some(false)),
            turn(32, Some(true)),
            end(70),
        ];
        let told = "shop: down 12 s of 1 min, 00:00:20 to 00:00:32: why";
        assert_eq!(line(&down), told);
        let still = [turn(10, Some(true)), turn(20, Some(false)), end(70)];
        assert_eq!(
            line(&still),
            "shop: down 50 s of 1 min, 00:00:20 to 00:01:10: why"
        );
        assert!(seen(&[step(1), end(2)]).is_empty());
    }

    #[test]
    fn what_nobody_watched_is_told_and_not_counted() {
        let crashed = [
            turn(10, Some(true)),
            step(20),
            resumed(50),
            turn(55, Some(true)),
            end(65),
        ];
        assert_eq!(
            line(&crashed),
            "shop: up all 20 s; not watched 00:00:20 to 00:00:55: windlass was not there"
        );
        let given_up = [turn(10, Some(true)), turn(20, None), end(70)];
        let told = "shop: up all 10 s; not watched 00:00:20 to 00:01:10: why";
        assert_eq!(line(&given_up), told);
        // What another process asks for says nothing of whether windlass was there.
        let asked = (40, Entry::CancelRequested { by: "bob".into() });
        let crashed = [turn(10, Some(false)), step(20), asked, resumed(50), end(51)];
        assert_eq!(seen(&crashed)[0].down_ms, 10_000);
    }
}
