//! A check that changes nothing.

use super::screen;
use crate::world::World;
use insta::assert_snapshot;
use regex_lite::Regex;
use xtask::postgres::NEWEST;

#[test]
fn a_health_check() {
    let world = World::on(NEWEST);
    world.bloat(300);
    world.grant("pg-health", "orders");
    assert_snapshot!(checked(&world, &["plan", "pg-health", "--target", "orders"]), @"
    $ windlass plan pg-health --target orders
    exit code: 7
    ----- stdout -----
    orders: pg-health 0.1.0 would change nothing, and would need a person: standbys:
      none is connected; nobody said how many to expect, so a missing one cannot be
      noticed: declare `expected-standbys` for the database in windlass.toml, 0 for
      none

    checks
      ? standbys: none is connected; nobody said how many to expect, so a missing
      one cannot be noticed: declare `expected-standbys` for the database in
      windlass.toml, 0 for none
      ? standby lag: no standby is connected, so none was measured

    foreseen
      2 inconclusive: standbys, standby lag; 11 checks passed
    ----- stderr -----
    pg-health 0.1.0 on orders, by tester
    - role and replication
    ✓ role: PostgreSQL [version], primary
    ? standbys: none is connected; nobody said how many to expect, so a missing one
      cannot be noticed: declare `expected-standbys` for the database in
      windlass.toml, 0 for none
    ? standby lag: no standby is connected, so none was measured
    ✓ replication slots: there are none
    - sessions
    ✓ connections: [seen]
    ✓ idle in transaction: [seen]
    ✓ transactions: [seen]
    ✓ lock waits: [seen]
    ✓ vacuum horizon: [seen]
    - tables and indexes
    ✓ tables: 2 tables seen
    ✓ wraparound: [seen]
    ✓ indexes: 5 indexes seen, all valid
    ✓ collations: none that has a version orders an index
    - invariants
      invariants: none is declared for this database in windlass.toml
    - slow statements
      slow statements are told from the next run on: this one keeps the first
      snapshot, unless a check fails

    Nothing was changed.  Plan [digest] is in plan.json.
    windlass run pg-health --target orders --plan plan.json
    ");
    assert_snapshot!(checked(&world, &["run", "pg-health", "--target", "orders"]), @"
    $ windlass run pg-health --target orders
    exit code: 4
    ----- stdout -----
    run [run] is inconclusive after [span]: nothing was changed
      2 inconclusive: standbys, standby lag; 11 checks passed
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
      ? standby lag: no standby is connected, so none was measured
      ✓ role: PostgreSQL [version], primary
      ✓ replication slots: there are none
      ✓ connections: [seen]
      ✓ idle in transaction: [seen]
      ✓ transactions: [seen]
      ✓ lock waits: [seen]
      ✓ vacuum horizon: [seen]
      ✓ tables: 2 tables seen
      ✓ wraparound: [seen]
      ✓ indexes: 5 indexes seen, all valid
      ✓ collations: none that has a version orders an index
    ----- stderr -----
    pg-health 0.1.0 on orders, by tester
    - role and replication
    ✓ role: PostgreSQL [version], primary
    ? standbys: none is connected; nobody said how many to expect, so a missing one
      cannot be noticed: declare `expected-standbys` for the database in
      windlass.toml, 0 for none
    ? standby lag: no standby is connected, so none was measured
    ✓ replication slots: there are none
    - sessions
    ✓ connections: [seen]
    ✓ idle in transaction: [seen]
    ✓ transactions: [seen]
    ✓ lock waits: [seen]
    ✓ vacuum horizon: [seen]
    - tables and indexes
    ✓ tables: 2 tables seen
    ✓ wraparound: [seen]
    ✓ indexes: 5 indexes seen, all valid
    ✓ collations: none that has a version orders an index
    - invariants
      invariants: none is declared for this database in windlass.toml
    - slow statements
      slow statements are told from the next run on: this one keeps the first
      snapshot, unless a check fails
    ");
}

/// What else is at work on a shared server shows in its figures.
fn checked(world: &World, words: &[&str]) -> String {
    let checks =
        "connections|idle in transaction|transactions|lock waits|vacuum horizon|wraparound";
    let seen = Regex::new(&format!(r"✓ ({checks}): .*(\n  [a-z0-9].*)*")).unwrap();
    seen.replace_all(&screen(world, words), "✓ $1: [seen]")
        .into_owned()
}
