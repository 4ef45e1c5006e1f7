//! What a run's entries come to: entry after entry makes a [`State`], and an illegal order is an error. Pure.

mod effect;
mod legal;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod tests;

use super::entry::{Begin, Call, Entry, Outcome, Stamped};
use crate::call::{Effect, Prepared, Revert};
use crate::clock::Millis;
use crate::contract::{CallError, ErrorKind, Verdict};
use crate::grant::Side;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

pub use effect::{EffectState, Status, Sweep, UndoState};
pub use legal::{Fault, Illegal};

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is recorded.
    #[default]
    Empty,
    /// The procedure is at work, or was when its process went away.
    Running,
    /// It pauses at a safe point.
    Stopped {
        /// Why.
        why: String,
        /// Whether it cannot go on, because the procedure did not repeat itself.
        diverged: bool,
    },
    /// What it did is being taken back; the procedure is not asked again.
    Unwinding,
    /// It ended.
    Ended(Outcome),
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "not begun",
            Self::Running => "running",
            Self::Stopped { .. } => "stopped",
            Self::Unwinding => "being unwound",
            Self::Ended(_) => "ended",
        })
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What was checked.
    pub name: String,
    /// How it came out.
    pub verdict: Verdict,
    /// Why.
    pub evidence: String,
}

/// Which of an effect's two reverts is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Undo,
    Sweep,
}

/// What is known of a run from its entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    entries: u64,
    begin: Option<Begin>,
    phase: Phase,
    unwinding: Option<(Outcome, String)>,
    effects: Vec<EffectState>,
    reverting: Option<(u64, Part)>,
    checks: Vec<Finding>,
    refusals: u64,
    refused_last: bool,
    worked: Duration,
    denied: Option<String>,
    declined: Option<String>,
    step: Option<String>,
    panicked: Option<String>,
    cancel_requested: Option<String>,
    undo_requested: Option<String>,
    began: Option<Millis>,
    last: Option<Millis>,
    summary: Option<String>,
}

