//! Where a run's entries go: to the durable journal, or, in a plan, nowhere but the plan.

use super::asides::Asides;
use super::control::{Audience, Event};
use super::halt::Halt;
use super::measure::{Counted, length};
use super::permit::Announced;
use super::plan::PlannedEffect;
use crate::call::{Effect, Looked, Prepared};
use crate::clock::Clock;
use crate::journal::{Call, Entry, Receipt, RunId, Stamped, State, Store, StoreError, Whose};
use crate::probe::Turn;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The record that one run writes.
pub(super) struct Ledger {
    run: RunId,
    audience: Audience,
    sink: Sink,
    recorded_bytes: u64,
    /// What watches see; recorded before the next entry.
    seen: (UnboundedSender<Turn>, UnboundedReceiver<Turn>),
}

enum Sink {
    /// A run: each entry is durable before the next thing happens.
    Journal {
        store: Store,
        state: Box<State>,
        /// How many entries the run has; rooms note past the ledger.
        count: Count,
    },
    /// A plan: kept in memory. It has no store, so it can announce nothing, so no change can be permitted.
    Plan {
        clock: Clock,
        entries: Vec<Stamped>,
        foreseen: Vec<PlannedEffect>,
        looked: Arc<Looked>,
        /// How many entries were there before the first effect: what comes later is told of a target on which nothing has happened.
        before: Option<usize>,
        /// What is only assumed, and what a grant does not allow.
        asides: Asides,
    },
}

/// How many entries a run has, shared with the rooms that note.
#[derive(Clone, Debug)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    fn of(state: &State) -> Self {
        Self(Arc::new(AtomicU64::new(state.entries())))
    }

    pub(super) fn saw(&self, stamped: &Stamped) {
        self.0.store(stamped.seq + 1, Ordering::Relaxed);
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// What a planning run collected.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) entries: Vec<Stamped>,
    pub(super) foreseen: Vec<PlannedEffect>,
    /// How many of the entries stand before the first effect.
    pub(super) before: usize,
    pub(super) asides: Asides,
}

impl Ledger {
    pub(super) fn journal(run: RunId, audience: Audience, store: Store, state: State) -> Self {
        let sink = Sink::Journal {
            store,
            count: Count::of(&state),
            state: Box::new(state),
        };
        Self {
            run,
            audience,
            sink,
            recorded_bytes: 0,
            seen: unbounded_channel(),
        }
    }

    pub(super) fn plan(run: RunId, audience: Audience, clock: Clock) -> Self {
        let sink = Sink::Plan {
            clock,
            entries: Vec::new(),
            foreseen: Vec::new(),
            looked: Arc::default(),
            before: None,
            asides: Asides::default(),
        };
        Self {
            run,
            audience,
            sink,
            recorded_bytes: 0,
            seen: unbounded_channel(),
        }
    }

    pub(super) fn is_plan(&self) -> bool {
        matches!(self.sink, Sink::Plan { .. })
    }

    /// What was looked at for the plan, if this is one.
    pub(super) fn looked(&self) -> Option<&Arc<Looked>> {
        match &self.sink {
            Sink::Journal { .. } => None,
            Sink::Plan { looked, .. } => Some(looked),
        }
    }

    /// Records, durably unless this is a plan.
    pub(super) async fn append(&mut self, entry: Entry) -> Result<(), Halt> {
        self.recorded_bytes += length(&entry);
        self.keep(entry).await
    }

    /// Records what a call was answered. How long that is, is known already.
    pub(super) async fn observe(&mut self, call: Call, answer: Counted) -> Result<(), Halt> {
        self.recorded_bytes += length(&call) + answer.bytes;
        let answer = answer.answer;
        self.keep(Entry::Observed { call, answer }).await
    }

    /// Where a watch tells what it sees; none in a plan.
    pub(super) fn witness(&self) -> Option<UnboundedSender<Turn>> {
        (!self.is_plan()).then(|| self.seen.0.clone())
    }

