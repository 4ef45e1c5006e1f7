//! From entries to a report.

use super::{
    Check, Counts, EffectReport, Message, Person, Refusal, Report, Reversal, SCHEMA, Sent,
    Standing, Step, Subject, next, watched::Watching,
};
use crate::clock::Millis;
use crate::contract::{Level, Verdict};
use crate::journal::{Begin, Entry, Finding, Outcome, Phase, RunId, Stamped, State, Status};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the state does not hold.
#[derive(Default)]
struct Told {
    steps: Vec<Step>,
    refusals: Vec<Refusal>,
    messages: Vec<Message>,
    people: Vec<Person>,
    grants: Vec<String>,
    first_end: Option<Millis>,
    watching: Watching,
}

impl Report {
    /// The report of the run with these entries, all from the first on. Whether a process is at work on it they do not tell.
    pub fn from(run: &RunId, entries: &[Stamped], at_work: bool) -> Self {
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
        let changes = state.effects().iter().filter(|e| e.call.changes_target());
        let effects: Vec<_> = changes.map(EffectReport::of).collect();
        let sent = state.effects().iter().filter_map(Sent::of).collect();
        let standing = Standing::of(&state, at_work);
        let (began, last) = (state.began(), state.last());
        told.close(last);
        Self {
            schema: SCHEMA,
            run: run.0.clone(),
            standing,
            summary: summary(&state),
            damage,
            subject: state
                .begin()
                .map(|begin| Subject::of(begin, told.grants))
                .unwrap_or_default(),
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
            sent,
            watched: told.watching.close(),
            head: None,
            zone: TimeZone::UTC,
        }
    }
}

impl Told {
    fn take(&mut self, Stamped { at, entry, .. }: &Stamped) {
        let time = at.timestamp();
        self.watching.take(*at, entry);
        match entry {
            Entry::Begin(begin) => self.person(time, &begin.by, "started"),
            Entry::Resumed { by, grants } => {
                self.person(time, by, "resumed");
                self.grants.extend(grants.iter().cloned());
            }
            Entry::CancelRequested { by } => self.person(time, by, "cancelled"),
            Entry::UndoRequested { by } => self.person(time, by, "undid"),
            Entry::Step { name } => self.step(time, Some(name.clone())),
            Entry::Intended { effect, call, .. } if call.changes_target() => {
                self.effect(time, *effect);
            }
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
    /// With the grants under which it was gone on with later.
    fn of(begin: &Begin, later: Vec<String>) -> Self {
        let mut begin = begin.clone();
        for grant in later {
            if !begin.grants.contains(&grant) {
                begin.grants.push(grant);
            }
        }
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
    /// From its state, and whether a process is at work on it.
    pub fn of(state: &State, at_work: bool) -> Self {
        let is_known_doubt = state
            .open_effect()
            .is_some_and(|effect| matches!(effect.status, Status::InDoubt { .. }));
        match state.phase() {
            Phase::Empty => Self::Empty,
            Phase::Running if at_work => Self::Running,
            Phase::Unwinding if at_work => Self::Unwinding,
            Phase::Running | Phase::Unwinding if state.open_effect().is_some() => Self::InDoubt,
            Phase::Stopped { .. } if is_known_doubt => Self::InDoubt,
            Phase::Running | Phase::Unwinding => Self::Interrupted,
            Phase::Stopped { diverged: true, .. } => Self::Diverged,
            Phase::Stopped { .. } => Self::Stopped,
            Phase::Ended(Outcome::Succeeded) => Self::Succeeded,
            Phase::Ended(Outcome::Inconclusive) => Self::Inconclusive,
            Phase::Ended(Outcome::FailedAndUnwound) => Self::Failed,
            Phase::Ended(Outcome::CancelledAndUnwound) => Self::Cancelled,
            Phase::Ended(Outcome::Refused) => Self::Refused,
            Phase::Ended(Outcome::Stuck) => Self::Stuck,
            Phase::Ended(Outcome::Undone) => Self::Undone,
            Phase::Ended(Outcome::TakenBackInPart) => Self::TakenBackInPart,
        }
    }

    /// In a word or two.
    pub fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::InDoubt => "in doubt",
            Self::Stopped => "stopped",
            Self::Diverged => "diverged",
            Self::Unwinding => "unwinding",
            Self::Succeeded => "succeeded",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Stuck => "stuck",
            Self::Undone => "undone",
            Self::TakenBackInPart => "taken back in part",
        }
    }
}

fn summary(state: &State) -> Option<String> {
    match state.phase() {
        Phase::Ended(_) => state.summary().map(str::to_owned),
        Phase::Stopped { why, .. } => Some(why),
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
            irreversible: count(&|effect| effect.counts() && effect.irreversible),
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