impl State {
    /// The state after all these entries.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Stamped>) -> Result<Self, Illegal> {
        let mut state = Self::default();
        for stamped in entries {
            state.record(stamped)?;
        }
        Ok(state)
    }

    /// Takes the next entry with its time. An illegal one leaves the state as it was.
    pub fn record(&mut self, stamped: &Stamped) -> Result<(), Illegal> {
        if stamped.seq != self.entries {
            return Err(self.illegal(&stamped.entry, Fault::Position(stamped.seq)));
        }
        self.legal(&stamped.entry)?;
        self.work_until(stamped.at, matches!(stamped.entry, Entry::Resumed { .. }));
        self.take(&stamped.entry, Some(stamped.at));
        Ok(())
    }

    /// Takes the next entry without its time. An illegal one leaves the state as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Illegal> {
        self.legal(entry)?;
        self.take(entry, None);
        Ok(())
    }

    /// Passes an entry that was legal when it was stored and that changes nothing but the position; `answered` if it was a call's answer.
    pub(super) fn pass(&mut self, at: Millis, answered: bool) {
        self.entries += 1;
        self.work_until(at, false);
        self.last = Some(at);
        self.refused_last &= !answered;
    }

    /// Nobody worked on the run before it was taken over.
    fn work_until(&mut self, at: Millis, taken_over: bool) {
        if let Some(last) = self.last
            && !taken_over
        {
            self.worked += Duration::from_millis(at.since(last));
        }
    }

    fn take(&mut self, entry: &Entry, at: Option<Millis>) {
        self.entries += 1;
        self.last = at.or(self.last);
        match entry {
            Entry::Begin(begin) => {
                self.begin = Some(begin.clone());
                self.began = at;
                self.phase = Phase::Running;
            }
            Entry::Resumed { .. } => self.resume(),
            Entry::Observed { call, answer } => self.observe(call, answer),
            Entry::Waiting { .. } | Entry::Log { .. } | Entry::Turned(_) => {}
            Entry::Refused { side, error, .. } => self.refuse(*side, &error.message),
            Entry::Step { name } => self.step = Some(name.clone()),
            Entry::Check {
                name,
                verdict,
                evidence,
            } => self.checks.push(Finding {
                name: name.clone(),
                verdict: *verdict,
                evidence: evidence.clone(),
            }),
            Entry::Panicked { message } => self.panicked = Some(message.clone()),
            Entry::Intended { call, prepared, .. } => {
                self.refused_last = false;
                self.intend(call, prepared, at);
            }
            Entry::Noted { effect, note } => self.note(*effect, note),
            Entry::Done { .. }
            | Entry::Failed { .. }
            | Entry::NotDone { .. }
            | Entry::InDoubt { .. } => self.end_effect(entry, at),
            Entry::Undoing { effect, revert } => self.start_revert(*effect, revert),
            Entry::Undone { reverted, .. } => {
                self.end_revert(UndoState::Undone(reverted.clone()));
            }
            Entry::UndoFailed { error, .. } => self.end_revert(UndoState::Failed(error.clone())),
            Entry::Stopped { why, diverged } => {
                self.phase = Phase::Stopped {
                    why: why.clone(),
                    diverged: *diverged,
                }
            }
            Entry::CancelRequested { by } => self.cancel_requested = Some(by.clone()),
            Entry::UndoRequested { by } => {
                self.undo_requested = Some(by.clone());
                let undone = || (Outcome::Undone, format!("undone by {by}"));
                let (outcome, why) = self.unwinding.take().unwrap_or_else(undone);
                self.unwind(outcome, why);
            }
            Entry::Unwinding { outcome, why } => self.unwind(*outcome, why.clone()),
            Entry::End { outcome, summary } => {
                self.phase = Phase::Ended(*outcome);
                self.summary = Some(summary.clone());
            }
        }
    }

    fn refuse(&mut self, side: Side, message: &str) {
        self.refusals += 1;
        self.refused_last = true;
        // What is one too many, or not in the plan, the procedure may get over.
        let is_bound = matches!(side, Side::Budget | Side::Plan);
        if !is_bound && self.denied.is_none() {
            self.denied = Some(message.to_owned());
        }
    }

    fn resume(&mut self) {
        self.phase = self.working();
        // A revert may be repeated, so the next process begins with whichever comes first.
        self.reverting = None;
    }

    fn observe(&mut self, call: &Call, answer: &Result<Value, CallError>) {
        self.refused_last = false;
        if let (Call::Effect(effect), Err(error)) = (call, answer) {
            self.decline(effect, error);
        }
    }

    /// A change that the target's own rights do not allow. A message changes no target.
    fn decline(&mut self, effect: &Effect, error: &CallError) {
        let by_target = error.kind == ErrorKind::Denied && error.denied.is_none();
        if by_target && effect.changes_target() && self.declined.is_none() {
            self.declined = Some(error.message.clone());
        }
    }

    fn working(&self) -> Phase {
        if self.unwinding.is_some() {
            Phase::Unwinding
        } else {
            Phase::Running
        }
    }

    fn unwind(&mut self, outcome: Outcome, why: String) {
        self.unwinding = Some((outcome, why));
        self.phase = Phase::Unwinding;
    }

    fn intend(&mut self, call: &Effect, prepared: &Prepared, at: Option<Millis>) {
        self.effects.push(EffectState {
            number: self.next_effect(),
            call: call.clone(),
            prepared: prepared.clone(),
            note: None,
            status: Status::Intended,
            undo: UndoState::None,
            undo_note: None,
            sweep: None,
            started: at,
            ended: None,
        });
    }

    fn note(&mut self, number: u64, note: &Value) {
        if let Some(effect) = self.effect_mut(number) {
            if effect.is_open() {
                effect.note = Some(note.clone());
            } else {
                effect.undo_note = Some(note.clone());
            }
        }
    }

    fn end_effect(&mut self, entry: &Entry, at: Option<Millis>) {
        let Some((number, status, sweep)) = legal::end_of_effect(entry) else {
            return;
        };
        if let Status::Failed { error } = &status
            && let Some(call) = self.effect(number).map(|effect| effect.call.clone())
        {
            self.decline(&call, error);
        }
        if let Some(effect) = self.effect_mut(number) {
            effect.status = status;
            effect.sweep = sweep.map(|revert| Sweep {
                revert,
                state: UndoState::None,
            });
            effect.ended = at.filter(|_| !effect.is_open());
        }
    }

    fn start_revert(&mut self, number: u64, revert: &Revert) {
        let part = self
            .effect(number)
            .and_then(|effect| legal::part(effect, revert));
        self.reverting = part.map(|part| (number, part));
        self.set_revert(UndoState::Undoing);
        if let Some(effect) = self.effect_mut(number) {
            effect.undo_note = None;
        }
    }

    fn end_revert(&mut self, state: UndoState) {
        self.set_revert(state);
        self.reverting = None;
    }

    fn set_revert(&mut self, state: UndoState) {
        let Some((number, part)) = self.reverting else {
            return;
        };
        if let Some(effect) = self.effect_mut(number) {
            match (part, &mut effect.sweep) {
                (Part::Sweep, Some(sweep)) => sweep.state = state,
                (Part::Undo, _) => effect.undo = state,
                (Part::Sweep, None) => {}
            }
        }
    }
}

impl State {
    /// How the run began; absent before its first entry.
    pub fn begin(&self) -> Option<&Begin> {
        self.begin.as_ref()
    }

    /// Where the run stands.
    pub fn phase(&self) -> Phase {
        self.phase.clone()
    }

