//! The life of a run: start, resume, take back, cancel. What happens in between is the gate's business.

use super::control::{Audience, Control};
use super::gate::Gate;
use super::guest::Brief;
use super::halt::Halt;
use super::ledger::Ledger;
use super::lock::{LockError, Locks};
use super::plan::{Bound, Plan, PlanError, Subject};
use super::replay::Replay;
use super::sandbox::Ended;
use super::settle::{self, Settled};
use super::{Engine, EngineError, Order};
use crate::clock::Millis;
use crate::contract::Verdict;
use crate::grant::Effective;
use crate::journal::{Begin, Entry, Outcome, Phase, RunId, State, Store, entry};
use cap_std::fs::Dir;
use std::sync::Arc;
use std::time::Duration;

/// Time for one undo, whatever the run's own deadline was: taking back must not fail for being late.
const UNDO_DEADLINE: Duration = Duration::from_secs(3600);

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
        let bound = order
            .plan
            .as_ref()
            .map(|plan| plan.bind(&order.subject()))
            .transpose()?;
        let run = self.store.new_run_id(&self.engine.clock)?;
        let locks = self
            .lock(order.plugin.changes_something(), &order.target, &run)
            .await?;
        self.keep(order)?;
        let ledger = Ledger::journal(
            run.clone(),
            seat.audience.clone(),
            self.store.clone(),
            State::default(),
        );
        let mut gate = self.gate(run, order.effective.clone(), seat, ledger, locks);
        gate.bound = bound;
        let began = self.engine.clock.now();
        gate.ledger.append(Entry::Begin(order.begin())).await?;
        self.execute(gate, order, began).await
    }

    /// Takes over a run whose process is gone, or that was stopped: settles what is in doubt, then goes on where it ended.
    pub async fn resume(
        &self,
        run: &RunId,
        order: &Order,
        seat: Seat,
    ) -> Result<Finished, EngineError> {
        let mut gate = self
            .take_over(
                run,
                order.effective.clone(),
                seat,
                &order.by,
                order.plugin.changes_something(),
            )
            .await?;
        if let Some(finished) = self.settle(&mut gate).await? {
            return Ok(finished);
        }
        if let Some((outcome, why)) = self.unwinding(&gate)? {
            return self.unwind(gate, outcome, why).await;
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

    /// Takes back what a run did, last first. No guest code runs. For a run that ended, stopped or broke off.
    pub async fn undo(&self, run: &RunId, by: &str, seat: Seat) -> Result<Finished, EngineError> {
        let mut gate = self
            .take_over(run, Effective::nothing(), seat, by, false)
            .await?;
        gate.ledger
            .append(Entry::UndoRequested { by: by.to_owned() })
            .await?;
        if let Some(finished) = self.settle(&mut gate).await? {
            return Ok(finished);
        }
        self.unwind(gate, Outcome::Undone, format!("undone by {by}"))
            .await
    }

    /// Ends a run that no process works on as cancelled, and takes it back.
    pub async fn cancel(&self, run: &RunId, by: &str, seat: Seat) -> Result<Finished, EngineError> {
        let mut gate = self
            .take_over(run, Effective::nothing(), seat, by, false)
            .await?;
        gate.ledger
            .append(Entry::CancelRequested { by: by.to_owned() })
            .await?;
        if let Some(finished) = self.settle(&mut gate).await? {
            return Ok(finished);
        }
        self.unwind(
            gate,
            Outcome::CancelledAndUnwound,
            format!("cancelled by {by}"),
        )
        .await
    }

    async fn take_over(
        &self,
        run: &RunId,
        effective: Effective,
        seat: Seat,
        by: &str,
        changes: bool,
    ) -> Result<Gate, EngineError> {
        let state = self.store.state(run)?;
        let begin = state
            .begin()
            .ok_or_else(|| EngineError::Empty(run.clone()))?;
        let locks = self
            .lock(changes || !state.effects().is_empty(), &begin.target, run)
            .await?;
        // Between looking and locking another process may have gone on.
        let state = self.store.state(run)?;
        let ledger = Ledger::journal(
            run.clone(),
            seat.audience.clone(),
            self.store.clone(),
            state,
        );
        let mut gate = self.gate(run.clone(), effective, seat, ledger, locks);
        if gate
            .ledger
            .state()
            .is_some_and(|state| state.outcome().is_none())
        {
            gate.ledger
                .append(Entry::Resumed { by: by.to_owned() })
                .await?;
        }
        Ok(gate)
    }

    /// A run that changes something has its target for itself.
    async fn lock(&self, changes: bool, target: &str, run: &RunId) -> Result<Locks, LockError> {
        let locks = Locks::of_run(&self.state_dir, run)?;
        if !changes {
            return Ok(locks);
        }
        locks
            .and_target(&self.state_dir, &self.engine.rooms, target, run)
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

    /// The component that a run was started with.
    pub fn component_of(&self, begin: &Begin) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.store.kept(&begin.digest)?)
    }

    /// The plan that a run is bound to.
    pub fn plan_of(&self, begin: &Begin) -> Result<Option<Plan>, EngineError> {
        let Some(digest) = &begin.plan else {
            return Ok(None);
        };
        let Some(content) = self.store.kept(digest)? else {
            return Err(PlanError::Lost(digest.clone()).into());
        };
        Ok(Some(Plan::from_content(&content, digest)?))
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
        let compiled = self.engine.compiled(&order.plugin)?;
        let brief = order.brief(began, None);
        let (ended, gate) = self
            .engine
            .sandbox
            .run(&compiled, &order.plugin, gate, brief)
            .await;
        self.conclude(gate, ended).await
    }

    async fn conclude(&self, gate: Gate, ended: Ended) -> Result<Finished, EngineError> {
        let (outcome, why) = match ended {
            Ended::Returned(Ok(_)) if !gate.replay.is_over() => {
                return stopped(
                    gate,
                    "the procedure ended before its recorded past did".into(),
                )
                .await;
            }
            Ended::Returned(Ok(summary)) => match verdict(&gate) {
                (Verdict::Pass, _) => return end(gate, Outcome::Succeeded, summary).await,
                (Verdict::Inconclusive, _) => {
                    return end(gate, Outcome::Inconclusive, summary).await;
                }
                (Verdict::Fail, check) => {
                    (Outcome::FailedAndUnwound, format!("check `{check}` failed"))
                }
            },
            Ended::Returned(Err(error)) => (failure_outcome(&gate), error),
            Ended::Limit(what) => (
                Outcome::FailedAndUnwound,
                format!("limit: the procedure {what}"),
            ),
            Ended::Trapped(what) => (Outcome::FailedAndUnwound, format!("the procedure {what}")),
            Ended::Halted(halt) => match halted(halt) {
                Halted::Unwind(outcome, why) => (outcome, why),
                Halted::Stop(why) => return stopped(gate, why).await,
                Halted::Leave => return Ok(left(&gate)),
                Halted::Stuck(why) => return end(gate, Outcome::Stuck, why).await,
                Halted::Fail(error) => return Err(error),
            },
        };
        self.unwind(gate, outcome, why).await
    }

    /// Asks the target about the effect whose end was not recorded, and clears away what broken-off effects left.
    /// Answers where the run stands if it cannot go on.
    async fn settle(&self, gate: &mut Gate) -> Result<Option<Finished>, EngineError> {
        let open = gate
            .ledger
            .state()
            .and_then(|state| state.open_effect().cloned());
        if let Some(open) = open {
            let permit = gate.permit(UNDO_DEADLINE);
            let asked = self
                .engine
                .rooms
                .confirm(&permit, &open.call, &open.prepared, open.note.as_ref())
                .await;
            let settled = Settled::from(open.number, asked);
            let unknown = matches!(settled.answer, settle::Verdict::Unknown(_));
            gate.ledger.append(settled.entry).await?;
            if unknown {
                return Ok(Some(left(gate)));
            }
        }
        let sweeps = gate.ledger.state().map(State::to_sweep).unwrap_or_default();
        for (effect, revert) in sweeps {
            let permit = gate.permit(UNDO_DEADLINE);
            let swept =
                settle::revert(&self.engine.rooms, &mut gate.ledger, permit, effect, revert)
                    .await?;
            if let Err(why) = swept {
                let summary = format!("what effect {effect} left could not be cleared away: {why}");
                gate.ledger
                    .append(Entry::End {
                        outcome: Outcome::Stuck,
                        summary,
                    })
                    .await?;
                return Ok(Some(left(gate)));
            }
        }
        Ok(None)
    }

    /// Whether the run was being taken back when its process went away, or shall be.
    fn unwinding(&self, gate: &Gate) -> Result<Option<(Outcome, String)>, EngineError> {
        let Some(state) = gate.ledger.state() else {
            return Ok(None);
        };
        if let Some((outcome, why)) = state.unwinding() {
            return Ok(Some((outcome, why.to_owned())));
        }
        let requested = match state.cancel_requested_by() {
            Some(by) => Some(by.to_owned()),
            None => self.store.cancel_requested(&gate.run)?,
        };
        Ok(requested.map(|by| (Outcome::CancelledAndUnwound, format!("cancelled by {by}"))))
    }

    /// Takes back each effect that can be taken back, last first, and ends the run.
    async fn unwind(
        &self,
        mut gate: Gate,
        outcome: Outcome,
        why: String,
    ) -> Result<Finished, EngineError> {
        gate.ledger
            .append(Entry::Unwinding {
                outcome,
                why: why.clone(),
            })
            .await?;
        let undos = gate.ledger.state().map(State::to_undo).unwrap_or_default();
        for (effect, revert) in undos {
            let permit = gate.unwind_permit(UNDO_DEADLINE);
            let undone =
                settle::revert(&self.engine.rooms, &mut gate.ledger, permit, effect, revert).await;
            let undone = match undone {
                Err(Halt::Left { .. }) => return Ok(left(&gate)),
                other => other?,
            };
            if let Err(error) = undone {
                let summary = format!("{why}; then effect {effect} could not be undone: {error}");
                return end(gate, Outcome::Stuck, summary).await;
            }
        }
        end(gate, outcome, why).await
    }
}

