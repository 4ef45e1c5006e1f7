//! Plans, runs, reports, and what can be done afterwards.

use super::{granted, runs, screen, tuned};
use insta::assert_snapshot;

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

    assumed
      read replication: as of now, before these effects
      read server facts: as of now, before these effects
      read index sizes: as of now, before these effects

    foreseen
      1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table
      vacuumed (5,333 → 0 dead rows), 1 table tuned
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    - drop leftovers
    ✓ leftovers are gone: assumed: 1 invalid index dropped
    - rebuild indexes
    - vacuum tables
    - tune autovacuum
    - check
    · rebuilt indexes are not larger: assumed: 4 looked at: public.accounts_abalance
      [size] → [size] · public.accounts_bid_abalance [size] → [size] ·
      public.accounts_pkey [size] → [size] · public.accounts_bid [size] → [size]

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
      [digest]

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
    // A change log is for renderers: it is not bound to a width.
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
    | Parameters | `{"min-size":"[size]","min-dead-rows":100,"tune-autovacuum":true,"max-objects":200,"stop-after":"[span]","index-bloat":30,"dead-rows":5,"modified-rows":10,"min-modified-rows":1000,"parent-statistics-age":"7d","max-lag":"[span]","max-lag-bytes":"[size]","lag-patience":"[span]","max-size-when-disk-unknown":"[size]","report-transactions":"[span]","drop-failed-creations":false,"tune-above":20,"tune-to":2,"cancel-abandoned":false,"notify":null}` |
    | Grants | grants/pg-optimize.orders.toml sha256:[digest] |
    | Plan | none |
    | People | started by tester ([time]) |
    | Rollback | no |
    | Head | [digest] |

    ## Changes

    | # | Change | Object | Before | After | Outcome | Undo | Took |
    |---|---|---|---|---|---|---|---|
    | 1 | drop invalid index | `public.accounts_abalance_ccnew` | [size] | gone | done | not needed: no query can use it | [span] |
    | 2 | reindex | `public.accounts_abalance` | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 3 | reindex | `public.accounts_bid_abalance` | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 4 | reindex | `public.accounts_pkey` | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 5 | reindex | `public.accounts_bid` | [size] | [size] | done | not needed: same index, rebuilt | [span] |
    | 6 | vacuum (analyze) | public.accounts | 5333 dead | 0 dead | done | not needed: rows are unchanged | [span] |
    | 7 | set parameters | public.accounts | not set | `autovacuum_vacuum_scale_factor = 0.02` | done | `reset autovacuum_vacuum_scale_factor` | [span] |

    ## Checks

    | Check | Verdict | Evidence |
    |---|---|---|
    | leftovers are gone | pass | 1 invalid index dropped |
    | rebuilt indexes are not larger | pass | `4 looked at: public.accounts_abalance [size] → [size] · public.accounts_bid_abalance [size] → [size] · public.accounts_pkey [size] → [size] · public.accounts_bid [size] → [size]` |

    ## Messages

    None.

    ## Issues

    None.

    ## Follow-ups

    - `windlass undo [run]` takes back effect 7
    ----- stderr -----
    "#);
    let report = world
        .windlass(&["show", &run, "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(report["schema"], "windlass.report/1");
    assert_eq!(
        report["effects"].as_array().map(Vec::len),
        Some(7),
        "{report}"
    );
    assert_eq!(report["next"][0]["command"], format!("windlass undo {run}"));
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
    There is no run that is not over.
    ");
    assert_snapshot!(screen(&world, &["audit", "verify"]), @"
    $ windlass audit verify
    exit code: 0
    ----- stdout -----
    The record is whole up to this head: 64 entries of 1 run.
    head [digest]
    ----- stderr -----
    Note the head where windlass cannot write, and pass it back later with --head.
    ");
}

#[test]
fn a_run_that_broke_off() {
    let world = granted();
    let words = tuned(&["run", "pg-optimize", "--target", "orders"]);
    let killed = world.windlass_with(&[("WINDLASS_TEST_KILL_AT", "done:2")], &words);
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
    run [run] was interrupted: 2 effects, 0 undone, 0 in doubt
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
    exit code: 0
    ----- stdout -----
    run [run] was cancelled after [span]: 2 effects, 0 undone, 0 in doubt
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
    ");
}

#[test]
fn what_goes_to_a_program_is_not_broken_into_lines() {
    let world = granted();
    world
        .windlass(&tuned(&["plan", "pg-optimize", "--target", "orders"]))
        .expect(0);
    let killed = [("WINDLASS_TEST_KILL_AT", "done:1")];
    let run = tuned(&["run", "pg-optimize", "--target", "orders"]);
    world.windlass_with(&killed, &run).expect(128 + 9);
    let listed = world.windlass_with(&[("COLUMNS", "")], &["runs"]).expect(0);
    let row = listed.stdout.lines().nth(1).unwrap();
    for word in ["pg-optimize", "orders", "interrupted", "windlass resume "] {
        assert!(row.contains(word), "{word}: {listed}");
    }
    // A narrow terminal breaks lines, and no word.
    let narrow = world
        .windlass_with(&[("COLUMNS", "60")], &["runs"])
        .expect(0);
    for word in ["pg-optimize", "orders", "interrupted"] {
        assert!(narrow.stdout.contains(word), "{word}: {narrow}");
    }
}
