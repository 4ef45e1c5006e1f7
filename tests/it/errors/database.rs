//! Servers that refuse, are not there, or go away.

use super::{error_of, grant, granted, objects, runs, typed};
use crate::world::{VARIABLE, World};
use insta::assert_snapshot;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use xtask::postgres::{NEWEST, Options, connect};

/// The world's connection string with another password.
fn wrong_password(world: &World) -> String {
    let (start, rest) = world.url().split_once("://").unwrap();
    let (login, place) = rest.split_once('@').unwrap();
    let (user, _) = login.split_once(':').unwrap();
    format!("{start}://{user}:wrong@{place}")
}

/// The world's connection string with a port at which nobody listens.
fn closed_port(world: &World) -> String {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config: postgres::Config = world.url().parse().unwrap();
    world.url().replace(
        &format!(":{}/", config.get_ports()[0]),
        &format!(":{port}/"),
    )
}

#[test]
fn a_role_without_rights_repairs_nothing_and_is_told_what_to_grant() {
    let world = granted();
    let stranger = world.stranger();
    let before = objects(&world);
    let user = stranger.split([':', '/']).nth(3).unwrap();
    assert_snapshot!(finding(&world, &stranger).replace(user, "[stranger]"), @r#"
    notice: PostgreSQL [version], primary; [stranger]; not encrypted; 0 of 2 tables can be maintained, 0 are owned
    GRANT pg_monitor TO "[stranger]": without it sessions, statements and standbys cannot be read
    GRANT pg_monitor TO "[stranger]": without it the free space cannot be computed
    the connection is not encrypted; sslmode=require would insist on it
    "[stranger]" may maintain 0 of 2 tables
    "[stranger]" may not read the statistics of 2 of 2 tables, so the bloat of their indexes is unknown: GRANT SELECT on them, or CREATE EXTENSION pgstattuple, which pg_monitor may use
    "#);
    // Quiet: where narration is broken into lines depends on the length of the stranger's name.
    let plan = [&["--quiet"], &typed("plan")[..]].concat();
    let shown = world.snapshot_with(&[(VARIABLE, &stranger)], &plan);
    assert_snapshot!(shown.replace(user, "[stranger]"), @r#"
    $ windlass --quiet plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: pg-optimize on orders cannot be planned
      cause: role `[stranger]` sees only its own sessions and statements on `orders`; GRANT pg_monitor TO "[stranger]" would allow it
      nothing was changed
      hint:  windlass doctor --target orders
    "#);
    assert_snapshot!(failed(&world, &stranger, &typed("run")).replace(user, "[stranger]"), @r#"
    role `[stranger]` sees only its own sessions and statements on `orders`; GRANT pg_monitor TO "[stranger]" would allow it
    "#);
    assert_eq!(objects(&world), before);
    world.windlass(&["audit", "verify"]).expect(0);
}

#[test]
fn a_role_without_rights_does_not_pass_for_health() {
    let world = World::bloated_on(NEWEST);
    grant(&world, "pg-health");
    let stranger = world.stranger();
    let user = stranger.split([':', '/']).nth(3).unwrap();
    let run = ["run", "pg-health", "--target", "orders"];
    assert_snapshot!(failed(&world, &stranger, &run).replace(user, "[stranger]"), @r#"
    role `[stranger]` sees only its own sessions and statements on `orders`; GRANT pg_monitor TO "[stranger]" would allow it
    "#);
}

/// What a run says that failed for this login and was taken back.
fn failed(world: &World, url: &str, words: &[&str]) -> String {
    let words = [words, &["--output", "json"]].concat();
    let report = world
        .windlass_with(&[(VARIABLE, url)], &words)
        .expect(1)
        .json();
    assert_eq!(report["standing"], "failed", "{report}");
    assert_eq!(report["effects"], serde_json::json!([]));
    report["summary"].as_str().unwrap().to_owned()
}

#[test]
fn a_wrong_password_is_told_apart() {
    let world = granted();
    let url = wrong_password(&world);
    let variables = [(VARIABLE, url.as_str())];
    let before = objects(&world);
    assert_snapshot!(finding(&world, &url), @r#"
    bad: database `orders`: the server refused the password (FATAL: password authentication failed for user "windlass")
    "#);
    assert_snapshot!(world.snapshot_with(&variables, &typed("plan")), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    error: pg-optimize on orders cannot be planned
      cause: database `orders`: the server refused the password
      nothing was changed
      hint:  windlass doctor --target orders
    ");
    assert_snapshot!(world.snapshot_with(&variables, &typed("run")), @r#"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: database `orders`: the server refused the password (FATAL: password authentication failed for user "windlass")
      nothing was changed
      hint:  windlass doctor --target orders
    "#);
    assert_eq!(objects(&world), before);
}

#[test]
fn an_unreachable_server_is_told_apart() {
    let world = granted();
    let url = closed_port(&world);
    let variables = [(VARIABLE, url.as_str())];
    assert_snapshot!(finding(&world, &url), @"
    bad: database `orders`: nothing answers at the configured address
    ");
    assert_snapshot!(world.snapshot_with(&variables, &typed("plan")), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    error: pg-optimize on orders cannot be planned
      cause: database `orders`: nothing answers at the configured address
      nothing was changed
      hint:  windlass doctor --target orders
    ");
    assert_snapshot!(world.snapshot_with(&variables, &typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: database `orders`: nothing answers at the configured address
      nothing was changed
      hint:  windlass doctor --target orders
    ");
}

#[test]
fn a_database_that_is_not_there_is_told_apart() {
    let world = granted();
    let (server, _) = world.url().rsplit_once('/').unwrap();
    let url = format!("{server}/nothing_of_that_name");
    assert_snapshot!(world.snapshot_with(&[(VARIABLE, &url)], &typed("run")), @r#"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: database `orders`: the server has no database of the name in the connection string (FATAL: database "nothing_of_that_name" does not exist)
      nothing was changed
      hint:  windlass doctor --target orders
    "#);
}

#[test]
fn a_server_that_dies_leaves_a_whole_record_and_a_run_that_goes_on() {
    let mut world = World::alone(NEWEST, &Options::default().durable());
    grant(&world, "pg-optimize");
    // The first effect waits for as long as somebody writes to the table.
    let mut holder = connect(world.url()).unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE accounts IN ROW EXCLUSIVE MODE")
        .unwrap();
    let running = world.start(&[], &typed("run"));
    await_waiting(&world);
    world.server().crash();
    let ended = running.wait().expect(4);
    let [run] = &runs(&world)[..] else {
        panic!("one run: {ended}")
    };
    let asked = "effect 1 is in doubt: orders could not be asked: database `orders`: ";
    assert!(ended.stderr.contains(asked), "{ended}");
    let told = error_of(&world, &ended.stdout);
    assert_snapshot!(told, @"
    run [run] is in doubt after [span]: 1 effect, 0 undone, 1 in doubt
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    drop leftovers  [span]
      … 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone
      it was started; its end is not recorded
      undo: not needed: no query can use it

    next
      windlass resume [run] asks orders what became of effect 1 and goes on
      windlass undo [run]  ends it; nothing has to be taken back
    ");
    world.windlass(&["audit", "verify"]).expect(0);
    assert_snapshot!(world.snapshot(&["runs"]), @"
    $ windlass runs
    exit code: 0
    ----- stdout -----
    RUN  PROCEDURE  TARGET  STATE  SINCE  NEXT
    [run]  pg-optimize  orders  in doubt  [span]  windlass resume [run]
    ----- stderr -----
    ");

    let gone = world.windlass(&["resume", run]).expect(4);
    assert_snapshot!(error_of(&world, &gone.stderr), @"
    error: run [run] stays as it is
      cause: `orders` cannot be used
      cause: database `orders`: nothing answers at the configured address
      nothing was changed
      hint:  windlass resume [run], when the target answers again
    ");
    world.server().restart().unwrap();
    world.windlass(&["resume", run]).expect(0);
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(world.sql(invalid), ["0"]);
    world.windlass(&["audit", "verify"]).expect(0);
}

/// What `doctor` finds at the target, each note on a line of its own.
pub(super) fn finding(world: &World, url: &str) -> String {
    let words = ["doctor", "--output", "json"];
    let report = world.windlass_with(&[(VARIABLE, url)], &words).json();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["what"] == "orders");
    let found = found.unwrap();
    let text = found["detail"].as_str().unwrap();
    world.redact(&format!("{}: {text}", found["verdict"].as_str().unwrap()))
}

/// Until a statement of windlass waits for a lock.
fn await_waiting(world: &World) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name LIKE 'windlass/%' AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + Duration::from_mins(1);
    while world.sql(waiting) == ["0"] {
        assert!(Instant::now() < deadline, "windlass waits for no lock");
    }
}
