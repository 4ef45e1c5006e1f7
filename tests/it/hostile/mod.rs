//! What attackers, careless authors and hostile targets try. Most of it is in `windlass selftest`, which is tried here as people run it; the
//! rest needs more than one invocation, a server that is shaken, or a look inside.

mod artifact;
mod database;
mod gates;
mod manifests;
mod messages;
mod table;

use crate::world::World;
use xtask::postgres::NEWEST;

#[test]
fn selftest_holds_on_a_real_database() {
    let world = World::bloated_on(NEWEST);
    let before = world.files();
    let output = world
        .windlass(&["selftest", "--target", "orders", "--output", "json"])
        .expect(0);
    let found = output.json();
    assert_eq!(found["schema"], "windlass.selftest/1");
    assert_eq!(
        (&found["holds"], &found["not-run"]),
        (&true.into(), &0.into())
    );
    let cases = found["cases"].as_array().unwrap();
    assert_eq!(cases.len(), table::cases().len());
    // It leaves nothing behind, here or at the target.
    assert_eq!(world.files(), before);
    assert!(!world.state().exists());
    let sent = crate::laws::work(&world);
    assert!(sent.is_empty(), "{sent:#?}");
}

#[test]
fn selftest_shows_what_it_did_and_what_it_did_not() {
    let world = World::on(NEWEST);
    let chosen = ["selftest", "trap", "two-manifests", "database-another"];
    insta::assert_snapshot!(world.snapshot(&chosen), @"
    $ windlass selftest trap two-manifests database-another
    exit code: 0
    ----- stdout -----
    CLASS  CASE  MUST  TIME  MEMORY
    1  two-manifests  exit 3: 2 sections  [span]  [size]  ✓
      `windlass:manifest`,
      at offsets
    26  database-another  exit 3: may not read  –  –  not run: needs
      server facts on  --target
      another
    42  trap  exit 1: the  [span]  [size]  ✓
      procedure
    ----- stderr -----
    Trying 3 hostile components; each ends within seconds.
    1 case not run: windlass selftest --target TARGET
    All 2 cases ended as they must.
    ");
    insta::assert_snapshot!(world.snapshot(&["selftest", "trp"]), @"
    $ windlass selftest trp
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no case `trp`
      hint:  did you mean `trap`?
    ");
}
