//! `pg-health` on databases that are not: what naive checks pass is found, and what cannot be told is not passed.

mod invariants;
mod standbys;
mod whole;

use crate::report::{Report, run, run_with};
use crate::world::World;
use xtask::bloat;
use xtask::postgres::{NEWEST, OLDEST, Options, connect};

/// Nobody expects a standby.
const ALONE: &str = "expected-standbys=0";

/// A world with a grant for the procedure and without the leftover that makes it fail.
fn granted(world: World) -> World {
    world
        .session()
        .batch_execute("DROP INDEX IF EXISTS accounts_abalance_ccnew")
        .unwrap();
    world.grant("pg-health", "orders");
    world
}

fn health(world: &World, more: &[&str]) -> Report {
    run(world, "pg-health", &[&[ALONE], more].concat())
}

/// How many sessions of ordinary roles the server takes.
fn places(world: &World) -> String {
    let kept = "current_setting('superuser_reserved_connections')::integer
        + coalesce(current_setting('reserved_connections', true)::integer, 0)";
    let query = format!("SELECT current_setting('max_connections')::integer - ({kept})");
    world.sql(&query).remove(0)
}

#[test]
fn a_healthy_database_passes_with_figures() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::bloated_on(major));
        let report = health(&world, &[]).expect(0);
        assert_eq!(report.not_passed(), [""; 0]);
        assert_eq!(report.check("tables"), "pass: 2 tables seen");
        assert_eq!(report.check("indexes"), "pass: 5 indexes seen, all valid");
        assert!(
            report
                .check("role")
                .contains(&format!("PostgreSQL {}.", world.major()))
        );
        assert!(
            report
                .check("connections")
                .contains(&format!(" of {} used, ", places(&world)))
        );
        assert!(report.summary().ends_with("13 checks passed"));
    }
}

#[test]
fn an_invalid_index_fails() {
    let world = granted(World::bloated_on(NEWEST));
    bloat::leave_invalid_index(world.url(), "accounts_bid").unwrap();
    let report = health(&world, &[]).expect(1);
    let found = report.check("indexes");
    assert!(
        found.starts_with("fail: 1 of 1: public.accounts_bid_ccnew ("),
        "{found}"
    );
    assert!(found.ends_with("left by a rebuild that never finished"));
    assert_eq!(report.not_passed(), ["indexes"]);
}

#[test]
fn seeing_nothing_is_no_pass() {
    // The wrong database: there is nothing in it.
    let world = granted(World::on(NEWEST));
    let report = health(&world, &[]).expect(1);
    let found = report.check("tables");
    assert!(
        found.starts_with("fail: 0 tables seen: is the grant"),
        "{found}"
    );
    health(&world, &["expect-tables=false"]).expect(0);

    // A grant for a schema that is not there.
    let world = granted(World::bloated_on(NEWEST));
    let file = "grants/pg-health.orders.toml";
    let grant = world.read(file);
    world.write(
        file,
        &grant.replace("schemas = [\"*\"]", "schemas = [\"pulbic\"]"),
    );
    let report = health(&world, &[]).expect(1);
    let found = report.check("tables");
    assert!(found.starts_with("fail: 0 of 2 tables seen"), "{found}");
    assert!(found.contains("there is no schema `pulbic`"), "{found}");
    world.write(file, &grant);

    // A role that is shown nothing of others.
    let stranger = world.stranger();
    let target = [("ORDERS_DATABASE_URL", stranger.as_str())];
    let report = run_with(&world, &target, "pg-health", &[ALONE]).expect(1);
    assert!(
        report.summary().contains("GRANT pg_monitor TO"),
        "{}",
        report.summary()
    );
}

