//! Which statements cost most since the last run. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_sdk::database::{Statement, StatementStatistics};
use windlass_sdk::{Instant, text};

/// The counters of one moment, as kept for the next run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    taken: Instant,
    since: Option<Instant>,
    statements: BTreeMap<String, Counters>,
    /// What a statement that is not among them had cost at most, in microseconds.
    floor: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Counters {
    calls: u64,
    microseconds: u64,
}

impl Snapshot {
    /// Of statistics that were asked for so many statements.
    pub(crate) fn of(statistics: &StatementStatistics, taken: Instant, asked: u32) -> Self {
        let statements = &statistics.statements;
        let least = statements
            .iter()
            .map(|statement| statement.total_microseconds)
            .min();
        Self {
            taken,
            since: statistics.since,
            statements: statements
                .iter()
                .map(|statement| (statement.id.clone(), Counters::of(statement)))
                .collect(),
            floor: least
                .filter(|_| statements.len() >= asked as usize)
                .unwrap_or(0),
        }
    }
}

impl Counters {
    fn of(statement: &Statement) -> Self {
        Self {
            calls: statement.calls,
            microseconds: statement.total_microseconds,
        }
    }
}

/// What a statement cost since the snapshot.
struct Growth {
    counters: Counters,
    /// True if it was not in the snapshot for want of room, so that it may have cost a little more, in fewer calls.
    at_least: bool,
}

/// Lines for the report: what cost most since the snapshot, or why that cannot be told.
pub(crate) fn report(
    before: Option<&Snapshot>,
    now: &Snapshot,
    statistics: &StatementStatistics,
    count: u32,
) -> Vec<String> {
    let Some(before) = before else {
        return vec![
            "slow statements are told from the next run on: this one keeps the first snapshot, unless a check fails"
                .to_owned(),
        ];
    };
    let ago = text::duration(now.taken.saturating_sub(before.taken));
    if before.since != now.since {
        return vec![format!(
            "the statistics of statements were reset since the last snapshot {ago} ago, so there is nothing to compare with"
        )];
    }
    let mut grown: Vec<(Growth, &Statement)> = statistics
        .statements
        .iter()
        .map(|statement| (growth(before, statement), statement))
        // What cost less than a millisecond in all is noise.
        .filter(|(growth, _)| growth.counters.calls > 0 && growth.counters.microseconds >= 1000)
        .collect();
    grown.sort_by_key(|(growth, _)| std::cmp::Reverse(growth.counters.microseconds));
    grown.truncate(count as usize);
    grown
        .iter()
        .map(|(growth, statement)| line(&ago, growth, statement))
        .collect()
}

/// A statement whose counters went down was evicted and came back: everything it has is new. One that was not in a full snapshot may be
/// as old as any.
fn growth(before: &Snapshot, statement: &Statement) -> Growth {
    let now = Counters::of(statement);
    let (counters, at_least) = match before.statements.get(&statement.id) {
        Some(old) if old.calls <= now.calls && old.microseconds <= now.microseconds => {
            let counters = Counters {
                calls: now.calls - old.calls,
                microseconds: now.microseconds - old.microseconds,
            };
            (counters, false)
        }
        Some(_) => (now, false),
        None => {
            let counters = Counters {
                microseconds: now.microseconds.saturating_sub(before.floor),
                ..now
            };
            (counters, before.floor > 0)
        }
    };
    Growth { counters, at_least }
}

fn line(ago: &str, growth: &Growth, statement: &Statement) -> String {
    let Counters {
        calls,
        microseconds,
    } = growth.counters;
    let spent = text::duration(microseconds / 1000);
    let calls_text = text::count(calls, "call");
    if growth.at_least {
        return format!(
            "in the last {ago} at least {spent}, in at most {calls_text}: {}",
            statement.text
        );
    }
    format!(
        "in the last {ago} {spent} in {calls_text}, {} each: {}",
        text::microseconds(microseconds / calls.max(1)),
        statement.text
    )
}

#[cfg(test)]
mod tests {
    use super::{Snapshot, report};
    use windlass_sdk::database::{Statement, StatementStatistics};

    fn statistics(since: u64, statements: &[(&str, u64, u64)]) -> StatementStatistics {
        StatementStatistics {
            since: Some(since),
            statements: statements
                .iter()
                .map(|(id, calls, milliseconds)| Statement {
                    id: (*id).to_owned(),
                    text: format!("select {id}"),
                    calls: *calls,
                    total_microseconds: milliseconds * 1000,
                    rows: 0,
                })
                .collect(),
        }
    }

    const HOUR: u64 = 3_600_000;

    fn told(before: Option<&Snapshot>, now: &StatementStatistics, count: u32) -> Vec<String> {
        report(before, &Snapshot::of(now, 2 * HOUR, 3), now, count)
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = statistics(7, &[("a", 1000, 900_000), ("b", 10, 100)]);
        let before = Snapshot::of(&before, HOUR, 3);
        let now = statistics(7, &[("a", 1001, 900_010), ("b", 20, 5100), ("c", 1, 50)]);
        assert_eq!(
            told(Some(&before), &now, 2),
            [
                "in the last 1 h 5 s in 10 calls, 500 ms each: select b",
                "in the last 1 h 50 ms in 1 call, 50 ms each: select c",
            ]
        );
    }

    #[test]
    fn a_reset_is_noticed_and_the_first_run_says_so() {
        let before = Snapshot::of(&statistics(7, &[("a", 10, 100)]), HOUR, 3);
        let lines = told(Some(&before), &statistics(8, &[("a", 1, 1)]), 5);
        assert!(lines[0].contains("were reset since the last snapshot 1 h ago"));
        let lines = told(None, &statistics(8, &[]), 5);
        assert!(lines[0].contains("first snapshot"), "{lines:?}");
    }

    #[test]
    fn an_evicted_statement_counts_anew() {
        let before = Snapshot::of(&statistics(7, &[("a", 100, 5000)]), HOUR, 3);
        assert_eq!(
            told(Some(&before), &statistics(7, &[("a", 2, 8)]), 5),
            ["in the last 1 h 8 ms in 2 calls, 4 ms each: select a"]
        );
    }

    #[test]
    fn what_had_no_room_in_the_snapshot_is_not_all_new() {
        let full = statistics(7, &[("a", 1, 9000), ("b", 1, 8000), ("c", 1, 7000)]);
        let before = Snapshot::of(&full, HOUR, 3);
        let now = statistics(7, &[("a", 1, 9000), ("b", 1, 8000), ("d", 50, 7100)]);
        assert_eq!(
            told(Some(&before), &now, 5),
            ["in the last 1 h at least 100 ms, in at most 50 calls: select d"]
        );
    }

    #[test]
    fn quick_calls_are_not_said_to_take_no_time() {
        let before = Snapshot::of(&statistics(7, &[]), HOUR, 3);
        assert_eq!(
            told(Some(&before), &statistics(7, &[("a", 8000, 2000)]), 5),
            ["in the last 1 h 2 s in 8,000 calls, 0.25 ms each: select a"]
        );
    }
}
