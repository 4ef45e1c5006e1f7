//! Which statements cost most since the last run. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_sdk::database::{Statement, StatementStatistics};
use windlass_sdk::{Instant, text};

/// The counters of one moment, as kept for the next run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    since: Option<Instant>,
    statements: BTreeMap<String, Counters>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Counters {
    calls: u64,
    microseconds: u64,
}

impl Snapshot {
    pub(crate) fn of(statistics: &StatementStatistics) -> Self {
        let counters = |statement: &Statement| Counters {
            calls: statement.calls,
            microseconds: statement.total_microseconds,
        };
        Self {
            since: statistics.since,
            statements: statistics
                .statements
                .iter()
                .map(|statement| (statement.id.clone(), counters(statement)))
                .collect(),
        }
    }
}

/// Lines for the report: what cost most since the snapshot, or why that cannot be told.
pub(crate) fn report(
    before: Option<&Snapshot>,
    now: &StatementStatistics,
    count: u32,
) -> Vec<String> {
    let Some(before) = before else {
        return vec![
            "slow statements are told from the next run on: this one keeps the first snapshot"
                .to_owned(),
        ];
    };
    if before.since != now.since {
        return vec!["the statistics of statements were reset since the last run, so there is nothing to compare with".to_owned()];
    }
    let mut grown: Vec<(Counters, &Statement)> = now
        .statements
        .iter()
        .map(|statement| (since(before, statement), statement))
        // What cost less than a millisecond in all is noise.
        .filter(|(counters, _)| counters.calls > 0 && counters.microseconds >= 1000)
        .collect();
    grown.sort_by_key(|(counters, _)| std::cmp::Reverse(counters.microseconds));
    grown.truncate(count as usize);
    grown
        .iter()
        .map(|(counters, statement)| line(*counters, statement))
        .collect()
}

/// A statement whose counters went down was evicted and came back: everything it has is new.
fn since(before: &Snapshot, statement: &Statement) -> Counters {
    let now = Counters {
        calls: statement.calls,
        microseconds: statement.total_microseconds,
    };
    match before.statements.get(&statement.id) {
        Some(old) if old.calls <= now.calls && old.microseconds <= now.microseconds => Counters {
            calls: now.calls - old.calls,
            microseconds: now.microseconds - old.microseconds,
        },
        Some(_) | None => now,
    }
}

fn line(counters: Counters, statement: &Statement) -> String {
    format!(
        "since the last run {} in {}, {} each: {}",
        text::duration(counters.microseconds / 1000),
        text::count(counters.calls, "call"),
        text::duration(counters.microseconds / 1000 / counters.calls.max(1)),
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

    #[test]
    fn only_what_came_since_counts() {
        let before = Snapshot::of(&statistics(7, &[("a", 1000, 900_000), ("b", 10, 100)]));
        let now = statistics(7, &[("a", 1001, 900_010), ("b", 20, 5100), ("c", 1, 50)]);
        assert_eq!(
            report(Some(&before), &now, 2),
            [
                "since the last run 5 s in 10 calls, 500 ms each: select b",
                "since the last run 50 ms in 1 call, 50 ms each: select c",
            ]
        );
    }

    #[test]
    fn a_reset_is_noticed_and_the_first_run_says_so() {
        let before = Snapshot::of(&statistics(7, &[("a", 10, 100)]));
        let lines = report(Some(&before), &statistics(8, &[("a", 1, 1)]), 5);
        assert!(lines[0].contains("were reset"), "{lines:?}");
        let lines = report(None, &statistics(8, &[]), 5);
        assert!(lines[0].contains("first snapshot"), "{lines:?}");
    }

    #[test]
    fn an_evicted_statement_counts_anew() {
        let before = Snapshot::of(&statistics(7, &[("a", 100, 5000)]));
        let lines = report(Some(&before), &statistics(7, &[("a", 2, 8)]), 5);
        assert_eq!(
            lines,
            ["since the last run 8 ms in 2 calls, 4 ms each: select a"]
        );
    }
}
