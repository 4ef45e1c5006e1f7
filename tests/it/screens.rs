//! What people see, invocation by invocation: the answer first, the next command last, within 80 columns.

use crate::world::World;
use insta::assert_snapshot;
use serde_json::Value;
use std::fs;
use xtask::postgres::NEWEST;

const COLUMNS: usize = 80;
const TUNED: [&str; 6] = [
    "--set",
    "min-size=8kB",
    "--set",
    "min-dead-rows=100",
    "--set",
    "tune-autovacuum=true",
];

/// What is never broken into lines, because people copy it: digests and addresses.
fn is_for_copying(line: &str) -> bool {
    line.split_whitespace()
        .any(|word| word.len() >= 64 || word.contains("://"))
}

/// The invocation as a snapshot, after a look at its width and at what it is made of.
fn screen(world: &World, words: &[&str]) -> String {
    let output = world.windlass(words);
    let all = output.all();
    for line in all.lines().filter(|line| !is_for_copying(line)) {
        let width = windlass::text::width(line);
        assert!(width <= COLUMNS, "{width} columns: {line}\n{output}");
        assert_eq!(line, line.trim_end(), "blanks at the end:\n{output}");
    }
    for raw in ["Some(", "None", "Err(", "os error", "{target}", "\u{1b}"] {
        assert!(!all.contains(raw), "{raw:?} in {output}");
    }
    world.redact(&format!("$ windlass {}\n{output}", words.join(" ")))
}

fn tuned<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &TUNED].concat()
}

/// A bloated world with a grant for `pg-optimize`.
fn granted() -> World {
    let world = World::bloated_on(NEWEST);
    world
        .windlass(&["grant", "pg-optimize", "--target", "orders"])
        .expect(0);
    world
}

