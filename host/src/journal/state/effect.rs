//! How far one effect is, and taking it back.

use crate::call::{Applied, Effect, Prepared, Revert, Reverted, Undo};
use crate::clock::Millis;
use crate::contract::CallError;
use serde_json::Value;

/// What became of an effect.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each effect, and most are done"
)]
pub enum Status {
    /// It was started, or was about to be; its end is not recorded.
    Intended,
    /// It happened.
    Done {
        /// What it came to.
        applied: Applied,
        /// True when the target was asked after a crash.
        confirmed: bool,
    },
    /// It failed, and the target is as before but for a sweep.
    Failed {
        /// What the guest was told.
        error: CallError,
    },
    /// It did not happen; the target said so after a crash.
    NotDone {
        /// How we know.
        why: String,
    },
    /// The target could not tell.
    InDoubt {
        /// What was asked and answered.
        why: String,
    },
}

/// How far taking something back is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum UndoState {
    /// Not tried.
    #[default]
    None,
    /// Started; its end is not recorded.
    Undoing,
    /// Ended well.
    Undone(Reverted),
    /// Failed; it may be tried again.
    Failed(CallError),
}

/// Something that a change left and that must be cleared away.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// How.
    pub revert: Revert,
    /// How far that is.
    pub state: UndoState,
}

/// One effect of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectState {
    /// From 1.
    pub number: u64,
    /// What.
    pub call: Effect,
    /// What was there before, and how to take it back.
    pub prepared: Prepared,
    /// How to recognise it at the target; the latest note.
    pub note: Option<Value>,
    /// What became of it.
    pub status: Status,
    /// How far its undo is.
    pub undo: UndoState,
    /// How to recognise its undo at the target; the latest note of the latest try.
    pub undo_note: Option<Value>,
    /// What it left to clear away.
    pub sweep: Option<Sweep>,
    /// When it was intended, where the times are known.
    pub started: Option<Millis>,
    /// When its end was recorded, where there is one and the times are known.
    pub ended: Option<Millis>,
}

impl EffectState {
    /// Whether its end is not known: it was intended or is in doubt.
    pub fn is_open(&self) -> bool {
        match self.status {
            Status::Intended | Status::InDoubt { .. } => true,
            Status::Done { .. } | Status::Failed { .. } | Status::NotDone { .. } => false,
        }
    }

    /// What takes it back, if it happened, can be taken back and was not yet.
    pub fn to_undo(&self) -> Option<&Revert> {
        match (&self.status, &self.prepared.undo, &self.undo) {
            (_, _, UndoState::Undone(_)) => None,
            (Status::Done { .. }, Undo::By(revert), _) => Some(revert),
            (
                Status::Done { .. }
                | Status::Intended
                | Status::Failed { .. }
                | Status::NotDone { .. }
                | Status::InDoubt { .. },
                _,
                _,
            ) => None,
        }
    }

    /// Why it stays when its run is taken back, as the end of a sentence.
    pub fn stays(&self) -> Option<String> {
        if let UndoState::Undone(Reverted::LeftAlone(why)) = &self.undo {
            return Some(format!("was left alone: {why}"));
        }
        match (&self.status, &self.prepared.undo) {
            (Status::Done { .. }, Undo::Impossible(why) | Undo::Final(why)) => {
                Some(format!("cannot be taken back: {why}"))
            }
            (
                Status::Done { .. }
                | Status::Intended
                | Status::Failed { .. }
                | Status::NotDone { .. }
                | Status::InDoubt { .. },
                _,
            ) => None,
        }
    }

    /// Whether it happened and nothing before it can be taken back since.
    pub fn is_final(&self) -> bool {
        matches!(
            (&self.status, &self.prepared.undo),
            (Status::Done { .. }, Undo::Final(_))
        )
    }

    /// What clears away its leftovers, if it left some and they were not yet.
    pub fn to_sweep(&self) -> Option<&Revert> {
        match &self.sweep {
            Some(Sweep {
                state: UndoState::Undone(_),
                ..
            })
            | None => None,
            Some(sweep) => Some(&sweep.revert),
        }
    }

    /// How long it took, in milliseconds, where both times are known.
    pub fn took(&self) -> Option<u64> {
        Some(self.ended?.since(self.started?))
    }
}
