//! The maintenance of a pool of nodes: emptied, upgraded by a controller, back at work, and all that runs there as well as it was.

use super::verify;
use crate::laws::clusters::unmarked;
use crate::report::{Report, run_on, with};
use crate::world::{Namespace, Running, Shop};
use serde_json::{Value, json};
use std::time::Duration;
use xtask::kubernetes::User;

const LONG: Duration = Duration::from_mins(1);
const SIGNAL: &str = "upgrade.example/to";

/// `web` with a budget, and `single` with one pod, on two of three nodes.
fn shop() -> Shop {
    let mut shop = Shop::on(Namespace::with_nodes(2), User::Admin);
    shop.namespace().apply(SINGLE);
    shop.namespace().until_rolled_out("deployment/single");
    for (app, least, healthy) in [("web", 2, 3), ("single", 1, 1)] {
        shop.namespace().apply(&budget(app, least));
        let all = format!("jsonpath={{.status.currentHealthy}}={healthy}");
        shop.namespace().until(&format!("pdb/{app}"), &all);
    }
    shop.namespace_mut().add_node();
    ["node-maintenance", "service-verify"]
        .into_iter()
        .fold(shop, Shop::granting)
}

/// What an operator sets for the whole pool.
fn pool(shop: &Shop, more: &[&str]) -> Vec<String> {
    let name = shop.namespace().name();
    let (pool, namespaces) = (
        format!("pool=windlass-test={name}"),
        format!("namespaces={name}"),
    );
    let label = format!("label={SIGNAL}");
    let usual = [
        &pool,
        &namespaces,
        "update=label",
        &label,
        "value=v2",
        "within=1min",
        "drain-within=20s",
    ];
    let all = with(&usual, more);
    all.into_iter().map(str::to_owned).collect()
}

fn maintain(shop: &Shop, more: &[&str]) -> Report {
    let all = pool(shop, more);
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    run_on(shop, "staging", &[], "node-maintenance", &all)
}

fn start(shop: &Shop, more: &[&str]) -> Running {
    let all = pool(shop, more);
    let mut words = vec!["run", "node-maintenance", "--target", "staging"];
    words.extend(all.iter().flat_map(|set| ["--set", set]));
    shop.start(&[], &words)
}

fn annotate(shop: &Shop, node: &str, annotations: &[&str]) {
    let words = ["annotate", "--overwrite", "node", node];
    shop.namespace()
        .kubectl(&[&words[..], annotations].concat());
}

/// As a controller that upgrades what has the label: it finds the node out of work and empty, and takes it down.
fn take_down(shop: &Shop, node: &str) {
    let object = format!("node/{node}");
    let label = format!(
        "jsonpath={{.metadata.labels.{}}}=v2",
        SIGNAL.replace('.', "\\.")
    );
    shop.namespace().until(&object, &label);
    assert_eq!(
        shop.namespace().object(&object)["spec"]["unschedulable"],
        true
    );
    let pods = shop.namespace().object("pods");
    let mut pods = pods["items"].as_array().unwrap().iter();
    assert!(pods.all(|pod| pod["spec"]["nodeName"] != node));
    annotate(shop, node, &["testbed/down=yes"]);
    shop.namespace().until(&object, "condition=Ready=False");
}

fn bring_up(shop: &Shop, node: &str) {
    let upgraded = [
        "testbed/down-",
        "testbed/boot=upgraded",
        "testbed/version=v1.99.0",
    ];
    annotate(shop, node, &upgraded);
}

/// As whoever made the nodes does, who is no part of the run.
fn take_away_what_the_upgrade_left(shop: &Shop) {
    for node in shop.namespace().nodes() {
        annotate(shop, node, &["testbed/boot-", "testbed/version-"]);
        let label = format!("{SIGNAL}-");
        shop.namespace().kubectl(&["label", "node", node, &label]);
    }
}

/// Nothing is cordoned, nothing waits for a place, and each budget has what it wants.
#[track_caller]
fn assert_all_well(shop: &Shop) {
    for node in shop.namespace().nodes() {
        let node = shop.namespace().object(&format!("node/{node}"));
        assert_eq!(node["spec"]["unschedulable"], Value::Null, "{node}");
    }
    let pods = shop.namespace().pods();
    let phases = pods.values().map(|pod| pod["status"]["phase"].clone());
    let phases: Vec<_> = phases.collect();
    assert_eq!(phases, vec![json!("Running"); 4]);
    for budget in shop.namespace().object("poddisruptionbudgets")["items"]
        .as_array()
        .unwrap()
    {
        let count = |name: &str| budget["status"][name].as_u64().unwrap();
        assert!(
            count("currentHealthy") >= count("desiredHealthy"),
            "{budget}"
        );
    }
}

