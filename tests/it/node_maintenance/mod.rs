//! `node-maintenance` on a real control plane whose nodes are the test's own: what it does, what it refuses, and what it takes back.

mod elsewhere;
mod many;
mod parity;
mod trouble;

use crate::report::{Report, run_on, with};
use crate::world::{Namespace, Output, Running, Shop};
use serde_json::Value;
use xtask::kubernetes::User;

/// A shop on so many nodes, all its pods on the first, with a grant for the procedure.
fn fleet(nodes: usize) -> Shop {
    fleet_with(nodes, |_| ())
}

/// The same with something else on the first node. The others come when everything has its place.
fn fleet_with(nodes: usize, set_up: impl FnOnce(&Namespace)) -> Shop {
    let mut shop = Shop::on(Namespace::with_nodes(1), User::Admin).granting("node-maintenance");
    set_up(shop.namespace());
    for _ in 1..nodes {
        shop.namespace_mut().add_node();
    }
    shop
}

/// The first two nodes of a shop.
fn two(shop: &Shop) -> [String; 2] {
    <[String; 2]>::try_from(shop.namespace().nodes().to_vec()).unwrap()
}

/// What an operator sets for all nodes of a shop. What never comes is given up soon.
fn whole(shop: &Shop, parameters: &[&str]) -> Vec<String> {
    let name = shop.namespace().name();
    let (pool, namespaces) = (
        format!("pool=windlass-test={name}"),
        format!("namespaces={name}"),
    );
    let usual = [&pool, &namespaces, "drain-within=20s", "within=1min"];
    let all = with(&usual, parameters);
    all.into_iter().map(str::to_owned).collect()
}

/// Runs it to its end.
fn maintain(shop: &Shop, parameters: &[&str]) -> Report {
    let all = whole(shop, parameters);
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    run_on(shop, "staging", &[], "node-maintenance", &all)
}

/// Starts it as an operator types it, and does not wait.
fn start(shop: &Shop, verb: &str, parameters: &[&str]) -> Running {
    let all = whole(shop, parameters);
    let mut words = vec![verb, "node-maintenance", "--target", "staging"];
    words.extend(all.iter().flat_map(|set| ["--set", set]));
    shop.start(&[], &words)
}

/// Names of the shop's pods on a node that do not end already.
fn pods_on(shop: &Shop, node: &str) -> Vec<String> {
    let pods = shop.namespace().pods().into_iter();
    let on_it = pods.filter(|(_, pod)| pod["spec"]["nodeName"] == node);
    on_it.map(|(name, _)| name).collect()
}

/// The node but for its status, what the server counts, and the taint by which its controllers follow a cordon a moment later.
fn node(shop: &Shop, name: &str) -> Value {
    let mut node = shop.namespace().object(&format!("node/{name}"));
    let metadata = node["metadata"].as_object_mut().unwrap();
    for counted in ["managedFields", "resourceVersion"] {
        metadata.remove(counted);
    }
    node["status"] = Value::Null;
    if let Some(taints) = node["spec"]["taints"].as_array_mut() {
        taints.retain(|taint| taint["key"] != "node.kubernetes.io/unschedulable");
    }
    node
}

fn is_cordoned(shop: &Shop, name: &str) -> bool {
    node(shop, name)["spec"]["unschedulable"] == true
}

/// Whether windlass has ever changed the node and not taken it back.
fn is_touched(shop: &Shop, name: &str) -> bool {
    let annotations = &node(shop, name)["metadata"]["annotations"];
    let ours = |name: &String| name.starts_with("windlass.dev/");
    annotations
        .as_object()
        .is_some_and(|all| all.keys().any(ours))
}

/// As a person who restarts the machine does.
fn reboot(shop: &Shop, name: &str, boot: &str) {
    let set = format!("testbed/boot={boot}");
    let words = ["annotate", "--overwrite", "node", name, &set];
    shop.namespace().kubectl(&words);
}

/// The run that a shop has.
fn only_run(shop: &Shop) -> String {
    let runs = shop.windlass(&["runs", "--output", "json"]).json();
    runs["runs"][0]["run"].as_str().unwrap().to_owned()
}