#[test]
fn forgotten_transactions_fail() {
    // Sessions are looked at server-wide: those of other tests must not be the oldest.
    let world = granted(World::alone(NEWEST, &Options::default()));
    let mut holder = bloat::forget_transaction(world.url(), "forgetful").unwrap();
    // Transactions of others, so that this one is old.
    for _ in 0..3 {
        world
            .session()
            .batch_execute("INSERT INTO sessions DEFAULT VALUES")
            .unwrap();
    }
    health(&world, &[]).expect(0);
    let strict = [
        "max-idle-in-transaction=0s",
        "max-transaction-age=0s",
        "max-horizon-age=1",
    ];
    let report = health(&world, &strict).expect(1);
    assert_eq!(
        report.not_passed(),
        ["idle in transaction", "transactions", "vacuum horizon"]
    );
    let found = report.check("vacuum horizon");
    assert!(
        found.contains("(forgetful) (idle in transaction) has held it for"),
        "{found}"
    );

    // A long transaction that was at work until now has not been idle for long.
    holder.batch_execute("SELECT pg_sleep(2)").unwrap();
    let report = health(&world, &strict).expect(1);
    let span = |name: &str| report.check(name).split(',').next().map(str::to_owned);
    assert_ne!(span("idle in transaction"), span("transactions"));
}

#[test]
fn waiting_sessions_and_full_servers_fail() {
    let world = granted(World::alone(NEWEST, &Options::default()));
    let mut sessions: Vec<_> = (0..30)
        .map(|_| {
            let url = format!("{}?application_name=pool/7", world.url());
            connect(&url).unwrap()
        })
        .collect();
    let report = health(&world, &["min-headroom=90"]).expect(1);
    let found = report.check("connections");
    assert!(
        found.starts_with("fail: 31 of 197 used, 84 % free, 90 % required"),
        "{found}"
    );
    assert!(found.contains("most: 30 windlass pool (idle)"), "{found}");

    let waiting = sessions.split_off(29);
    let mut holder = world.session();
    holder.batch_execute("BEGIN; LOCK TABLE sessions").unwrap();
    let threads: Vec<_> = waiting
        .into_iter()
        .map(|mut session| {
            std::thread::spawn(move || session.batch_execute("SELECT FROM sessions"))
        })
        .collect();
    world.until("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    let report = health(&world, &["max-lock-waits=0"]).expect(1);
    assert_eq!(
        report.check("lock waits"),
        "fail: 1 session, at most 0 sessions allowed"
    );
    holder.batch_execute("ROLLBACK").unwrap();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}

#[test]
fn tables_near_the_end_of_their_transaction_numbers_fail() {
    let world = granted(World::bloated_on(NEWEST));
    let report = health(&world, &["max-wraparound-age=1"]).expect(1);
    let found = report.check("wraparound");
    assert!(found.starts_with("fail: "), "{found}");
    assert!(
        found.contains("of a table that is not seen; public."),
        "{found}"
    );
    assert!(found.ends_with("at most 1 are allowed"), "{found}");
}

#[test]
fn slow_statements_are_told_by_what_came_since_the_last_run() {
    let world = granted(World::bloated_on(NEWEST));
    let slow = || {
        let mut session = world.session();
        session
            .batch_execute("SELECT 'canary', pg_sleep(0.2)")
            .unwrap();
    };
    slow();
    // Nobody said how many standbys to expect, so it is inconclusive, and keeps its snapshot all the same.
    let report = run(&world, "pg-health", &[]).expect(4);
    report.said("info", "this one keeps the first snapshot");
    slow();
    slow();
    let report = health(&world, &["slow-queries=1"]).expect(0);
    let lines = report.lines("info");
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("in the last "))
        .collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert!(told[0].contains(" in 2 calls, "), "{told:?}");
    assert!(told[0].contains("pg_sleep($"), "{told:?}");
    assert!(!told[0].contains("canary"), "{told:?}");

    world
        .session()
        .batch_execute("DROP EXTENSION pg_stat_statements")
        .unwrap();
    let report = health(&world, &[]).expect(0);
    report.said("info", "pg_stat_statements is not installed in `orders`");
}
