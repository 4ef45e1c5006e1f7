//! Which entry may follow which.

use super::super::entry::{Entry, Outcome};
use super::{EffectState, Part, Phase, State, Status, UndoState};
use crate::call::Revert;
use crate::contract::Verdict;
use thiserror::Error;

/// An entry that may not stand where it is.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("entry {seq}, `{kind}`, may not stand in a run that is {phase}: {fault}")]
pub struct Illegal {
    /// Position within the run at which it would stand.
    pub seq: u64,
    /// Kind of the entry.
    pub kind: &'static str,
    /// Where the run stands.
    pub phase: Phase,
    /// Which rule forbids it.
    pub fault: Fault,
}

/// The rule that an entry breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Entries are numbered without gaps.
    #[error("it is numbered {0}")]
    Position(u64),
    /// A run begins with its begin.
    #[error("the first entry must be `begin`")]
    NotBegun,
    /// And only once.
    #[error("the run has begun already")]
    BegunTwice,
    /// The kind does not belong into the phase.
    #[error("this kind does not belong there")]
    Phase,
    /// Effects are numbered without gaps.
    #[error("the next effect is {0}")]
    Number(u64),
    /// One effect at a time.
    #[error("the end of effect {0} is not known yet")]
    Open(u64),
    /// Only the open effect can be noted and can end.
    #[error("effect {0} is not open")]
    NotOpen(u64),
    /// An effect in doubt cannot fail any more, only be confirmed or not.
    #[error("effect {0} is in doubt")]
    InDoubt(u64),
    /// No new effect once the run is to be taken back.
    #[error("the run was cancelled")]
    Cancelled,
    /// What takes back must be what was recorded, for an effect that has it and still needs it.
    #[error("effect {0} has no such undo or sweep pending")]
    NothingToRevert(u64),
    /// One undo at a time.
    #[error("the undo of effect {0} has no end yet")]
    Reverting(u64),
    /// An undo ends after it began.
    #[error("no undo of effect {0} has begun")]
    NotReverting(u64),
    /// Last first.
    #[error("effect {0} must be taken back before")]
    LaterFirst(u64),
    /// A run is not unwound before everything is taken back.
    #[error("effect {0} is not taken back")]
    NotTakenBack(u64),
    /// The run does not end as its unwinding announced.
    #[error("its unwinding did not announce this end")]
    NotAnnounced,
    /// Unwinding does not lead there.
    #[error("unwinding does not lead to this end")]
    NotAnUnwinding,
    /// Nobody asked for this.
    #[error("nobody asked for it to be undone")]
    NotAsked,
    /// Green is only what is green throughout.
    #[error("{0}, so it did not succeed")]
    NotGreen(&'static str),
}

impl State {
    pub(super) fn illegal(&self, entry: &Entry, fault: Fault) -> Illegal {
        Illegal {
            seq: self.entries,
            kind: entry.kind(),
            phase: self.phase.clone(),
            fault,
        }
    }

    pub(super) fn legal(&self, entry: &Entry) -> Result<(), Illegal> {
        self.rule(entry).map_err(|fault| self.illegal(entry, fault))
    }

    fn rule(&self, entry: &Entry) -> Result<(), Fault> {
        self.rule_of_phase(entry)?;
        match entry {
            Entry::Intended { effect, .. } => self.may_intend(*effect),
            Entry::Noted { effect, .. } => self.may_note(*effect),
            Entry::Failed { effect, .. } => self.may_fail(*effect),
            Entry::Done { effect, .. }
            | Entry::NotDone { effect, .. }
            | Entry::InDoubt { effect, .. } => self.is_open(*effect),
            Entry::Unwinding { outcome, .. } => self.may_unwind(*outcome),
            Entry::Undoing { effect, revert } => self.may_revert(*effect, revert),
            Entry::Undone { effect, .. } | Entry::UndoFailed { effect, .. } => {
                match self.reverting {
                    Some((number, _)) if number == *effect => Ok(()),
                    _ => Err(Fault::NotReverting(*effect)),
                }
            }
            Entry::End { outcome, .. } => self.may_end(*outcome),
            Entry::Begin(_)
            | Entry::Resumed { .. }
            | Entry::Observed { .. }
            | Entry::Waiting { .. }
            | Entry::Refused { .. }
            | Entry::Step { .. }
            | Entry::Log { .. }
            | Entry::Check { .. }
            | Entry::Panicked { .. }
            | Entry::Turned(_)
            | Entry::Stopped { .. }
            | Entry::CancelRequested { .. }
            | Entry::UndoRequested { .. } => Ok(()),
        }
    }

