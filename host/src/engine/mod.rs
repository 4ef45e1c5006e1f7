//! The engine: one gate for all calls, the sandbox that guests run in, replay, unwind. It knows no target by its protocol.

mod asides;
mod bound;
mod bounds;
mod conclude;
mod control;
mod gate;
mod guest;
mod halt;
mod hooks;
mod ledger;
mod limits;
#[cfg(test)]
mod linked;
mod lock;
mod measure;
mod order;
mod patience;
mod permit;
mod plan;
mod planning;
mod refusal;
mod remarks;
mod replay;
mod rooms;
mod runs;
mod sandbox;
mod settle;
#[cfg(feature = "testing")]
pub mod testing;
mod turn;
mod unwind;
mod wasi;
mod watch;
#[cfg(test)]
mod world;

pub(crate) use guest::Guest;

pub use control::{Audience, Brake, Control, Event, Progress, Stop, brake};
pub use hooks::{Hooks, OnCall, OnCommit};
pub use lock::{LockError, holder};
pub use order::Order;
pub use permit::{ChangePermit, Permit};
pub use plan::{Foretold, Plan, PlanError, PlannedCheck, PlannedEffect, short};
pub use rooms::Rooms;
pub use runs::{Finished, Runs, Seat, component_of, plan_of};
pub use sandbox::{Sandbox, SandboxError};
pub use unwind::Decision;

use crate::clock::Clock;
use crate::journal::{RunId, StoreError};
use crate::plugin::compiled::CompiledCache;
use rooms::Targets;
use sandbox::{Guests, Sandboxed};
use std::sync::Arc;
use thiserror::Error;

/// Runs procedures.
#[derive(Debug)]
pub struct Engine {
    guests: Arc<dyn Guests>,
    rooms: Arc<dyn Targets>,
    clock: Clock,
    hooks: Hooks,
}

/// Why a run could not be begun or gone on with. A run's own failure is an outcome, not an error.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The target is taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The target of a run that is to be taken over cannot be asked, so nothing new is known of the run.
    #[error("run {run} stays as it is")]
    OutOfReach {
        /// Which run.
        run: RunId,
        /// Why.
        #[source]
        source: LockError,
    },
    /// The target cannot be asked about an effect whose end is not recorded, so nothing new is known of the run.
    #[error(
        "run {run} was not changed: {target} could not be asked what became of effect {effect}: {why}"
    )]
    NotAsked {
        /// Which run.
        run: RunId,
        /// Number of the effect.
        effect: u64,
        /// Logical name.
        target: String,
        /// Why it could not be asked.
        why: String,
    },
    /// The plan does not fit.
    #[error("the plan cannot be used")]
    Plan(#[from] PlanError),
    /// The component cannot be made ready.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The record failed.
    #[error("the journal could not be used")]
    Journal(#[from] StoreError),
    /// There is no such run.
    #[error("run {0} has no record")]
    Empty(RunId),
    /// A fault of windlass.
    #[error("internal: {0}")]
    Internal(String),
}

impl Engine {
    /// An engine over these rooms. Compiled components are kept in `cache`.
    pub fn new(
        sandbox: Sandbox,
        rooms: Rooms,
        cache: CompiledCache,
        clock: Clock,
        hooks: Hooks,
    ) -> Self {
        Self {
            guests: Arc::new(Sandboxed { sandbox, cache }),
            rooms: Arc::new(rooms),
            clock,
            hooks,
        }
    }
}
