//! A component that calls itself as a built-in one does never looks like it, and shares nothing with it.

use crate::world::World;
use insta::assert_snapshot;
use windlass::plugin::Component;
use xtask::postgres::NEWEST;

const FOREIGN: &str = "./pg-health.wasm";

/// The built-in component with a custom section more: another digest, the same name, version and behavior.
fn write_impostor(world: &World) -> String {
    let own = Component::find("pg-health", "/".as_ref()).unwrap();
    let mut bytes = own.bytes().to_vec();
    bytes.extend([0, 5, 4]);
    bytes.extend(b"evil");
    std::fs::write(world.path().join("pg-health.wasm"), &bytes).unwrap();
    Component::from_bytes(bytes).unwrap().digest()[7..15].to_owned()
}

#[test]
fn an_impostor_is_seen_and_remembers_nothing_of_the_real_one() {
    let world = World::on(NEWEST);
    world.bloat(300);
    world
        .session()
        .batch_execute("DROP INDEX IF EXISTS accounts_abalance_ccnew")
        .unwrap();
    let digest = write_impostor(&world);
    let title = format!("pg-health@{digest}");
    for procedure in ["pg-health", FOREIGN] {
        let words = [
            "grant",
            procedure,
            "--target",
            "orders",
            "--approved-by",
            "ana",
        ];
        let granted = world.windlass(&words).expect(0);
        assert_eq!(
            granted.stdout.contains(&title),
            procedure == FOREIGN,
            "{granted}"
        );
    }
    let on_orders = |verb, procedure| {
        let words = [
            verb,
            procedure,
            "--target",
            "orders",
            "--set",
            "expected-standbys=0",
        ];
        world.windlass(&words)
    };
    let first = "slow statements are told from the next run on";
    let said = |output: &crate::world::Output| {
        output
            .all()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(said(&on_orders("run", "pg-health").expect(0)).contains(first));
    let again = on_orders("plan", "pg-health");
    assert!(
        !said(&again).contains(first),
        "the real one remembers: {again}"
    );
    let foreign = on_orders("plan", FOREIGN);
    assert!(
        said(&foreign).contains(first),
        "it saw what another remembers: {foreign}"
    );
    assert!(foreign.stdout.contains(&title), "{foreign}");
    let run = on_orders("run", FOREIGN);
    assert!(run.stdout.contains(&title), "{run}");
    let inspected = world.windlass(&["inspect", FOREIGN]).expect(0);
    assert!(inspected.stdout.starts_with(&title), "{inspected}");
    let runs = world.windlass(&["runs"]).expect(0);
    assert!(runs.stdout.contains(&title), "{runs}");
    let shown = world.windlass(&["show", "--format", "markdown"]);
    assert!(shown.code == 2 || shown.stdout.contains(&title), "{shown}");
    let renew = ["grant", "renew", "grants/pg-health.orders.toml", FOREIGN];
    let redacted = world.snapshot(&renew);
    assert_snapshot!(redacted.replace(&digest, "[foreign]"), @"
    $ windlass grant renew grants/pg-health.orders.toml ./pg-health.wasm
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `./pg-health.wasm` calls itself pg-health and is not the built-in procedure
      the file was left as it is
      hint:  windlass grant ./pg-health.wasm --target TARGET writes a grant of its own
    ");
}
