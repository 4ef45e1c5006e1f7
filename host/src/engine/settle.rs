//! Finishing what was begun: effects whose end was not recorded, and taking back.

use super::halt::Halt;
use super::ledger::Ledger;
use super::patience::{Waited, wait};
use super::permit::{ChangePermit, Ownership, Permit};
use super::rooms::Targets;
use crate::call::{Confirmed, Effect, Prepared, Revert};
use crate::contract::{CallError, ErrorKind};
use crate::journal::Entry;
use serde_json::Value;

/// What the target said of an effect in doubt, as the entry to record and what follows from it.
pub(super) struct Settled {
    pub(super) entry: Entry,
    pub(super) answer: Verdict,
    pub(super) sweep: Option<Revert>,
}

/// Whether the effect happened.
pub(super) enum Verdict {
    Happened(Value),
    DidNot(String),
    Unknown(String),
}

/// The target could not be asked, for this reason: it may be asked again.
pub(super) struct NotAsked(pub(super) String);

/// Whether another try may go better: the target did not answer.
pub(super) fn may_pass(kind: ErrorKind) -> bool {
    kind == ErrorKind::Unavailable
}

impl Settled {
    /// Reads the target's answer. Fails if the target could not be asked: then nothing new is known, and nothing is recorded.
    pub(super) fn from(effect: u64, asked: Result<Confirmed, CallError>) -> Result<Self, NotAsked> {
        Ok(match asked {
            Ok(Confirmed::Done(applied)) => Self {
                answer: Verdict::Happened(applied.answer.clone()),
                sweep: applied.sweep.clone(),
                entry: Entry::Done {
                    effect,
                    applied,
                    confirmed: true,
                },
            },
            Ok(Confirmed::NotDone { why, sweep }) => Self {
                answer: Verdict::DidNot(why.clone()),
                entry: Entry::NotDone {
                    effect,
                    why,
                    sweep: sweep.clone(),
                },
                sweep,
            },
            Ok(Confirmed::CannotTell(why)) => Self::unknown(effect, why),
            Err(error) if may_pass(error.kind) => return Err(NotAsked(error.message)),
            Err(error) => Self::unknown(effect, error.message),
        })
    }

    /// The same while the guest waits for its answer: it is told of an effect that did not happen, so the record says *failed*, which a
    /// replay answers again.
    pub(super) fn live(effect: u64, asked: Result<Confirmed, CallError>) -> Result<Self, NotAsked> {
        let settled = Self::from(effect, asked)?;
        let Verdict::DidNot(why) = &settled.answer else {
            return Ok(settled);
        };
        let error = CallError::new(ErrorKind::Unavailable, why.clone());
        let sweep = settled.sweep.clone();
        Ok(Self {
            entry: Entry::Failed {
                effect,
                error,
                sweep,
            },
            ..settled
        })
    }

    fn unknown(effect: u64, why: String) -> Self {
        let entry = Entry::InDoubt {
            effect,
            why: why.clone(),
        };
        Self {
            entry,
            answer: Verdict::Unknown(why),
            sweep: None,
        }
    }
}

/// Asks the target what became of an effect. None if the operator leaves now.
pub(super) async fn ask(
    rooms: &dyn Targets,
    permit: &Permit,
    call: &Effect,
    prepared: &Prepared,
    number: u64,
    note: Option<&Value>,
) -> Option<Result<Confirmed, CallError>> {
    match wait(permit, rooms.confirm(permit, call, prepared, number, note)).await {
        Waited::Answered(asked) => Some(asked),
        Waited::Late => Some(Err(CallError::new(
            ErrorKind::Unavailable,
            format!("{} did not answer in time", call.target()),
        ))),
        Waited::Stopped => None,
    }
}

/// Takes one thing back, announced before and recorded after. The inner error is the room's.
pub(super) async fn revert(
    rooms: &dyn Targets,
    ledger: &mut Ledger,
    (permit, ownership): (Permit, Ownership),
    effect: u64,
    revert: Revert,
) -> Result<Result<(), CallError>, Halt> {
    let announced = Entry::Undoing {
        effect,
        revert: revert.clone(),
    };
    let announced = ledger.announce(announced).await?;
    let change = ChangePermit::new(permit.clone(), announced, ownership);
    let reverted = match wait(&permit, rooms.revert(&change, &revert)).await {
        Waited::Answered(reverted) => reverted,
        Waited::Late => Err(CallError::new(
            ErrorKind::Unavailable,
            "it did not end in time",
        )),
        Waited::Stopped => return Err(Halt::Left { effect }),
    };
    match reverted {
        Ok(reverted) => {
            ledger.append(Entry::Undone { effect, reverted }).await?;
            Ok(Ok(()))
        }
        Err(error) => {
            let failed = Entry::UndoFailed {
                effect,
                error: error.clone(),
            };
            ledger.append(failed).await?;
            Ok(Err(error))
        }
    }
}
