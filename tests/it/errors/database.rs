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
    let user = stranger
        .split("://")
        .nth(1)
        .unwrap()
        .split(':')
        .next()
        .unwrap();
    let shown = |words: &[&str]| {
        let shown = world.snapshot_with(&[(VARIABLE, &stranger)], words);
        shown.replace(user, "[stranger]")
    };
    assert_snapshot!(shown(&["doctor"]), @r#"
    $ windlass doctor
    exit code: 0
    ----- stdout -----
    ✓  procedures  built in: pg-health, pg-optimize
    ✓  compiler  procedures can be built here
    ✓  configuration  windlass.toml
    ✓  state  .windlass: no runs yet
    ✓  grants  grants/pg-optimize.orders.toml until [time]
    !  orders  PostgreSQL [version], primary; [stranger]; not encrypted; 0
      of 2 tables can be maintained, 0 are owned
      GRANT pg_monitor TO "[stranger]": without it sessions,
      statements and standbys cannot be read
      GRANT pg_monitor TO "[stranger]": without it the free
      space cannot be computed
      the connection is not encrypted; sslmode=require would insist
      on it
      "[stranger]" may maintain 0 of 2 tables
    ----- stderr -----
    Nothing is wrong; what is marked ! may be so on purpose.
    "#);
    assert_snapshot!(shown(&typed("plan")), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    error: pg-optimize on orders cannot be planned
      cause: `orders` answered: permission denied for function pg_ls_waldir
      nothing was changed
    ");
    assert_snapshot!(shown(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    run [run] failed after [span]: nothing was changed
      `orders` answered: permission denied for function pg_ls_waldir
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    taking it back: `orders` answered: permission denied for function pg_ls_waldir
    `orders` answered: permission denied for function pg_ls_waldir
    ");
    assert_eq!(objects(&world), before);
    world.windlass(&["audit", "verify"]).expect(0);
}

#[test]
fn a_role_without_rights_does_not_pass_for_health() {
    let world = World::bloated_on(NEWEST);
    grant(&world, "pg-health");
    let stranger = world.stranger();
    let words = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--set",
        "expected-standbys=0",
    ];
    assert_snapshot!(world.snapshot_with(&[(VARIABLE, &stranger)], &words), @"
    $ windlass run pg-health --target orders --set expected-standbys=0
    exit code: 1
    ----- stdout -----
    run [run] failed after [span]: nothing was changed
      `orders` answered: permission denied for function pg_ls_waldir
      pg-health 0.1.0 on orders, by tester, [time]

    role and replication  [span]
    ----- stderr -----
    pg-health 0.1.0 on orders, by tester
    - role and replication
    taking it back: `orders` answered: permission denied for function pg_ls_waldir
    `orders` answered: permission denied for function pg_ls_waldir
    ");
}

#[test]
fn a_wrong_password_is_told_apart() {
    let world = granted();
    let url = wrong_password(&world);
    let variables = [(VARIABLE, url.as_str())];
    let before = objects(&world);
    assert_snapshot!(world.snapshot_with(&variables, &["doctor"]), @r#"
    $ windlass doctor
    exit code: 2
    ----- stdout -----
    ✓  procedures  built in: pg-health, pg-optimize
    ✓  compiler  procedures can be built here
    ✓  configuration  windlass.toml
    ✓  state  .windlass: no runs yet
    ✓  grants  grants/pg-optimize.orders.toml until [time]
    ✗  orders  database `orders`: the server refused the password (FATAL:
      password authentication failed for user "windlass")
    ----- stderr -----
    One thing has to be mended.
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
    ");
    assert_snapshot!(world.snapshot_with(&variables, &typed("run")), @r#"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `orders` could not be locked
      cause: database `orders` cannot be locked
      cause: Error { kind: ErrorKind::Denied, message: "database `orders`: the server refused the password (FATAL: password authentication failed for user \"windlass\")" }
      hint:  windlass doctor
    "#);
    assert_eq!(objects(&world), before);
}

#[test]
fn an_unreachable_server_is_told_apart() {
    let world = granted();
    let url = closed_port(&world);
    let variables = [(VARIABLE, url.as_str())];
    assert_snapshot!(world.snapshot_with(&variables, &["doctor"]), @"
    $ windlass doctor
    exit code: 2
    ----- stdout -----
    ✓  procedures  built in: pg-health, pg-optimize
    ✓  compiler  procedures can be built here
    ✓  configuration  windlass.toml
    ✓  state  .windlass: no runs yet
    ✓  grants  grants/pg-optimize.orders.toml until [time]
    ✗  orders  database `orders`: nothing answers at the configured address
    ----- stderr -----
    One thing has to be mended.
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
    ");
    assert_snapshot!(world.snapshot_with(&variables, &typed("run")), @r#"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `orders` could not be locked
      cause: database `orders` cannot be locked
      cause: Error { kind: ErrorKind::Unavailable, message: "database `orders`: nothing answers at the configured address" }
      hint:  windlass doctor
    "#);
}

#[test]
fn a_database_that_is_not_there_is_told_apart() {
    let world = granted();
    let (server, _) = world.url().rsplit_once('/').unwrap();
    let url = format!("{server}/nothing_of_that_name");
    assert_snapshot!(world.snapshot_with(&[(VARIABLE, &url)], &typed("run")), @r#"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `orders` could not be locked
      cause: database `orders` cannot be locked
      cause: Error { kind: ErrorKind::NotFound, message: "database `orders`: the server has no database of the name in the connection string (FATAL: database \"nothing_of_that_name\" does not exist)" }
      hint:  windlass doctor
    "#);
}

#[test]
fn a_server_that_dies_leaves_a_whole_record_and_a_run_that_goes_on() {
    let mut world = World::alone(NEWEST, &Options::default().durable());
    grant(&world, "pg-optimize");
    // The first effect waits for as long as somebody works on the table.
    let mut holder = connect(world.url()).unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE accounts IN SHARE UPDATE EXCLUSIVE MODE")
        .unwrap();
    let running = world.start(&[], &typed("run"));
    await_waiting(&world);
    world.server().crash();
    let ended = running.wait().expect(4);
    let [run] = &runs(&world)[..] else {
        panic!("one run: {ended}")
    };
    assert_snapshot!(error_of(&world, &ended.stdout), @"
    run [run] is in doubt after [span]: 1 effect, 0 undone, 1 in doubt
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    drop leftovers  [span]
      ? 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone
      in doubt: database `orders`: the connection could not be made
      undo: not needed: no query can use it

    next
      windlass resume [run]  asks orders what became of effect 1 and goes on
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

    world.server().restart().unwrap();
    world.windlass(&["resume", run]).expect(0);
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(world.sql(invalid), ["0"]);
    world.windlass(&["audit", "verify"]).expect(0);
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
