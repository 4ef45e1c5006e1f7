//! Doors for benchmarks of parts of the engine, which a run passes through at once. No part of the shipped binary.

use super::gate::Gate;
use super::guest::Guest;
use super::ledger::Ledger;
use super::limits::Limits;
use super::lock::Locks;
use super::sandbox::Sandboxed;
use super::{Engine, EngineError, Order, SandboxError, Seat};
use crate::call::Effect;
use crate::clock::Millis;
use crate::contract::EverythingPre;
use crate::journal::{RunId, State, Store};
use cap_std::fs::Dir;
use wasmtime::component::Component;

/// A component that is compiled and in memory.
pub struct Loaded(Component);

/// One that is linked, too.
pub struct Linked(EverythingPre<Guest>);

/// A run's gate, at which effects can be checked without going through.
pub struct AtTheGate(Gate);

impl Engine {
    fn sandboxed(&self) -> Result<&Sandboxed, SandboxError> {
        let none =
            || SandboxError::Setup(wasmtime::Error::msg("procedures are no components here"));
        self.guests.sandboxed().ok_or_else(none)
    }

    /// Loads a component as each run does: from the cache if it is there.
    pub fn load(&self, order: &Order) -> Result<Loaded, SandboxError> {
        Ok(Loaded(self.sandboxed()?.compiled(&order.plugin)?))
    }

    /// Links a component as the first run of it in a process does.
    pub fn link(&self, order: &Order, loaded: &Loaded) -> wasmtime::Result<Linked> {
        let linker = self.sandboxed()?.sandbox.linker(&order.plugin)?;
        let bound = linker.instantiate_pre(&loaded.0)?;
        Ok(Linked(EverythingPre::new(bound)?))
    }

    /// Makes an instance in a store of its own, and drops both.
    pub async fn instantiate(
        &self,
        order: &Order,
        linked: &Linked,
        seat: Seat,
    ) -> wasmtime::Result<()> {
        let run = RunId("bench".into());
        let ledger = Ledger::plan(run.clone(), seat.audience.clone(), self.clock.clone());
        let gate = self.gate(run, order.effective.clone(), seat, ledger, Locks::default());
        let brief = order.brief(Millis(0), None);
        let mut store = self
            .sandboxed()?
            .sandbox
            .store(Guest::new(gate, Limits::default(), brief));
        linked.0.instantiate_async(&mut store).await?;
        Ok(())
    }

    /// The gate of a run that holds the lock on its target. Writes the lock files to `state_dir`, and nothing to the journal.
    pub async fn at_the_gate(
        &self,
        order: &Order,
        store: Store,
        state_dir: &Dir,
        seat: Seat,
    ) -> Result<AtTheGate, EngineError> {
        let run = RunId("251121-k3f".into());
        let locks = Locks::of_run(state_dir, &run)?
            .and_target(state_dir, &*self.rooms, &order.target, &run, &seat)
            .await?;
        let ledger = Ledger::journal(run.clone(), seat.audience.clone(), store, State::default());
        Ok(AtTheGate(self.gate(
            run,
            order.effective.clone(),
            seat,
            ledger,
            locks,
        )))
    }
}

impl AtTheGate {
    /// All that the gate checks before it lets a room look: capabilities, expiry, budget, lock, plan. True if the effect may pass.
    pub fn check(&mut self, effect: &Effect) -> bool {
        self.0.refusal(effect).is_none()
    }
}