/// What follows from the host's own reason to end a guest.
enum Halted {
    Unwind(Outcome, String),
    Stop(String),
    Leave,
    Stuck(String),
    Fail(EngineError),
}

fn halted(halt: Halt) -> Halted {
    match halt {
        Halt::Stopped => Halted::Stop("an operator stopped it".into()),
        Halt::Diverged { .. } => Halted::Stop(halt.to_string()),
        Halt::Left { .. } | Halt::InDoubt { .. } => Halted::Leave,
        Halt::Cancelled { by } => {
            Halted::Unwind(Outcome::CancelledAndUnwound, format!("cancelled by {by}"))
        }
        Halt::Overtime(_) | Halt::Refused(_) => {
            Halted::Unwind(Outcome::FailedAndUnwound, halt.to_string())
        }
        Halt::Unswept { .. } => Halted::Stuck(halt.to_string()),
        Halt::Journal(error) => Halted::Fail(error.into()),
        Halt::Internal(what) => Halted::Fail(EngineError::Internal(what)),
    }
}

/// The worst of the checks, with the name of the first one that came out so.
fn verdict(gate: &Gate) -> (Verdict, String) {
    let Some(state) = gate.ledger.state() else {
        return (Verdict::Pass, String::new());
    };
    let first = |wanted: Verdict| {
        state
            .checks()
            .iter()
            .find(|check| check.verdict == wanted)
            .map(|check| check.name.clone())
    };
    match (first(Verdict::Fail), first(Verdict::Inconclusive)) {
        (Some(name), _) => (Verdict::Fail, name),
        (None, Some(name)) => (Verdict::Inconclusive, name),
        (None, None) => (Verdict::Pass, String::new()),
    }
}

