//! `pg-optimize` on databases that need it: what it does, in which order, and what it never does.

mod abandoned;
mod damaged;
mod guards;
mod hidden;
mod names;
mod narrowed;
mod odd;

use crate::report::{Report, run};
use crate::world::World;
use postgres::Client;
use std::time::Duration;
use xtask::bloat;
use xtask::postgres::{NEWEST, OLDEST};

/// A rebuild of so little comes to its last wait within this time.
const DEADLINE: Duration = Duration::from_mins(1);
/// Parameters under which small tables count too.
const SMALL: &[&str] = &["min-size=8kB", "min-dead-rows=100"];

/// A world with a grant for the procedure.
fn granted(world: World) -> World {
    world.grant("pg-optimize", "orders");
    world
}

fn optimize(world: &World, more: &[&str]) -> Report {
    let key = |text: &str| text.split('=').next().map(str::to_owned);
    let kept = |small: &&&str| !more.iter().any(|other| key(other) == key(small));
    let chosen: Vec<_> = SMALL.iter().filter(kept).chain(more).copied().collect();
    run(world, "pg-optimize", &chosen)
}

/// A table with a primary key in which most rows are dead, and one more index.
fn make_bloated(world: &World, schema: &str, table: &str, index: &str) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let full = format!("{}.{}", quoted(schema), quoted(table));
    world.as_owner(&format!(
        "CREATE SCHEMA IF NOT EXISTS {};
             CREATE TABLE {full} (id integer PRIMARY KEY, v integer NOT NULL);
             INSERT INTO {full} SELECT n, n * 7 FROM generate_series(1, 3000) n;
             CREATE INDEX {} ON {full} (v);",
        quoted(schema),
        quoted(index)
    ));
    world.as_owner(&format!("UPDATE {full} SET v = v + 1"));
    world.as_owner(&format!("DELETE FROM {full} WHERE id % 3 = 0"));
    world.as_owner(&format!("ANALYZE {full}"));
}

fn dead_rows(world: &World, table: &str) -> u64 {
    let query = format!("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = '{table}'");
    world.sql(&query)[0].parse().unwrap()
}

/// Only the beginnings of what was done: verbs in their order, each once.
fn verbs(done: &[String]) -> Vec<&str> {
    let mut verbs: Vec<&str> = done
        .iter()
        .filter_map(|effect| effect.rsplit_once(' '))
        .map(|(verb, _)| verb)
        .collect();
    verbs.dedup();
    verbs
}

#[test]
fn a_second_run_finds_nothing_to_do() {
    // The lowest thresholds there are: whatever is left over would be found.
    let lowest = [
        "index-bloat=1",
        "dead-rows=0",
        "min-dead-rows=0",
        "modified-rows=0",
        "min-modified-rows=0",
        "tune-autovacuum=true",
        "drop-failed-creations=true",
    ];
    for major in [OLDEST, NEWEST] {
        let world = granted(World::bloated_on(major));
        let first = optimize(&world, &lowest).expect(0);
        assert!(first.done().len() >= 7, "{:?}", first.done());
        let second = optimize(&world, &lowest).expect(0);
        assert_eq!(second.done(), [""; 0], "on {major}: {}", second.summary());
        assert_eq!(second.summary(), "nothing to do");
    }
}

#[test]
fn effects_come_in_the_order_of_their_use() {
    let world = granted(World::bloated_on(NEWEST));
    world.as_owner("CREATE TABLE fresh AS SELECT n FROM generate_series(1, 3000) n");
    let report = optimize(&world, &["tune-autovacuum=true"]).expect(0);
    let done = report.done();
    assert_eq!(
        verbs(&done),
        [
            "drop invalid index",
            "reindex",
            "vacuum (analyze)",
            "analyze",
            "set parameters"
        ],
        "{done:?}"
    );
    let rebuilt: Vec<&str> = done
        .iter()
        .filter_map(|effect| effect.strip_prefix("reindex "))
        .collect();
    // The most bloat first, then by name.
    assert_eq!(
        rebuilt,
        [
            "public.accounts_abalance",
            "public.accounts_bid_abalance",
            "public.accounts_pkey",
            "public.accounts_bid"
        ]
    );
    assert_eq!(dead_rows(&world, "accounts"), 0);
}

#[test]
fn rows_that_somebody_keeps_are_not_vacuumed_again_until_they_are_released() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::bloated_on(major));
        let rebuild_none = ["index-bloat=99"];
        let holder = bloat::forget_transaction(world.url(), "forgetful").unwrap();
        world.as_owner("UPDATE accounts SET abalance = abalance + 1");
        world.analyze_dead("accounts");

        let first = optimize(&world, &rebuild_none).expect(0);
        assert!(
            first
                .done()
                .contains(&"vacuum (analyze) public.accounts".to_owned()),
            "{:?}",
            first.done()
        );
        first.said(
            "warning",
            "dead rows of public.accounts could not be removed; what keeps them",
        );
        first.said("warning", "(forgetful), idle in transaction");
        assert!(dead_rows(&world, "accounts") >= 2000);

        let second = optimize(&world, &rebuild_none).expect(0);
        assert_eq!(second.done(), [""; 0], "on {major}");
        second.said(
            "info",
            "could not be removed last time, and what keeps them still does",
        );

        bloat::end(holder, world.url()).unwrap();
        let third = optimize(&world, &rebuild_none).expect(0);
        assert_eq!(third.done(), ["vacuum (analyze) public.accounts"]);
        assert_eq!(dead_rows(&world, "accounts"), 0, "on {major}");
    }
}

