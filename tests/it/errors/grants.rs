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
      hint:  windlass inspect pg-optimize, then: windlass grant pg-optimize --target orders --force
    ");
    assert_snapshot!(world.snapshot(&["grant", "check", FILE]), @"
    $ windlass grant check grants/pg-optimize.orders.toml
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `pg-optimize` has no grant for `orders`: `grants/pg-optimize.orders.toml` is for 0.1.0, sha256:[digest], and this component is sha256:[digest]
      hint:  windlass inspect pg-optimize, then: windlass grant pg-optimize --target orders --force
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
    world.write(
        FILE,
        &world
            .read(FILE)
            .replace("schemas = [\"*\"]", "schemas = [\"sales\"]"),
    );
    assert_snapshot!(world.snapshot(&typed("plan")), @"
    $ windlass plan pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
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
    assert_snapshot!(world.snapshot(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
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
    let [run] = &runs(&world)[..] else {
        panic!("one run")
    };
    assert_snapshot!(world.snapshot(&["show", run]), @"
    $ windlass show [run]
    exit code: 0
    ----- stdout -----
    run [run] succeeded in [span]: nothing was changed
      nothing to do
      pg-optimize 0.1.0 on orders, by tester, [time]

    look  [span]
    ----- stderr -----
    ");
    assert_eq!(objects(&world), before);
}
