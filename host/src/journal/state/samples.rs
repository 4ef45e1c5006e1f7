//! Entries for tests of journal and report.

use crate::call::{Applied, Effect, Prepared, Revert, Reverted, Touch, Undo};
use crate::contract::database_types::{ObjectName, StorageParameter};
use crate::contract::{CallError, ErrorKind, Verdict};
use crate::database;
use crate::grant::Side;
use crate::journal::entry::{Ask, Begin, Call, Entry, FORMAT, Outcome};
use serde_json::json;

fn object(name: &str) -> ObjectName {
    ObjectName {
        schema: "public".into(),
        name: name.into(),
    }
}

pub(crate) fn begin() -> Entry {
    Entry::Begin(Begin {
        format: FORMAT,
        procedure: "pg-optimize".into(),
        version: "0.1.0".into(),
        digest: format!("sha256:{}", "3f".repeat(32)),
        target: "orders".into(),
        parameters: json!({"max-objects": 200}),
        grants: vec!["grants/pg-optimize.toml sha256:aa".into()],
        plan: None,
        by: "alice".into(),
        host: "0.1.0".into(),
    })
}

pub(crate) fn restore() -> Revert {
    Revert::Database(database::Revert::RestoreParameters {
        database: "orders".into(),
        table: object("t"),
        oid: 16384,
        set: vec![("autovacuum_vacuum_scale_factor".into(), Some("0.02".into()))],
        before: vec![StorageParameter {
            name: "autovacuum_vacuum_scale_factor".into(),
            value: "0.1".into(),
        }],
    })
}

pub(crate) fn leftovers() -> Revert {
    Revert::Database(database::Revert::DropLeftovers {
        database: "orders".into(),
        index: object("i"),
        leftovers: vec![(object("i_ccnew"), 16385)],
    })
}

pub(crate) fn prepared(undo: Undo) -> Prepared {
    Prepared {
        before: json!({"bytes": 86_000_000}),
        foreseen: json!({}),
        undo,
        touches: vec![Touch::Table {
            database: "orders".into(),
            schema: "public".into(),
            table: "t".into(),
        }],
        now: "86 MB".into(),
        after: "~31 MB".into(),
        details: Vec::new(),
    }
}

/// An effect that can be taken back.
pub(crate) fn tune(effect: u64) -> Entry {
    Entry::Intended {
        effect,
        call: Effect::Database(database::Effect::SetParameters {
            database: "orders".into(),
            table: object("t"),
            parameters: vec![("autovacuum_vacuum_scale_factor".into(), Some("0.02".into()))],
        }),
        prepared: prepared(Undo::By(restore())),
    }
}

/// An effect that needs no undo.
pub(crate) fn reindex(effect: u64) -> Entry {
    Entry::Intended {
        effect,
        call: Effect::Database(database::Effect::Reindex {
            database: "orders".into(),
            index: object("i"),
        }),
        prepared: prepared(Undo::NotNeeded("same index, rebuilt".into())),
    }
}

pub(crate) fn done(effect: u64, sweep: Option<Revert>) -> Entry {
    Entry::Done {
        effect,
        applied: Applied {
            answer: json!({}),
            after: "31 MB".into(),
            sweep,
        },
        confirmed: false,
    }
}

pub(crate) fn failed(effect: u64, sweep: Option<Revert>) -> Entry {
    Entry::Failed {
        effect,
        error: CallError::new(ErrorKind::Conflict, "locked"),
        sweep,
    }
}

pub(crate) fn not_done(effect: u64) -> Entry {
    Entry::NotDone {
        effect,
        why: "the index is as before".into(),
        sweep: None,
    }
}

pub(crate) fn in_doubt(effect: u64) -> Entry {
    Entry::InDoubt {
        effect,
        why: "the server has forgotten".into(),
    }
}

pub(crate) fn unwinding(outcome: Outcome) -> Entry {
    Entry::Unwinding {
        outcome,
        why: "check `replicas` failed".into(),
    }
}

pub(crate) fn undoing(effect: u64, revert: Revert) -> Entry {
    Entry::Undoing { effect, revert }
}

pub(crate) fn undone(effect: u64) -> Entry {
    Entry::Undone {
        effect,
        reverted: Reverted::Restored("0.1".into()),
    }
}

pub(crate) fn undo_failed(effect: u64) -> Entry {
    Entry::UndoFailed {
        effect,
        error: CallError::new(ErrorKind::Unavailable, "the server went away"),
    }
}

pub(crate) fn observed() -> Entry {
    Entry::Observed {
        call: Call::Ask(Ask::Now),
        answer: Ok(json!(1)),
    }
}

pub(crate) fn noted(effect: u64) -> Entry {
    Entry::Noted {
        effect,
        note: json!({"pid": 4711}),
    }
}

pub(crate) fn check(name: &str, verdict: Verdict) -> Entry {
    Entry::Check {
        name: name.into(),
        verdict,
        evidence: "seen".into(),
    }
}

pub(crate) fn stopped() -> Entry {
    Entry::Stopped {
        why: "Ctrl-C".into(),
        diverged: false,
    }
}

pub(crate) fn resumed() -> Entry {
    Entry::Resumed {
        by: "bob".into(),
        grants: Vec::new(),
    }
}

pub(crate) fn cancel() -> Entry {
    Entry::CancelRequested { by: "bob".into() }
}

pub(crate) fn undo() -> Entry {
    Entry::UndoRequested { by: "bob".into() }
}

pub(crate) fn end(outcome: Outcome) -> Entry {
    Entry::End {
        outcome,
        summary: "that was it".into(),
    }
}

pub(crate) fn refused() -> Entry {
    Entry::Refused {
        call: "reindex public.i".into(),
        value: json!({}),
        side: Side::Grant,
        error: CallError::new(ErrorKind::Denied, "the grant covers schema `sales` only"),
        touch: None,
    }
}
