//! A grant from its draft to its renewal: what narrowed it stays, and what is not granted can be planned and not run.

use super::screen;
use crate::world::World;
use insta::assert_snapshot;
use xtask::postgres::NEWEST;

const FILE: &str = "grants/pg-optimize.orders.toml";

fn drafted(more: &[&str]) -> World {
    let world = World::bloated_on(NEWEST);
    let words = ["grant", "pg-optimize", "--target", "orders"];
    world.windlass(&[&words[..], more].concat()).expect(0);
    world
}

fn small(verb: &'static str) -> Vec<&'static str> {
    let words = [verb, "pg-optimize", "--target", "orders"];
    let chosen = ["--set", "min-size=8kB", "--set", "min-dead-rows=100"];
    [&words[..], &chosen].concat()
}

#[test]
fn a_draft_can_be_planned_with_and_not_run() {
    let world = drafted(&[]);
    let planned = world.windlass(&small("plan")).expect(0);
    assert!(
        planned
            .stderr
            .contains("approved-by: grants/pg-optimize.orders.toml"),
        "{planned}"
    );
    assert_snapshot!(world.snapshot(&small("run")), @r#"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: the grant of `pg-optimize` for `orders`, `grants/pg-optimize.orders.toml`, is a draft, which permits planning only
      hint:  have grants/pg-optimize.orders.toml reviewed; it holds when it says who approved it: approved-by = "…"
    "#);
    assert!(!world.state().exists(), "a refused run left a record");
    // The reviewer says so, in the file.
    let text = world
        .read(FILE)
        .replace("# approved-by = \"\"", "approved-by = \"ana\"");
    world.write(FILE, &text);
    world.windlass(&small("run")).expect(0);
}

#[test]
fn a_renewed_grant_keeps_what_narrowed_it() {
    let world = drafted(&["--approved-by", "dba@example.com, PR 42", "--expires", "9d"]);
    let whole = world.read(FILE);
    let digest = whole
        .lines()
        .find(|line| line.starts_with("digest"))
        .unwrap();
    let old = format!("digest = \"sha256:{}\"", "a".repeat(64));
    let narrowed = whole
        .replace(digest, &old)
        .replace("tables = [\"*\"]", "tables = [\"acc*\"]")
        .replace("effects = 200", "effects = 2 # as agreed")
        .replace("channels = [\"*\"]", "channels = [\"ops\"]");
    world.write(FILE, &narrowed);
    world.windlass(&small("plan")).expect(3);
    assert_snapshot!(world.snapshot(&["grant", "renew", FILE]), @"
    $ windlass grant renew grants/pg-optimize.orders.toml
    exit code: 0
    ----- stdout -----
    procedure  pg-optimize 0.1.0
    digest  sha256:[digest]
    target  orders
    allows  server, tables, indexes, sessions, replication on orders, tables acc*
      in schema *
      vacuum, analyze, reindex, drop-invalid-index on orders, tables acc*
      in schema *
      set-parameters on orders, tables acc* in schema *
      cancel-backend on orders
    sends  start, end to ops
    budget  2 effects, 10000 calls, [span]
    until  [time]
    approved  by dba@example.com, PR 42: Repairs bloat of one PostgreSQL database
      while it is in use.
    ----- stderr -----
    It was approved for 0.1.0, sha256:[digest], by dba@example.com, PR 42.
    Have the new digest reviewed.
    ");
    let renewed = narrowed.replace(
        &old,
        &format!("{digest}\nformerly = [\"sha256:{}\"]", "a".repeat(64)),
    );
    assert_eq!(world.read(FILE), renewed, "only the digest is another");
    world.windlass(&["grant", "check", FILE]).expect(0);
}

#[test]
fn a_grant_that_allows_less_than_a_new_version_needs_is_renewed_by_a_reviewer_only() {
    let world = drafted(&["--approved-by", "ana"]);
    let old = world.read(FILE).replace("\"reindex\", ", "");
    let old: Vec<_> = old
        .lines()
        .map(|line| match line.strip_prefix("digest = ") {
            Some(_) => format!("digest = \"sha256:{}\"", "a".repeat(64)),
            None => line.to_owned(),
        })
        .collect();
    world.write(FILE, &old.join("\n"));
    assert_snapshot!(world.snapshot(&["grant", "renew", FILE]), @"
    $ windlass grant renew grants/pg-optimize.orders.toml
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: pg-optimize 0.1.0 needs more than grants/pg-optimize.orders.toml allows
      cause: to reindex on orders, to repair it, one object at a time (grants/pg-optimize.orders.toml, line 19, does not name the verb)
      the file was left as it is
      hint:  add what its reviewer agrees to, then renew it again
    ");
    assert_eq!(world.read(FILE), old.join("\n"));
}

#[test]
fn what_only_looks_is_enough_to_plan_and_a_plan_to_grant_what_it_has() {
    let world = drafted(&["--approved-by", "ana"]);
    let text = world.read(FILE);
    let looks: Vec<_> = text.split("\n\n# ").take(2).collect();
    world.write(FILE, &(looks.join("\n\n# ") + "\n"));
    let planned = world.windlass(&small("plan")).expect(7);
    assert!(planned.stdout.contains("not granted yet"), "{planned}");
    world
        .windlass(&[&small("run")[..], &["--plan", "plan.json"]].concat())
        .expect(3);
    let from = [
        "grant",
        "pg-optimize",
        "--from",
        "plan.json",
        "--force",
        "--approved-by",
        "ana",
    ];
    assert_snapshot!(screen(&world, &from), @"
    $ windlass grant pg-optimize --from plan.json --force --approved-by ana
    exit code: 0
    ----- stdout -----
    procedure  pg-optimize 0.1.0
    digest  sha256:[digest]
    target  orders
    allows  server, tables, indexes, sessions, replication on orders, all tables
      vacuum, reindex, drop-invalid-index on orders, tables accounts in
      schema public
    budget  6 effects, 10000 calls, [span]
    until  [time]
    approved  by ana: Repairs bloat of one PostgreSQL database while it is in use.

    Wrote grants/pg-optimize.orders.toml.
    ----- stderr -----
    It holds from now on.
    windlass run pg-optimize --target orders --plan plan.json
    ");
    world.windlass(&small("plan")).expect(0);
    world
        .windlass(&[&small("run")[..], &["--plan", "plan.json"]].concat())
        .expect(0);
}

#[test]
fn parameters_narrow_a_draft_and_a_target_of_another_kind_is_refused() {
    let world = World::on(NEWEST);
    world.configure("[cluster.staging]\nkubeconfig = { env = \"NOT_ASKED_FOR\" }\n");
    assert_snapshot!(screen(&world, &[
        "grant", "k8s-rollout", "--target", "staging", "--set", "namespace=shop", "--set", "name=web",
        "--set", "images=app=shop:2",
    ]), @r#"
    $ windlass grant k8s-rollout --target staging --set namespace=shop --set name=web --set images=app=shop:2
    exit code: 0
    ----- stdout -----
    procedure  k8s-rollout 0.1.0
    digest  sha256:[digest]
    target  staging
    allows  workloads on staging, namespace shop, kind apps/*, name web
      pods on staging, namespace shop
      set-image, scale, restart, roll-back on staging, namespace shop, kind
      apps/*, name web
      logs, jobs, run-job on staging, namespace shop, kind batch/Job, any
      name
    budget  4 effects, 200 calls, [span]
    until  [time]
    approved  not yet, so it permits planning only: Rolls out one change of one
      workload, follows it to its end, and takes it back if it fails.

    Wrote grants/k8s-rollout.staging.toml.
    ----- stderr -----
    It is a draft, which permits planning only. Have it reviewed; it holds when it
    says who approved it: approved-by = "…"
    windlass plan k8s-rollout --target staging
    "#);
    assert_snapshot!(screen(&world, &["grant", "k8s-rollout", "--target", "orders"]), @"
    $ windlass grant k8s-rollout --target orders
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `orders` is a database, and `k8s-rollout` works on clusters
      hint:  windlass doctor lists the targets
    ");
    assert_snapshot!(screen(&world, &["grant", "pg-health", "--target", "staging"]), @"
    $ windlass grant pg-health --target staging
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `staging` is a cluster, and `pg-health` works on databases
      hint:  windlass doctor lists the targets
    ");
    assert_snapshot!(screen(&world, &["grant", "pg-health", "--target", "order"]), @"
    $ windlass grant pg-health --target order
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no target `order`
      hint:  did you mean `orders`?
    ");
    assert_snapshot!(screen(&world, &["grant", "pg-health", "--target", "orders", "--expires", "5y"]), @"
    $ windlass grant pg-health --target orders --expires 5y
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `--expires 5y` is more than a year away
      hint:  a grant is looked at again each year; set a later `expires` then
    ");
}
