//! Why the host ends a guest before the guest ends itself.

use crate::journal::StoreError;
use thiserror::Error;

/// Ends the guest. It travels through the sandbox as a trap and is told apart by its type on the other side.
#[derive(Debug, Error)]
pub enum Halt {
    /// The operator asked for a stop; this is a safe point.
    #[error("stopped by the operator")]
    Stopped,
    /// The operator asked for a stop without waiting for the effect under way.
    #[error("stopped by the operator in the middle of effect {effect}")]
    Left {
        /// Number of the effect that is now in doubt.
        effect: u64,
    },
    /// Someone cancelled the run.
    #[error("cancelled by {by}")]
    Cancelled {
        /// Who.
        by: String,
    },
    /// It is unknown whether an effect happened.
    #[error("effect {effect} is in doubt: {why}")]
    InDoubt {
        /// Number of the effect.
        effect: u64,
        /// What was asked and answered.
        why: String,
    },
    /// The guest did not repeat what the journal says it did.
    #[error("the procedure did not repeat itself: recorded `{recorded}`, now `{asked}`")]
    Diverged {
        /// What the journal has.
        recorded: String,
        /// What the guest asked this time.
        asked: String,
    },
    /// A question that cannot be answered with an error was refused.
    #[error("limit: {0}")]
    Refused(String),
    /// The run took longer than it may.
    #[error("limit: the run took longer than {0}")]
    Overtime(String),
    /// The record failed, so nothing more may happen.
    #[error("the journal could not be written")]
    Journal(#[from] StoreError),
    /// An answer does not have the shape that the contract says: a fault of windlass.
    #[error("internal: {0}")]
    Internal(String),
}
