//! From entries to a report.

use super::{
    Check, Counts, EffectReport, Message, Person, Refusal, Report, Reversal, SCHEMA, Standing,
    Step, Subject, next,
};
use crate::clock::Millis;
use crate::contract::{Level, Verdict};
use crate::journal::{Begin, Entry, Finding, Outcome, Phase, RunId, Stamped, State, Status};
use jiff::Timestamp;

/// What the state does not hold.
#[derive(Default)]
struct Told {
    steps: Vec<Step>,
    refusals: Vec<Refusal>,
    messages: Vec<Message>,
    people: Vec<Person>,
    first_end: Option<Millis>,
}

impl Report {
    /// The report of the run with these entries, all from the first on.
    pub fn from(run: &RunId, entries: &[Stamped]) -> Self {
        let mut state = State::default();
        let mut told = Told::default();
        let mut damage = None;
        for stamped in entries {
            if let Err(illegal) = state.record(stamped) {
                damage = Some(illegal.to_string());
                break;
            }
            told.take(stamped);
        }
        let effects: Vec<_> = state.effects().iter().map(EffectReport::of).collect();
        let standing = Standing::of(&state);
        let (began, last) = (state.began(), state.last());
        told.close(last);
        Self {
            schema: SCHEMA,
            run: run.0.clone(),
            standing,
            summary: summary(&state),
            damage,
            subject: state.begin().map(Subject::of).unwrap_or_default(),
            began: began.map(Millis::timestamp),
            ended: last
                .filter(|_| state.outcome().is_some())
                .map(Millis::timestamp),
            took_ms: told
                .first_end
                .or(last)
                .zip(began)
                .map(|(end, began)| end.since(began)),
            counts: Counts::of(&effects),
            steps: told.steps,
            refusals: told.refusals,
            checks: checks(state.checks()),
            messages: told.messages,
            panicked: state.panicked().map(str::to_owned),
            people: told.people,
            next: next::of(run, &state, standing),
            effects,
        }
    }
}

impl Told {
    fn take(&mut self, Stamped { at, entry, .. }: &Stamped) {
        let time = at.timestamp();
        match entry {
            Entry::Begin(begin) => self.person(time, &begin.by, "started"),
            Entry::Resumed { by } => self.person(time, by, "resumed"),
            Entry::CancelRequested { by } => self.person(time, by, "cancelled"),
            Entry::UndoRequested { by } => self.person(time, by, "undid"),
            Entry::Step { name } => self.step(time, Some(name.clone())),
            Entry::Intended { effect, .. } => self.effect(time, *effect),
            Entry::Refused {
                call, side, error, ..
            } => self.refusals.push(Refusal {
                at: time,
                call: call.clone(),
                side: *side,
                message: error.message.clone(),
            }),
            Entry::Log { level, message } => self.messages.push(Message {
                at: time,
                level: level_name(*level),
                message: message.clone(),
            }),
            Entry::End { .. } => {
                if self.first_end.is_none() {
                    self.first_end = Some(*at);
                    self.close(Some(*at));
                }
            }
            Entry::Observed { .. }
            | Entry::Waiting { .. }
            | Entry::Check { .. }
            | Entry::Panicked { .. }
            | Entry::Noted { .. }
            | Entry::Done { .. }
            | Entry::Failed { .. }
            | Entry::NotDone { .. }
            | Entry::InDoubt { .. }
            | Entry::Unwinding { .. }
            | Entry::Undoing { .. }
            | Entry::Undone { .. }
            | Entry::UndoFailed { .. }
            | Entry::Stopped { .. } => {}
        }
    }

    fn person(&mut self, at: Timestamp, by: &str, did: &'static str) {
        let by = by.to_owned();
        self.people.push(Person { at, by, did });
    }

    fn step(&mut self, began: Timestamp, name: Option<String>) {
        self.close(Some(began.into()));
        self.steps.push(Step {
            name,
            began,
            ..Step::default()
        });
    }

