//! What can be run, with which values, and whether it could begin.

use super::screen;
use crate::world::World;
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use xtask::postgres::NEWEST;

#[test]
fn procedures_are_listed_with_their_parameters() {
    let world = World::on(NEWEST);
    let all = world.windlass(&["procedures"]).expect(0);
    for name in [
        "pg-health",
        "pg-optimize",
        "k8s-rollout",
        "maintenance-mode",
    ] {
        assert!(all.stdout.contains(&format!("{name} 0.1.0, ")), "{all}");
    }
    assert_snapshot!(screen(&world, &["procedures", "maintenance-mode"]), @"
    $ windlass procedures maintenance-mode
    exit code: 0
    ----- stdout -----
    maintenance-mode 0.1.0, change, on clusters: Leads users to a maintenance page
      or back, proves it from outside, and takes it back if that fails.
    PARAMETER  DEFAULT  VALUES: WHAT THE AUTHOR SAYS
    mode  must be set  one of on, off: Whether the maintenance page is to be on
      or off.
    namespace  must be set  text: The namespace of the route.
    kind  –  one of ingress, http-route: The kind of the route.
    name  must be set  text: The name of the route.
    service  –  text: The service that serves the maintenance page, in
      the same namespace. Needed to turn it on.
    port  80  whole number, at most 65535: The port of that service.
    endpoint  –  text: An endpoint that proves it from outside: what
      users see. Absent: nothing is proven.
    status  503  whole number, at most 65535: The status that the
      maintenance page answers with.
    passes  3  whole number: How often in a row the endpoint has to
      show it.
    every  [span]  text: From one look at the endpoint to the next.
    within  [span]  text: How long the endpoint may take to show it.
    notify  –  text: A channel that is told when it is on or off.
      Absent: nobody is.
    ----- stderr -----

    windlass inspect PROCEDURE
    ");
    let json = world
        .windlass(&["procedures", "--output", "json"])
        .expect(0);
    assert_eq!(json.json()["schema"], "windlass.procedures/1");
}

#[test]
fn doctor_says_what_keeps_a_procedure_from_running() {
    let world = World::on(NEWEST);
    let file = "grants/pg-optimize.orders.toml";
    let doctor = || world.windlass(&["doctor", "--procedure", "pg-optimize"]);
    let said = doctor().expect(2);
    assert!(
        said.stdout
            .contains("`pg-optimize` has no grant for `orders`"),
        "{said}"
    );
    let grant = [
        "grant",
        "pg-optimize",
        "--target",
        "orders",
        "--expires",
        "9d",
    ];
    world.windlass(&grant).expect(0);
    let said = doctor().expect(2);
    assert!(
        said.stdout.contains(&format!("{file} is a draft")),
        "{said}"
    );
    let text = world
        .read(file)
        .replace("# approved-by = \"\"", "approved-by = \"ana\"");
    world.write(file, &text);
    let said = doctor().expect(0);
    assert!(said.stdout.contains("which is soon"), "{said}");
    assert!(
        said.stdout.contains(&format!("granted by {file}")),
        "{said}"
    );
    let digest = text
        .lines()
        .find(|line| line.starts_with("digest"))
        .unwrap();
    let old = format!("digest = \"sha256:{}\"", "a".repeat(64));
    world.write(file, &text.replace(digest, &old));
    let said = world.windlass(&["doctor"]).expect(2);
    assert!(
        said.stdout
            .contains(&format!("windlass grant renew {file}")),
        "{said}"
    );
    // Rights of a secret's file.
    world.configure("[channel.ops]\nkind = \"slack\"\nurl = { file = \"url\" }\n");
    world.write("url", "https://hooks.example.com/x");
    fs::set_permissions(world.path().join("url"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = world.windlass(&["doctor"]).expect(2);
    assert!(
        said.stdout.contains("url can be read by others: mode 0644"),
        "{said}"
    );
}

#[test]
fn a_configuration_is_named_by_a_variable_and_a_plan_goes_to_standard_output() {
    let world = World::on(NEWEST);
    world.grant("pg-optimize", "orders");
    let plan = ["plan", "pg-optimize", "--target", "orders", "-o", "-"];
    let printed = world.windlass(&plan).expect(0);
    assert_eq!(printed.json()["procedure"], "pg-optimize");
    assert!(!world.path().join("-").exists());
    let elsewhere = [("WINDLASS_CONFIG", "nowhere.toml")];
    let lost = world
        .windlass_with(&elsewhere, &["runs", "--target", "orders"])
        .expect(2);
    assert!(lost.stderr.contains("nowhere.toml"), "{lost}");
    let unknown = world.windlass(&["runs", "--target", "nope"]);
    assert!(
        unknown.all().contains("There are no runs here") || unknown.code == 2,
        "{unknown}"
    );
}
