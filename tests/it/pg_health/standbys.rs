//! Standbys: missing, behind, gone, and the target itself being one.

use super::{granted, health};
use crate::report::{Report, run, run_with};
use crate::world::World;
use xtask::postgres::{NEWEST, Options, Server, connect};

fn plain(world: &World, more: &[&str]) -> Report {
    run(world, "pg-health", more)
}

#[test]
fn a_standby_that_is_missing_fails() {
    let world = granted(World::bloated_on(NEWEST));
    let report = plain(&world, &[]).expect(4);
    assert_eq!(report.not_passed(), ["standbys", "standby lag"]);
    assert!(
        report
            .check("standbys")
            .starts_with("inconclusive: none is connected; nobody said")
    );

    world.configure("expected-standbys = 1\n");
    let report = plain(&world, &[]).expect(1);
    assert_eq!(report.not_passed(), ["standbys", "standby lag"]);
    assert_eq!(
        report.check("standbys"),
        "fail: none is connected, 1 expected"
    );
    health(&world, &[]).expect(0);
}

fn replayed(standby: &Server, world: &mut World) {
    standby.wait_for(world.server()).unwrap();
    world.until("SELECT FROM pg_stat_replication WHERE state = 'streaming' AND pg_current_wal_lsn() = replay_lsn",
    );
}

fn write_much(world: &World) {
    world
        .session()
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS news (n integer);
             INSERT INTO news SELECT n FROM generate_series(1, 20000) n",
        )
        .unwrap();
}

#[test]
fn a_standby_passes_while_it_keeps_up_and_no_longer() {
    let options = Options::default().set("wal_receiver_status_interval", "1s");
    let mut world = granted(World::alone(NEWEST, &options));
    world.configure("expected-standbys = 1\n");
    let standby = Server::standby_of(world.server()).unwrap();
    replayed(&standby, &mut world);
    let report = plain(&world, &[]).expect(0);
    assert_eq!(
        report.check("standbys"),
        "pass: 1 connected (standby), 1 expected"
    );

    let mut replaying = connect(&standby.admin_url()).unwrap();
    replaying
        .batch_execute("SELECT pg_wal_replay_pause()")
        .unwrap();
    write_much(&world);
    world.until("SELECT FROM pg_stat_replication WHERE pg_current_wal_lsn() - replay_lsn > 500000");
    let report = plain(&world, &["max-lag-bytes=256kB"]).expect(1);
    assert_eq!(report.not_passed(), ["standby lag"]);
    let found = report.check("standby lag");
    assert!(found.starts_with("fail: 1 of 1: standby is 1."), "{found}");
    assert!(
        found.contains("at most 256 kB and 30 s are allowed"),
        "{found}"
    );

    // Few bytes are too much after some time.
    world.until("SELECT FROM pg_stat_replication WHERE replay_lag > interval '1.1 s'");
    let report = plain(&world, &["max-lag=1s"]).expect(1);
    assert_eq!(report.not_passed(), ["standby lag"]);

    replaying
        .batch_execute("SELECT pg_wal_replay_resume()")
        .unwrap();
    replayed(&standby, &mut world);
    // The server still tells how late it was.
    plain(&world, &["max-lag-bytes=256kB", "max-lag=1s"]).expect(0);
    as_target(&standby, &world);

    // What it leaves is a slot that keeps log for nobody.
    drop(standby);
    world.until("SELECT FROM pg_replication_slots WHERE NOT active");
    let report = plain(&world, &[]).expect(1);
    assert_eq!(
        report.not_passed(),
        ["standbys", "replication slots", "standby lag"]
    );
    assert!(
        report
            .check("replication slots")
            .ends_with(", and nobody uses it")
    );
}

/// Asked about the standby itself, it says what it is.
fn as_target(standby: &Server, world: &World) {
    let url = standby.url("windlass", world.database());
    let target = [("ORDERS_DATABASE_URL", url.as_str())];
    let report = run_with(world, &target, "pg-health", &["expected-standbys=0"]).expect(1);
    assert_eq!(report.not_passed(), ["role"]);
    assert!(report.check("role").ends_with(", a standby"));
    assert_eq!(report.check("tables"), "pass: 3 tables seen");
}