    fn effect(&mut self, at: Timestamp, number: u64) {
        if self.steps.is_empty() {
            self.step(at, None);
        }
        if let Some(step) = self.steps.last_mut() {
            step.effects.push(number);
        }
    }

    /// The last step ends here, unless the run has ended before.
    fn close(&mut self, at: Option<Millis>) {
        let end = self.first_end.or(at);
        if let (Some(step), Some(end)) = (self.steps.last_mut(), end) {
            step.took_ms = end.since(step.began.into());
        }
    }
}

impl Subject {
    fn of(begin: &Begin) -> Self {
        let begin = begin.clone();
        Self {
            procedure: begin.procedure,
            version: begin.version,
            component: begin.digest,
            target: begin.target,
            parameters: begin.parameters,
            grants: begin.grants,
            plan: begin.plan,
            by: begin.by,
            host: begin.host,
        }
    }
}

impl Standing {
    fn of(state: &State) -> Self {
        let in_doubt = state
            .open_effect()
            .is_some_and(|effect| matches!(effect.status, Status::InDoubt { .. }));
        match state.phase() {
            Phase::Empty => Self::Empty,
            Phase::Running | Phase::Stopped { .. } | Phase::Unwinding if in_doubt => Self::InDoubt,
            Phase::Running => Self::Unfinished,
            Phase::Stopped { .. } => Self::Stopped,
            Phase::Unwinding => Self::Unwinding,
            Phase::Ended(Outcome::Succeeded) => Self::Succeeded,
            Phase::Ended(Outcome::Inconclusive) => Self::Inconclusive,
            Phase::Ended(Outcome::FailedAndUnwound) => Self::Failed,
            Phase::Ended(Outcome::CancelledAndUnwound) => Self::Cancelled,
            Phase::Ended(Outcome::Refused) => Self::Refused,
            Phase::Ended(Outcome::Stuck) => Self::Stuck,
            Phase::Ended(Outcome::Undone) => Self::Undone,
        }
    }
}

fn summary(state: &State) -> Option<String> {
    match state.phase() {
        Phase::Ended(_) => state.summary().map(str::to_owned),
        Phase::Stopped { why } => Some(why),
        Phase::Unwinding => state.unwinding().map(|(_, why)| why.to_owned()),
        Phase::Empty | Phase::Running => None,
    }
}

impl Counts {
    fn of(effects: &[EffectReport]) -> Self {
        let count = |wanted: &dyn Fn(&EffectReport) -> bool| {
            effects.iter().filter(|effect| wanted(effect)).count()
        };
        let status = |status: &str| count(&|effect| effect.status == status);
        let undo = |states: &[&str]| {
            count(&|effect| effect.undone.as_ref().is_some_and(|undo| undo.is(states)))
        };
        let failed = |reversal: &Option<Reversal>| {
            reversal
                .as_ref()
                .is_some_and(|reversal| reversal.is(&["failed"]))
        };
        Self {
            effects: count(&EffectReport::counts),
            failed: status("failed"),
            undone: undo(&["restored", "nothing-to-do"]),
            left_alone: undo(&["left-alone"]),
            undo_failed: count(&|effect| failed(&effect.undone) || failed(&effect.sweep)),
            in_doubt: status("in-doubt"),
            open: status("started"),
        }
    }
}

/// What needs eyes first.
fn checks(findings: &[Finding]) -> Vec<Check> {
    let mut findings: Vec<_> = findings.iter().collect();
    findings.sort_by_key(|finding| match finding.verdict {
        Verdict::Fail => 0,
        Verdict::Inconclusive => 1,
        Verdict::Pass => 2,
    });
    let check = |finding: &Finding| Check {
        name: finding.name.clone(),
        verdict: match finding.verdict {
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Pass => "pass",
        },
        evidence: finding.evidence.clone(),
    };
    findings.into_iter().map(check).collect()
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}
