//! What was done, and the sentence that tells it.

use crate::choose::Left;
use windlass_sdk::database::{Rebuilt, Vacuumed};
use windlass_sdk::notify::{Level, Message};
use windlass_sdk::{Finding, Verdict, text};

/// Counts, object by object.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub cancelled: usize,
    pub dropped: Vec<u64>,
    pub rebuilt: Vec<(String, Rebuilt)>,
    /// With the OID of the table.
    pub vacuumed: Vec<(u32, Vacuumed)>,
    pub analyzed: usize,
    pub tuned: usize,
    /// What stopped the work before it was through.
    pub stopped: Option<String>,
    /// Objects that needed work and got none: it was not worth it, or a guard was in the way.
    pub left: usize,
    /// Objects that were tried, changed or not: each is one effect of the budget.
    pub tried: usize,
    /// Objects that were tried and are as before: locked, damaged, or what they have fails.
    pub vain: usize,
    /// Objects that were chosen and that the plan, to which the run is bound, does not have.
    pub unplanned: usize,
    /// Whether something that needs work may not be worked on.
    pub withheld: bool,
    /// Of those that were left alone: what may not be worked on, though nobody need have wanted that, with the first reason.
    pub barred: Option<(usize, String)>,
    /// What is unknown of a part of the database.
    pub unknown: Vec<String>,
    /// Whether something could not be judged at all.
    pub blind: bool,
}

/// What a run that was not broken off came to.
#[derive(Debug)]
pub(crate) struct Ended {
    /// For the report.
    pub sentence: String,
    /// The worst of the checks.
    pub verdict: Verdict,
    /// How many objects were changed.
    pub objects: usize,
    /// How many needed work and got none.
    pub left: usize,
}

impl Ended {
    /// The same for people far away.
    pub(crate) fn message(&self, database: &str) -> Message {
        let (level, title) = match self.verdict {
            Verdict::Pass => (Level::Success, "bloat is repaired"),
            Verdict::Inconclusive => (Level::Warning, "look at what rebuilding came to"),
            Verdict::Fail => (Level::Failure, "a check failed"),
        };
        Message::new(level, format!("{database}: {title}"))
            .text(&self.sentence)
            .field("objects changed", self.objects.to_string())
            .field("left alone", self.left.to_string())
    }
}

impl Done {
    /// How many objects were changed.
    pub(crate) fn objects(&self) -> usize {
        self.cancelled
            + self.dropped.len()
            + self.rebuilt.len()
            + self.vacuumed.len()
            + self.analyzed
            + self.tuned
    }

