//! Where it stops, and whom it does not disturb.

use super::{dead_rows, granted, make_bloated, optimize, verbs};
use crate::hold::{Hold, prepared};
use crate::report::run_with;
use crate::world::World;
use xtask::postgres::{NEWEST, Options, Server, connect};

#[test]
fn no_more_objects_are_changed_than_allowed() {
    let world = granted(World::bloated_on(NEWEST));
    let report = optimize(&world, &["max-objects=2"]).expect(0);
    assert_eq!(
        report.done(),
        [
            "drop invalid index public.accounts_abalance_ccnew",
            "reindex public.accounts_abalance"
        ]
    );
    assert!(
        report
            .summary()
            .ends_with("stopped: 2 objects worked on, as many as max-objects allows"),
        "{}",
        report.summary()
    );
    report.said("info", "public.accounts_pkey");
    // The next run goes on where this one stopped.
    let report = optimize(&world, &["max-objects=2"]).expect(0);
    assert_eq!(
        report.done(),
        [
            "reindex public.accounts_bid_abalance",
            "reindex public.accounts_pkey"
        ]
    );
}

#[test]
fn small_objects_are_not_worth_it() {
    let world = granted(World::bloated_on(NEWEST));
    let report = optimize(&world, &["min-size=100kB"]).expect(0);
    let done = report.done();
    assert!(
        !done.contains(&"reindex public.accounts_bid".to_owned()),
        "{done:?}"
    );
    assert_eq!(done.len(), 5, "{done:?}");
    report.said("info", "public.accounts_bid");
    report.said("info", "below 100 kB");
    let report = optimize(&world, &["min-size=1GB"]).expect(0);
    assert_eq!(report.done(), [""; 0]);
}

#[test]
fn nothing_is_started_when_the_time_is_over() {
    let world = granted(World::bloated_on(NEWEST));
    let report = optimize(&world, &["stop-after=0s"]).expect(0);
    assert_eq!(report.done(), [""; 0]);
    assert!(
        report
            .summary()
            .ends_with("stopped: the time of stop-after, 0 ms, is over"),
        "{}",
        report.summary()
    );
    report.said("info", "public.accounts_pkey");
}

#[test]
fn without_room_on_the_disk_nothing_is_rebuilt() {
    let world = granted(World::bloated_on(NEWEST));
    let text = world.read("windlass.toml");
    world.write("windlass.toml", &text.replace("40 GB", "1 MB"));
    let report = optimize(&world, &[]).expect(0);
    // What needs no room is done all the same.
    assert_eq!(
        verbs(&report.done()),
        ["drop invalid index", "vacuum (analyze)"]
    );
    report.said("info", "free twice that is needed");

    world.write("windlass.toml", &text.replace("disk-size", "# disk-size"));
    let report = optimize(&world, &["max-size-when-disk-unknown=100kB"]).expect(0);
    assert_eq!(report.done(), ["reindex public.accounts_bid"]);
    report.said("info", "the free disk space is unknown");
    report.said("info", "max-size-when-disk-unknown");
}

#[test]
fn nothing_is_started_while_a_standby_is_behind() {
    let mut world = granted(World::alone(NEWEST, &Options::default()));
    let standby = Server::standby_of(world.server()).unwrap();
    standby.wait_for(world.server()).unwrap();
    let mut replaying = connect(&standby.admin_url()).unwrap();
    replaying
        .batch_execute("SELECT pg_wal_replay_pause()")
        .unwrap();
    world.as_owner("CREATE TABLE news AS SELECT n FROM generate_series(1, 20000) n");
    world.until("SELECT FROM pg_stat_replication WHERE pg_current_wal_lsn() - replay_lsn > 300000");
    let limits = ["max-lag-bytes=256kB", "lag-patience=0s"];
    let report = optimize(&world, &limits).expect(0);
    assert_eq!(report.done(), [""; 0]);
    assert!(
        report.summary().contains("stopped: standby standby is"),
        "{}",
        report.summary()
    );

    replaying
        .batch_execute("SELECT pg_wal_replay_resume()")
        .unwrap();
    standby.wait_for(world.server()).unwrap();
    world.until("SELECT FROM pg_stat_replication WHERE pg_current_wal_lsn() - replay_lsn < 1000");
    // Its own work puts the standby behind, so that this run waits for it as often as needed.
    let report = optimize(&world, &["max-lag-bytes=256kB"]).expect(0);
    assert!(report.done().len() >= 6, "{:?}", report.done());

    // On the standby itself there is nothing to maintain.
    let url = standby.url("windlass", world.database());
    let target = [("ORDERS_DATABASE_URL", url.as_str())];
    let report = run_with(&world, &target, "pg-optimize", &[]).expect(1);
    assert!(
        report.summary().contains("orders is a standby"),
        "{}",
        report.summary()
    );
}