fn undo(shop: &Shop) -> Output {
    shop.windlass(&["undo", &only_run(shop)]).expect(0)
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

#[test]
fn nodes_are_maintained_by_hand_one_after_the_other() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    let before = node(&shop, &first);
    let running = start(&shop, "run", &["soak=1s"]);
    running.until_said(&format!("{first} can be maintained now"));
    assert!(is_cordoned(&shop, &first) && !is_touched(&shop, &second));
    assert!(pods_on(&shop, &first).is_empty());
    reboot(&shop, &first, "again");
    running.until_said(&format!("{second} can be maintained now"));
    assert!(is_cordoned(&shop, &second) && !is_cordoned(&shop, &first));
    let another = ["annotate", "node", &second, "testbed/version=v1.36.9"];
    shop.namespace().kubectl(&another);
    let output = running.wait().expect(0);
    assert!(
        output.all().contains("2 nodes maintained and back at work"),
        "{output}"
    );
    assert!(!is_cordoned(&shop, &first) && !is_cordoned(&shop, &second));
    shop.namespace().until_rolled_out("deployment/web");

    // Nothing of it is left but what the person did.
    undo(&shop);
    let mut after = node(&shop, &first);
    after["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("testbed/boot");
    assert_eq!(after, before);
}

#[test]
fn a_batch_goes_out_together_after_the_canary() {
    let shop = fleet(3);
    let report = maintain(&shop, &["update=none", "batch=2"]).expect(0);
    assert_eq!(report.summary(), "3 nodes emptied and back at work");
    let done = report.done();
    let actions: Vec<_> = done
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let expected = [
        "cordon", "drain", "uncordon", "cordon", "cordon", "drain", "drain", "uncordon", "uncordon",
    ];
    assert_eq!(actions, expected);
    let found = report.check("batch 2 of 2");
    assert_eq!(
        found,
        "pass: 2 nodes ready, 1 workload with all pods, 0 budgets met"
    );
}

#[test]
fn a_plan_shows_each_node_and_what_would_hold_it_back() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    shop.namespace().apply(&budget("web", 3));
    shop.namespace()
        .until("pdb/web", "jsonpath={.status.currentHealthy}=3");
    let said = start(&shop, "plan", &["update=none"])
        .wait()
        .expect(0)
        .all();
    // Long lines are broken.
    let said: Vec<_> = said.split_whitespace().collect();
    let said = said.join(" ");
    for name in [&first, &second] {
        assert!(said.contains(&format!("cordon node {name}")), "{said}");
        assert!(said.contains(&format!("drain node {name}")), "{said}");
        assert!(!is_touched(&shop, name));
    }
    for line in [
        "spec.unschedulable: – → true",
        "needs each of its 3 replicas",
        "would be held back: The disruption budget web needs 3 healthy pods",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(pods_on(&shop, &first).len(), 3);
}

#[test]
fn a_label_has_a_controller_do_it_and_is_taken_back() {
    let shop = fleet(1);
    let [first] = <[String; 1]>::try_from(shop.namespace().nodes().to_vec()).unwrap();
    let shop_has = |running: &Running| {
        running.until_said("waiting for the controller");
        let label = "jsonpath={.metadata.labels.upgrade\\.example/to}=v2";
        shop.namespace().until(&format!("node/{first}"), label);
    };
    let signal = [
        "update=label",
        "label=upgrade.example/to",
        "value=v2",
        "drain-within=30s",
    ];
    // The only node: its pods have nowhere to go until it is back, so nobody looks after them.
    let words = ["run", "node-maintenance", "--target", "staging", "--set"];
    let nodes = format!("nodes={first}");
    let mut words = words.to_vec();
    words.push(&nodes);
    words.extend(signal.iter().flat_map(|set| ["--set", set]));
    let running = shop.start(&[], &words);
    shop_has(&running);
    reboot(&shop, &first, "upgraded");
    running.wait().expect(0);
    assert_eq!(
        node(&shop, &first)["metadata"]["labels"]["upgrade.example/to"],
        "v2"
    );
    undo(&shop);
    assert!(node(&shop, &first)["metadata"]["labels"]["upgrade.example/to"].is_null());
    assert!(!is_cordoned(&shop, &first) && !is_touched(&shop, &first));
}

#[test]
fn a_deployment_with_one_pod_is_available_all_the_time() {
    let shop = fleet_with(2, |namespace| {
        namespace.apply(SINGLE);
        namespace.until_rolled_out("deployment/single");
        namespace.apply(&budget("single", 1));
        namespace.until("pdb/single", "jsonpath={.status.currentHealthy}=1");
    });
    let (first, namespace) = (shop.namespace().nodes()[0].clone(), shop.namespace());
    assert!(
        pods_on(&shop, &first)
            .iter()
            .any(|pod| pod.starts_with("single-"))
    );

    let nodes = format!("nodes={first}");
    let name = format!("namespaces={}", namespace.name());
    let only_first = |more: &[&str]| {
        let usual = [&nodes, &name, "update=none", "drain-within=20s"];
        let all = with(&usual, more);
        run_on(&shop, "staging", &[], "node-maintenance", &all)
    };
    let report = only_first(&["surge=false", "drain-within=3s"]).expect(1);
    let why = report.summary();
    assert!(why.contains("disruption budget single"), "{why}");
    assert!(!is_cordoned(&shop, &first));

    // One that has not been at work yet, and would be.
    namespace.kubectl(&["autoscale", "deployment/single", "--min=1", "--max=3"]);
    let report = only_first(&["drain-within=3s"]).expect(1);
    report.said("warning", "autoscaler `single`");
    // Nor does a budget help.
    namespace.kubectl(&["delete", "hpa/single", "pdb/single"]);

    let column = "--output=jsonpath={.status.availableReplicas}{\" available\\n\"}";
    let watch = ["get", "deployment/single", "--watch", column];
    let watched = namespace.start_kubectl(User::Admin, &watch);
    watched.until_printed("1 available");
    let report = only_first(&[]).expect(0);
    let done = report.done();
    let scaled = done.iter().filter(|line| line.starts_with("scale"));
    assert_eq!(scaled.count(), 2, "{done:?}");
    let seen = watched.kill().stdout;
    assert!(seen.contains("2 available"), "{seen}");
    assert!(
        seen.lines().all(|line| line.starts_with(['1', '2'])),
        "{seen}"
    );
    let single = namespace.object("deployment/single");
    assert_eq!(single["spec"]["replicas"], 1);
    undo(&shop);
    assert_eq!(namespace.object("deployment/single")["spec"]["replicas"], 1);
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
    spec: {containers: [{name: app, image: 'shop:1'}]}
";