/// A procedure that failed after a refusal was refused.
fn failure_outcome(gate: &Gate) -> Outcome {
    match gate.ledger.state() {
        Some(state) if state.refusals() > 0 => Outcome::Refused,
        Some(_) | None => Outcome::FailedAndUnwound,
    }
}

async fn end(mut gate: Gate, outcome: Outcome, summary: String) -> Result<Finished, EngineError> {
    gate.ledger.append(Entry::End { outcome, summary }).await?;
    Ok(left(&gate))
}

async fn stopped(mut gate: Gate, why: String) -> Result<Finished, EngineError> {
    gate.ledger.append(Entry::Stopped { why }).await?;
    Ok(left(&gate))
}

fn left(gate: &Gate) -> Finished {
    let phase = gate.ledger.state().map(State::phase).unwrap_or_default();
    Finished {
        run: gate.run.clone(),
        phase,
    }
}

impl From<Halt> for EngineError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Journal(error) => error.into(),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl Order {
    pub(super) fn subject(&self) -> Subject {
        Subject {
            procedure: self.plugin.name().to_owned(),
            version: self.plugin.version().to_owned(),
            component: self.plugin.digest().to_owned(),
            target: self.target.clone(),
            parameters: self.parameters.clone(),
        }
    }

    /// The first entry of its journal.
    fn begin(&self) -> Begin {
        Begin {
            format: entry::FORMAT,
            procedure: self.plugin.name().to_owned(),
            version: self.plugin.version().to_owned(),
            digest: self.plugin.digest().to_owned(),
            target: self.target.clone(),
            parameters: self.parameters.clone(),
            grants: self.grants.clone(),
            plan: self.plan.as_ref().map(|plan| plan.digest.clone()),
            by: self.by.clone(),
            host: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(super) fn brief(&self, began: Millis, memory: Option<Store>) -> Brief {
        Brief {
            procedure: self.plugin.name().to_owned(),
            target: self.target.clone(),
            parameters: self.parameters.to_string(),
            began,
            memory,
        }
    }
}

impl Engine {
    /// Runs the procedure with effects that are only prepared, and answers what it would do. Writes nothing but the cache of compiled
    /// components. `memory` is where earlier runs remembered things.
    pub async fn plan(
        &self,
        order: &Order,
        memory: Option<Store>,
        seat: Seat,
    ) -> Result<Plan, EngineError> {
        let run = RunId("plan".into());
        let ledger = Ledger::plan(run.clone(), seat.audience.clone(), self.clock.clone());
        let mut gate = self.gate(run, order.effective.clone(), seat, ledger, Locks::default());
        gate.ledger.append(Entry::Begin(order.begin())).await?;
        let at = self.clock.now();
        let compiled = self.compiled(&order.plugin)?;
        let brief = order.brief(at, memory);
        let (ended, gate) = self
            .sandbox
            .run(&compiled, &order.plugin, gate, brief)
            .await;
        let end = match ended {
            Ended::Returned(returned) => returned,
            Ended::Limit(what) => Err(format!("limit: the procedure {what}")),
            Ended::Trapped(what) => Err(format!("the procedure {what}")),
            Ended::Halted(halt) => Err(halt.to_string()),
        };
        let (entries, foreseen) = gate.ledger.into_plan();
        Ok(Plan::new(order.subject(), at, &entries, foreseen, end))
    }

    fn gate(
        &self,
        run: RunId,
        effective: Effective,
        seat: Seat,
        ledger: Ledger,
        locks: Locks,
    ) -> Gate {
        Gate {
            run,
            rooms: Arc::clone(&self.rooms),
            effective: Arc::new(effective),
            clock: self.clock.clone(),
            hooks: self.hooks.clone(),
            control: seat.control,
            audience: seat.audience,
            ledger,
            replay: Replay::default(),
            locks,
            bound: None::<Bound>,
            started: self.clock.instant(),
            calls: 0,
            live_calls: 0,
            effects: 0,
            remarks: 0,
        }
    }
}
