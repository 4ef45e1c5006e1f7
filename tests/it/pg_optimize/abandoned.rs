//! What an earlier run left running, and what only looks as if.

use super::{Rebuilding, granted, optimize};
use crate::world::World;
use postgres::Client;
use xtask::postgres::{NEWEST, OLDEST, connect};

/// A session as another run would have it.
fn of_another_run(world: &World) -> Client {
    let mut session = connect(world.url()).unwrap();
    session
        .batch_execute("SET application_name = 'windlass/gone'")
        .unwrap();
    session
}

#[test]
fn only_what_changes_something_is_abandoned() {
    let world = granted(World::bloated_on(NEWEST));
    let mut looking = of_another_run(&world);
    let looks = std::thread::spawn(move || {
        // Until it is cancelled.
        looking.batch_execute("SELECT pg_sleep(600)")
    });
    world.until(
        "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(6%' AND state = 'active'",
    );
    let report = optimize(&world, &["cancel-abandoned=true", "min-size=1GB"]).expect(0);
    assert!(
        !report.summary().contains("cancelled"),
        "{}",
        report.summary()
    );
    assert_eq!(
        world.sql(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'windlass/gone'
             AND datname = current_database()"
        ),
        ["t"]
    );
    looks.join().unwrap().unwrap_err();
}

#[test]
fn an_abandoned_rebuild_is_cancelled_and_what_it_leaves_dropped() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::bloated_on(major));
        let mut older = world.session();
        older
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            .unwrap();
        let session = of_another_run(&world);
        let rebuilding = Rebuilding::in_session(&world, older, session, "accounts_pkey");
        let report = optimize(&world, &["stop-after=0s"]).expect(0);
        report.said("warning", "left a statement running: REINDEX of run gone");

        let asked = ["cancel-abandoned=true", "max-objects=3"];
        let report = optimize(&world, &asked).expect(0);
        let done = report.done();
        assert!(done[0].starts_with("cancel"), "{done:?}");
        assert!(
            done.contains(&"drop invalid index public.accounts_pkey_ccnew".to_owned()),
            "on {major}: {done:?}"
        );
        rebuilding.let_go().unwrap_err();
    }
}

#[test]
fn an_abandoned_vacuum_is_seen() {
    let world = granted(World::bloated_on(NEWEST));
    let mut session = of_another_run(&world);
    session
        .batch_execute("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1")
        .unwrap();
    let vacuum = std::thread::spawn(move || session.batch_execute("VACUUM accounts"));
    world.until("SELECT FROM pg_stat_progress_vacuum WHERE datname = current_database()");
    let report = optimize(&world, &["cancel-abandoned=true", "max-objects=1"]).expect(0);
    assert_eq!(report.done().len(), 1);
    assert_eq!(
        report.summary().split(';').next(),
        Some("1 statement cancelled")
    );
    vacuum.join().unwrap().unwrap_err();
}
