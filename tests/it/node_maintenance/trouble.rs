//! What is in the way: budgets, pods that would be lost, other hands, nodes that are not there, crashes, missing rights, narrow grants.

use super::{
    budget, fleet, fleet_with, is_cordoned, is_touched, maintain, node, only_run, pods_on, reboot,
    start, two, undo, whole,
};
use crate::report::run_on;
use crate::world::{Namespace, Shop};
use xtask::kubernetes::{Options, User};

#[test]
fn a_budget_that_holds_is_named_and_no_further_node_is_touched() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    shop.namespace().apply(&budget("web", 3));
    shop.namespace()
        .until("pdb/web", "jsonpath={.status.currentHealthy}=3");
    let report = maintain(&shop, &["update=none", "drain-within=3s"]).expect(1);
    let why = report.summary();
    assert!(
        why.contains("The disruption budget web needs 3 healthy pods"),
        "{why}"
    );
    assert!(!is_cordoned(&shop, &first) && !is_touched(&shop, &first));
    assert!(!is_touched(&shop, &second));
    assert_eq!(pods_on(&shop, &first).len(), 3);
}

#[test]
fn pods_that_would_be_lost_are_evicted_only_where_it_is_said() {
    let shop = fleet_with(2, |namespace| {
        namespace.apply(LOST);
        namespace.until("pod/bare", "condition=Ready");
        namespace.until_rolled_out("deployment/scratch");
        namespace.until("job/done", "condition=Complete");
    });
    let [first, second] = two(&shop);
    for (given, option) in [
        ("delete-empty-dir=true", "`unmanaged`"),
        ("unmanaged=true", "`delete-empty-dir`"),
    ] {
        // A second pod of scratch would be taken back, or the first one: its controller chooses.
        let report = maintain(&shop, &["update=none", "surge=false", given]).expect(1);
        assert!(report.summary().contains(option), "{}", report.summary());
        assert!(!is_cordoned(&shop, &first) && !is_touched(&shop, &second));
    }
    assert!(pods_on(&shop, &first).contains(&"bare".to_owned()));
    let both = ["update=none", "delete-empty-dir=true", "unmanaged=true"];
    maintain(&shop, &both).expect(0);
    let left = [pods_on(&shop, &first), pods_on(&shop, &second)].concat();
    // Nothing replaces the bare one, and what was finished is gone.
    assert!(
        !left
            .iter()
            .any(|pod| pod == "bare" || pod.starts_with("done-")),
        "{left:?}"
    );
    assert!(
        left.iter().any(|pod| pod.starts_with("scratch-")),
        "{left:?}"
    );
}

#[test]
fn a_node_that_another_hand_cordoned_is_left_alone() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    shop.namespace().kubectl(&["cordon", &second]);
    let before = node(&shop, &second);
    let report = maintain(&shop, &["update=none"]).expect(1);
    let hint = format!("kubectl uncordon {second}");
    assert!(report.summary().ends_with(&hint), "{}", report.summary());
    assert_eq!(node(&shop, &second), before);
    assert!(!is_touched(&shop, &first));
}

#[test]
fn nodes_that_cannot_be_meant_are_refused() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    let run = |parameters: &[&str]| {
        let parameters = [&["update=none"], parameters].concat();
        let report = run_on(&shop, "staging", &[], "node-maintenance", &parameters).expect(1);
        report.summary().to_owned()
    };
    let why = run(&["pool=windlass-test=nobody"]);
    assert!(why.contains("no node is meant"), "{why}");
    let why = run(&["nodes=none-such"]);
    assert!(why.contains("node none-such is not there"), "{why}");
    let why = run(&["nodes=../pods"]);
    assert!(why.contains("../pods is not there"), "{why}");
    let why = run(&[]);
    assert!(why.contains("no nodes are chosen"), "{why}");
    let down = ["annotate", "node", &second, "testbed/down=yes"];
    shop.namespace().kubectl(&down);
    shop.namespace()
        .until(&format!("node/{second}"), "condition=Ready=False");
    let report = maintain(&shop, &["update=none"]).expect(1);
    assert!(
        report.summary().contains("is not ready"),
        "{}",
        report.summary()
    );
    assert!(!is_touched(&shop, &first) && !is_touched(&shop, &second));
}

