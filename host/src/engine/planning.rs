//! How a plan is made of what a planning run recorded. Pure.

use super::bound::Subject;
use super::ledger::Collected;
use super::plan::{Plan, PlannedCheck, SCHEMA};
use super::replay::Answer;
use crate::call::Effect;
use crate::clock::Millis;
use crate::contract::{ErrorKind, Level};
use crate::grant::Side;
use crate::journal::{Ask, Call, Entry};
use serde::Deserialize as _;
use std::collections::BTreeSet;
use std::time::Duration;

impl Plan {
    /// Makes the document from what a planning run recorded.
    pub(super) fn new(
        subject: Subject,
        at: Millis,
        collected: Collected,
        end: Result<String, String>,
    ) -> Self {
        let Collected {
            entries,
            foreseen,
            before,
            asides,
        } = collected;
        let mut plan = Self {
            schema: SCHEMA.into(),
            digest: String::new(),
            at,
            procedure: subject.procedure,
            version: subject.version,
            component: subject.component,
            target: subject.target,
            parameters: subject.parameters,
            effects: foreseen,
            checks: Vec::new(),
            remarks: Vec::new(),
            assumed: Vec::new(),
            problems: Vec::new(),
            refused: false,
            declined: None,
            summary: String::new(),
            refusals: asides.lacking,
        };
        let mut known = BTreeSet::new();
        for (place, stamped) in entries.into_iter().enumerate() {
            plan.note(&stamped.entry, asides.assumed.contains(&stamped.seq));
            if let Entry::Observed { call, answer } = &stamped.entry {
                let assumed = plan.observe(call, answer, place >= before);
                let new = assumed.filter(|what| known.insert(what.clone()));
                plan.assumed.extend(new);
            } else if let Entry::Refused { .. } = &stamped.entry {
                plan.refusals.push(stamped);
            }
        }
        match end {
            Ok(summary) => plan.summary = summary,
            Err(error) => plan.problem(&error),
        }
        plan.digest = plan.content_digest();
        plan
    }

    /// A procedure that gives up because of a refusal says the same once more.
    fn problem(&mut self, what: &str) {
        if !self.problems.iter().any(|known| known == what) {
            self.problems.push(what.to_owned());
        }
    }

    /// A look that failed leaves a gap in what the plan knows; a procedure that got over it does not close it. A change that the room
    /// declined is none: the run would meet the same. Answers what is assumed of it.
    fn observe(&mut self, call: &Call, answer: &Answer, after_effects: bool) -> Option<String> {
        let asked = match call {
            Call::Read(read) => read.to_string(),
            Call::Ask(Ask::Sleep { milliseconds }) => {
                let span = crate::text::duration(Duration::from_millis(*milliseconds));
                return Some(format!("{span} of waiting pass without event"));
            }
            Call::Ask(ask) => ask.name().to_owned(),
            Call::Effect(effect) => effect.to_string(),
        };
        let declined = matches!(call, Call::Effect(_));
        match answer {
            Err(error) if declined && error.kind == ErrorKind::Denied => {
                // A message that cannot be sent is told, and holds no run.
                if matches!(call, Call::Effect(effect) if effect.changes_target()) {
                    self.declined.get_or_insert_with(|| error.message.clone());
                }
                None
            }
            Err(error) if is_gap(error.kind) => {
                self.problem(&error.message);
                None
            }
            Ok(_) if matches!(call, Call::Read(read) if read.waits().is_some()) => {
                Some(format!("{asked}: it ends well"))
            }
            Ok(_) if after_effects && matches!(call, Call::Read(_)) => {
                Some(format!("{asked}: as of now, before these effects"))
            }
            Ok(_) | Err(_) => None,
        }
    }

    fn note(&mut self, entry: &Entry, assumed: bool) {
        match entry {
            // It ends the work of a run, and spoils neither the run nor its plan.
            Entry::Refused {
                side: Side::Budget,
                value,
                error,
                ..
            } if Effect::deserialize(value).is_ok() => self.remarks.push(error.message.clone()),
            Entry::Refused { error, .. } => {
                self.refused = true;
                self.problem(&error.message);
            }
            Entry::Log {
                level: Level::Warning | Level::Error,
                message,
            } => {
                self.remarks.push(message.clone());
            }
            Entry::Check {
                name,
                verdict,
                evidence,
            } => self.checks.push(PlannedCheck {
                name: name.clone(),
                verdict: *verdict,
                evidence: evidence.clone(),
                assumed,
            }),
            Entry::Begin(_)
            | Entry::Resumed { .. }
            | Entry::Observed { .. }
            | Entry::Waiting { .. }
            | Entry::Step { .. }
            | Entry::Log { .. }
            | Entry::Panicked { .. }
            | Entry::Intended { .. }
            | Entry::Noted { .. }
            | Entry::Turned(_)
            | Entry::Done { .. }
            | Entry::Failed { .. }
            | Entry::NotDone { .. }
            | Entry::InDoubt { .. }
            | Entry::Unwinding { .. }
            | Entry::Undoing { .. }
            | Entry::Undone { .. }
            | Entry::UndoFailed { .. }
            | Entry::Stopped { .. }
            | Entry::CancelRequested { .. }
            | Entry::UndoRequested { .. }
            | Entry::End { .. } => {}
        }
    }
}

/// Errors that say nothing of what is there.
fn is_gap(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Denied | ErrorKind::Unavailable | ErrorKind::Limit | ErrorKind::Cancelled => {
            true
        }
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Damaged => {
            false
        }
    }
}
