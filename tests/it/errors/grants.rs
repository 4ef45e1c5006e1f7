//! Grants that do not allow what is asked.

use super::{granted, objects, typed};
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
fn what_a_narrower_grant_does_not_cover_is_left_alone_and_told() {
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
    assert_snapshot!(world.snapshot(&typed("plan")), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 0
    ----- stdout -----
    orders: pg-optimize 0.1.0 would change nothing

    foreseen
      nothing done; 6 objects left alone
    ----- stderr -----
    pg-optimize 0.1.0 on orders, by tester
    - look
      left alone public.accounts_abalance_ccnew: the grant does not cover working on
      it
      left alone public.accounts_abalance, public.accounts_bid_abalance,
      public.accounts_pkey, public.accounts_bid: the grant does not cover
      working on it
      left alone public.accounts: the grant does not cover working on it

    Nothing was changed.  Plan [digest] is in plan.json.
    windlass run pg-optimize --target orders --plan plan.json
    ");
    assert_eq!(objects(&world), before);
}
