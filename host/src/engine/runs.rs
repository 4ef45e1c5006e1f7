//! The life of a run: start, resume, take back, cancel. What happens in between is the gate's business.

use super::control::{Audience, Control};
use super::gate::Gate;
use super::ledger::Ledger;
use super::lock::{LockError, Locks};
use super::plan::{Plan, PlanError};
use super::replay::Replay;
use super::unwind::Decision;
use super::{Engine, EngineError, Order};
use crate::clock::Millis;
use crate::grant::Effective;
use crate::journal::{Begin, Entry, Outcome, Phase, RunId, State, Store};
use cap_std::fs::Dir;

/// The runs of one state directory.
#[derive(Debug)]
pub struct Runs<'a> {
    engine: &'a Engine,
    store: Store,
    state_dir: Dir,
}

/// Where a run stands when the engine lets go of it.
#[derive(Debug)]
pub struct Finished {
    /// Which run.
    pub run: RunId,
    /// Where it stands.
    pub phase: Phase,
    /// Why it is in doubt, if the engine left it so.
    pub left: Option<String>,
}

/// Who watches a run and who can stop it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Stops the run.
    pub control: Control,
    /// Hears of it.
    pub audience: Audience,
}

impl<'a> Runs<'a> {
    /// The runs recorded in `store`; lock files are kept in `state_dir`.
    pub fn new(engine: &'a Engine, store: Store, state_dir: Dir) -> Self {
        Self {
            engine,
            store,
            state_dir,
        }
    }

    /// Starts a run and stays with it until it ends, stops or is in doubt.
    pub async fn start(&self, order: &Order, seat: Seat) -> Result<Finished, EngineError> {
        self.closing(self.begin(order, seat)).await
    }

    /// Takes over a run whose process is gone, or that was stopped: settles what is in doubt, then goes on where it ended.
    pub async fn resume(
        &self,
        run: &RunId,
        order: &Order,
        seat: Seat,
        decision: Option<&Decision>,
    ) -> Result<Finished, EngineError> {
        self.closing(self.go_on(run, order, seat, decision)).await
    }

    /// Goes on with taking back a run that is to be taken back. No guest code runs, so no component and no grant is needed.
    pub async fn take_back(
        &self,
        run: &RunId,
        by: &str,
        seat: Seat,
        decision: Option<&Decision>,
    ) -> Result<Finished, EngineError> {
        self.closing(self.take_all_back(run, by, seat, decision))
            .await
    }

    /// Takes back what a run did, last first. No guest code runs. For a run that ended, stopped or broke off. One that failed before
    /// ends as failed again: taking back turns no failure green.
    pub async fn undo(
        &self,
        run: &RunId,
        by: &str,
        seat: Seat,
        decision: Option<&Decision>,
    ) -> Result<Finished, EngineError> {
        self.closing(self.undo_all(run, by, seat, decision)).await
    }

    /// Ends a run that no process works on as cancelled, and takes it back.
    pub async fn cancel(&self, run: &RunId, by: &str, seat: Seat) -> Result<Finished, EngineError> {
        self.closing(self.end(run, by, seat)).await
    }

    /// Locks that the work let go are given back before anybody is told of its end.
    async fn closing<T>(&self, work: impl Future<Output = T>) -> T {
        let ended = Box::pin(work).await;
        self.engine.rooms.close().await;
        ended
    }

    async fn begin(&self, order: &Order, seat: Seat) -> Result<Finished, EngineError> {
        let bound = order
            .plan
            .as_ref()
            .map(|plan| plan.bind(&order.subject()))
            .transpose()?;
        // Before anything is recorded: what cannot be made ready leaves no run behind.
        self.engine.guests.ready(&order.plugin)?;
        let run = self.store.new_run_id(&self.engine.clock)?;
        let locks = self
            .lock(order.plugin.changes_something(), &order.target, &run, &seat)
            .await?;
        if order.plugin.changes_something() {
            self.refuse_reserved(&order.target)?;
        }
        self.keep(order)?;
        let ledger = Ledger::journal(
            run.clone(),
            seat.audience.clone(),
            self.store.clone(),
            State::default(),
        );
        let mut gate = self.gate(run, order.effective.clone(), seat, ledger, locks);
        gate.bound = bound;
        gate.ledger.append(Entry::Begin(order.begin())).await?;
        // The recorded time, which is what a resumed guest is told too.
        let began = self.store.state(&gate.run)?.began().unwrap_or(Millis(0));
        self.execute(gate, order, began).await
    }

