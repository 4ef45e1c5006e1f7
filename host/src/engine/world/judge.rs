//! Judges the end of a run: the journal must say what happened to the target.

use super::super::EngineError;
use super::target::{Inner, World};
use crate::call::{Effect, Undo};
use crate::database;
use crate::journal::{Entry, Outcome, Stamped, State, Status, StoreError};
use std::collections::BTreeMap;

/// Errors that an operator can meet although windlass works as it must.
pub(super) fn may_fail_with(error: &EngineError, disk_full: bool) -> bool {
    match error {
        EngineError::Lock(_)
        | EngineError::OutOfReach { .. }
        | EngineError::NotAsked { .. }
        | EngineError::Empty(_) => true,
        EngineError::Journal(error) => disk_full && !matches!(error, StoreError::Illegal { .. }),
        EngineError::Plan(_) | EngineError::Sandbox(_) | EngineError::Internal(_) => false,
    }
}

/// A run of which nothing is recorded did nothing.
pub(super) fn nothing_happened(world: &World) -> Result<(), String> {
    let inner = world.inner();
    expect(inner.happened.is_empty(), || {
        "a run without a record changed the target".into()
    })
}

pub(super) fn judge(state: &State, world: &World) -> Result<(), String> {
    let inner = world.inner();
    if let Some(fault) = inner.faults.first() {
        return Err(fault.clone());
    }
    let Some(outcome) = state.outcome() else {
        return Err("it has not ended".into());
    };
    let why = |what: &str| format!("{outcome:?} ({:?}): {what}", state.summary());
    as_recorded(state, &inner).map_err(|what| why(&what))?;
    let stands = match outcome {
        Outcome::Succeeded | Outcome::Inconclusive => what_was_set(state),
        Outcome::FailedAndUnwound
        | Outcome::CancelledAndUnwound
        | Outcome::Refused
        | Outcome::Undone => {
            let stays = state.effects().iter().any(cannot_be_taken_back);
            expect(!stays, || why("it did what cannot be taken back"))?;
            BTreeMap::new()
        }
        Outcome::TakenBackInPart => {
            expect(!state.stays().is_empty(), || why("nothing stays"))?;
            return no_leftovers(&inner).map_err(|what| why(&what));
        }
        Outcome::Stuck => return Ok(()),
    };
    no_leftovers(&inner).map_err(|what| why(&what))?;
    for table in 0..3 {
        let table = super::target::table_name(table);
        if inner.other_hands.contains(&table) {
            continue;
        }
        let (is, must) = (inner.settings.get(&table), stands.get(&table));
        expect(is == must, || {
            why(&format!("{table} is {is:?} and must be {must:?}"))
        })?;
    }
    Ok(())
}

/// What is recorded as let through is no more than the budget has. What did not happen, as the target said after a crash, is asked for again.
pub(super) fn kept_within(
    (calls, effects): (Option<u64>, Option<u64>),
    entries: &[Stamped],
) -> Result<(), String> {
    let of = |counts: fn(&Entry) -> bool| {
        let counted = entries.iter().filter(|stamped| counts(&stamped.entry));
        counted.count() as u64
    };
    let again = of(|entry| matches!(entry, Entry::NotDone { .. }));
    let done = of(|entry| matches!(entry, Entry::Intended { .. })) - again;
    let seen = of(|entry| matches!(entry, Entry::Observed { .. }));
    for (most, used) in [(effects, done), (calls, done + seen)] {
        expect(most.is_none_or(|most| used <= most), || {
            format!("{used} of at most {most:?}")
        })?;
    }
    Ok(())
}

/// Each effect happened once if the record says that it did, and never if it says that it did not.
fn as_recorded(state: &State, inner: &Inner) -> Result<(), String> {
    for effect in state.effects() {
        let happened = inner.happened.get(&effect.number).copied().unwrap_or(0);
        let recorded = match effect.status {
            Status::Done { .. } => 1,
            Status::Failed { .. } | Status::NotDone { .. } => 0,
            Status::Intended | Status::InDoubt { .. } => continue,
        };
        expect(happened == recorded, || {
            format!("effect {} happened {happened} times", effect.number)
        })?;
    }
    let known = state.effects().len() as u64;
    expect(inner.happened.keys().all(|number| *number <= known), || {
        "an effect is not in the record".into()
    })
}

fn cannot_be_taken_back(effect: &crate::journal::EffectState) -> bool {
    let happened = matches!(effect.status, Status::Done { .. });
    happened && matches!(effect.prepared.undo, Undo::Impossible(_) | Undo::Final(_))
}

fn no_leftovers(inner: &Inner) -> Result<(), String> {
    expect(inner.leftovers.is_empty(), || {
        format!("{:?} are left", inner.leftovers)
    })
}

/// The settings as the effects of the run leave them.
fn what_was_set(state: &State) -> BTreeMap<String, String> {
    let mut set = BTreeMap::new();
    for effect in state.effects() {
        if let (
            Status::Done { .. },
            Effect::Database(database::Effect::SetParameters {
                table, parameters, ..
            }),
        ) = (&effect.status, &effect.call)
            && let Some(value) = parameters[0].1.clone()
        {
            set.insert(table.name.clone(), value);
        }
    }
    set
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