#[test]
fn a_node_that_does_not_come_back_is_let_work_again_and_the_next_is_not_touched() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    let report = maintain(&shop, &["within=2s"]).expect(1);
    let why = report.summary();
    assert!(why.contains("still has the boot and the kubelet"), "{why}");
    assert!(!is_cordoned(&shop, &first) && !is_touched(&shop, &first));
    assert!(!is_touched(&shop, &second));
}

/// What a node has been through stays so: only the one that is out is let work again.
#[test]
fn an_earlier_node_is_not_touched_when_a_later_one_fails() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    let columns = "--output=jsonpath=cordoned {.spec.unschedulable} by {.metadata.annotations.windlass\\.dev/cordoned} at {.metadata.annotations.at}{\"\\n\"}";
    let watch = ["get", "node", &first, "--watch", columns];
    let watched = shop.namespace().start_kubectl(User::Admin, &watch);
    watched.until_printed("cordoned  by ");
    let before = node(&shop, &second);
    // Cordon, drain and uncordon of the first; cordon, and no drain, of the second.
    let all = whole(&shop, &["update=none"]);
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let fault = [("WINDLASS_TEST_FAIL_EFFECT", "5")];
    let report = run_on(&shop, "staging", &fault, "node-maintenance", &all).expect(1);
    assert_eq!(report.done().len(), 4, "{:?}", report.done());
    assert_eq!(node(&shop, &second), before);

    let end = ["annotate", "node", &first, "at=end"];
    shop.namespace().kubectl(&end);
    watched.until_printed("at end");
    let seen = watched.kill().stdout;
    let mut states: Vec<_> = seen
        .lines()
        .map(|line| line.starts_with("cordoned true by "))
        .collect();
    states.dedup();
    assert_eq!(states, [false, true, false], "{seen}");
    let last = seen.lines().last().unwrap();
    assert_eq!(last, "cordoned  by  at end", "{seen}");
}

#[test]
fn a_host_that_is_killed_while_a_person_works_goes_on_where_it_was() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    let running = start(&shop, "run", &[]);
    running.until_said(&format!("{first} can be maintained now"));
    running.kill();
    assert!(is_cordoned(&shop, &first));
    // While nobody looks.
    reboot(&shop, &first, "meanwhile");
    let run = only_run(&shop);
    let resumed = shop.start(&[], &["resume", &run]);
    resumed.until_said(&format!("{second} can be maintained now"));
    reboot(&shop, &second, "then");
    resumed.wait().expect(0);
    assert!(!is_cordoned(&shop, &first) && !is_cordoned(&shop, &second));
}

#[test]
fn a_host_that_is_killed_while_a_person_works_is_undone() {
    let shop = fleet(1);
    let first = shop.namespace().nodes()[0].clone();
    let before = node(&shop, &first);
    let running = start(&shop, "run", &[]);
    running.until_said(&format!("{first} can be maintained now"));
    running.kill();
    assert!(is_cordoned(&shop, &first));
    undo(&shop);
    assert_eq!(node(&shop, &first), before);
}

#[test]
fn a_node_outside_of_the_grant_is_none() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    let file = "grants/node-maintenance.staging.toml";
    let only = format!("nodes = [\"{first}\"]");
    let narrowed = shop.read(file).replace("nodes = [\"*\"]", &only);
    shop.write(file, &narrowed);
    // Pods of namespaces that a grant leaves out are not evicted.
    let elsewhere = narrowed.replace(
        "namespaces = [\"*\"]\nnodes",
        "namespaces = [\"other\"]\nnodes",
    );
    assert_ne!(elsewhere, narrowed);
    shop.write(file, &elsewhere);
    maintain(&shop, &["update=none"]).expect(3);
    assert!(!is_cordoned(&shop, &first));
    assert_eq!(pods_on(&shop, &first).len(), 3);
    shop.write(file, &narrowed);
    let report = maintain(&shop, &["update=none"]).expect(0);
    assert_eq!(report.summary(), "1 node emptied and back at work");
    assert!(!is_touched(&shop, &second));
    let nodes = format!("nodes={second}");
    let named = ["update=none", nodes.as_str()];
    let report = run_on(&shop, "staging", &[], "node-maintenance", &named).expect(1);
    assert!(
        report.summary().contains("grant do not cover it"),
        "{}",
        report.summary()
    );
}

