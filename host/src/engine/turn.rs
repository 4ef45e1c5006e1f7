//! Ends a guest between two calls, wherever it is then: computing, or waiting in a function of WASI, where nothing else looks at deadlines.

use super::control::Control;
use super::gate::Gate;
use super::halt::Halt;
use crate::journal::{RunId, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How often someone looks whether the run shall be cancelled.
const LOOK: Duration = Duration::from_millis(250);

/// Whose turn it is: that of a call, which is never broken off, or of the one who ends the guest.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Waits for the turn. It lasts until what this answers is dropped.
    pub(super) async fn take(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0).lock_owned().await
    }
}

/// Sees to it that a guest ends when the operator, someone who cancels, or the run's deadline says so.
pub(super) struct Overseer {
    turn: Turn,
    control: Control,
    deadline: Instant,
    limit: Duration,
    run: RunId,
    store: Option<Store>,
}

impl Overseer {
    pub(super) fn of(gate: &Gate) -> Self {
        Self {
            turn: gate.turn.clone(),
            control: gate.control.clone(),
            deadline: gate.must_end_at(),
            limit: gate.run_deadline(),
            run: gate.run.clone(),
            store: gate.ledger.store().cloned(),
        }
    }

    /// Resolves when the guest has to end and no call is under way. No call begins for as long as the answered turn is kept.
    pub(super) async fn end(self) -> (Halt, OwnedMutexGuard<()>) {
        let halt = tokio::select! {
            () = self.control.wanted() => Halt::Stopped,
            () = tokio::time::sleep_until(self.deadline.into()) => {
                Halt::Overtime(crate::text::duration(self.limit))
            }
            halt = self.cancelled() => halt,
        };
        (halt, self.turn.take().await)
    }

    async fn cancelled(&self) -> Halt {
        let Some(store) = &self.store else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(LOOK).await;
            match store.cancel_requested(&self.run) {
                Ok(None) => {}
                Ok(Some(by)) => return Halt::Cancelled { by },
                Err(error) => return Halt::Journal(error),
            }
        }
    }
}
