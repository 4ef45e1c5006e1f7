//! Facts as a server might tell them, for tests of decisions.
//!
//! Take one and change what the decision is about; a field that a later version adds then breaks no test:
//!
//! ```
//! use windlass_sdk::{database::TableFacts, sample};
//!
//! let bloated = TableFacts { dead_rows: 50_000, ..sample::table("orders") };
//! assert_eq!(bloated.name.schema, "public");
//! ```
//!
//! There is no stand-in for the host here: what a procedure does is tried on a real server, by `windlass plan` and `windlass run`.

use crate::cluster::{
    Container, NodeFacts, PodFacts, Rollout, RolloutState, WorkloadFacts, WorkloadKind,
    WorkloadName,
};
use crate::database::{
    AgedDatabase, CoverageFacts, IndexFacts, ObjectName, ReplicationSlot, ServerFacts,
    SessionFacts, Standby, StorageParameter, TableFacts, TableKind, XminHolder, XminHolderKind,
};

/// So many bytes have the samples of tables and indexes: 100 MB.
pub const BYTES: u64 = 100 << 20;

/// A name in the schema `public`.
pub fn name(name: impl Into<String>) -> ObjectName {
    ObjectName {
        schema: "public".to_owned(),
        name: name.into(),
    }
}

/// A primary of PostgreSQL 18 with the server's own defaults, 40 GB free, and no standby expected.
pub fn server() -> ServerFacts {
    ServerFacts {
        version: "18.4".to_owned(),
        version_number: 180_004,
        is_standby: false,
        started: 0,
        database_bytes: BYTES,
        free_bytes: Some(40 << 30),
        expected_standbys: Some(0),
        autovacuum: [
            ("autovacuum", "on"),
            ("autovacuum_vacuum_scale_factor", "0.2"),
        ]
        .map(|(name, value)| StorageParameter {
            name: name.to_owned(),
            value: value.to_owned(),
        })
        .into(),
        frozen_age: 100,
        multixact_age: 0,
        oldest_frozen: aged("template1", 100),
        oldest_multixact: aged("template1", 0),
    }
}

/// A database of the server of this age.
pub fn aged(name: impl Into<String>, age: u32) -> AgedDatabase {
    AgedDatabase {
        name: name.into(),
        age,
    }
}

/// A database with so many tables and as many indexes, all of which are shown and counted.
pub fn coverage(tables: u32) -> CoverageFacts {
    CoverageFacts {
        role: "windlass".to_owned(),
        tables,
        tables_covered: tables,
        indexes: tables,
        indexes_covered: tables,
        uncounted: 0,
        absent: Vec::new(),
    }
}

/// A table of [`BYTES`] in the schema `public`: 100,000 rows, none dead, analyzed in 1970, and nothing modified since.
pub fn table(named: impl Into<String>) -> TableFacts {
    TableFacts {
        name: name(named),
        oid: 1,
        kind: TableKind::Table,
        heap_bytes: BYTES,
        index_bytes: 0,
        total_bytes: BYTES,
        live_rows: 100_000,
        dead_rows: 0,
        modified_since_analyze: 0,
        bloat_bytes: None,
        last_vacuum: None,
        last_analyze: Some(0),
        frozen_age: 100,
        multixact_age: 0,
        parameters: Vec::new(),
        withheld: Vec::new(),
    }
}

/// A valid B-tree of [`BYTES`] without bloat, on the table `public.t`.
pub fn index(named: impl Into<String>) -> IndexFacts {
    IndexFacts {
        name: name(named),
        table: name("t"),
        oid: 2,
        method: "btree".to_owned(),
        bytes: BYTES,
        bloat_bytes: Some(0),
        unknown_bloat: None,
        scans: 1,
        valid: true,
        in_work: false,
        leftover: None,
        not_rebuildable: None,
        definition: String::new(),
        tablespace: None,
        withheld: Vec::new(),
    }
}

/// A session that is idle in a transaction of the user `app` since the first second of 1970.
pub fn holder(pid: u32) -> XminHolder {
    XminHolder {
        kind: XminHolderKind::Session,
        name: "app".to_owned(),
        pid: Some(pid),
        backend_start: Some(5),
        state: "idle in transaction".to_owned(),
        age: 3,
        catalog_only: false,
        since: Some(1000),
        windlass: false,
    }
}

/// A standby that streams and has replayed everything.
pub fn standby(name: impl Into<String>) -> Standby {
    Standby {
        name: name.into(),
        state: "streaming".to_owned(),
        synchronous: false,
        lag_bytes: Some(0),
        lag: None,
    }
}

/// A slot that is in use and retains nothing.
pub fn slot(name: impl Into<String>) -> ReplicationSlot {
    ReplicationSlot {
        name: name.into(),
        active: true,
        wal_status: "reserved".to_owned(),
        retained_bytes: Some(0),
    }
}

/// Ten of a hundred connections in use, and nothing that waits or is idle in a transaction.
pub fn sessions() -> SessionFacts {
    SessionFacts {
        limit: 100,
        used: 10,
        waiting_for_locks: 0,
        oldest_transaction: None,
        oldest_idle_in_transaction: None,
        pools: Vec::new(),
        under_way: Vec::new(),
    }
}

/// A deployment in the namespace `shop`: two replicas of `app:1`, all of them ready, and nothing that is rolled out.
pub fn workload(name: impl Into<String>) -> WorkloadFacts {
    let name = name.into();
    WorkloadFacts {
        selector: format!("app={name}"),
        name: WorkloadName {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name,
        },
        uid: "1".to_owned(),
        desired: 2,
        updated: 2,
        ready: 2,
        available: 2,
        paused: false,
        containers: vec![Container {
            name: "app".to_owned(),
            image: "app:1".to_owned(),
            init: false,
        }],
        revision: Some(1),
        rollout: Rollout {
            state: RolloutState::Complete,
            message: String::new(),
        },
        managers: Vec::new(),
        single: None,
    }
}

/// A pod of a workload that runs and is ready, on the node `node-1`, never restarted.
pub fn pod(of: &WorkloadFacts, number: u32) -> PodFacts {
    let replica_set = format!("{}-5d9", of.name.name);
    PodFacts {
        name: format!("{replica_set}-{number}"),
        uid: number.to_string(),
        node: Some("node-1".to_owned()),
        phase: "Running".to_owned(),
        ready: true,
        ending: false,
        restarts: 0,
        waiting: None,
        images: of
            .containers
            .iter()
            .map(|container| container.image.clone())
            .collect(),
        owner: Some(format!("ReplicaSet/{replica_set}")),
        started: Some(0),
    }
}

/// A node that is ready and takes pods.
pub fn node(name: impl Into<String>) -> NodeFacts {
    NodeFacts {
        name: name.into(),
        uid: "1".to_owned(),
        ready: true,
        cordoned: false,
        cordoned_by_windlass: false,
        control_plane: false,
        kubelet_version: "v1.36.3".to_owned(),
        os_image: "Linux".to_owned(),
        boot_id: "1".to_owned(),
        labels: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{pod, workload};
    use crate::cluster::is_of;

    #[test]
    fn a_pod_is_of_the_workload_that_it_was_made_from() {
        let (web, api) = (workload("web"), workload("api"));
        assert!(is_of(&pod(&web, 1), &web.name));
        assert!(!is_of(&pod(&web, 1), &api.name));
    }
}