    fn rule_of_phase(&self, entry: &Entry) -> Result<(), Fault> {
        let running = self.phase == Phase::Running;
        let working = running || self.phase == Phase::Unwinding;
        let belongs = match entry {
            Entry::Begin(_) => {
                return match self.begin {
                    None => Ok(()),
                    Some(_) => Err(Fault::BegunTwice),
                };
            }
            _ if self.begin.is_none() => return Err(Fault::NotBegun),
            Entry::Observed { .. }
            | Entry::Waiting { .. }
            | Entry::Refused { .. }
            | Entry::Step { .. }
            | Entry::Check { .. }
            | Entry::Panicked { .. }
            | Entry::Intended { .. } => running,
            Entry::Log { .. }
            | Entry::Turned(_)
            | Entry::Noted { .. }
            | Entry::Done { .. }
            | Entry::Failed { .. }
            | Entry::NotDone { .. }
            | Entry::InDoubt { .. }
            | Entry::Unwinding { .. }
            | Entry::Undoing { .. }
            | Entry::Undone { .. }
            | Entry::UndoFailed { .. }
            | Entry::Stopped { .. }
            | Entry::End { .. } => working,
            Entry::Resumed { .. } | Entry::CancelRequested { .. } => self.is_live(),
            Entry::UndoRequested { .. } => true,
        };
        if belongs { Ok(()) } else { Err(Fault::Phase) }
    }

    fn nothing_open(&self) -> Result<(), Fault> {
        if let Some(effect) = self.open_effect() {
            return Err(Fault::Open(effect.number));
        }
        Ok(())
    }

    fn nothing_reverting(&self) -> Result<(), Fault> {
        if let Some((number, _)) = self.reverting {
            return Err(Fault::Reverting(number));
        }
        Ok(())
    }

    fn may_intend(&self, number: u64) -> Result<(), Fault> {
        self.nothing_open()?;
        self.nothing_reverting()?;
        if self.cancel_requested.is_some() {
            return Err(Fault::Cancelled);
        }
        if number != self.next_effect() {
            return Err(Fault::Number(self.next_effect()));
        }
        Ok(())
    }

    /// A note belongs to the open effect or to the undo at work: both are sent to the target.
    fn may_note(&self, number: u64) -> Result<(), Fault> {
        match self.reverting {
            Some((reverting, _)) if reverting == number => Ok(()),
            _ => self.may_fail(number),
        }
    }

    fn is_open(&self, number: u64) -> Result<(), Fault> {
        match self.open_effect() {
            Some(effect) if effect.number == number => Ok(()),
            _ => Err(Fault::NotOpen(number)),
        }
    }

    fn may_fail(&self, number: u64) -> Result<(), Fault> {
        self.is_open(number)?;
        match self.effect(number).map(|effect| &effect.status) {
            Some(Status::Intended) => Ok(()),
            _ => Err(Fault::InDoubt(number)),
        }
    }

    fn may_revert(&self, number: u64, revert: &Revert) -> Result<(), Fault> {
        self.nothing_open()?;
        let Some(part) = self.effect(number).and_then(|effect| part(effect, revert)) else {
            return Err(Fault::NothingToRevert(number));
        };
        // After a crash the same undo begins again.
        if self
            .reverting
            .is_some_and(|at_work| at_work != (number, part))
        {
            return self.nothing_reverting();
        }
        match part {
            Part::Undo if self.phase != Phase::Unwinding => Err(Fault::Phase),
            Part::Undo => self
                .untouched_after(number)
                .map_or(Ok(()), |later| Err(Fault::LaterFirst(later))),
            Part::Sweep => Ok(()),
        }
    }

    fn may_unwind(&self, outcome: Outcome) -> Result<(), Fault> {
        self.nothing_open()?;
        match outcome {
            Outcome::FailedAndUnwound | Outcome::CancelledAndUnwound | Outcome::Refused => Ok(()),
            Outcome::Undone if self.undo_requested.is_some() => Ok(()),
            Outcome::Undone => Err(Fault::NotAsked),
            Outcome::Succeeded
            | Outcome::Inconclusive
            | Outcome::Stuck
            | Outcome::TakenBackInPart => Err(Fault::NotAnUnwinding),
        }
    }

    /// A later effect that waits for its undo; one whose undo failed does not stand in the way.
    fn untouched_after(&self, number: u64) -> Option<u64> {
        self.undoable()
            .take_while(|effect| effect.number > number)
            .find(|effect| !matches!(effect.undo, UndoState::Failed(_)))
            .map(|effect| effect.number)
    }

