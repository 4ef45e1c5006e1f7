//! The harness itself: what the other tests take for granted.

use crate::world::{ROWS, World, rows};
use std::time::Duration;
use xtask::postgres::{NEWEST, OLDEST, Options, connect};
use xtask::until;

const WAITS: &str =
    "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'pg_class'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[test]
fn a_bloated_world_is_broken_on_every_version() {
    for major in [OLDEST, NEWEST] {
        let world = World::bloated_on(major);
        let version = world.sql("SELECT current_setting('server_version_num')::integer / 10000");
        assert_eq!(version, [world.major().to_string()]);
        let dead = format!("{}", i64::from(ROWS) + i64::from(ROWS) / 3);
        let query = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'accounts'";
        assert_eq!(world.sql(query), [dead]);
        let query = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid";
        assert_eq!(world.sql(query), ["accounts_abalance_ccnew"]);
    }
}

#[test]
fn worlds_are_apart_and_windlass_owns_its_own() {
    let (one, other) = (World::bloated(), World::new());
    let mut session = connect(one.url()).unwrap();
    for sql in [
        "VACUUM accounts",
        "ALTER TABLE accounts SET (fillfactor = 90)",
    ] {
        session.batch_execute(sql).unwrap();
    }
    assert_eq!(
        other.sql("SELECT count(*) FROM pg_class WHERE relname = 'accounts'"),
        ["0"]
    );
    other.bloat(300);
    assert_eq!(other.sql("SELECT count(*) FROM accounts"), ["200"]);
}

#[test]
fn a_stranger_may_log_in_and_no_more() {
    let world = World::bloated_on(NEWEST);
    let mut session = connect(&world.stranger()).unwrap();
    assert!(session.batch_execute("SELECT 1").is_ok());
    assert!(session.batch_execute("SELECT FROM accounts").is_err());
}

#[test]
fn statements_of_windlass_are_counted_at_the_server() {
    let world = World::on(NEWEST);
    let other = World::on(NEWEST);
    for (url, sql) in [(world.url(), "SELECT 1"), (other.url(), "SELECT 2")] {
        let mut session = connect(&format!(
            "{url}?application_name=windlass/0.1.0%20251121-k3f"
        ))
        .unwrap();
        session.batch_execute(sql).unwrap();
    }
    connect(world.url())
        .unwrap()
        .batch_execute("SELECT 3")
        .unwrap();
    let counted: Vec<_> = world
        .statements()
        .into_iter()
        .map(|statement| statement.text)
        .collect();
    assert_eq!(counted, ["SELECT 1"]);
}

#[test]
fn a_world_that_is_alone_can_lose_its_server() {
    let mut world = World::alone(NEWEST, &Options::default().durable());
    world.server().crash();
    assert!(connect(world.url()).is_err());
    world.server().restart().unwrap();
    assert_eq!(world.sql("SELECT count(*) > 0 FROM accounts"), ["t"]);
}

#[test]
fn files_are_seen_but_for_the_state() {
    let world = World::new();
    world.write("grants/x.toml", "");
    world.write(".windlass/journal.db", "");
    let files: Vec<_> = world.files().into_iter().collect();
    assert_eq!(files, ["grants/x.toml", "windlass.toml"]);
}

#[test]
fn an_invocation_can_be_watched_and_killed() {
    let world = World::bloated();
    assert!(
        world
            .snapshot(&["--version"])
            .starts_with("$ windlass --version\nexit code: 0\n----- stdout -----\nwindlass ")
    );
    let runs = world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json();
    assert!(runs["schema"].is_string(), "{runs}");
    assert!(world.read("windlass.toml").contains("[database.orders]"));

    // A transaction that holds a lock keeps windlass waiting for as long as we like.
    let mut session = world.session();
    session
        .batch_execute("BEGIN; LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let killed = world.start(&[], &["doctor"]);
    let waits = until(Duration::from_mins(1), || {
        (rows(&mut session, WAITS) == ["t"]).then_some(())
    });
    assert!(waits.is_some(), "windlass does not wait for the lock");
    assert_eq!(killed.kill().code, 128 + 9);
}
