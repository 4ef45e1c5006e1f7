//! Finishing what was begun: effects whose end was not recorded, and taking back.

use super::halt::Halt;
use super::ledger::Ledger;
use super::permit::{ChangePermit, Permit};
use super::rooms::Rooms;
use crate::call::{Confirmed, Revert};
use crate::contract::CallError;
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

impl Settled {
    /// Reads the target's answer. A target that cannot be asked cannot tell either.
    pub(super) fn from(effect: u64, asked: Result<Confirmed, CallError>) -> Self {
        match asked {
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
            Err(error) => Self::unknown(effect, error.message),
        }
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

/// Takes one thing back, announced before and recorded after. The inner error says why it did not work.
pub(super) async fn revert(
    rooms: &Rooms,
    ledger: &mut Ledger,
    permit: Permit,
    effect: u64,
    revert: Revert,
) -> Result<Result<(), String>, Halt> {
    let announced = Entry::Undoing {
        effect,
        revert: revert.clone(),
    };
    let announced = ledger.announce(effect, announced).await?;
    let change = ChangePermit::new(permit.clone(), announced);
    let reverted = tokio::select! {
        reverted = rooms.revert(&change, &revert) => reverted,
        () = permit.stopped() => return Err(Halt::Left { effect }),
    };
    match reverted {
        Ok(reverted) => {
            ledger.append(Entry::Undone { effect, reverted }).await?;
            Ok(Ok(()))
        }
        Err(error) => {
            let why = error.message.clone();
            ledger.append(Entry::UndoFailed { effect, error }).await?;
            Ok(Err(why))
        }
    }
}
