//! Before the first run: help, a configuration, what procedures can do.

use super::screen;
use crate::world::World;
use insta::assert_snapshot;
use std::fs;
use xtask::postgres::NEWEST;

#[test]
fn help() {
    let world = World::on(NEWEST);
    assert_snapshot!(screen(&world, &["--help"]), @"
    $ windlass --help
    exit code: 0
    ----- stdout -----
    Maintenance on production, as sandboxed procedures

    Usage: windlass [OPTIONS] <COMMAND>

    Commands:
      init  Write a commented windlass.toml into this folder
      build  Compile a procedure, embed its manifest, print its digest
      procedures  List what can be run, and with which parameters
      inspect  Tell from the binary alone what a procedure can and cannot do
      grant  Write a grant for a procedure, or check one
      plan  Show what a run would do, and how it would be undone
      run  Run a procedure
      resume  Go on with a run that broke off or was stopped
      undo  Take back what a run did
      cancel  End a run and take it back
      runs  List the runs and what can be done about each
      show  Show the report of a run
      tell  Tell channels about runs that need a person
      audit  Prove that the record is whole
      doctor  Look at all that a run needs, and say what is missing
      selftest  Let hostile components try, and say whether each is held
      completions  Print the completions for a shell

    Options:
      -h, --help  Print help
      -V, --version  Print version

    Global options:
      --output <OUTPUT>  What stdout carries: text, or json, one document with a
      `schema` [default: text]
      --config <FILE>  The configuration, instead of `$WINDLASS_CONFIG` or the
      nearest windlass.toml here or above
      --state <DIR>  Where runs are recorded, instead of what the
      configuration says
      -q, --quiet  Say nothing but the result
      --no-progress  Draw no live progress, even on a terminal

    Exit codes:
      0  succeeded
      1  failed, and what was done is taken back
      2  usage or configuration
      3  refused: by grant, manifest, budget or plan
      4  a person is needed: in doubt, stuck, taken back in part, or inconclusive
      5  stopped; can be resumed
      6  busy: another run is at work on the target
      7  planned, and the plan shows that its run would not succeed
      70  a fault of windlass
    ----- stderr -----
    ");
    assert_snapshot!(screen(&world, &["plan", "-h"]), @"
    $ windlass plan -h
    exit code: 0
    ----- stdout -----
    Show what a run would do, and how it would be undone

    Usage: windlass plan [OPTIONS] --target <TARGET> <PROCEDURE>

    Arguments:
      <PROCEDURE>  A built-in procedure by its name, any other by its path

    Options:
      --target <TARGET>  The target to work on; may be repeated, and may end
      with `*`
      --set <NAME=VALUE>  Set a parameter; may be repeated
      --parameters <FILE>  Read parameters from a JSON object; --set wins
      -o, --out <FILE>  Where the plan is written; one that is there is
      replaced; - is stdout. Of several targets each has
      its own, such as plan.orders.json [default:
      plan.json]
      -h, --help  Print help

    Global options:
      --output <OUTPUT>  What stdout carries: text, or json, one document with a
      `schema` [default: text]
      --config <FILE>  The configuration, instead of `$WINDLASS_CONFIG` or the
      nearest windlass.toml here or above
      --state <DIR>  Where runs are recorded, instead of what the
      configuration says
      -q, --quiet  Say nothing but the result
      --no-progress  Draw no live progress, even on a terminal
    ----- stderr -----
    ");
    for command in [
        "init",
        "build",
        "inspect",
        "grant",
        "run",
        "resume",
        "undo",
        "cancel",
        "runs",
        "show",
        "audit",
        "doctor",
        "completions",
    ] {
        assert!(
            screen(&world, &[command, "--help"]).contains("exit code: 0"),
            "{command}"
        );
    }
}

#[test]
fn a_first_day() {
    let world = World::bloated_on(NEWEST);
    let configured = world.read("windlass.toml");
    fs::remove_file(world.path().join("windlass.toml")).unwrap();
    assert_snapshot!(screen(&world, &["init"]), @"
    $ windlass init
    exit code: 0
    ----- stdout -----
    Wrote windlass.toml and the folder grants.
    ----- stderr -----
    Keep both in version control, but not .windlass, where runs are recorded.
    Next: name a database in windlass.toml, then: windlass doctor
    ");
    assert_snapshot!(screen(&world, &["init"]), @"
    $ windlass init
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `windlass.toml` is already here; it was left as it is
      hint:  windlass doctor
    ");
    assert_snapshot!(screen(&world, &["doctor"]), @"
    $ windlass doctor
    exit code: 0
    ----- stdout -----
    ✓  procedures  built in: backup-job, cert-renewal, k8s-config, k8s-rollout,
      maintenance-mode, node-maintenance, pg-health, pg-optimize,
      service-verify
    ✓  compiler  procedures can be built here
    ✓  configuration  windlass.toml
    ✓  state  .windlass: no runs yet
    !  grants  grants: none yet
      hint: windlass grant PROCEDURE --target TARGET
    !  targets  none are configured
      hint: add [database.NAME] or [cluster.NAME] to windlass.toml
    ----- stderr -----
    Nothing is wrong; what is marked ! may be so on purpose.
    ");
    world.write("windlass.toml", &configured);
    assert_snapshot!(screen(&world, &["doctor"]), @"
    $ windlass doctor
    exit code: 0
    ----- stdout -----
    ✓  procedures  built in: backup-job, cert-renewal, k8s-config, k8s-rollout,
      maintenance-mode, node-maintenance, pg-health, pg-optimize,
      service-verify
    ✓  compiler  procedures can be built here
    ✓  configuration  windlass.toml
    ✓  state  .windlass: no runs yet
    !  grants  grants: none yet
      hint: windlass grant PROCEDURE --target TARGET
    !  orders  PostgreSQL [version], primary; windlass; not encrypted; 2 of 2
      tables can be maintained, 2 are owned
      the connection is not encrypted; sslmode=require would insist
      on it
    ----- stderr -----
    Nothing is wrong; what is marked ! may be so on purpose.
    ");
    assert_snapshot!(screen(&world, &["runs"]), @"
    $ windlass runs
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    There are no runs here.
    ");
    assert_snapshot!(screen(&world, &["grant", "pg-optimize", "--target", "orders"]), @r#"
    $ windlass grant pg-optimize --target orders
    exit code: 0
    ----- stdout -----
    procedure  pg-optimize 0.1.0
    digest  sha256:[digest]
    target  orders
    allows  server, tables, indexes, sessions, replication on orders, all tables
      vacuum, analyze, reindex, drop-invalid-index on orders, all tables
      set-parameters on orders, all tables
      cancel-backend on orders
    sends  start, end to any channel
    budget  200 effects, 10000 calls, [span]
    until  [time]
    approved  not yet, so it permits planning only: Repairs bloat of one PostgreSQL
      database while it is in use.

    Wrote grants/pg-optimize.orders.toml.
    ----- stderr -----
    It is a draft, which permits planning only. Have it reviewed; it holds when it
    says who approved it: approved-by = "…"
    Narrower: --set notify=…
    windlass plan pg-optimize --target orders
    "#);
    assert_snapshot!(screen(&world, &["grant", "pg-optimize", "--target", "orders"]), @"
    $ windlass grant pg-optimize --target orders
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `grants/pg-optimize.orders.toml` is already there; it was left as it is
      hint:  windlass grant renew grants/pg-optimize.orders.toml, or --force
    ");
    assert_snapshot!(screen(&world, &["grant", "check", "grants/pg-optimize.orders.toml"]), @"
    $ windlass grant check grants/pg-optimize.orders.toml
    exit code: 0
    ----- stdout -----
    procedure  pg-optimize 0.1.0
    digest  sha256:[digest]
    target  orders
    allows  server, tables, indexes, sessions, replication on orders, all tables
      vacuum, analyze, reindex, drop-invalid-index on orders, all tables
      set-parameters on orders, all tables
      cancel-backend on orders
    sends  start, end to any channel
    budget  200 effects, 10000 calls, [span]
    until  [time]
    approved  not yet, so it permits planning only: Repairs bloat of one PostgreSQL
      database while it is in use.
    grants/pg-optimize.orders.toml lets pg-optimize 0.1.0 be planned on orders.
    ----- stderr -----
    ");
}

#[test]
fn inspected_procedures() {
    let world = World::on(NEWEST);
    assert_snapshot!(screen(&world, &["inspect", "pg-health"]), @"
    $ windlass inspect pg-health
    exit code: 0
    ----- stdout -----
    pg-health 0.1.0, [size]
    sha256:[digest]
    Tells whether one PostgreSQL database is healthy, with evidence.

    danger  send
    needs  database-read: server, sessions, replication on the target
      the author says: to see its role, its connections and what its standbys
      have received
      database-read: tables, indexes on the target, all tables
      the author says: to find invalid indexes and tables that near the end
      of their transaction numbers
      database-read: invariants on the target
      the author says: to evaluate the invariants that you declared; rows are
      counted, not seen
      database-read: statements on the target
      the author says: to report which statements cost most since the last
      run; texts are normalised
      notify-send: start, end to the channel of `notify`
      the author says: to say when it starts and how it ended, only with
      notify
    budget  0 effects, 1000 calls, [span]
    takes  about [span], the author says
    can  read server facts, read table sizes, read index sizes, read sessions,
      read replication, read statement statistics, check invariants, send
      messages
    cannot  change a database: it does not import database-maintain
      reach a cluster: it imports no interface of one
      look at an endpoint: it does not import probe-read
      read, write or delete rows: it imports no interface that carries rows
      see a connection string, a password or where a channel or an endpoint
      leads: no interface carries one
      open files or sockets, or read the environment: it imports no WASI
    imports  windlass:procedure/types@0.1.0
      windlass:procedure/run@0.1.0
      check, log, now, panicked, parameters, recall, remember, step, target
      windlass:procedure/database-types@0.1.0
      windlass:procedure/database-read@0.1.0
      collations, coverage, indexes, invariant, invariants, replication,
      server, sessions, statements, tables, xmin-holders
      windlass:procedure/notify-types@0.1.0
      windlass:procedure/notify-send@0.1.0
      send

    PARAMETER  DEFAULT  VALUES: WHAT THE AUTHOR SAYS
    expected-standbys  –  whole number: How many standbys must be
      connected. Absent: as declared for the
      database in windlass.toml.
    max-lag  [span]  text: How long a standby may be behind.
    max-lag-bytes  [size]  text: How many bytes a standby may be
      behind.
    max-retained  [size]  text: How much log a replication slot may
      hold back.
    min-headroom  20  whole number, at most 100: Percent of the
      connections that must be free.
    max-idle-in-transaction  [span]  text: How long a session may be idle in a
      transaction.
    max-transaction-age  [span]  text: How long a transaction may be open.
    max-lock-waits  3  whole number: How many sessions may wait for
      locks at once.
    max-horizon-age  10000000  whole number: For how many transactions
      something may keep dead rows from being
      removed.
    max-wraparound-age  500000000  whole number: For how many transactions a
      table may go without being frozen. The
      server stops at about 2,100 million.
    expect-tables  true  true or false: Whether it is a failure to
      see no table at all.
    invariants  []  list of text: Names of the invariants to
      evaluate. Empty: all that are declared.
    require-invariants  false  true or false: Whether it is inconclusive if
      no invariant is declared.
    slow-queries  5  whole number, at most 100: How many of the
      statements that cost most since the last run
      are reported. 0: none.
    notify  –  text: A channel that is told when a run
      starts and how it ended. Absent: nobody is.

    Granted on orders: no.  windlass grant pg-health --target orders
    ----- stderr -----
    ");
    assert_snapshot!(screen(&world, &["inspect", "pg-optimize"]), @"
    $ windlass inspect pg-optimize
    exit code: 0
    ----- stdout -----
    pg-optimize 0.1.0, [size]
    sha256:[digest]
    Repairs bloat of one PostgreSQL database while it is in use.

    danger  maintain
    needs  database-read: server, tables, indexes, sessions, replication on the
      target, all tables
      the author says: to find what is bloated and what blocks vacuum
      database-maintain: vacuum, analyze, reindex, drop-invalid-index on the
      target, all tables
      the author says: to repair it, one object at a time
      database-maintain: set-parameters on the target, all tables
      the author says: to make autovacuum start earlier, only with
      tune-autovacuum
      database-maintain: cancel-backend on the target
      the author says: to cancel what an earlier run left running, only with
      cancel-abandoned
      notify-send: start, end to the channel of `notify`
      the author says: to say when it starts and how it ended, only with
      notify
    budget  200 effects, 10000 calls, [span]
    takes  about [span], the author says
    can  read server facts, read table sizes, read index sizes, read sessions,
      read replication, send messages, vacuum, analyze, reindex, drop an
      invalid index, cancel a session's statement, set storage parameters
    cannot  reach a cluster: it imports no interface of one
      look at an endpoint: it does not import probe-read
      read, write or delete rows: it imports no interface that carries rows
      see a connection string, a password or where a channel or an endpoint
      leads: no interface carries one
      open files or sockets, or read the environment: it imports no WASI
    imports  windlass:procedure/types@0.1.0
      windlass:procedure/run@0.1.0
      check, log, now, panicked, parameters, progress, recall, remember,
      sleep, step, target
      windlass:procedure/database-types@0.1.0
      windlass:procedure/database-read@0.1.0
      coverage, indexes, replication, server, sessions, tables, xmin-holders
      windlass:procedure/database-maintain@0.1.0
      analyze, cancel-backend, drop-invalid-index, reindex, set-parameters,
      vacuum
      windlass:procedure/notify-types@0.1.0
      windlass:procedure/notify-send@0.1.0
      send

    PARAMETER  DEFAULT  VALUES: WHAT THE AUTHOR SAYS
    max-objects  200  whole number, at most 200: At most so many
      objects are worked on in one run.
    min-size  [size]  text: Smaller tables are not vacuumed and
      smaller indexes not rebuilt.
    stop-after  [span]  text: After this time nothing new is
      started. At most [span]: the budget of a
      run is [span].
    index-bloat  30  whole number, at least 1, at most 99:
      Percent of an index that must be bloat
      before it is rebuilt.
    dead-rows  5  whole number, at most 100: Percent of a
      table's rows that must be dead before it is
      vacuumed.
    min-dead-rows  1000  whole number: Tables with fewer dead rows
      are not vacuumed.
    modified-rows  10  whole number, at most 100: Percent of a
      table's rows that must have changed before
      it is analyzed without being vacuumed.
    min-modified-rows  1000  whole number: Tables with fewer changed
      rows are not analyzed.
    parent-statistics-age  7d  text: A partitioned table is analyzed when
      its statistics are older than this; nothing
      else ever does it.
    max-lag  [span]  text: Nothing is started while a standby is
      further behind in time.
    max-lag-bytes  [size]  text: Nothing is started while a standby is
      further behind in bytes, or a slot that
      nobody uses retains more.
    lag-patience  [span]  text: How long to wait for a standby to
      catch up before stopping.
    max-size-when-disk-unknown  [size]  text: The largest index that is rebuilt if
      the free disk space is unknown. If it is
      known, twice the index must be free.
    report-transactions  [span]  text: Transactions open for longer are
      reported as what keeps dead rows.
    drop-failed-creations  false  true or false: Drop indexes whose creation
      never finished, instead of only reporting
      them.
    tune-autovacuum  false  true or false: Make autovacuum start
      earlier on the tables that needed vacuum
      most.
    tune-above  20  whole number, at most 100: Percent of a
      table's rows that must be dead before its
      autovacuum is tuned.
    tune-to  2  whole number, at least 1, at most 100:
      Percent of a table's rows that may be dead
      before a tuned autovacuum starts.
    cancel-abandoned  false  true or false: Cancel statements that an
      earlier windlass run left running, instead
      of only reporting them.
    notify  –  text: A channel that is told when a run
      starts and how it ended. Absent: nobody is.

    Granted on orders: no.  windlass grant pg-optimize --target orders
    ----- stderr -----
    ");
}