    fn may_end(&self, outcome: Outcome) -> Result<(), Fault> {
        self.nothing_open()?;
        self.nothing_reverting()?;
        let unsure = |verdict| self.checks.iter().any(|check| check.verdict == verdict);
        match outcome {
            Outcome::Succeeded if unsure(Verdict::Inconclusive) => {
                Err(Fault::NotGreen("a check could not decide"))
            }
            Outcome::Succeeded if self.declined_by_target().is_some() => {
                Err(Fault::NotGreen("the target denied a change"))
            }
            Outcome::Succeeded | Outcome::Inconclusive if unsure(Verdict::Fail) => {
                Err(Fault::NotGreen("a check failed"))
            }
            Outcome::Succeeded | Outcome::Inconclusive => self.is_green(),
            Outcome::FailedAndUnwound
            | Outcome::CancelledAndUnwound
            | Outcome::Refused
            | Outcome::Undone => match &self.unwinding {
                Some((announced, _)) if *announced == outcome => self.nothing_stays(),
                _ => Err(Fault::NotAnnounced),
            },
            Outcome::TakenBackInPart => match &self.unwinding {
                Some(_) if self.nothing_stays().is_err() => self.all_taken_back(),
                _ => Err(Fault::NotAnnounced),
            },
            Outcome::Stuck => Ok(()),
        }
    }

    fn is_green(&self) -> Result<(), Fault> {
        let blemish = if self.unwinding.is_some() {
            "it was unwound"
        } else if self.cancel_requested.is_some() {
            "it was cancelled"
        } else if self.panicked.is_some() {
            "the procedure panicked"
        } else if self.sweepable().next().is_some() {
            "something is left to clear away"
        } else {
            return Ok(());
        };
        Err(Fault::NotGreen(blemish))
    }

    /// Everything is as it was before the run.
    fn nothing_stays(&self) -> Result<(), Fault> {
        let mut staying = self
            .effects()
            .iter()
            .filter(|effect| effect.stays().is_some());
        staying
            .next()
            .map_or(Ok(()), |effect| Err(Fault::NotTakenBack(effect.number)))?;
        self.all_taken_back()
    }

    fn all_taken_back(&self) -> Result<(), Fault> {
        match self.undoable().chain(self.sweepable()).next() {
            Some(effect) => Err(Fault::NotTakenBack(effect.number)),
            None => self
                .held_by()
                .map_or(Ok(()), |last| Err(Fault::NotTakenBack(last.number))),
        }
    }
}

/// Which of the effect's pending reverts this is. The leftovers go first where both are the same.
pub(super) fn part(effect: &EffectState, revert: &Revert) -> Option<Part> {
    if effect.to_sweep() == Some(revert) {
        Some(Part::Sweep)
    } else if effect.to_undo() == Some(revert) {
        Some(Part::Undo)
    } else {
        None
    }
}

/// Number, status and leftovers that an effect's end tells.
pub(super) fn end_of_effect(entry: &Entry) -> Option<(u64, Status, Option<Revert>)> {
    match entry {
        Entry::Done {
            effect,
            applied,
            confirmed,
        } => {
            let status = Status::Done {
                applied: applied.clone(),
                confirmed: *confirmed,
            };
            Some((*effect, status, applied.sweep.clone()))
        }
        Entry::Failed {
            effect,
            error,
            sweep,
        } => {
            let error = error.clone();
            Some((*effect, Status::Failed { error }, sweep.clone()))
        }
        Entry::NotDone { effect, why, sweep } => {
            let why = why.clone();
            Some((*effect, Status::NotDone { why }, sweep.clone()))
        }
        Entry::InDoubt { effect, why } => {
            let why = why.clone();
            Some((*effect, Status::InDoubt { why }, None))
        }
        Entry::Begin(_)
        | Entry::Resumed { .. }
        | Entry::Observed { .. }
        | Entry::Waiting { .. }
        | Entry::Refused { .. }
        | Entry::Step { .. }
        | Entry::Log { .. }
        | Entry::Check { .. }
        | Entry::Panicked { .. }
        | Entry::Intended { .. }
        | Entry::Noted { .. }
        | Entry::Turned(_)
        | Entry::Unwinding { .. }
        | Entry::Undoing { .. }
        | Entry::Undone { .. }
        | Entry::UndoFailed { .. }
        | Entry::Stopped { .. }
        | Entry::CancelRequested { .. }
        | Entry::UndoRequested { .. }
        | Entry::End { .. } => None,
    }
}