    /// Records what watches have seen by now; it rides with the next entry that is waited for.
    pub(super) fn catch_up(&mut self) -> Result<(), Halt> {
        let Sink::Journal {
            store,
            state,
            count,
        } = &mut self.sink
        else {
            return Ok(());
        };
        while let Ok(turn) = self.seen.1.try_recv() {
            let stamped = record_soon(store, state, count, &self.run, Entry::Turned(turn))?;
            self.audience
                .tell(Event::Recorded(self.run.clone(), Box::new(stamped)));
        }
        Ok(())
    }

    async fn keep(&mut self, entry: Entry) -> Result<(), Halt> {
        self.catch_up()?;
        let stamped = match &mut self.sink {
            Sink::Journal {
                store,
                state,
                count,
            } => {
                if may_ride(&entry, state) {
                    record_soon(store, state, count, &self.run, entry)?
                } else {
                    let receipt = record(store, state, count, &self.run, entry).await?;
                    receipt.into_stamped()
                }
            }
            Sink::Plan {
                clock,
                entries,
                before,
                asides,
                ..
            } => {
                let entry = if before.is_some() {
                    assumed(entry)
                } else {
                    entry
                };
                // Before it is copied: of a fleet there are tens of thousands.
                let stamped = without_answer(Stamped {
                    seq: entries.len() as u64,
                    at: clock.now(),
                    entry,
                });
                let aside = before.and_then(|_| asides.note(&stamped));
                let told = || aside.unwrap_or_else(|| stamped.clone());
                let told = self.audience.is_there().then(told);
                entries.push(stamped);
                let Some(told) = told else {
                    return Ok(());
                };
                told
            }
        };
        // Those who watch may fall behind, and none of them shows what was seen.
        let told = Box::new(without_answer(stamped));
        self.audience.tell(Event::Recorded(self.run.clone(), told));
        Ok(())
    }

    /// Records that something is about to change. Impossible in a plan.
    pub(super) async fn announce(&mut self, entry: Entry) -> Result<Announced, Halt> {
        self.catch_up()?;
        let Sink::Journal {
            store,
            state,
            count,
        } = &mut self.sink
        else {
            return Err(Halt::Internal("a plan cannot change anything".into()));
        };
        let receipt = record(store, state, count, &self.run, entry).await?;
        let announced = Announced::new(
            &receipt,
            store.clone(),
            count.clone(),
            self.audience.clone(),
        );
        let stamped = Box::new(receipt.into_stamped());
        self.audience
            .tell(Event::Recorded(self.run.clone(), stamped));
        announced.ok_or_else(|| Halt::Internal("this entry announces no change".into()))
    }

    /// How much was recorded here, in bytes of JSON. An effect's own announcement does not count.
    pub(super) fn recorded_bytes(&self) -> u64 {
        self.recorded_bytes
    }

