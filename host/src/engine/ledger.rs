//! Where a run's entries go: to the durable journal, or, in a plan, nowhere but the plan.

use super::control::{Audience, Event};
use super::halt::Halt;
use super::permit::Announced;
use super::plan::Foreseen;
use crate::clock::Clock;
use crate::journal::{Entry, Receipt, RunId, Stamped, State, Store};
use serde_json::Value;

/// The record that one run writes.
pub(super) struct Ledger {
    run: RunId,
    audience: Audience,
    sink: Sink,
}

enum Sink {
    /// A run: each entry is durable before the next thing happens.
    Journal { store: Store, state: Box<State> },
    /// A plan: kept in memory. It has no store, so it can announce nothing, so no change can be permitted.
    Plan {
        clock: Clock,
        entries: Vec<Stamped>,
        foreseen: Vec<Foreseen>,
    },
}

impl Ledger {
    pub(super) fn journal(run: RunId, audience: Audience, store: Store, state: State) -> Self {
        let sink = Sink::Journal {
            store,
            state: Box::new(state),
        };
        Self {
            run,
            audience,
            sink,
        }
    }

    pub(super) fn plan(run: RunId, audience: Audience, clock: Clock) -> Self {
        let sink = Sink::Plan {
            clock,
            entries: Vec::new(),
            foreseen: Vec::new(),
        };
        Self {
            run,
            audience,
            sink,
        }
    }

    pub(super) fn is_plan(&self) -> bool {
        matches!(self.sink, Sink::Plan { .. })
    }

    /// Records, durably unless this is a plan.
    pub(super) async fn append(&mut self, entry: Entry) -> Result<(), Halt> {
        let stamped = match &mut self.sink {
            Sink::Journal { store, state } => record(store, state, &self.run, entry).await?.stamped,
            Sink::Plan { clock, entries, .. } => {
                let stamped = Stamped {
                    seq: entries.len() as u64,
                    at: clock.now(),
                    entry,
                };
                entries.push(stamped.clone());
                stamped
            }
        };
        self.audience
            .tell(Event::Recorded(self.run.clone(), Box::new(stamped)));
        Ok(())
    }

    /// Records that something is about to change. Impossible in a plan.
    pub(super) async fn announce(&mut self, effect: u64, entry: Entry) -> Result<Announced, Halt> {
        let Sink::Journal { store, state } = &mut self.sink else {
            return Err(Halt::Internal("a plan cannot change anything".into()));
        };
        let receipt = record(store, state, &self.run, entry).await?;
        let stamped = Box::new(receipt.stamped.clone());
        self.audience
            .tell(Event::Recorded(self.run.clone(), stamped));
        Ok(Announced::new(
            &receipt,
            store.clone(),
            self.audience.clone(),
            effect,
        ))
    }

    /// Number of the effect that comes next.
    pub(super) fn next_effect(&self) -> u64 {
        match &self.sink {
            Sink::Journal { state, .. } => state.next_effect(),
            Sink::Plan { foreseen, .. } => foreseen.len() as u64 + 1,
        }
    }

    /// What the room noted about an effect. A room notes past the ledger, so it is read back from the journal.
    pub(super) fn note_of(&self, number: u64) -> Result<Option<Value>, Halt> {
        let Sink::Journal { store, .. } = &self.sink else {
            return Ok(None);
        };
        Ok(store
            .state(&self.run)?
            .effect(number)
            .and_then(|effect| effect.note.clone()))
    }

    /// Keeps what an effect would do, for the plan.
    pub(super) fn foresee(&mut self, effect: Foreseen) {
        if let Sink::Plan { foreseen, .. } = &mut self.sink {
            foreseen.push(effect);
        }
    }

    /// Who asked for the run to be cancelled.
    pub(super) fn cancel_requested(&self, run: &RunId) -> Result<Option<String>, Halt> {
        match &self.sink {
            Sink::Journal { store, .. } => Ok(store.cancel_requested(run)?),
            Sink::Plan { .. } => Ok(None),
        }
    }

    /// What the latest successful run of the procedure on the target remembered.
    pub(super) fn recall(
        &self,
        memory: Option<&Store>,
        (procedure, target): (&str, &str),
        key: &str,
    ) -> Result<Option<String>, Halt> {
        let store = match &self.sink {
            Sink::Journal { store, .. } => Some(store),
            Sink::Plan { .. } => memory,
        };
        match store {
            Some(store) => Ok(store.latest_remembered(procedure, target, key)?),
            None => Ok(None),
        }
    }

    /// Where the run stands; none in a plan.
    pub(super) fn state(&self) -> Option<&State> {
        match &self.sink {
            Sink::Journal { state, .. } => Some(state),
            Sink::Plan { .. } => None,
        }
    }

    /// What a plan collected.
    pub(super) fn into_plan(self) -> (Vec<Stamped>, Vec<Foreseen>) {
        match self.sink {
            Sink::Plan {
                entries, foreseen, ..
            } => (entries, foreseen),
            Sink::Journal { .. } => (Vec::new(), Vec::new()),
        }
    }
}

async fn record(
    store: &Store,
    state: &mut State,
    run: &RunId,
    entry: Entry,
) -> Result<Receipt, Halt> {
    let receipt = store.append(run, entry).await?;
    state
        .apply(&receipt.stamped.entry)
        .map_err(|illegal| Halt::Internal(illegal.to_string()))?;
    Ok(receipt)
}