fn runs(world: &World) -> Value {
    world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json()["runs"]
        .clone()
}

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
      inspect  Tell from the binary alone what a procedure can and cannot do
      grant  Write a grant for a procedure, or check one
      plan  Show what a run would do, and how it would be undone
      run  Run a procedure
      resume  Go on with a run that broke off or was stopped
      undo  Take back what a run did
      cancel  End a run and take it back
      runs  List the runs and what can be done about each
      show  Show the report of a run
      audit  Prove that the record is whole
      doctor  Look at all that a run needs, and say what is missing
      completions  Print the completions for a shell

    Options:
      -h, --help  Print help
      -V, --version  Print version

    Global options:
      --output <OUTPUT>  What stdout carries: text, or json, one document with a
      `schema` [default: text]
      --config <FILE>  The configuration, instead of the nearest windlass.toml
      here or above
      --state <DIR>  Where runs are recorded, instead of what the
      configuration says
      -q, --quiet  Say nothing but the result
      --no-progress  Draw no live progress, even on a terminal

    Exit codes:
      0  succeeded
      1  failed, and what was done is taken back
      2  usage or configuration
      3  refused: by grant, manifest, budget or plan
      4  a person is needed: in doubt, stuck, or a check that could not decide
      5  stopped; can be resumed
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
      --target <TARGET>  The target to work on
      --set <NAME=VALUE>  Set a parameter; may be repeated
      --parameters <FILE>  Read parameters from a JSON object; --set wins
      -o, --out <FILE>  Where the plan is written; one that is there is
      replaced [default: plan.json]
      -h, --help  Print help

    Global options:
      --output <OUTPUT>  What stdout carries: text, or json, one document with a
      `schema` [default: text]
      --config <FILE>  The configuration, instead of the nearest windlass.toml
      here or above
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
    ✓  procedures  built in: pg-health, pg-optimize
    ✓  compiler  procedures can be built here
    ✓  configuration  windlass.toml
    ✓  state  .windlass: no runs yet
    !  grants  grants: none yet
      hint: windlass grant PROCEDURE --target TARGET
    !  targets  none are configured
      hint: add a section [database.NAME] to windlass.toml
    ----- stderr -----
    Nothing is wrong; what is marked ! may be so on purpose.
    ");
    world.write("windlass.toml", &configured);
    assert_snapshot!(screen(&world, &["doctor"]), @"
    $ windlass doctor
    exit code: 0
    ----- stdout -----
    ✓  procedures  built in: pg-health, pg-optimize
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
    assert_snapshot!(screen(&world, &["grant", "pg-optimize", "--target", "orders"]), @"
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
    budget  200 effects, 10000 calls, [span]
    until  [time]
    approved  by tester: Repairs bloat of one PostgreSQL database while it is in
      use.

    Wrote grants/pg-optimize.orders.toml.
    ----- stderr -----
    It holds from now on; have it reviewed.
    windlass plan pg-optimize --target orders
    ");
    assert_snapshot!(screen(&world, &["grant", "pg-optimize", "--target", "orders"]), @"
    $ windlass grant pg-optimize --target orders
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `grants/pg-optimize.orders.toml` is already there; it was left as it is
      hint:  windlass grant check grants/pg-optimize.orders.toml, or --force
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
    budget  200 effects, 10000 calls, [span]
    until  [time]
    approved  by tester: Repairs bloat of one PostgreSQL database while it is in
      use.
    grants/pg-optimize.orders.toml lets pg-optimize 0.1.0 run on orders.
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

    danger  read
    needs  database-read: server, sessions, replication on the target
      to see its role, its connections and what its standbys have received
      database-read: tables, indexes on the target, all tables
      to find invalid indexes and tables that near the end of their
      transaction numbers
      database-read: invariants on the target
      to evaluate the invariants that you declared; rows are counted, not seen
      database-read: statements on the target
      to report which statements cost most since the last run; texts are
      normalised
    budget  0 effects, 1000 calls, [span]
    takes  about [span], the author says
    can  read server facts, read table sizes, read index sizes, read sessions,
      read replication, read statement statistics, check invariants
    cannot  change a database: it does not import database-maintain
      read, write or delete rows: it imports no interface that carries rows
      see a connection string or a password: no interface carries one
      open files or sockets, or read the environment: it imports no WASI

    PARAMETER  DEFAULT  MEANING
    expected-standbys  –  How many standbys must be connected. Absent:
      as declared for the database in
      windlass.toml.
    max-lag  [span]  How long a standby may be behind.
    max-lag-bytes  [size]  How many bytes a standby may be behind.
    max-retained  [size]  How much log a replication slot may hold
      back.
    min-headroom  20  Percent of the connections that must be
      free.
    max-idle-in-transaction  [span]  How long a session may be idle in a
      transaction.
    max-transaction-age  [span]  How long a transaction may be open.
    max-lock-waits  3  How many sessions may wait for locks at
      once.
    max-horizon-age  10000000  For how many transactions something may keep
      dead rows from being removed.
    max-wraparound-age  500000000  For how many transactions a table may go
      without being frozen. The server stops at
      about 2,100 million.
    expect-tables  true  Whether it is a failure to see no table at
      all.
    invariants  []  Names of the invariants to evaluate. Empty:
      all that are declared.
    require-invariants  false  Whether it is inconclusive if no invariant
      is declared.
    slow-queries  5  How many of the statements that cost most
      since the last run are reported. 0: none.

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
      to find what is bloated and what blocks vacuum
      database-maintain: vacuum, analyze, reindex, drop-invalid-index on the
      target, all tables
      to repair it, one object at a time
      database-maintain: set-parameters on the target, all tables
      to make autovacuum start earlier, only with tune-autovacuum
      database-maintain: cancel-backend on the target
      to cancel what an earlier run left running, only with cancel-abandoned
    budget  200 effects, 10000 calls, [span]
    takes  about [span], the author says
    can  read server facts, read table sizes, read index sizes, read sessions,
      read replication, vacuum, analyze, reindex, drop an invalid index,
      cancel a session's statement, set storage parameters
    cannot  read, write or delete rows: it imports no interface that carries rows
      see a connection string or a password: no interface carries one
      open files or sockets, or read the environment: it imports no WASI

    PARAMETER  DEFAULT  MEANING
    max-objects  200  At most so many objects are changed in one
      run.
    min-size  [size]  Smaller tables are not vacuumed and smaller
      indexes not rebuilt.
    stop-after  [span]  After this time nothing new is started.
    index-bloat  30  Percent of an index that must be bloat
      before it is rebuilt.
    dead-rows  5  Percent of a table's rows that must be dead
      before it is vacuumed.
    min-dead-rows  1000  Tables with fewer dead rows are not
      vacuumed.
    modified-rows  10  Percent of a table's rows that must have
      changed before it is analyzed without being
      vacuumed.
    min-modified-rows  1000  Tables with fewer changed rows are not
      analyzed.
    parent-statistics-age  7d  A partitioned table is analyzed when its
      statistics are older than this; nothing
      else ever does it.
    max-lag  [span]  Nothing is started while a standby is
      further behind in time.
    max-lag-bytes  [size]  Nothing is started while a standby is
      further behind in bytes.
    lag-patience  [span]  How long to wait for a standby to catch up
      before stopping.
    max-size-when-disk-unknown  [size]  The largest index that is rebuilt if the
      free disk space is unknown. If it is known,
      twice the index must be free.
    report-transactions  [span]  Transactions open for longer are reported
      as what keeps dead rows.
    drop-failed-creations  false  Drop indexes whose creation never finished,
      instead of only reporting them.
    tune-autovacuum  false  Make autovacuum start earlier on the tables
      that needed vacuum most.
    tune-above  20  Percent of a table's rows that must be dead
      before its autovacuum is tuned.
    tune-to  2  Percent of a table's rows that may be dead
      before a tuned autovacuum starts.
    cancel-abandoned  false  Cancel statements that an earlier windlass
      run left running, instead of only reporting
      them.

    Granted on orders: no.  windlass grant pg-optimize --target orders
    ----- stderr -----
    ");
}

#[test]
fn a_plan_and_its_run() {
    let world = granted();
    assert_snapshot!(screen(&world, &tuned(&["plan", "pg-optimize", "--target", "orders"])), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100 --set tune-autovacuum=true
    exit code: 0
    ----- stdout -----
    orders: pg-optimize 0.1.0 would have 7 effects

    #  EFFECT  OBJECT  NOW → AFTER
    1  drop invalid index  public.accounts_abalance_ccnew  [size] → gone
      undo: not needed: no query can use it
    2  reindex  public.accounts_abalance  [size] → [size]
      undo: not needed: same index, rebuilt
    3  reindex  public.accounts_bid_abalance  [size] → [size]
      undo: not needed: same index, rebuilt
    4  reindex  public.accounts_pkey  [size] → [size]
      undo: not needed: same index, rebuilt
    5  reindex  public.accounts_bid  [size] → [size]
      undo: not needed: same index, rebuilt
    6  vacuum (analyze)  public.accounts  5333 dead
      undo: not needed: rows are unchanged
    7  set parameters  public.accounts
      not set → autovacuum_vacuum_scale_factor = 0.02
      undo: reset autovacuum_vacuum_scale_factor

    foreseen
      1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table
      vacuumed (5,333 → 0 dead rows), 1 table tuned
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    - drop leftovers
    ✓ leftovers are gone: 1 invalid index dropped
    - rebuild indexes
    - vacuum tables
    - tune autovacuum
    - check
    ✓ rebuilt indexes are not larger: 4 looked at: public.accounts_abalance [size] →
      [size] · public.accounts_bid_abalance [size] → [size] · public.accounts_pkey
      [size] → [size] · public.accounts_bid [size] → [size]

    Nothing was changed.  Plan [digest] is in plan.json.
    windlass run pg-optimize --target orders --plan plan.json
    ");
    assert_snapshot!(screen(&world, &["run", "pg-optimize", "--target", "orders", "--plan", "plan.json"]), @"
    $ windlass run pg-optimize --target orders --plan plan.json
    exit code: 0
    ----- stdout -----
    run [run] succeeded in [span]: 7 effects, 0 undone, 0 in doubt
      1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table
      vacuumed (5,333 → 0 dead rows), 1 table tuned
      pg-optimize 0.1.0 on orders, by tester, [time], bound to plan
      1b0c70

    look  [span]
    drop leftovers  [span]
      ✓ 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone  [span]
      undo: not needed: no query can use it
    rebuild indexes  [span]
      ✓ 2 reindex public.accounts_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 3 reindex public.accounts_bid_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 4 reindex public.accounts_pkey  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 5 reindex public.accounts_bid  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
    vacuum tables  [span]
      ✓ 6 vacuum (analyze) public.accounts  5333 dead → 0 dead  [span]
      undo: not needed: rows are unchanged
    tune autovacuum  [span]
      ✓ 7 set parameters public.accounts
      not set → autovacuum_vacuum_scale_factor = 0.02  [span]
      undo: reset autovacuum_vacuum_scale_factor
    check  [span]

    checks
      ✓ leftovers are gone: 1 invalid index dropped
      ✓ rebuilt indexes are not larger: 4 looked at: public.accounts_abalance [size]
      → [size] · public.accounts_bid_abalance [size] → [size] ·
      public.accounts_pkey [size] → [size] · public.accounts_bid [size] → [size]

    next
      windlass undo [run]  takes back effect 7
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    - drop leftovers
    … 1 drop invalid index public.accounts_abalance_ccnew  [size]
    ✓ 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone  [span]
    ✓ leftovers are gone: 1 invalid index dropped
    - rebuild indexes
    … 2 reindex public.accounts_abalance  [size]
    ✓ 2 reindex public.accounts_abalance  [size] → [size]  [span]
    … 3 reindex public.accounts_bid_abalance  [size]
    ✓ 3 reindex public.accounts_bid_abalance  [size] → [size]  [span]
    … 4 reindex public.accounts_pkey  [size]
    ✓ 4 reindex public.accounts_pkey  [size] → [size]  [span]
    … 5 reindex public.accounts_bid  [size]
    ✓ 5 reindex public.accounts_bid  [size] → [size]  [span]
    - vacuum tables
    … 6 vacuum (analyze) public.accounts  5333 dead
    ✓ 6 vacuum (analyze) public.accounts  5333 dead → 0 dead  [span]
    - tune autovacuum
    … 7 set parameters public.accounts  not set
    ✓ 7 set parameters public.accounts not set → autovacuum_vacuum_scale_factor =
      0.02 [span]
    - check
    ✓ rebuilt indexes are not larger: 4 looked at: public.accounts_abalance [size] →
      [size] · public.accounts_bid_abalance [size] → [size] · public.accounts_pkey
      [size] → [size] · public.accounts_bid [size] → [size]
    1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table
      vacuumed (5,333 → 0 dead rows), 1 table tuned
    ");
    assert_snapshot!(screen(&world, &tuned(&["run", "pg-optimize", "--target", "orders"])), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100 --set tune-autovacuum=true
    exit code: 0
    ----- stdout -----
    run [run] succeeded in [span]: nothing was changed
      nothing to do
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    nothing to do
    ");
    assert_snapshot!(screen(&world, &["runs"]), @"
    $ windlass runs
    exit code: 0
    ----- stdout -----
    RUN  PROCEDURE  TARGET  STATE  SINCE  NEXT
    [run]  pg-optimize  orders  succeeded  [span]  windlass show [run]
    [run]  pg-optimize  orders  succeeded  [span]  windlass show [run]
    ----- stderr -----
    ");
    assert_snapshot!(screen(&world, &tuned(&["plan", "pg-optimize", "--target", "orders"])), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100 --set tune-autovacuum=true
    exit code: 0
    ----- stdout -----
    orders: pg-optimize 0.1.0 would change nothing

    foreseen
      nothing to do
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look

    Nothing was changed.  Plan [digest] is in plan.json.
    windlass run pg-optimize --target orders --plan plan.json
    ");
}

#[test]
fn a_report_and_its_undo() {
    let world = granted();
    world
        .windlass(&tuned(&["run", "pg-optimize", "--target", "orders"]))
        .expect(0);
    let run = runs(&world)[0]["run"].as_str().unwrap().to_owned();
    assert_snapshot!(screen(&world, &["show", &run]), @"
    $ windlass show [run]
    exit code: 0
    ----- stdout -----
    run [run] succeeded in [span]: 7 effects, 0 undone, 0 in doubt
      1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table
      vacuumed (5,333 → 0 dead rows), 1 table tuned
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    drop leftovers  [span]
      ✓ 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone  [span]
      undo: not needed: no query can use it
    rebuild indexes  [span]
      ✓ 2 reindex public.accounts_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 3 reindex public.accounts_bid_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 4 reindex public.accounts_pkey  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 5 reindex public.accounts_bid  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
    vacuum tables  [span]
      ✓ 6 vacuum (analyze) public.accounts  5333 dead → 0 dead  [span]
      undo: not needed: rows are unchanged
    tune autovacuum  [span]
      ✓ 7 set parameters public.accounts
      not set → autovacuum_vacuum_scale_factor = 0.02  [span]
      undo: reset autovacuum_vacuum_scale_factor
    check  [span]

    checks
      ✓ leftovers are gone: 1 invalid index dropped
      ✓ rebuilt indexes are not larger: 4 looked at: public.accounts_abalance [size]
      → [size] · public.accounts_bid_abalance [size] → [size] ·
      public.accounts_pkey [size] → [size] · public.accounts_bid [size] → [size]

    next
      windlass undo [run]  takes back effect 7
    ----- stderr -----
    ");
    // A change log is for renderers, and JSON for programs: neither is bound to a width.
    assert_snapshot!(world.snapshot(&["show", &run, "--format", "markdown"]), @r#"
    $ windlass show [run] --format markdown
    exit code: 0
    ----- stdout -----
    # pg-optimize 0.1.0 on orders

    run [run] succeeded in [span]: 7 effects, 0 undone, 0 in doubt

    | | |
    |---|---|
    | Run | [run] |
    | Result | 1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table vacuumed (5,333 → 0 dead rows), 1 table tuned |
    | Date | [time] to [time] |
    | Duration | [span] |
    | Type | drop invalid index, reindex, vacuum (analyze), set parameters |
    | Target | orders |
    | Procedure | pg-optimize 0.1.0, sha256:[digest] |
    | Parameters | {"min-size":"[size]","min-dead-rows":100,"tune-autovacuum":true,"max-objects":200,"stop-after":"[span]","index-bloat":30,"dead-rows":5,"modified-rows":10,"min-modified-rows":1000,"parent-statistics-age":"7d","max-lag":"[span]","max-lag-bytes":"[size]","lag-patience":"[span]","max-size-when-disk-unknown":"[size]","report-transactions":"[span]","drop-failed-creations":false,"tune-above":20,"tune-to":2,"cancel-abandoned":false} |
    | Grants | grants/pg-optimize.orders.toml sha256:[digest] |
    | Plan | none |
    | People | started by tester ([time]) |
    | Rollback | no |

    ## Changes

    | # | Change | Object | Before | After | Outcome | Undo | Took |
    |---|---|---|---|---|---|---|---|
    | 1 | drop invalid index | public.accounts\_abalance\_ccnew | [size] | gone | done | not needed: no query can use it | [span] |
    | 2 | reindex | public.accounts\_abalance | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 3 | reindex | public.accounts\_bid\_abalance | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 4 | reindex | public.accounts\_pkey | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 5 | reindex | public.accounts\_bid | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 6 | vacuum (analyze) | public.accounts | 5333 dead | 0 dead | done | not needed: rows are unchanged | [span] |
    | 7 | set parameters | public.accounts | not set | autovacuum\_vacuum\_scale\_factor = 0.02 | done | reset autovacuum\_vacuum\_scale\_factor | [span] |

    ## Checks

    | Check | Verdict | Evidence |
    |---|---|---|
    | leftovers are gone | pass | 1 invalid index dropped |
    | rebuilt indexes are not larger | pass | 4 looked at: public.accounts\_abalance [size] → [size] · public.accounts\_bid\_abalance [size] → [size] · public.accounts\_pkey [size] → [size] · public.accounts\_bid [size] → [size] |

    ## Issues

    None.

    ## Follow-ups

    - `windlass undo [run]` takes back effect 7
    ----- stderr -----
    "#);
    assert_snapshot!(world.snapshot(&["show", &run, "--format", "json"]), @r#"
    $ windlass show [run] --format json
    exit code: 0
    ----- stdout -----
    {
      "schema": "windlass.report/1",
      "run": "[run]",
      "standing": "succeeded",
      "summary": "1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table vacuumed (5,333 → 0 dead rows), 1 table tuned",
      "damage": null,
      "subject": {
      "procedure": "pg-optimize",
      "version": "0.1.0",
      "component": "sha256:[digest]",
      "target": "orders",
      "parameters": {
      "min-size": "[size]",
      "min-dead-rows": 100,
      "tune-autovacuum": true,
      "max-objects": 200,
      "stop-after": "[span]",
      "index-bloat": 30,
      "dead-rows": 5,
      "modified-rows": 10,
      "min-modified-rows": 1000,
      "parent-statistics-age": "7d",
      "max-lag": "[span]",
      "max-lag-bytes": "[size]",
      "lag-patience": "[span]",
      "max-size-when-disk-unknown": "[size]",
      "report-transactions": "[span]",
      "drop-failed-creations": false,
      "tune-above": 20,
      "tune-to": 2,
      "cancel-abandoned": false
      },
      "grants": [
      "grants/pg-optimize.orders.toml sha256:[digest]"
      ],
      "plan": null,
      "by": "tester",
      "host": "0.1.0"
      },
      "began": "[time]",
      "ended": "[time]",
      "took-ms": 1040,
      "counts": {
      "effects": 7,
      "failed": 0,
      "undone": 0,
      "left-alone": 0,
      "undo-failed": 0,
      "in-doubt": 0,
      "open": 0
      },
      "steps": [
      {
      "name": "look",
      "began": "[time]",
      "took-ms": 319,
      "effects": []
      },
      {
      "name": "drop leftovers",
      "began": "[time]",
      "took-ms": 76,
      "effects": [
      1
      ]
      },
      {
      "name": "rebuild indexes",
      "began": "[time]",
      "took-ms": 479,
      "effects": [
      2,
      3,
      4,
      5
      ]
      },
      {
      "name": "vacuum tables",
      "began": "[time]",
      "took-ms": 67,
      "effects": [
      6
      ]
      },
      {
      "name": "tune autovacuum",
      "began": "[time]",
      "took-ms": 51,
      "effects": [
      7
      ]
      },
      {
      "name": "check",
      "began": "[time]",
      "took-ms": 34,
      "effects": []
      }
      ],
      "effects": [
      {
      "number": 1,
      "action": "drop invalid index",
      "object": "public.accounts_abalance_ccnew",
      "target": "orders",
      "status": "done",
      "why": null,
      "confirmed": false,
      "now": "[size]",
      "foreseen": "gone",
      "after": "gone",
      "undo": "not needed: no query can use it",
      "undone": null,
      "sweep": null,
      "began": "[time]",
      "took-ms": 55
      },
      {
      "number": 2,
      "action": "reindex",
      "object": "public.accounts_abalance",
      "target": "orders",
      "status": "done",
      "why": null,
      "confirmed": false,
      "now": "[size]",
      "foreseen": "[size]",
      "after": "[size]",
      "undo": "not needed: same index, rebuilt",
      "undone": null,
      "sweep": null,
      "began": "[time]",
      "took-ms": 80
      },
      {
      "number": 3,
      "action": "reindex",
      "object": "public.accounts_bid_abalance",
      "target": "orders",
      "status": "done",
      "why": null,
      "confirmed": false,
      "now": "[size]",
      "foreseen": "[size]",
      "after": "[size]",
      "undo": "not needed: same index, rebuilt",
      "undone": null,
      "sweep": null,
      "began": "[time]",
      "took-ms": 56
      },
      {
      "number": 4,
      "action": "reindex",
      "object": "public.accounts_pkey",
      "target": "orders",
      "status": "done",
      "why": null,
      "confirmed": false,
      "now": "[size]",
      "foreseen": "[size]",
      "after": "[size]",
      "undo": "not needed: same index, rebuilt",
      "undone": null,
      "sweep": null,
      "began": "[time]",
      "took-ms": 41
      },
      {
      "number": 5,
      "action": "reindex",
      "object": "public.accounts_bid",
      "target": "orders",
      "status": "done",
      "why": null,
      "confirmed": false,
      "now": "[size]",
      "foreseen": "[size]",
      "after": "[size]",
      "undo": "not needed: same index, rebuilt",
      "undone": null,
      "sweep": null,
      "began": "[time]",
      "took-ms": 51
      },
      {
      "number": 6,
      "action": "vacuum (analyze)",
      "object": "public.accounts",
      "target": "orders",
      "status": "done",
      "why": null,
      "confirmed": false,
      "now": "5333 dead",
      "foreseen": "",
      "after": "0 dead",
      "undo": "not needed: rows are unchanged",
      "undone": null,
      "sweep": null,
      "began": "[time]",
      "took-ms": 57
      },
      {
      "number": 7,
      "action": "set parameters",
      "object": "public.accounts",
      "target": "orders",
      "status": "done",
      "why": null,
      "confirmed": false,
      "now": "not set",
      "foreseen": "autovacuum_vacuum_scale_factor = 0.02",
      "after": "autovacuum_vacuum_scale_factor = 0.02",
      "undo": "reset autovacuum_vacuum_scale_factor",
      "undone": null,
      "sweep": null,
      "began": "[time]",
      "took-ms": 43
      }
      ],
      "refusals": [],
      "checks": [
      {
      "name": "leftovers are gone",
      "verdict": "pass",
      "evidence": "1 invalid index dropped"
      },
      {
      "name": "rebuilt indexes are not larger",
      "verdict": "pass",
      "evidence": "4 looked at: public.accounts_abalance [size] → [size] · public.accounts_bid_abalance [size] → [size] · public.accounts_pkey [size] → [size] · public.accounts_bid [size] → [size]"
      }
      ],
      "messages": [],
      "panicked": null,
      "people": [
      {
      "at": "[time]",
      "by": "tester",
      "did": "started"
      }
      ],
      "next": [
      {
      "command": "windlass undo [run]",
      "does": "takes back effect 7"
      }
      ]
    }
    ----- stderr -----
    "#);
    assert_snapshot!(screen(&world, &["undo", &run]), @"
    $ windlass undo [run]
    exit code: 0
    ----- stdout -----
    run [run] was undone: 7 effects, 1 undone, 0 in doubt
      pg-optimize 0.1.0 on orders, by tester, [time], undone by tester

    look  [span]
    drop leftovers  [span]
      ✓ 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone  [span]
      undo: not needed: no query can use it
    rebuild indexes  [span]
      ✓ 2 reindex public.accounts_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 3 reindex public.accounts_bid_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 4 reindex public.accounts_pkey  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
      ✓ 5 reindex public.accounts_bid  [size] → [size]  [span]
      undo: not needed: same index, rebuilt
    vacuum tables  [span]
      ✓ 6 vacuum (analyze) public.accounts  5333 dead → 0 dead  [span]
      undo: not needed: rows are unchanged
    tune autovacuum  [span]
      ✓ 7 set parameters public.accounts
      not set → autovacuum_vacuum_scale_factor = 0.02  [span]
      taken back: reset autovacuum_vacuum_scale_factor
    check  [span]

    checks
      ✓ leftovers are gone: 1 invalid index dropped
      ✓ rebuilt indexes are not larger: 4 looked at: public.accounts_abalance [size]
      → [size] · public.accounts_bid_abalance [size] → [size] ·
      public.accounts_pkey [size] → [size] · public.accounts_bid [size] → [size]
    ----- stderr -----
    tester wants it taken back
    taking it back: undone by tester
    … taking back 7 set parameters public.accounts: reset
      autovacuum_vacuum_scale_factor
    ↩ 7 set parameters public.accounts: restored: reset
      autovacuum_vacuum_scale_factor
    undone by tester
    ");
    assert_snapshot!(screen(&world, &["cancel", &run]), @"
    $ windlass cancel [run]
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: run [run] has ended
      nothing was changed
      hint:  windlass show [run]
    ");
    assert_snapshot!(screen(&world, &["runs"]), @"
    $ windlass runs
    exit code: 0
    ----- stdout -----
    RUN  PROCEDURE  TARGET  STATE  SINCE  NEXT
    [run]  pg-optimize  orders  undone  [span]  windlass show [run]
    ----- stderr -----
    ");
    assert_snapshot!(screen(&world, &["runs", "--open"]), @"
    $ windlass runs --open
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    No run here is like that; windlass runs lists all.
    ");
    assert_snapshot!(screen(&world, &["audit", "verify"]), @"
    $ windlass audit verify
    exit code: 0
    ----- stdout -----
    The record is whole: 62 entries of 1 run.
    head [digest]
    ----- stderr -----
    Note the head where windlass cannot write, and pass it back later with --head.
    ");
}

#[test]
fn a_run_that_broke_off() {
    let world = granted();
    let words = tuned(&["run", "pg-optimize", "--target", "orders"]);
    let killed = world.windlass_with(&[("WINDLASS_TEST_KILL_AT", "25")], &words);
    assert_eq!(killed.code, 128 + 9);
    let run = runs(&world)[0]["run"].as_str().unwrap().to_owned();
    assert_snapshot!(screen(&world, &["runs"]), @"
    $ windlass runs
    exit code: 0
    ----- stdout -----
    RUN  PROCEDURE  TARGET  STATE  SINCE  NEXT
    [run]  pg-optimize  orders  interrupted  [span]  windlass resume [run]
    ----- stderr -----
    ");
    assert_snapshot!(screen(&world, &["show", &run]), @"
    $ windlass show [run]
    exit code: 0
    ----- stdout -----
    run [run] has not ended: 2 effects, 0 undone, 0 in doubt
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    drop leftovers  [span]
      ✓ 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone  [span]
      undo: not needed: no query can use it
    rebuild indexes  [span]
      ✓ 2 reindex public.accounts_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt

    checks
      ✓ leftovers are gone: 1 invalid index dropped

    next
      windlass resume [run]  goes on where it stopped
      windlass undo [run]  ends it; nothing has to be taken back
    ----- stderr -----
    ");
    assert_snapshot!(screen(&world, &["cancel", &run]), @"
    $ windlass cancel [run]
    exit code: 1
    ----- stdout -----
    run [run] was cancelled after [span] and taken back: 2 effects, 0 undone, 0
      in doubt
      pg-optimize 0.1.0 on orders, by tester, [time], resumed by
      tester, cancelled by tester

    look  [span]
    drop leftovers  [span]
      ✓ 1 drop invalid index public.accounts_abalance_ccnew  [size] → gone  [span]
      undo: not needed: no query can use it
    rebuild indexes  [span]
      ✓ 2 reindex public.accounts_abalance  [size] → [size]  [span]
      undo: not needed: same index, rebuilt

    checks
      ✓ leftovers are gone: 1 invalid index dropped
    ----- stderr -----
    resumed by tester
    tester wants it cancelled
    taking it back: cancelled by tester
    cancelled by tester
    ");
}

#[test]
fn a_health_check() {
    let world = World::on(NEWEST);
    world.bloat(300);
    world
        .windlass(&["grant", "pg-health", "--target", "orders"])
        .expect(0);
    assert_snapshot!(screen(&world, &["plan", "pg-health", "--target", "orders"]), @"
    $ windlass plan pg-health --target orders
    exit code: 0
    ----- stdout -----
    orders: pg-health 0.1.0 would change nothing

    checks
      standbys: none is connected; nobody said how many to expect, so a missing one
      cannot be noticed: declare `expected-standbys` for the database in
      windlass.toml, 0 for none

    foreseen
      1 inconclusive: standbys; 11 checks passed
    ----- stderr -----
    pg-health 0.1.0 on orders, by tester
    - role and replication
    ✓ role: PostgreSQL [version], primary
    ? standbys: none is connected; nobody said how many to expect, so a missing one
      cannot be noticed: declare `expected-standbys` for the database in
      windlass.toml, 0 for none
    ✓ standby lag: no standby is connected, so none is behind
    ✓ replication slots: there are none
    - sessions
    ✓ connections: 3 of 197 used, 98 % free
    ✓ idle in transaction: no session is
    ✓ transactions: none is open
    ✓ lock waits: 0 sessions, at most 3 sessions allowed
    ✓ vacuum horizon: nothing keeps dead rows
    - tables and indexes
    ✓ tables: 2 tables seen
    ✓ wraparound: oldest is public.sessions: 4 transactions
    ✓ indexes: 5 indexes seen, all valid
    - invariants
      invariants: none is declared for this database in windlass.toml
    - slow statements
      slow statements are told from the next run on: this one keeps the first
      snapshot

    Nothing was changed.  Plan [digest] is in plan.json.
    windlass run pg-health --target orders --plan plan.json
    ");
    assert_snapshot!(screen(&world, &["run", "pg-health", "--target", "orders"]), @"
    $ windlass run pg-health --target orders
    exit code: 4
    ----- stdout -----
    run [run] could not decide, after [span]: nothing was changed
      1 inconclusive: standbys; 11 checks passed
      pg-health 0.1.0 on orders, by tester, [time]

    role and replication  [span]
    sessions  [span]
    tables and indexes  [span]
    invariants  [span]
    slow statements  [span]

    checks
      ? standbys: none is connected; nobody said how many to expect, so a missing
      one cannot be noticed: declare `expected-standbys` for the database in
      windlass.toml, 0 for none
      ✓ role: PostgreSQL [version], primary
      ✓ standby lag: no standby is connected, so none is behind
      ✓ replication slots: there are none
      ✓ connections: 1 of 197 used, 99 % free
      ✓ idle in transaction: no session is
      ✓ transactions: none is open
      ✓ lock waits: 0 sessions, at most 3 sessions allowed
      ✓ vacuum horizon: nothing keeps dead rows
      ✓ tables: 2 tables seen
      ✓ wraparound: oldest is public.sessions: 6 transactions
      ✓ indexes: 5 indexes seen, all valid
    ----- stderr -----
    pg-health 0.1.0 on orders, by tester
    - role and replication
    ✓ role: PostgreSQL [version], primary
    ? standbys: none is connected; nobody said how many to expect, so a missing one
      cannot be noticed: declare `expected-standbys` for the database in
      windlass.toml, 0 for none
    ✓ standby lag: no standby is connected, so none is behind
    ✓ replication slots: there are none
    - sessions
    ✓ connections: 1 of 197 used, 99 % free
    ✓ idle in transaction: no session is
    ✓ transactions: none is open
    ✓ lock waits: 0 sessions, at most 3 sessions allowed
    ✓ vacuum horizon: nothing keeps dead rows
    - tables and indexes
    ✓ tables: 2 tables seen
    ✓ wraparound: oldest is public.sessions: 6 transactions
    ✓ indexes: 5 indexes seen, all valid
    - invariants
      invariants: none is declared for this database in windlass.toml
    - slow statements
      slow statements are told from the next run on: this one keeps the first
      snapshot
    1 inconclusive: standbys; 11 checks passed
    ");
}

#[test]
fn completions() {
    let world = World::on(NEWEST);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.windlass(&["completions", shell]).expect(0);
        assert!(script.stdout.contains("windlass"), "{shell}");
        assert_eq!(script.stderr, "");
    }
}

#[test]
fn every_command_speaks_json() {
    let world = granted();
    fs::create_dir(world.path().join("empty")).unwrap();
    let plan = tuned(&["plan", "pg-optimize", "--target", "orders"]);
    let run = tuned(&["run", "pg-optimize", "--target", "orders"]);
    let speaks = |schema: &str, code: i32, words: &[&str]| {
        let words = [words, &["--output", "json"]].concat();
        let output = world.windlass(&words).expect(code);
        let document = output.json();
        assert_eq!(document["schema"], schema, "{output}");
        if schema == "windlass.error/1" {
            assert_eq!(document["code"], code, "{output}");
            assert_eq!(output.stderr, "", "an error is told once");
        }
        document
    };
    speaks("windlass.doctor/1", 0, &["doctor"]);
    speaks("windlass.completions/1", 0, &["completions", "bash"]);
    speaks("windlass.inspect/1", 0, &["inspect", "pg-health"]);
    speaks(
        "windlass.grant/1",
        0,
        &["grant", "pg-health", "--target", "orders"],
    );
    speaks(
        "windlass.grant-check/1",
        0,
        &["grant", "check", "grants/pg-health.orders.toml"],
    );
    speaks("windlass.plan/1", 0, &plan);
    speaks("windlass.runs/1", 0, &["runs"]);
    speaks("windlass.report/1", 0, &run);
    let name = runs(&world)[0]["run"].as_str().unwrap().to_owned();
    speaks("windlass.report/1", 0, &["show", &name]);
    speaks("windlass.report/1", 0, &["resume", &name]);
    speaks("windlass.report/1", 0, &["undo", &name]);
    speaks("windlass.audit/1", 0, &["audit", "verify"]);
    let report = speaks(
        "windlass.report/1",
        4,
        &["run", "pg-health", "--target", "orders"],
    );
    assert_eq!(report["standing"], "inconclusive", "{report}");

    let error = "windlass.error/1";
    speaks(error, 2, &["init"]);
    speaks(error, 2, &["build", "empty"]);
    speaks(error, 2, &["inspect", "nothing"]);
    speaks(error, 2, &["grant", "pg-health", "--target", "orders"]);
    speaks(error, 2, &["grant", "check", "windlass.toml"]);
    speaks(error, 2, &["plan", "pg-health", "--target", "nowhere"]);
    speaks(
        error,
        2,
        &["run", "pg-health", "--target", "orders", "--set", "a=b"],
    );
    speaks(error, 2, &["resume", "nothing"]);
    speaks(error, 2, &["undo", "nothing"]);
    speaks(error, 2, &["cancel", "nothing"]);
    speaks(error, 2, &["cancel", &name]);
    speaks(error, 2, &["show", "nothing"]);
    speaks(error, 2, &["frobnicate"]);
    speaks(error, 2, &["show"]);
    speaks(error, 2, &["completions", "rc"]);
    speaks(error, 2, &["doctor", "--target", "nowhere"]);
    fs::remove_file(world.path().join("grants/pg-health.orders.toml")).unwrap();
    speaks(error, 3, &["run", "pg-health", "--target", "orders"]);
    fs::write(world.state().join("journal.db"), "no database").unwrap();
    speaks(error, 4, &["runs"]);
    fs::remove_file(world.path().join("windlass.toml")).unwrap();
    speaks("windlass.doctor/1", 2, &["doctor"]);
    speaks(error, 2, &["runs"]);
    speaks("windlass.init/1", 0, &["init"]);
}