    /// The journal; none in a plan.
    pub(super) fn store(&self) -> Option<&Store> {
        match &self.sink {
            Sink::Journal { store, .. } => Some(store),
            Sink::Plan { .. } => None,
        }
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

    /// Keeps what an effect would do, for the plan, and the refusal that a run would meet instead.
    pub(super) fn foresee(&mut self, effect: &Effect, prepared: Prepared, lacks: Option<Entry>) {
        if let Sink::Plan {
            clock,
            entries,
            foreseen,
            before,
            asides,
            ..
        } = &mut self.sink
        {
            before.get_or_insert(entries.len());
            let number = foreseen.len() as u64 + 1;
            let granted = lacks.is_none();
            foreseen.push(PlannedEffect::new(number, effect, prepared, granted));
            asides.lacking.extend(lacks.map(|entry| Stamped {
                seq: entries.len() as u64,
                at: clock.now(),
                entry,
            }));
        }
    }

    /// Who asked for the run to be cancelled.
    pub(super) fn cancel_requested(&self, run: &RunId) -> Result<Option<String>, Halt> {
        match &self.sink {
            Sink::Journal { store, .. } => Ok(store.cancel_requested(run)?),
            Sink::Plan { .. } => Ok(None),
        }
    }

    /// What the latest successful run of the procedure, or of an earlier version that its grant was for, remembered on the target.
    pub(super) fn recall(
        &self,
        memory: Option<&Store>,
        whose: Whose<'_>,
        key: &str,
    ) -> Result<Option<String>, Halt> {
        let store = match &self.sink {
            Sink::Journal { store, .. } => Some(store),
            Sink::Plan { .. } => memory,
        };
        match store {
            Some(store) => Ok(store.latest_remembered(whose, key)?),
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
    pub(super) fn into_plan(self) -> Collected {
        match self.sink {
            Sink::Plan {
                entries,
                foreseen,
                before,
                asides,
                ..
            } => Collected {
                before: before.unwrap_or(entries.len()),
                entries,
                foreseen,
                asides,
            },
            Sink::Journal { .. } => Collected::default(),
        }
    }
}

/// Which look it was, and nothing of what it showed.
fn without_answer(mut stamped: Stamped) -> Stamped {
    if let Entry::Observed {
        answer: Ok(answer), ..
    } = &mut stamped.entry
    {
        *answer = Value::Null;
    }
    stamped
}

/// What a procedure finds after effects that did not happen is what their answers foresaw.
fn assumed(entry: Entry) -> Entry {
    let Entry::Check {
        name,
        verdict,
        evidence,
    } = entry
    else {
        return entry;
    };
    Entry::Check {
        name,
        verdict,
        evidence: format!("assumed: {evidence}"),
    }
}

async fn record(
    store: &Store,
    state: &mut State,
    count: &Count,
    run: &RunId,
    entry: Entry,
) -> Result<Receipt, Halt> {
    let receipt = store.append(run, entry).await.map_err(bound)?;
    count.saw(receipt.stamped());
    apply(state, &receipt.stamped().entry)?;
    Ok(receipt)
}

fn record_soon(
    store: &Store,
    state: &mut State,
    count: &Count,
    run: &RunId,
    entry: Entry,
) -> Result<Stamped, Halt> {
    apply(state, &entry)?;
    let at = store.append_soon(run, entry.clone()).map_err(bound)?;
    let seq = count.next();
    Ok(Stamped { seq, at, entry })
}

fn apply(state: &mut State, entry: &Entry) -> Result<(), Halt> {
    state
        .apply(entry)
        .map_err(|illegal| Halt::Internal(illegal.to_string()))
}

/// Too much is a bound like any other: the run ends by it, and is taken back.
fn bound(error: StoreError) -> Halt {
    if matches!(error, StoreError::TooLarge { .. }) {
        Halt::Refused(error.to_string())
    } else {
        error.into()
    }
}

/// Whether the run may go on before the entry is durable: what a resumed run would meet without it is the same, or the target can tell.
/// Nothing changes outside before the next *intended*, which is waited for and makes all before it durable.
fn may_ride(entry: &Entry, state: &State) -> bool {
    match entry {
        Entry::Observed { .. }
        | Entry::Refused { .. }
        | Entry::Step { .. }
        | Entry::Log { .. }
        | Entry::Check { .. }
        | Entry::Panicked { .. }
        | Entry::Turned(_) => true,
        Entry::Done {
            effect, confirmed, ..
        } => {
            let effect = state.effect(*effect);
            // What was asked after a crash is read back at once.
            !confirmed && effect.is_some_and(|effect| effect.call.leaves_a_trace())
        }
        Entry::Begin(_)
        | Entry::Resumed { .. }
        | Entry::Waiting { .. }
        | Entry::Intended { .. }
        | Entry::Noted { .. }
        | Entry::Failed { .. }
        | Entry::NotDone { .. }
        | Entry::InDoubt { .. }
        | Entry::Unwinding { .. }
        | Entry::Undoing { .. }
        | Entry::Undone { .. }
        | Entry::UndoFailed { .. }
        | Entry::Stopped { .. }
        | Entry::CancelRequested { .. }
        | Entry::UndoRequested { .. }
        | Entry::End { .. } => false,
    }
}