#[test]
fn a_label_of_kubernetes_has_to_be_granted_by_name() {
    let shop = fleet(1);
    let first = shop.namespace().nodes()[0].clone();
    let label = "node.kubernetes.io/exclude-from-external-load-balancers";
    let nodes = format!("nodes={first}");
    let set = format!("label={label}");
    let parameters = [
        "update=label",
        nodes.as_str(),
        &set,
        "value=yes",
        "within=1s",
    ];
    let run = || run_on(&shop, "staging", &[], "node-maintenance", &parameters);
    let report = run().expect(3);
    let why = report.summary();
    assert!(why.contains("no grant names it"), "{why}");
    assert!(!is_touched(&shop, &first));
    let file = "grants/node-maintenance.staging.toml";
    let named = format!("labels = [\"{label}\"]");
    shop.write(file, &shop.read(file).replace("labels = [\"*\"]", &named));
    // Nobody acts on it, so it is taken back.
    let report = run().expect(1);
    let why = report.summary();
    assert!(why.contains("still has the boot"), "{why}");
    assert!(node(&shop, &first)["metadata"]["labels"][label].is_null());
}

/// The roles that the README lists, and nothing else; on a cluster of its own, as one of them holds for all namespaces.
#[test]
fn the_roles_of_its_readme_are_enough() {
    let readme = include_str!("../../../plugins/node-maintenance/README.md");
    let roles = readme.split("```yaml\n").nth(1).unwrap();
    let roles = roles.split("```").next().unwrap();
    let namespace = Namespace::alone(&Options::default().nodes(2));
    let shop = Shop::on(namespace, User::Windlass).granting("node-maintenance");
    let name = shop.namespace().name();
    let own = format!("namespaces={name}");
    let parameters = ["nodes=node-1", "update=none", &own];
    let run = |more: &[&str]| {
        let all = [&parameters[..], more].concat();
        let mut words = vec!["run", "node-maintenance", "--target", "staging"];
        words.extend(all.iter().flat_map(|set| ["--set", set]));
        shop.windlass(&words)
    };
    let without = run(&[]).expect(1);
    assert!(
        without.stderr.contains("leases.coordination.k8s.io"),
        "{without}"
    );
    let roles = roles.replace("namespace: shop", &format!("namespace: {name}"));
    shop.namespace().allow(&roles);
    shop.namespace()
        .kubectl(&["scale", "deployment/web", "--replicas=1"]);
    shop.namespace().until_rolled_out("deployment/web");
    shop.namespace().apply(&budget("web", 1));
    shop.namespace()
        .until("pdb/web", "jsonpath={.status.currentHealthy}=1");
    let node = shop.namespace().object("pods")["items"][0]["spec"]["nodeName"].clone();
    let nodes = format!("nodes={}", node.as_str().unwrap());
    run(&[]).expect(0);
    let parameters = [
        &nodes,
        "update=label",
        "label=upgrade.example/to",
        "value=v2",
        "within=1s",
        &own,
    ];
    let report = run_on(&shop, "staging", &[], "node-maintenance", &parameters).expect(1);
    assert!(
        report.summary().contains("still has the boot"),
        "{}",
        report.summary()
    );
}

const LOST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec: {containers: [{name: app, image: 'shop:1'}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: scratch}
spec:
  selector: {matchLabels: {app: scratch}}
  template:
    metadata: {labels: {app: scratch}}
    spec: {volumes: [{name: a, emptyDir: {}}], containers: [{name: app, image: 'shop:1'}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: done}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: 'job:1.0'}]}}}
";