    async fn go_on(
        &self,
        run: &RunId,
        order: &Order,
        seat: Seat,
        decision: Option<&Decision>,
    ) -> Result<Finished, EngineError> {
        let resumed = Entry::Resumed {
            by: order.by.clone(),
            grants: order.grants.clone(),
        };
        let changes = order.plugin.changes_something();
        let mut gate = self
            .take_over(run, order.effective.clone(), seat, resumed, changes)
            .await?;
        // It ended before it could be taken over.
        if gate.has_ended() {
            return Ok(gate.standing());
        }
        if let Some(finished) = gate.settle_open(decision).await? {
            return Ok(finished);
        }
        if let Some((outcome, why)) = gate.unwinding() {
            return gate.unwind(outcome, why).await;
        }
        if let Some(by) = gate.cancelled_by()? {
            return gate.cancel(by).await;
        }
        let entries = self.store.entries(run)?;
        gate.bound = order
            .plan
            .as_ref()
            .map(|plan| plan.bind(&order.subject()))
            .transpose()?;
        gate.replay = Replay::new(&entries);
        let began = entries.first().map_or(Millis(0), |stamped| stamped.at);
        self.execute(gate, order, began).await
    }

    async fn take_all_back(
        &self,
        run: &RunId,
        by: &str,
        seat: Seat,
        decision: Option<&Decision>,
    ) -> Result<Finished, EngineError> {
        let mut gate = self
            .take_over(run, Effective::nothing(), seat, resumed_by(by), false)
            .await?;
        if gate.has_ended() {
            return Ok(gate.standing());
        }
        if let Some(finished) = gate.settle_open(decision).await? {
            return Ok(finished);
        }
        match (gate.unwinding(), gate.cancelled_by()?) {
            (Some((outcome, why)), _) => gate.unwind(outcome, why).await,
            (None, Some(by)) => gate.cancel(by).await,
            (None, None) => Ok(gate.standing()),
        }
    }

    async fn undo_all(
        &self,
        run: &RunId,
        by: &str,
        seat: Seat,
        decision: Option<&Decision>,
    ) -> Result<Finished, EngineError> {
        let mut gate = self
            .take_over(run, Effective::nothing(), seat, resumed_by(by), false)
            .await?;
        gate.ledger
            .append(Entry::UndoRequested { by: by.to_owned() })
            .await?;
        if let Some(finished) = gate.settle_open(decision).await? {
            return Ok(finished);
        }
        let undone = || (Outcome::Undone, format!("undone by {by}"));
        let (outcome, why) = gate.unwinding().unwrap_or_else(undone);
        gate.unwind(outcome, why).await
    }

    async fn end(&self, run: &RunId, by: &str, seat: Seat) -> Result<Finished, EngineError> {
        let mut gate = self
            .take_over(run, Effective::nothing(), seat, resumed_by(by), false)
            .await?;
        if gate.has_ended() {
            return Ok(gate.standing());
        }
        gate.ledger
            .append(Entry::CancelRequested { by: by.to_owned() })
            .await?;
        if let Some(finished) = gate.settle_open(None).await? {
            return Ok(finished);
        }
        gate.cancel(by.to_owned()).await
    }

    async fn take_over(
        &self,
        run: &RunId,
        effective: Effective,
        seat: Seat,
        resumed: Entry,
        changes: bool,
    ) -> Result<Gate, EngineError> {
        let state = self.store.state(run)?;
        let begin = state
            .begin()
            .ok_or_else(|| EngineError::Empty(run.clone()))?;
        let locks = self
            .lock(changes || has_changed(&state), &begin.target, run, &seat)
            .await
            .map_err(|error| out_of_reach(run, error))?;
        // Between looking and locking another process may have gone on.
        let state = self.store.state(run)?;
        let ledger = Ledger::journal(
            run.clone(),
            seat.audience.clone(),
            self.store.clone(),
            state,
        );
        let mut gate = self.gate(run.clone(), effective, seat, ledger, locks);
        gate.worked = gate.ledger.state().map(State::worked).unwrap_or_default();
        if !gate.has_ended() {
            gate.ledger.append(resumed).await?;
        }
        Ok(gate)
    }