    /// How many entries made it: the position of the next one.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// All effects, first to last.
    pub fn effects(&self) -> &[EffectState] {
        &self.effects
    }

    /// The effect of this number.
    pub fn effect(&self, number: u64) -> Option<&EffectState> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.effects.get(index)
    }

    fn effect_mut(&mut self, number: u64) -> Option<&mut EffectState> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.effects.get_mut(index)
    }

    /// The effect whose end is not known. There is at most one, and it is the last.
    pub fn open_effect(&self) -> Option<&EffectState> {
        self.effects.last().filter(|effect| effect.is_open())
    }

    /// The effect whose undo or sweep was started and has no recorded end.
    pub fn reverting(&self) -> Option<&EffectState> {
        self.reverting.and_then(|(number, _)| self.effect(number))
    }

    /// Undos of effects that happened, can be taken back and were not yet, with the effects' numbers; last first. A failed undo is among them.
    pub fn to_undo(&self) -> Vec<(u64, Revert)> {
        self.undoable()
            .filter_map(|effect| Some((effect.number, effect.to_undo()?.clone())))
            .collect()
    }

    /// Sweeps of what effects left and that was not cleared away yet, with the effects' numbers; last first. A failed sweep is among them.
    pub fn to_sweep(&self) -> Vec<(u64, Revert)> {
        self.sweepable()
            .filter_map(|effect| Some((effect.number, effect.to_sweep()?.clone())))
            .collect()
    }

    fn undoable(&self) -> impl Iterator<Item = &EffectState> {
        let last_first = self.effects.iter().rev();
        last_first
            .take_while(|effect| !effect.is_final())
            .filter(|effect| effect.to_undo().is_some())
    }

    /// The last effect that is final, if something that was done before it could be taken back without it.
    pub fn held_by(&self) -> Option<&EffectState> {
        let last = self.effects.iter().rposition(EffectState::is_final)?;
        let (before, rest) = self.effects.split_at(last);
        let holds = before.iter().any(|effect| effect.to_undo().is_some());
        rest.first().filter(|_| holds)
    }

    fn sweepable(&self) -> impl Iterator<Item = &EffectState> {
        let last_first = self.effects.iter().rev();
        last_first.filter(|effect| effect.to_sweep().is_some())
    }

    /// What stays although the run was taken back, first to last: what was left to another hand, and what cannot be taken back.
    pub fn stays(&self) -> Vec<String> {
        let why =
            |effect: &EffectState| Some(format!("effect {} {}", effect.number, effect.stays()?));
        self.effects.iter().filter_map(why).collect()
    }

    /// The number that the next effect gets.
    pub fn next_effect(&self) -> u64 {
        self.effects.len() as u64 + 1
    }

    /// Whether the run has begun and not ended. It says nothing about its process.
    pub fn is_live(&self) -> bool {
        match self.phase {
            Phase::Running | Phase::Stopped { .. } | Phase::Unwinding => true,
            Phase::Empty | Phase::Ended(_) => false,
        }
    }

    /// How the run ended, if it did and was not reopened since.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            Phase::Ended(outcome) => Some(outcome),
            Phase::Empty | Phase::Running | Phase::Stopped { .. } | Phase::Unwinding => None,
        }
    }

    /// Once the run is only taken back: how it will end if every undo succeeds, and why. The procedure must not be run again.
    pub fn unwinding(&self) -> Option<(Outcome, &str)> {
        let (outcome, why) = self.unwinding.as_ref()?;
        Some((*outcome, why))
    }

    /// What the checks found, first to last.
    pub fn checks(&self) -> &[Finding] {
        &self.checks
    }

    /// How many calls were not allowed.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Whether the last call was not allowed.
    pub fn was_refused_last(&self) -> bool {
        self.refused_last
    }

    /// How long processes have worked on the run, where the times are known. What lay between them does not count.
    pub fn worked(&self) -> Duration {
        self.worked
    }

    /// What was said to the first call that was denied, rather than one too many.
    pub fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// What the target said to the first change that its own rights do not allow.
    pub fn declined_by_target(&self) -> Option<&str> {
        self.declined.as_deref()
    }

    /// The step that began last.
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// The message of the guest's panic.
    pub fn panicked(&self) -> Option<&str> {
        self.panicked.as_deref()
    }

    /// Who wants the run ended and taken back.
    pub fn cancel_requested_by(&self) -> Option<&str> {
        self.cancel_requested.as_deref()
    }

    /// Who wants the finished run taken back.
    pub fn undo_requested_by(&self) -> Option<&str> {
        self.undo_requested.as_deref()
    }

    /// The sentence that the run ended with, last time it did.
    pub fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    /// When the run began, where the times are known.
    pub fn began(&self) -> Option<Millis> {
        self.began
    }

    /// When the last entry was recorded, where the times are known.
    pub fn last(&self) -> Option<Millis> {
        self.last
    }
}
