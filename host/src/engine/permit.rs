//! The proof that a call passed the gate. Rooms take one and can make none.

use super::control::{Audience, Event, Progress};
use super::ledger::Count;
use super::rooms::TargetLock;
use crate::call::Looked;
use crate::clock::{Clock, Millis};
use crate::contract::{CallError, Denial};
use crate::grant::Effective;
use crate::journal::{Entry, Receipt, RunId, State, Store, StoreError};
use serde_json::Value;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// Leave to look at the outside for one call.
#[derive(Clone, Debug)]
pub struct Permit {
    run: RunId,
    effective: Arc<Effective>,
    deadline: Instant,
    stop: watch::Receiver<bool>,
    progress: Option<mpsc::UnboundedSender<Progress>>,
    is_seen: bool,
    clock: Clock,
    plan: Option<Arc<Looked>>,
}

impl Permit {
    /// Only the gate and unwind call this.
    pub(super) fn new(
        run: RunId,
        effective: Arc<Effective>,
        deadline: Instant,
        stop: watch::Receiver<bool>,
        (progress, is_seen): (Option<mpsc::UnboundedSender<Progress>>, bool),
        clock: Clock,
    ) -> Self {
        Self {
            run,
            effective,
            deadline,
            stop,
            progress,
            is_seen,
            clock,
            plan: None,
        }
    }

    /// The same for a plan, if it is one, and what was looked at for it.
    #[must_use]
    pub(super) fn of_plan(self, plan: Option<Arc<Looked>>) -> Self {
        Self { plan, ..self }
    }

    /// Whether nothing will be applied: then it is worth asking a target what would come of it.
    pub fn is_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// What was looked at for the plan, if this is one.
    pub fn looked(&self) -> Option<&Looked> {
        self.plan.as_deref()
    }

    /// For tests of a room alone, without a gate.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_test(
        run: RunId,
        effective: Arc<Effective>,
        deadline: Instant,
        stop: watch::Receiver<bool>,
        progress: Option<mpsc::UnboundedSender<Progress>>,
    ) -> Self {
        let is_seen = progress.is_some();
        let progress = (progress, is_seen);
        Self::new(run, effective, deadline, stop, progress, Clock::system())
    }

    /// The same for a plan, for tests of a room alone.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn for_test_of_plan(self) -> Self {
        self.of_plan(Some(Arc::default()))
    }

    /// The run on whose behalf; sessions at a target carry it as `windlass/<run>`.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// What the run may see and touch.
    pub fn effective(&self) -> &Effective {
        &self.effective
    }

    /// When the call has to be over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The host's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Resolves when the operator wants the process gone now. A room stops waiting; the target may go on.
    pub async fn stopped(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether anybody sees how far the effect is, so that it is worth finding out.
    pub fn is_progress_seen(&self) -> bool {
        self.is_seen
    }

    /// Shows how far the effect is.
    pub fn progress(&self, progress: Progress) {
        if let Some(sender) = &self.progress {
            // Nobody watching is fine.
            let _ = sender.send(progress);
        }
    }
}

/// What a change rests on besides its announcement: the lock on the target, and a grant that has not ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Ownership {
    /// The target and its lock; absent where none is needed. A lock that is gone is lost.
    pub(super) lock: Option<(String, Weak<dyn TargetLock>)>,
    /// When the grant ends; absent for taking back, which needs none.
    pub(super) grant_ends: Option<Millis>,
    /// Whether the grant was not taken back; absent for taking back.
    pub(super) granted: Option<StillGranted>,
}

/// Asks whether a change is still granted.
#[derive(Clone)]
pub(super) struct StillGranted(pub(super) Arc<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for StillGranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StillGranted")
    }
}

async fn is_ours(lock: &Weak<dyn TargetLock>) -> bool {
    let Some(lock) = lock.upgrade() else {
        return false;
    };
    if !lock.is_held() {
        lock.keep().await;
    }
    lock.is_held()
}