/// Marks aside. What a controller said of a node that was down, it takes away a moment later.
#[track_caller]
fn assert_as_before(shop: &Shop, before: &Value) {
    let is_so = || (unmarked(shop) == *before).then_some(());
    if xtask::until(LONG, is_so).is_none() {
        assert_eq!(unmarked(shop), *before);
    }
}

#[test]
fn a_pool_is_upgraded_node_by_node() {
    let shop = shop();
    let before = unmarked(&shop);
    verify(&shop, &["baseline=true"]).expect(0);
    let healthy = "--output=jsonpath={.metadata.name} {.status.currentHealthy}{\"\\n\"}";
    let watch = ["get", "pdb", "--watch", healthy];
    let watched = shop.namespace().start_kubectl(User::Admin, &watch);
    watched.until_printed("web 3");
    let running = start(&shop, &[]);
    for node in shop.namespace().nodes() {
        take_down(&shop, node);
        bring_up(&shop, node);
    }
    let output = running.wait().expect(0);
    assert!(
        output.all().contains("3 nodes maintained and back at work"),
        "{output}"
    );
    verify(&shop, &["watch=300ms"]).expect(0);
    assert_all_well(&shop);
    let seen = watched.kill().stdout;
    assert!(
        !seen.contains("web 1") && !seen.contains("web 0") && !seen.contains("single 0"),
        "{seen}"
    );
    for node in shop.namespace().nodes() {
        let node = shop.namespace().object(&format!("node/{node}"));
        assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.99.0");
    }
    take_away_what_the_upgrade_left(&shop);
    assert_as_before(&shop, &before);
}

/// The deadline is reached, what was evicted has found another place, and all nodes work as before.
#[test]
fn a_budget_that_never_lets_go_leaves_all_nodes_as_before() {
    let shop = shop();
    shop.namespace().apply(&budget("web", 3));
    shop.namespace()
        .until("pdb/web", "jsonpath={.status.disruptionsAllowed}=0");
    let before = unmarked(&shop);
    verify(&shop, &["baseline=true"]).expect(0);
    let report = maintain(&shop, &["drain-within=3s"]).expect(1);
    let why = report.summary();
    assert!(
        why.contains("The disruption budget web needs 3 healthy pods"),
        "{why}"
    );
    assert_eq!(unmarked(&shop), before);
    verify(&shop, &[]).expect(0);
    assert_all_well(&shop);
}

/// It is let work again, so that it does as soon as it is back, and what it lacks is named. No other node is touched.
#[test]
fn a_node_that_never_comes_back_is_named_and_the_others_stay_as_they_were() {
    let shop = shop();
    let before = unmarked(&shop);
    verify(&shop, &["baseline=true"]).expect(0);
    let [first, second, third] =
        <[String; 3]>::try_from(shop.namespace().nodes().to_vec()).unwrap();
    let running = start(&shop, &["within=10s"]);
    take_down(&shop, &first);
    let said = running.wait().expect(1).all();
    let said: Vec<_> = said.split_whitespace().collect();
    let said = said.join(" ");
    assert!(
        said.contains(&format!("node {first}: not within 10 s")),
        "{said}"
    );
    // What runs, runs elsewhere.
    verify(&shop, &[]).expect(0);
    assert_all_well(&shop);
    for untouched in [second, third] {
        let node = shop.namespace().object(&format!("node/{untouched}"));
        let managers = node["metadata"]["managedFields"].to_string();
        assert!(!managers.contains("\"windlass\""), "{managers}");
    }
    annotate(&shop, &first, &["testbed/down-"]);
    shop.namespace()
        .until(&format!("node/{first}"), "condition=Ready");
    assert_as_before(&shop, &before);
}

fn budget(app: &str, least: u32) -> String {
    format!(
        "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {app}}}
spec: {{minAvailable: {least}, selector: {{matchLabels: {{app: {app}}}}}}}
"
    )
}

const SINGLE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: single, labels: {app: single}}
spec:
  replicas: 1
  selector: {matchLabels: {app: single}}
  template:
    metadata: {labels: {app: single}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: app, image: 'shop:1'}]
";
