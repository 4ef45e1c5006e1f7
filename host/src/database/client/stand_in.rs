//! A database that answers at once and is not there: for benchmarks of what is around a room, and for nothing else.

use super::super::{Effect, Read};
use crate::call::{Applied, Confirmed, Prepared, Reverted, Undo};
use crate::contract::database_types::{AgedDatabase, ServerFacts};
use crate::contract::{CallError, ErrorKind};
use serde_json::{Value, json};

/// Answers what a small server would say of itself; every other look is `unavailable`.
pub(super) fn read(read: &Read) -> Result<Value, CallError> {
    if let Read::Server { .. } = read {
        let facts = ServerFacts {
            version: "18.0".into(),
            version_number: 180_000,
            is_standby: false,
            started: 1_763_726_400_000,
            database_bytes: 8_000_000,
            free_bytes: None,
            expected_standbys: None,
            autovacuum: Vec::new(),
            frozen_age: 0,
            multixact_age: 0,
            oldest_frozen: young(),
            oldest_multixact: young(),
        };
        return super::work::to_value(&facts);
    }
    Err(CallError::new(
        ErrorKind::Unavailable,
        "nothing is there to be looked at",
    ))
}

fn young() -> AgedDatabase {
    AgedDatabase {
        name: "template1".into(),
        age: 0,
    }
}

/// Every effect can be done, as ANALYZE can.
pub(super) fn prepare(effect: &Effect) -> Prepared {
    Prepared {
        before: json!({ "oid": 16_385, "last": null }),
        foreseen: answer(effect),
        undo: Undo::NotNeeded("statistics follow the rows".into()),
        touches: Vec::new(),
        now: "never analyzed".into(),
        details: Vec::new(),
        after: "analyzed".into(),
    }
}

/// Bytes freed, where the contract asks for them.
fn answer(effect: &Effect) -> Value {
    match effect {
        Effect::DropInvalidIndex { .. } => 0.into(),
        Effect::Vacuum { .. }
        | Effect::Analyze { .. }
        | Effect::Reindex { .. }
        | Effect::CancelBackend { .. }
        | Effect::SetParameters { .. } => Value::Null,
    }
}

pub(super) fn apply(effect: &Effect) -> Applied {
    Applied {
        answer: answer(effect),
        after: "analyzed".into(),
        sweep: None,
    }
}

pub(super) fn confirm(effect: &Effect) -> Confirmed {
    Confirmed::Done(apply(effect))
}

pub(super) fn revert() -> Reverted {
    Reverted::NothingToDo("nothing is there".into())
}