    /// One sentence: "4 indexes rebuilt (312 → 118 MB), 2 tables vacuumed".
    pub(crate) fn sentence(&self) -> String {
        let parts = [
            counted(self.cancelled, "statement", "cancelled", ""),
            counted(self.dropped.len(), "leftover", "dropped", &self.freed()),
            counted(self.rebuilt.len(), "index", "rebuilt", &self.sizes()),
            counted(self.vacuumed.len(), "table", "vacuumed", &self.dead_rows()),
            counted(self.analyzed, "table", "analyzed", ""),
            counted(self.tuned, "table", "tuned", ""),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let wanted = self.vain > 0
            || self.stopped.is_some()
            || self.blind
            || self.unplanned > 0
            || self.withheld;
        let what = match (parts.as_slice(), wanted) {
            ([], true) => "nothing done".to_owned(),
            ([], false) => "nothing to do".to_owned(),
            (parts, _) => parts.join(", "),
        };
        let rest = [
            counted(self.vain, "object", "tried in vain", ""),
            counted(self.unplanned, "object", "not in the plan", ""),
            counted(self.left, "object", "left alone", ""),
            (!self.unknown.is_empty()).then(|| self.unknown.join("; ")),
            self.stopped.as_ref().map(|why| format!("stopped: {why}")),
        ];
        let all: Vec<String> = std::iter::once(what)
            .chain(rest.into_iter().flatten())
            .collect();
        all.join("; ")
    }

    /// What was chosen and is as before needs a person, and so does a run of which the plan had nothing. Nothing to tell otherwise.
    pub(crate) fn chosen_finding(&self) -> Option<Finding> {
        let tried = text::count(self.tried, "object");
        if self.vain > 0 {
            let vain = self.vain;
            return Some(Finding::inconclusive(format!(
                "{vain} of {tried} tried in vain: the warnings say why"
            )));
        }
        (self.unplanned > 0 && self.objects() == 0).then(|| {
            let unplanned = text::count(self.unplanned, "object");
            Finding::inconclusive(format!("{unplanned} chosen, none in the plan"))
        })
    }

    /// Where nothing that needs work may be worked on, a right is missing. Nothing to tell otherwise.
    pub(crate) fn barred_finding(&self) -> Option<Finding> {
        let (count, why) = self.barred.as_ref()?;
        (self.objects() == 0).then(|| {
            let objects = text::count(*count, "object");
            Finding::inconclusive(format!("none of {objects}: {why}"))
        })
    }

    /// Counts what is left alone.
    pub(crate) fn leave(&mut self, left: &[Left]) {
        self.left += left.len();
        self.withheld |= left.iter().any(|left| left.by.is_some());
        for left in left.iter().filter(|left| left.is_barred()) {
            let (count, _) = self.barred.get_or_insert_with(|| (0, left.why.clone()));
            *count += 1;
        }
    }

    /// Whether the leftovers that were tried, so many of them in vain, are gone. Nothing to tell if none was tried.
    pub(crate) fn leftovers_finding(&self, vain: usize) -> Option<Finding> {
        let dropped = self.dropped.len();
        let of = text::count(dropped + vain, "invalid index");
        match (dropped, vain) {
            (0, 0) => None,
            (_, 0) => Some(Finding::pass(format!("{of} dropped"))),
            (_, _) => Some(Finding::inconclusive(format!("{dropped} of {of} dropped"))),
        }
    }

    /// A fresh index that is larger than the bloated one was not bloated. A tenth is what others may have added meanwhile.
    pub(crate) fn sizes_finding(&self) -> Finding {
        Finding::of_each(&self.rebuilt, |(name, rebuilt)| {
            let (before, after) = (rebuilt.bytes_before, rebuilt.bytes_after);
            let sizes = format!("{name} {} → {}", text::bytes(before), text::bytes(after));
            if after <= before.saturating_add(before / 10) {
                Finding::pass(sizes)
            } else {
                Finding::inconclusive(sizes)
            }
        })
    }

    fn freed(&self) -> String {
        format!(" ({})", text::bytes(self.dropped.iter().sum()))
    }

    fn sizes(&self) -> String {
        let before = self
            .rebuilt
            .iter()
            .map(|(_, rebuilt)| rebuilt.bytes_before)
            .sum();
        let after = self
            .rebuilt
            .iter()
            .map(|(_, rebuilt)| rebuilt.bytes_after)
            .sum();
        format!(" ({} → {})", text::bytes(before), text::bytes(after))
    }

    fn dead_rows(&self) -> String {
        let before = self
            .vacuumed
            .iter()
            .map(|(_, vacuumed)| vacuumed.dead_rows_before)
            .sum();
        let after = self
            .vacuumed
            .iter()
            .map(|(_, vacuumed)| vacuumed.dead_rows_after)
            .sum();
        format!(
            " ({} → {} dead rows)",
            text::number(before),
            text::number(after)
        )
    }
}

fn counted(count: usize, thing: &str, what: &str, figures: &str) -> Option<String> {
    (count > 0).then(|| format!("{} {what}{figures}", text::count(count, thing)))
}

/// Lines for the report, one per reason: what was left alone and why.
pub(crate) fn left_alone(left: &[Left]) -> Vec<String> {
    const NAMED: usize = 5;
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for left in left {
        match reasons.iter_mut().find(|(why, _)| *why == left.why) {
            Some((_, objects)) => objects.push(&left.object),
            None => reasons.push((&left.why, vec![&left.object])),
        }
    }
    let line = |(why, objects): &(&str, Vec<&str>)| {
        let named = objects
            .iter()
            .take(NAMED)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match objects.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("left alone {named}{more}: {why}")
    };
    reasons.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{Done, left_alone};
    use crate::choose::Left;
    use windlass_sdk::database::{Rebuilt, Vacuumed, Withholder};
    use windlass_sdk::{Finding, Verdict};

    #[test]
    fn the_sentence_has_the_figures() {
        let done = Done {
            dropped: vec![214 << 20],
            rebuilt: vec![
                (
                    "a".to_owned(),
                    Rebuilt {
                        bytes_before: 300 << 20,
                        bytes_after: 100 << 20,
                    },
                ),
                (
                    "b".to_owned(),
                    Rebuilt {
                        bytes_before: 12 << 20,
                        bytes_after: 18 << 20,
                    },
                ),
            ],
            vacuumed: vec![(
                1,
                Vacuumed {
                    dead_rows_before: 886_000,
                    dead_rows_after: 0,
                    bytes_before: 1,
                    bytes_after: 1,
                },
            )],
            ..Done::default()
        };
        assert_eq!(
            done.sentence(),
            "1 leftover dropped (214 MB), 2 indexes rebuilt (312 MB → 118 MB), 1 table vacuumed (886,000 → 0 dead rows)"
        );
        assert_eq!(done.objects(), 4);
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert_eq!(Done::default().sentence(), "nothing to do");
        let stopped = Done {
            stopped: Some("standby b is 1 GB behind".to_owned()),
            ..Done::default()
        };
        assert_eq!(
            stopped.sentence(),
            "nothing done; stopped: standby b is 1 GB behind"
        );
        let left = Done {
            left: 2,
            ..Done::default()
        };
        assert_eq!(left.sentence(), "nothing to do; 2 objects left alone");
        assert_eq!(left.chosen_finding(), None);
    }

    #[test]
    fn leftovers_that_stay_are_no_pass() {
        let done = Done {
            dropped: vec![1, 2],
            ..Done::default()
        };
        assert_eq!(Done::default().leftovers_finding(0), None);
        assert_eq!(done.leftovers_finding(0).unwrap().verdict, Verdict::Pass);
        let some = done.leftovers_finding(1).unwrap();
        assert_eq!(
            some,
            Finding::inconclusive("2 of 3 invalid indexes dropped")
        );
    }

    #[test]
    fn what_was_tried_in_vain_is_told_apart() {
        let vain = Done {
            tried: 4,
            vain: 4,
            left: 1,
            ..Done::default()
        };
        assert_eq!(
            vain.sentence(),
            "nothing done; 4 objects tried in vain; 1 object left alone"
        );
        assert_eq!(
            vain.chosen_finding().unwrap(),
            Finding::inconclusive("4 of 4 objects tried in vain: the warnings say why")
        );
        let some = Done {
            analyzed: 1,
            tried: 5,
            ..vain
        };
        assert_eq!(
            some.sentence(),
            "1 table analyzed; 4 objects tried in vain; 1 object left alone"
        );
        assert_eq!(
            some.chosen_finding().unwrap(),
            Finding::inconclusive("4 of 5 objects tried in vain: the warnings say why")
        );
    }

    #[test]
    fn a_missing_right_is_inconclusive_where_nothing_else_was_done() {
        let mut done = Done::default();
        let left = |by| Left {
            object: "a".to_owned(),
            why: "no right".to_owned(),
            by: Some(by),
        };
        done.leave(&[left(Withholder::Grant)]);
        assert_eq!(done.sentence(), "nothing done; 1 object left alone");
        assert_eq!(done.barred_finding(), None);
        done.leave(&[left(Withholder::Role), left(Withholder::Name)]);
        assert_eq!(done.sentence(), "nothing done; 3 objects left alone");
        assert_eq!(
            done.barred_finding().unwrap(),
            Finding::inconclusive("none of 2 objects: no right")
        );
        done.analyzed = 1;
        assert_eq!(done.barred_finding(), None);
    }

    #[test]
    fn what_is_left_is_told_once_per_reason() {
        let left = |object: &str, why: &str| Left {
            object: object.to_owned(),
            why: why.to_owned(),
            by: None,
        };
        let mut all: Vec<Left> = (1..=7)
            .map(|n| left(&format!("i{n}"), "below 10 MB"))
            .collect();
        all.insert(1, left("parent", "partition parent"));
        assert_eq!(
            left_alone(&all),
            [
                "left alone i1, i2, i3, i4, i5 and 2 more: below 10 MB",
                "left alone parent: partition parent"
            ]
        );
    }
}
