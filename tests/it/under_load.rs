//! `pg-optimize` beside real clients, and against the tools that it stands in for.

use crate::report::run;
use crate::world::World;
use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;
use xtask::postgres::{NEWEST, OLDEST, required_tool};

/// Everything counts, however small.
const ALL: &[&str] = &[
    "min-size=8kB",
    "index-bloat=1",
    "dead-rows=0",
    "min-dead-rows=0",
    "modified-rows=0",
    "min-modified-rows=0",
];

fn tool(name: &'static str, arguments: &[&str]) -> Output {
    let program = required_tool(name).unwrap();
    Command::new(program).args(arguments).output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

/// The tables of pgbench, every row updated and a third deleted: the same in every world that is made so.
fn bloated(major: u32) -> World {
    let world = World::on(major);
    // The log of statements would be the largest load of all.
    let quiet = format!(
        "ALTER DATABASE {} SET log_statement = 'none'",
        world.database()
    );
    world.session().batch_execute(&quiet).unwrap();
    world.grant("pg-optimize", "orders");
    succeeded(&tool("pgbench", &["-i", "-q", "-s", "5", world.url()]));
    world.as_owner("CREATE INDEX by_balance ON pgbench_accounts (abalance, aid); CREATE INDEX by_branch ON pgbench_accounts (bid)",
    );
    for table in ["accounts", "tellers", "branches"] {
        let (balance, key) = (
            &format!("{}balance", &table[..1]),
            &format!("{}id", &table[..1]),
        );
        world.as_owner(&format!(
            "UPDATE pgbench_{table} SET {balance} = {key} % 1000"
        ));
    }
    world.as_owner("DELETE FROM pgbench_accounts WHERE aid % 3 = 0");
    world.as_owner("ANALYZE pgbench_accounts, pgbench_tellers, pgbench_branches");
    // Up to version 14 statistics are handed on with a delay.
    world.until(
        "SELECT FROM pg_stat_user_tables WHERE relname = 'pgbench_accounts' AND n_dead_tup > 600000",
    );
    world
}

/// Bytes and dead rows of every table and index.
fn figures(world: &World) -> BTreeMap<String, (u64, u64)> {
    let rows = world.sql(
        "SELECT c.relname, pg_relation_size(c.oid), coalesce(pg_stat_get_dead_tuples(c.oid), 0) FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')",
    );
    rows.iter()
        .map(|row| {
            let parts: Vec<_> = row.split(" | ").collect();
            let number = |at: usize| parts[at].parse().unwrap();
            (parts[0].to_owned(), (number(1), number(2)))
        })
        .collect()
}

/// Clients that work until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<Output>>,
}

impl Load {
    fn on(world: &World) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (world.url().to_owned(), Arc::clone(&stop));
        let round = [
            "-n",
            "-c",
            "4",
            "-j",
            "2",
            "-T",
            "4",
            "--failures-detailed",
            &url,
        ]
        .map(str::to_owned);
        let thread = thread::spawn(move || {
            let mut rounds = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                rounds.push(tool("pgbench", &round.each_ref().map(String::as_str)));
            }
            rounds
        });
        Self { stop, thread }
    }

    fn end(self) -> Vec<Output> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

#[test]
fn no_transaction_of_a_client_fails() {
    for major in [OLDEST, NEWEST] {
        let world = bloated(major);
        let before = figures(&world);
        let load = Load::on(&world);
        world.until(
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name = 'pgbench' AND datname = current_database() HAVING count(*) = 4",
        );
        let start = Instant::now();
        let report = run(&world, "pg-optimize", ALL);
        let took = start.elapsed();
        let rounds = load.end();
        let report = report.expect(0);
        let transactions = transactions_without_failure(&rounds);
        println!(
            "PostgreSQL {major}: {transactions} transactions in {} rounds, none failed, while pg-optimize took {:.1} s: {}",
            rounds.len(),
            took.as_secs_f64(),
            report.summary()
        );
        assert_eq!(report.lines("warning"), [""; 0]);
        let (done, after) = (report.done(), figures(&world));
        for index in ["pgbench_accounts_pkey", "by_balance", "by_branch"] {
            assert!(
                done.contains(&format!("reindex public.{index}")),
                "{done:?}"
            );
            assert!(
                after[index].0 < before[index].0,
                "{index}: {before:?} {after:?}"
            );
        }
        assert!(after["pgbench_accounts"].1 < before["pgbench_accounts"].1 / 2);
    }
}

/// How many transactions the rounds of a load had, after making sure that none failed.
fn transactions_without_failure(rounds: &[Output]) -> u64 {
    let mut transactions = 0;
    for round in rounds {
        let said = succeeded(round);
        let number = |name: &str| -> u64 {
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            let digits = line.trim().split(|c: char| !c.is_ascii_digit()).next();
            digits.unwrap().parse().unwrap()
        };
        assert_eq!(number("number of failed transactions:"), 0, "{said}");
        assert!(!said.contains("aborted"), "{said}");
        transactions += number("number of transactions actually processed:");
    }
    assert!(transactions > 0);
    transactions
}

#[test]
fn it_leaves_no_more_than_the_tools_do() {
    let (ours, theirs) = (bloated(NEWEST), bloated(NEWEST));
    let before = figures(&ours);
    assert_eq!(before, figures(&theirs), "the two are not alike");
    let start = Instant::now();
    run(&ours, "pg-optimize", ALL).expect(0);
    let took = start.elapsed();
    let database = format!("--dbname={}", theirs.url());
    let start = Instant::now();
    succeeded(&tool("reindexdb", &["--concurrently", &database]));
    succeeded(&tool("vacuumdb", &["--analyze", &database]));
    let tools = start.elapsed();
    let (ours, theirs) = (figures(&ours), figures(&theirs));
    println!(
        "pg-optimize took {:.1} s, reindexdb and vacuumdb {:.1} s; bytes and dead rows before, by pg-optimize, by the tools:",
        took.as_secs_f64(),
        tools.as_secs_f64()
    );
    for (name, before) in &before {
        let (ours, theirs) = (ours[name], theirs[name]);
        println!("{name:24} {before:?} {ours:?} {theirs:?}");
        assert!(
            ours.0 <= theirs.0 && ours.1 <= theirs.1,
            "{name}: {ours:?} {theirs:?}"
        );
    }
}
