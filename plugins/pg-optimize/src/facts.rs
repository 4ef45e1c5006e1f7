//! Facts as a server might tell them, for tests.

use windlass_sdk::database::{
    IndexFacts, Leftover, ObjectName, Standby, TableFacts, TableKind, XminHolder, XminHolderKind,
};

fn name(name: &str) -> ObjectName {
    ObjectName {
        schema: "public".to_owned(),
        name: name.to_owned(),
    }
}

pub(crate) fn index(named: &str, bytes: u64, bloat: u64) -> IndexFacts {
    IndexFacts {
        name: name(named),
        table: name("t"),
        oid: 2,
        method: "btree".to_owned(),
        bytes,
        bloat_bytes: Some(bloat),
        scans: 1,
        valid: true,
        leftover: None,
        not_rebuildable: None,
        definition: String::new(),
    }
}

pub(crate) fn invalid(named: &str, leftover: Option<Leftover>) -> IndexFacts {
    IndexFacts {
        valid: false,
        leftover,
        ..index(named, 1 << 20, 0)
    }
}

/// Of 100 MB, analyzed, and nothing modified since.
pub(crate) fn table(named: &str, live_rows: u64, dead_rows: u64) -> TableFacts {
    TableFacts {
        name: name(named),
        oid: 1,
        kind: TableKind::Table,
        heap_bytes: 100 << 20,
        index_bytes: 0,
        total_bytes: 100 << 20,
        live_rows,
        dead_rows,
        modified_since_analyze: 0,
        bloat_bytes: None,
        last_vacuum: None,
        last_analyze: Some(0),
        frozen_age: 0,
        parameters: Vec::new(),
    }
}

pub(crate) fn holder(pid: u32, age: u32) -> XminHolder {
    XminHolder {
        kind: XminHolderKind::Session,
        name: "app".to_owned(),
        pid: Some(pid),
        backend_start: Some(5),
        state: "idle in transaction".to_owned(),
        age,
        since: Some(1000),
        windlass: false,
    }
}

pub(crate) fn standby(lag_bytes: Option<u64>, lag: Option<u64>) -> Standby {
    Standby {
        name: "b".to_owned(),
        state: "streaming".to_owned(),
        synchronous: false,
        lag_bytes,
        lag,
    }
}