#[test]
fn partition_parents_are_analyzed_and_never_vacuumed() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::on(major));
        world.as_owner(
            "CREATE TABLE parent (id integer PRIMARY KEY, v integer) PARTITION BY RANGE (id);
             CREATE TABLE low PARTITION OF parent FOR VALUES FROM (0) TO (2000);
             CREATE TABLE high PARTITION OF parent FOR VALUES FROM (2000) TO (4001);
             INSERT INTO parent SELECT n, n FROM generate_series(1, 4000) n;",
        );
        world.as_owner("UPDATE parent SET v = v + 1");
        world.analyze_dead("low");
        world.analyze_dead("high");
        let report = optimize(&world, &[]).expect(0);
        let done = report.done();
        for vacuumed in ["low", "high"] {
            assert!(
                done.contains(&format!("vacuum (analyze) public.{vacuumed}")),
                "on PostgreSQL {major}: {report:#?}"
            );
        }
        assert!(
            done.contains(&"analyze public.parent".to_owned()),
            "{done:?}"
        );
        let sent = statements(&world);
        let of_parent: Vec<_> = sent
            .iter()
            .filter(|text| text.starts_with("VACUUM") && text.contains("parent"))
            .collect();
        assert!(of_parent.is_empty(), "{of_parent:?}");
        assert_eq!(optimize(&world, &[]).expect(0).summary(), "nothing to do");
    }
}

fn statements(world: &World) -> Vec<String> {
    let sent = world.statements().into_iter();
    sent.map(|statement| statement.text.trim().to_owned())
        .collect()
}

#[test]
fn what_would_lock_others_out_is_never_sent() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::bloated_on(major));
        let all = [
            "tune-autovacuum=true",
            "drop-failed-creations=true",
            "cancel-abandoned=true",
        ];
        optimize(&world, &all).expect(0);
        let sent = statements(&world);
        let beginning = |verb: &str| -> Vec<&String> {
            sent.iter().filter(|text| text.starts_with(verb)).collect()
        };
        assert_eq!(beginning("REINDEX").len(), 4);
        for text in beginning("REINDEX").iter().chain(&beginning("DROP")) {
            assert!(text.contains(" INDEX CONCURRENTLY "), "{text}");
        }
        assert_eq!(beginning("VACUUM").len(), 1);
        for text in &sent {
            let upper = text.to_uppercase();
            for never in ["PG_STAT_RESET", "FULL", "CLUSTER ", "ACCESS EXCLUSIVE"] {
                assert!(!upper.contains(never), "{never} in {text}");
            }
        }
    }
}

/// A rebuild by somebody else that waits for an older snapshot until that is let go.
pub(crate) struct Rebuilding {
    older: Client,
    thread: std::thread::JoinHandle<Result<(), postgres::Error>>,
}

impl Rebuilding {
    pub(crate) fn of(world: &World, index: &str) -> Self {
        let mut older = world.session();
        older
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            .unwrap();
        Self::in_session(world, older, world.session(), index)
    }

    fn in_session(world: &World, older: Client, mut session: Client, index: &str) -> Self {
        let sql = format!("REINDEX INDEX CONCURRENTLY {index}");
        let thread = std::thread::spawn(move || session.batch_execute(&sql));
        let waits = "SELECT phase FROM pg_stat_progress_create_index
                     WHERE datname = current_database() AND phase = 'waiting for old snapshots'";
        let mut watching = world.session();
        let seen = xtask::until(DEADLINE, || {
            let there = watching.query_opt(waits, &[]).unwrap().is_some();
            (there || thread.is_finished()).then_some(there)
        });
        match seen {
            Some(true) => Self { older, thread },
            Some(false) => panic!("the rebuild ended: {:?}", thread.join().unwrap()),
            None => panic!("the rebuild does not come to its last wait"),
        }
    }

    pub(crate) fn let_go(mut self) -> Result<(), postgres::Error> {
        self.older.batch_execute("COMMIT").unwrap();
        self.thread.join().unwrap()
    }
}

#[test]
fn what_another_session_is_building_is_left_alone() {
    let world = granted(World::bloated_on(NEWEST));
    // Whatever is not noticed before is not waited for until the test is given up.
    world.configure("lock-timeout = \"300ms\"\ntransaction-wait = \"5s\"\n");
    make_bloated(&world, "public", "other", "other_v");
    let rebuilding = Rebuilding::of(&world, "accounts_pkey");
    let building = "SELECT indexrelid::regclass FROM pg_index
                    WHERE NOT indisvalid AND indexrelid::regclass::text LIKE 'accounts_pkey%'";
    assert_eq!(world.sql(building), ["accounts_pkey_ccnew"]);
    let report = optimize(&world, &["drop-failed-creations=true"]).expect(4);
    let done = report.done();
    assert!(
        !done.iter().any(|effect| effect.contains("accounts")),
        "{done:?}"
    );
    assert!(done.contains(&"vacuum (analyze) public.other".to_owned()));
    assert_eq!(world.sql(building), ["accounts_pkey_ccnew"]);
    report.said("warning", "tried in vain public.accounts");
    rebuilding.let_go().unwrap();
    assert_eq!(world.sql(building), [""; 0]);
    // Now the older leftover is nobody's work.
    let report = optimize(&world, &[]).expect(0);
    assert_eq!(
        report.done()[0],
        "drop invalid index public.accounts_abalance_ccnew"
    );
}