#[test]
fn nothing_is_started_while_a_standby_is_missing() {
    let mut world = granted(World::alone(NEWEST, &Options::default()));
    world.configure("expected-standbys = 1\n");
    let missing = |world: &World| {
        let report = optimize(world, &["lag-patience=0s"]).expect(0);
        assert_eq!(report.done(), [""; 0]);
        report.summary().to_owned()
    };
    let said = missing(&world);
    assert!(
        said.ends_with("stopped: 0 of 1 expected standbys stream"),
        "{said}"
    );
    let standby = Server::standby_of(world.server()).unwrap();
    standby.wait_for(world.server()).unwrap();
    world.until("SELECT FROM pg_stat_replication WHERE state = 'streaming'");
    let report = optimize(&world, &["max-objects=1"]).expect(0);
    assert_eq!(report.done().len(), 1, "{:?}", report.done());

    // What it leaves is a slot that keeps log for nobody.
    drop(standby);
    let settings = world.read("windlass.toml");
    world.write(
        "windlass.toml",
        &settings.replace("expected-standbys = 1", "expected-standbys = 0"),
    );
    world.until("SELECT FROM pg_replication_slots WHERE NOT active");
    world.as_owner("CREATE TABLE news AS SELECT n FROM generate_series(1, 20000) n");
    let limits = ["lag-patience=0s", "max-lag-bytes=256kB"];
    let report = optimize(&world, &limits).expect(0);
    assert_eq!(report.done(), [""; 0]);
    assert!(
        report.summary().contains("stopped: nobody uses the slot"),
        "{}",
        report.summary()
    );
}

#[test]
fn what_the_budget_would_refuse_cannot_be_asked_for() {
    let world = granted(World::bloated_on(NEWEST));
    let typed = |set| {
        let words = ["plan", "pg-optimize", "--target", "orders", "--set", set];
        world.windlass(&words)
    };
    let refused = typed("max-objects=500").expect(2);
    assert!(refused.stderr.contains("at most 200"), "{refused}");
    let refused = typed("stop-after=4h").expect(1);
    assert!(
        refused.stdout.contains("at most 3 h 30 min")
            || refused.stderr.contains("at most 3 h 30 min"),
        "{refused}"
    );
}

#[test]
fn the_budget_ends_the_work_and_not_the_run() {
    let world = granted(World::bloated_on(NEWEST));
    let file = "grants/pg-optimize.orders.toml";
    let grant = world.read(file);
    world.write(file, &grant.replace("effects = 200", "effects = 2"));
    let report = optimize(&world, &[]).expect(0);
    assert_eq!(report.done().len(), 2, "{:?}", report.done());
    assert!(
        report
            .summary()
            .ends_with("the budget of 2 effects is used up"),
        "{}",
        report.summary()
    );
}

#[test]
fn a_locked_table_is_passed_over() {
    let world = granted(World::bloated_on(NEWEST));
    world.configure("lock-timeout = \"300ms\"\n");
    make_bloated(&world, "public", "other", "other_v");
    for mode in ["ACCESS EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"] {
        let mut holder = world.session();
        holder
            .batch_execute(&format!("BEGIN; LOCK TABLE accounts IN {mode} MODE"))
            .unwrap();
        let report = optimize(&world, &[]).expect(4);
        let done = report.done();
        assert!(
            !done.iter().any(|effect| effect.contains("accounts")),
            "{mode}: {done:?}"
        );
        report.said("warning", "tried in vain public.accounts");
        assert!(report.summary().contains("objects tried in vain"));
        assert_eq!(
            report.check("leftovers are gone"),
            "inconclusive: 0 of 1 invalid index dropped"
        );
        if mode == "ACCESS EXCLUSIVE" {
            assert!(
                done.contains(&"reindex public.other_v".to_owned()),
                "{done:?}"
            );
            assert!(done.contains(&"vacuum (analyze) public.other".to_owned()));
        }
        assert_eq!(dead_rows(&world, "other"), 0);
    }
    let invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid";
    assert_eq!(world.sql(invalid), ["accounts_abalance_ccnew"]);
    // The locks are gone.
    assert_eq!(optimize(&world, &[]).expect(0).done().len(), 6);
}

#[test]
fn an_index_that_would_wait_for_a_prepared_transaction_is_passed_over_from_the_plan_on() {
    let world = granted(World::bloated_on(NEWEST));
    world.configure("lock-timeout = \"300ms\"\n");
    make_bloated(&world, "public", "other", "other_v");
    let hold = Hold::writer(&world, "accounts");
    let gid = prepared(&world, "accounts");
    world.until(
        "SELECT FROM pg_prepared_xacts WHERE database = current_database() AND prepared < clock_timestamp() - interval '400 ms'",
    );
    let plan = world.windlass(&[
        "plan",
        "pg-optimize",
        "--target",
        "orders",
        "--set",
        "min-size=8kB",
    ]);
    // The leftover cannot be dropped either, so a run of it would need a person.
    let plan = plan.expect(7);
    let told = format!("prepared transaction `{gid}` (prepared at ");
    let words: Vec<_> = plan.stdout.split_whitespace().collect();
    let text = words.join(" ");
    assert!(text.contains(&told), "{plan}");
    assert!(!text.contains("reindex public.accounts"), "{plan}");
    assert!(text.contains("reindex public.other_v"), "{plan}");

    let report = optimize(&world, &[]).expect(4);
    let done = report.done();
    assert!(
        !done
            .iter()
            .any(|effect| effect.contains("index public.accounts")),
        "{done:?}"
    );
    report.said("warning", &told);
    assert!(
        done.contains(&"reindex public.other_v".to_owned()),
        "{done:?}"
    );
    let invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid";
    assert_eq!(world.sql(invalid), ["accounts_abalance_ccnew"]);
    hold.release();
    optimize(&world, &[]).expect(0);
}