    /// Refuses to change a target that another run left in the middle of something. That run has no process any more: we have the lock.
    fn refuse_reserved(&self, target: &str) -> Result<(), EngineError> {
        for holder in self.store.live_on(target)? {
            if let Some(what) = in_the_middle(&self.store.state(&holder)?) {
                let target = target.to_owned();
                return Err(LockError::Reserved {
                    target,
                    holder,
                    what,
                }
                .into());
            }
        }
        Ok(())
    }

    /// A run that changes something has its target for itself.
    async fn lock(
        &self,
        changes: bool,
        target: &str,
        run: &RunId,
        seat: &Seat,
    ) -> Result<Locks, LockError> {
        let locks = Locks::of_run(&self.state_dir, run)?;
        if !changes {
            return Ok(locks);
        }
        locks
            .and_target(&self.state_dir, &*self.engine.rooms, target, run, seat)
            .await
    }

    /// Keeps the component and the plan, so that the run can be resumed whatever becomes of their files.
    fn keep(&self, order: &Order) -> Result<(), EngineError> {
        self.store
            .keep(order.plugin.digest(), order.plugin.bytes())?;
        if let Some(plan) = &order.plan {
            self.store.keep(&plan.digest, &plan.content())?;
        }
        Ok(())
    }

    fn gate(
        &self,
        run: RunId,
        effective: Effective,
        seat: Seat,
        ledger: Ledger,
        locks: Locks,
    ) -> Gate {
        self.engine.gate(run, effective, seat, ledger, locks)
    }

    async fn execute(
        &self,
        gate: Gate,
        order: &Order,
        began: Millis,
    ) -> Result<Finished, EngineError> {
        let brief = order.brief(began, None);
        let (ended, gate) = self.engine.guests.run(&order.plugin, gate, brief).await?;
        gate.conclude(ended).await
    }
}

/// Someone who takes back needs no grant.
fn resumed_by(by: &str) -> Entry {
    Entry::Resumed {
        by: by.to_owned(),
        grants: Vec::new(),
    }
}

/// The component that a run was started with. Reads the journal.
pub fn component_of(store: &Store, begin: &Begin) -> Result<Option<Vec<u8>>, EngineError> {
    Ok(store.kept(&begin.digest)?)
}

/// The plan that a run is bound to. Reads the journal.
pub fn plan_of(store: &Store, begin: &Begin) -> Result<Option<Plan>, EngineError> {
    let Some(digest) = &begin.plan else {
        return Ok(None);
    };
    let Some(content) = store.kept(digest)? else {
        return Err(PlanError::Lost(digest.clone()).into());
    };
    Ok(Some(Plan::from_content(&content, digest)?))
}

/// What the run was at when it was left: an effect whose end is not known, or being taken back.
fn in_the_middle(state: &State) -> Option<String> {
    let open = state
        .open_effect()
        .filter(|open| open.call.changes_target());
    let reverting = || {
        let effect = state.to_undo().into_iter().next()?.0;
        let unwinding = state.unwinding().filter(|_| state.is_live())?;
        Some(format!("taking back effect {effect}: {}", unwinding.1))
    };
    open.map(|open| format!("effect {}, {}", open.number, open.call))
        .or_else(reverting)
}

/// Whether the run did something to its target, or may have.
fn has_changed(state: &State) -> bool {
    let mut effects = state.effects().iter();
    effects.any(|effect| effect.call.changes_target())
}

/// Who cannot ask the target knows nothing new of the run; who finds it taken does.
fn out_of_reach(run: &RunId, error: LockError) -> EngineError {
    match error {
        LockError::Target { ref source, .. } if !source.is_held() => EngineError::OutOfReach {
            run: run.clone(),
            source: error,
        },
        LockError::Target { .. }
        | LockError::AtWork(_)
        | LockError::Taken { .. }
        | LockError::Reserved { .. }
        | LockError::GivenUp(_)
        | LockError::File { .. } => error.into(),
    }
}
