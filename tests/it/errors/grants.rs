//! Grants that do not allow what is asked.

use super::{granted, objects, runs, typed};
use crate::world::World;
use insta::assert_snapshot;
use xtask::postgres::NEWEST;

const FILE: &str = "grants/pg-optimize.orders.toml";

/// Replaces one line of the grant.
fn edit(world: &World, key: &str, line: &str) {
    let text = world.read(FILE);
    let lines = text
        .lines()
        .map(|old| if old.starts_with(key) { line } else { old });
    let edited = lines.collect::<Vec<_>>().join("\n");
    assert_ne!(edited, text.trim_end(), "no line begins with {key}");
    world.write(FILE, &edited);
}

/// Nothing came of what was refused.
fn assert_untouched(world: &World, before: &[String]) {
    assert_eq!(objects(world), before);
    assert!(!world.state().exists(), "a refused run left a record");
}

#[test]
fn a_grant_for_another_digest_is_not_taken() {
    let world = granted();
    let before = objects(&world);
    edit(
        &world,
        "digest",
        &format!("digest = \"sha256:{}\"", "a".repeat(64)),
    );
    assert_snapshot!(world.snapshot(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `pg-optimize` has no grant for `orders`: `grants/pg-optimize.orders.toml` is for 0.1.0, sha256:[digest], and this component is sha256:[digest]
      hint:  windlass inspect pg-optimize, then: windlass grant renew grants/pg-optimize.orders.toml
    ");
    assert_snapshot!(world.snapshot(&["grant", "check", FILE]), @"
    $ windlass grant check grants/pg-optimize.orders.toml
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `pg-optimize` has no grant for `orders`: `grants/pg-optimize.orders.toml` is for 0.1.0, sha256:[digest], and this component is sha256:[digest]
      hint:  windlass inspect pg-optimize, then: windlass grant renew grants/pg-optimize.orders.toml
    ");
    assert_untouched(&world, &before);
}

#[test]
fn an_expired_grant_is_not_taken() {
    let world = granted();
    let before = objects(&world);
    edit(&world, "expires", "expires = 2020-01-01T00:00:00Z");
    assert_snapshot!(world.snapshot(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: the grant of `pg-optimize` for `orders`, `grants/pg-optimize.orders.toml`, expired at [time]
      hint:  set a later `expires` in grants/pg-optimize.orders.toml, once its reviewer agrees
    ");
    assert_untouched(&world, &before);
}

/// The page shows a grant that is narrower than what is drafted, and that is one.
#[test]
fn the_grant_on_the_reviewers_page_is_accepted() {
    let world = granted();
    let drafted = world.read(FILE);
    let page = include_str!("../../../docs/reviewer.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (shown, _) = block.split_once("```").unwrap();
    // Whose component and how long is the draft's.
    let own = |line: &&str| line.starts_with("digest = ") || line.starts_with("expires = ");
    let line = |key: &str| drafted.lines().find(|line| line.starts_with(key)).unwrap();
    let text: Vec<&str> = shown
        .lines()
        .map(|shown| match shown {
            shown if own(&shown) => line(shown.split('=').next().unwrap()),
            shown => shown,
        })
        .collect();
    world.write(FILE, &text.join("\n"));
    world.windlass(&["grant", "check", FILE]).expect(0);
    world.windlass(&typed("plan")).expect(0);
}

#[test]
fn without_a_grant_nothing_runs() {
    let world = World::bloated_on(NEWEST);
    assert_snapshot!(world.snapshot(&typed("plan")), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `pg-optimize` has no grant for `orders`
      hint:  windlass grant pg-optimize --target orders
    ");
    assert!(!world.state().exists());
}

#[test]
fn a_grant_that_is_too_narrow_refuses_the_call_and_says_what_would_allow_it() {
    let world = granted();
    world
        .session()
        .batch_execute("CREATE SCHEMA sales")
        .unwrap();
    let before = objects(&world);
    // It may look everywhere, but work in one schema only.
    let file = world.read(FILE);
    let (reads, rest) = file.split_at(file.find("\"vacuum\"").unwrap());
    let narrowed = rest.replacen("schemas = [\"*\"]", "schemas = [\"sales\"]", 1);
    assert_ne!(rest, narrowed, "{file}");
    world.write(FILE, &format!("{reads}{narrowed}"));
    assert_snapshot!(world.snapshot(&typed("plan")), @r#"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 7
    ----- stdout -----
    orders: pg-optimize 0.1.0 would have 6 effects, of which 6 are not granted yet

    #  EFFECT  OBJECT  NOW → AFTER
    1  drop invalid index  public.accounts_abalance_ccnew  [size] → gone
      not granted yet
      undo: not needed: no query can use it
    2  reindex  public.accounts_abalance  [size] → [size]
      not granted yet
      undo: not needed: same index, rebuilt
    3  reindex  public.accounts_bid_abalance  [size] → [size]
      not granted yet
      undo: not needed: same index, rebuilt
    4  reindex  public.accounts_pkey  [size] → [size]
      not granted yet
      undo: not needed: same index, rebuilt
    5  reindex  public.accounts_bid  [size] → [size]
      not granted yet
      undo: not needed: same index, rebuilt
    6  vacuum (analyze)  public.accounts  5333 dead
      not granted yet
      undo: not needed: rows are unchanged

    not granted
      the grant for sha256:[digest] covers schema "sales" only
      (grants/pg-optimize.orders.toml, line 19)
      schemas = ["sales", "public"], then: windlass grant check
      grants/pg-optimize.orders.toml

    assumed
      read replication: as of now, before these effects
      read server facts: as of now, before these effects
      read index sizes: as of now, before these effects

    foreseen
      1 leftover dropped ([size]), 4 indexes rebuilt ([size] → [size]), 1 table
      vacuumed (5,333 → 0 dead rows)
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    - drop leftovers
    ✓ leftovers are gone: assumed: 1 invalid index dropped
    - rebuild indexes
    - vacuum tables
    - check
    · rebuilt indexes are not larger: assumed: 4 looked at: public.accounts_abalance
      [size] → [size] · public.accounts_bid_abalance [size] → [size] ·
      public.accounts_pkey [size] → [size] · public.accounts_bid [size] → [size]

    Nothing was changed.  Plan [digest] is in plan.json.
    A run of it would be refused until all of it is granted.
    A draft of what this plan has, and no more:
    windlass grant pg-optimize --from plan.json --force
    "#);
    assert_snapshot!(world.snapshot(&typed("run")), @r#"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    run [run] was refused after [span]: nothing was changed
      may not drop invalid index public.accounts_abalance_ccnew on orders: no grant
      covers it
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    drop leftovers  [span]

    refused
      may not drop invalid index public.accounts_abalance_ccnew on orders: no grant
      covers it
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
    - drop leftovers
    ✗ refused: drop invalid index public.accounts_abalance_ccnew: may not drop
      invalid index public.accounts_abalance_ccnew on orders: no grant covers it
    taking it back: may not drop invalid index public.accounts_abalance_ccnew on
      orders: no grant covers it
    error: may not drop invalid index public.accounts_abalance_ccnew on orders: no grant covers it
      cause: the grant for sha256:[digest] covers schema "sales" only (grants/pg-optimize.orders.toml, line 19)
      hint:  schemas = ["sales", "public"], then: windlass grant check grants/pg-optimize.orders.toml
    "#);
    let [run] = &runs(&world)[..] else {
        panic!("one run")
    };
    assert_snapshot!(world.snapshot(&["show", run]), @"
    $ windlass show [run]
    exit code: 0
    ----- stdout -----
    run [run] was refused after [span]: nothing was changed
      may not drop invalid index public.accounts_abalance_ccnew on orders: no grant
      covers it
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    drop leftovers  [span]

    refused
      may not drop invalid index public.accounts_abalance_ccnew on orders: no grant
      covers it
    ----- stderr -----
    ");
    assert_eq!(objects(&world), before);
}

#[test]
fn a_check_tells_all_differences_at_once_also_where_only_patterns_are_named() {
    let world = granted();
    edit(&world, "target", "");
    edit(&world, "expires", "expires = 2020-01-01T00:00:00Z");
    edit(
        &world,
        "digest",
        &format!("digest = \"sha256:{}\"", "a".repeat(64)),
    );
    let file = world.read(FILE).replace("[\"orders\"]", "[\"ord*\"]");
    world.write(FILE, &file.replace("\"vacuum\"", "\"analyze\""));
    let checked = world.windlass(&["grant", "check", FILE]).expect(3);
    for difference in [
        "this component is sha256:",
        "expired at",
        "to vacuum on orders",
    ] {
        assert!(
            checked.stderr.contains(difference),
            "{difference}: {checked}"
        );
    }
    world.write(FILE, &file.replace("ord*", "other*"));
    let checked = world.windlass(&["grant", "check", FILE]).expect(3);
    assert!(
        checked.stderr.contains("is for no target that is known"),
        "{checked}"
    );
    assert!(checked.stdout.is_empty(), "{checked}");
}

#[test]
fn a_reviewer_reads_in_json_too_what_is_granted() {
    let world = granted();
    let granted = |world: &World| {
        let page = world.windlass(&["inspect", "pg-optimize", "--output", "json"]);
        page.expect(0).json()["granted"][0].clone()
    };
    let on = granted(&world);
    assert_eq!(
        (&on["target"], &on["granted"]),
        (&"orders".into(), &true.into()),
        "{on}"
    );
    // For the digest and in time, and yet no run could begin.
    let narrow = world.read(FILE).replace("\"vacuum\"", "\"analyze\"");
    world.write(FILE, &narrow);
    let on = granted(&world);
    assert_eq!(on["granted"], false, "{on}");
    assert!(
        on["missing"][0]
            .as_str()
            .unwrap()
            .contains("to vacuum on orders"),
        "{on}"
    );
    let page = world.windlass(&["inspect", "pg-optimize"]).expect(0);
    assert!(page.stdout.contains("Granted on orders: no."), "{page}");
    assert!(page.stdout.contains("to vacuum on orders"), "{page}");
}
