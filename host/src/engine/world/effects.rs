//! What each effect does to the target in memory, how it is taken back, and what it leaves where it breaks off.

use super::TARGET;
use super::target::{Inner, SETTING};
use crate::call::{Applied, Effect, Prepared, Revert, Reverted, Undo};
use crate::contract::database_types::{ObjectName, StorageParameter};
use crate::database;
use serde_json::Value;

pub(super) fn prepared(effect: &Effect, inner: &Inner) -> Prepared {
    Prepared {
        before: Value::Null,
        foreseen: Value::Null,
        undo: undo(effect, inner),
        touches: Vec::new(),
        now: String::new(),
        after: String::new(),
        details: Vec::new(),
    }
}

fn undo(effect: &Effect, inner: &Inner) -> Undo {
    let Effect::Database(effect) = effect else {
        return Undo::NotNeeded("it changes nothing here".into());
    };
    match effect {
        database::Effect::SetParameters {
            database,
            table,
            parameters,
        } => {
            let value = inner.settings.get(&table.name);
            let before = value.map(|value| StorageParameter {
                name: SETTING.into(),
                value: value.clone(),
            });
            Undo::By(Revert::Database(database::Revert::RestoreParameters {
                database: database.clone(),
                table: table.clone(),
                oid: 1,
                set: parameters.clone(),
                before: before.into_iter().collect(),
            }))
        }
        database::Effect::CancelBackend { .. } => Undo::Impossible("what ended has ended".into()),
        database::Effect::DropInvalidIndex { .. } => Undo::Final("what is gone is gone".into()),
        database::Effect::Vacuum { .. }
        | database::Effect::Analyze { .. }
        | database::Effect::Reindex { .. } => Undo::NotNeeded("nothing to take back".into()),
    }
}

/// The index, if the effect rebuilds one.
pub(super) fn rebuilt(effect: &Effect) -> Option<&ObjectName> {
    match effect {
        Effect::Database(database::Effect::Reindex { index, .. }) => Some(index),
        Effect::Database(_) | Effect::Cluster(_) | Effect::Notify(_) => None,
    }
}

pub(super) fn sweep(index: &ObjectName) -> Revert {
    Revert::Database(database::Revert::DropLeftovers {
        database: TARGET.into(),
        index: index.clone(),
        leftovers: vec![(index.clone(), 1)],
    })
}

pub(super) fn change(effect: &Effect, inner: &mut Inner) {
    match effect {
        Effect::Database(database::Effect::SetParameters {
            table, parameters, ..
        }) => put(inner, &table.name, parameters[0].1.clone()),
        Effect::Database(database::Effect::Reindex { index, .. }) => {
            inner.leftovers.remove(&index.name);
        }
        Effect::Database(_) | Effect::Cluster(_) | Effect::Notify(_) => {}
    }
}

fn put(inner: &mut Inner, table: &str, value: Option<String>) {
    match value {
        Some(value) => drop(inner.settings.insert(table.to_owned(), value)),
        None => drop(inner.settings.remove(table)),
    }
}

pub(super) fn take_back(revert: &database::Revert, inner: &mut Inner) -> Reverted {
    match revert {
        database::Revert::RestoreParameters {
            table, set, before, ..
        } => {
            let now = inner.settings.get(&table.name).cloned();
            let before = before.first().map(|parameter| parameter.value.clone());
            if now == before {
                Reverted::NothingToDo("it is as before".into())
            } else if now == set[0].1 {
                put(inner, &table.name, before);
                Reverted::Restored("as before".into())
            } else {
                Reverted::LeftAlone("another hand changed it".into())
            }
        }
        database::Revert::DropLeftovers { index, .. } => {
            if inner.leftovers.remove(&index.name) {
                Reverted::Restored("dropped".into())
            } else {
                Reverted::NothingToDo("it is gone".into())
            }
        }
    }
}

pub(super) fn applied() -> Applied {
    Applied {
        answer: Value::Null,
        after: String::new(),
        sweep: None,
    }
}