/// Leave to change the outside for one effect. It takes a durable *intended* (or *undoing*) entry to make one.
#[derive(Clone, Debug)]
pub struct ChangePermit {
    permit: Permit,
    ownership: Ownership,
    store: Store,
    count: Option<Count>,
    audience: Audience,
    effect: u64,
}

impl ChangePermit {
    /// Only with what announcing the change gave.
    pub(super) fn new(permit: Permit, announced: Announced, ownership: Ownership) -> Self {
        let Announced {
            store,
            count,
            audience,
            effect,
        } = announced;
        Self {
            permit,
            ownership,
            store,
            count: Some(count),
            audience,
            effect,
        }
    }

    /// Leave that nothing announced, for tests of a room on its own.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_test(permit: Permit, store: Store, effect: u64) -> Self {
        let audience = Audience::default();
        Self {
            permit,
            ownership: Ownership::default(),
            store,
            count: None,
            audience,
            effect,
        }
    }

    /// Fails with *denied* if the lock on the target was lost or the grant has ended since the change was permitted. A room asks it before
    /// each single write of a change that has several. It asks no server, unless a lease ran out while the server did not answer: then it
    /// renews the lease first, if no other run took it meanwhile.
    pub async fn still_ours(&self) -> Result<(), CallError> {
        let Ownership {
            lock,
            grant_ends,
            granted,
        } = &self.ownership;
        if let Some((target, lock)) = lock
            && !is_ours(lock).await
        {
            let message = format!("the lock on `{target}` was lost");
            return Err(CallError::denied(Denial::Lock, message));
        }
        if grant_ends.is_some_and(|end| end <= self.permit.clock().now()) {
            return Err(CallError::denied(Denial::GrantEnded, "the grant has ended"));
        }
        if granted.as_ref().is_some_and(|granted| !granted.0()) {
            let message = "the grant was taken back since the run began";
            return Err(CallError::denied(Denial::GrantEnded, message));
        }
        Ok(())
    }

    /// Number of the effect within the run.
    pub fn effect(&self) -> u64 {
        self.effect
    }

    /// Records durably how to recognise the effect at the target later. Call it before sending the statement.
    pub async fn note(&self, note: Value) -> Result<(), CallError> {
        let entry = Entry::Noted {
            effect: self.effect,
            note,
        };
        let run = self.permit.run();
        let receipt = self
            .store
            .append(run, entry)
            .await
            .map_err(StoreError::into_call_error)?;
        if let Some(count) = &self.count {
            count.saw(receipt.stamped());
        }
        self.audience.tell(Event::Recorded(
            run.clone(),
            Box::new(receipt.into_stamped()),
        ));
        Ok(())
    }
}

impl ChangePermit {
    /// The run as its journal has it now, this effect included: what it did before is read there and nowhere else. Reads the journal.
    pub fn run_so_far(&self) -> Result<State, CallError> {
        self.store
            .state(self.permit.run())
            .map_err(StoreError::into_call_error)
    }

    /// Reserves the next time at which the channel may be sent something, shared with all other runs of this journal; none if that is
    /// later than `latest`, and then nothing is reserved. From one time to the next there are at least `apart` milliseconds.
    pub fn reserve_time(
        &self,
        channel: &str,
        apart: u64,
        latest: Millis,
    ) -> Result<Option<Millis>, CallError> {
        let now = self.permit.clock().now();
        self.store
            .reserve_time(channel, apart, now, latest)
            .map_err(StoreError::into_call_error)
    }
}

/// A change that is durably announced: what it takes to be permitted.
#[derive(Debug)]
pub(super) struct Announced {
    store: Store,
    count: Count,
    audience: Audience,
    effect: u64,
}

impl Announced {
    /// Only with the journal's receipt for the entry that announces the change.
    pub(super) fn new(
        receipt: &Receipt,
        store: Store,
        count: Count,
        audience: Audience,
    ) -> Option<Self> {
        Some(Self {
            store,
            count,
            audience,
            effect: receipt.announces()?,
        })
    }
}

impl Deref for ChangePermit {
    type Target = Permit;

    fn deref(&self) -> &Permit {
        &self.permit
    }
}
