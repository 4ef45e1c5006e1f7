//! What makes a statement of windlass wait at the server for as long as a test likes, and how a test sees that it waits.

use crate::world::World;
use postgres::Client;
use std::thread;
use std::time::Duration;

/// The server does what is waited for within this time, or never.
const DEADLINE: Duration = Duration::from_mins(1);

/// Something that others have to wait for, until it is dropped.
pub(crate) struct Hold {
    session: Client,
    release: String,
}

impl Hold {
    /// A lock on a table. A prepared transaction holds it: it has no session, so no rebuild gives way to it beforehand.
    fn lock(world: &World, table: &str, mode: &str) -> Self {
        let mut session = world.session();
        let name = prepared(world, table);
        let sql = format!("BEGIN; LOCK TABLE {table} IN {mode} MODE; PREPARE TRANSACTION '{name}'");
        session.batch_execute(&sql).unwrap();
        Self {
            session,
            release: format!("ROLLBACK PREPARED '{name}'"),
        }
    }

    /// As one who writes. A rebuild waits for it before it builds, a drop of an index before it drops; vacuum and ALTER TABLE SET do not.
    pub(crate) fn writer(world: &World, table: &str) -> Self {
        Self::lock(world, table, "ROW EXCLUSIVE")
    }

    /// As one who reads. A rebuild waits for it when the new index is in the place of the old one.
    pub(crate) fn reader(world: &World, table: &str) -> Self {
        Self::lock(world, table, "ACCESS SHARE")
    }

    /// As one who maintains: ALTER TABLE SET waits for it.
    pub(crate) fn maintainer(world: &World, table: &str) -> Self {
        Self::lock(world, table, "SHARE UPDATE EXCLUSIVE")
    }

    /// As one who changes its shape. Everyone waits for it, even who only looks at its size.
    pub(crate) fn owner(world: &World, table: &str) -> Self {
        Self::lock(world, table, "ACCESS EXCLUSIVE")
    }

    /// A snapshot. A rebuild waits for it when the new index is built.
    pub(crate) fn snapshot(world: &World) -> Self {
        let mut session = world.session();
        session
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
            .unwrap();
        Self {
            session,
            release: "COMMIT".into(),
        }
    }

    /// A page of the table's primary key, pinned by a cursor that looks at nothing else. VACUUM waits for it, whatever its lock timeout.
    pub(crate) fn page(world: &World, table: &str, key: &str) -> Self {
        let mut session = world.session();
        let sql = format!(
            "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_indexscan = off;
             BEGIN; DECLARE pin CURSOR FOR SELECT {key} FROM {table} ORDER BY {key}; FETCH pin"
        );
        session.batch_execute(&sql).unwrap();
        Self {
            session,
            release: "COMMIT".into(),
        }
    }

    /// Lets go.
    pub(crate) fn release(self) {
        drop(self);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let released = self.session.batch_execute(&self.release);
        if !thread::panicking() {
            released.unwrap();
        }
    }
}

/// The name of the prepared transaction that holds the table: databases of tests have names of their own.
pub(crate) fn prepared(world: &World, table: &str) -> String {
    format!("{} {table}", world.database())
}

/// Waits until a query of the superuser answers `t`.
#[track_caller]
pub(crate) fn until(world: &World, what: &str, query: &str) {
    let mut session = world.session();
    let came = xtask::until(DEADLINE, || {
        (crate::world::rows(&mut session, query) == ["t"]).then_some(())
    });
    assert!(came.is_some(), "never came about: {what}");
}

/// Waits until a statement of windlass that begins so waits for another at the server, and answers its session.
#[track_caller]
pub(crate) fn until_waits(world: &World, beginning: &str) -> i32 {
    let waiting = format!(
        "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'windlass/%'
         AND state = 'active' AND wait_event_type IN ('Lock', 'BufferPin', 'Buffer', 'IPC') AND query LIKE '{beginning}%'"
    );
    let query = format!("SELECT count(*) = 1 {waiting}");
    until(world, &format!("{beginning} waits"), &query);
    world.sql(&format!("SELECT pid {waiting}"))[0]
        .parse()
        .unwrap()
}

/// Waits until the session is gone.
#[track_caller]
pub(crate) fn until_gone(world: &World, pid: i32) {
    let query = format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}");
    until(world, &format!("session {pid} is gone"), &query);
}
