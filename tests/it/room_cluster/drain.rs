//! Draining, beside kubectl's own drain.

use super::nodes::cordon;
use super::{Bench, LONG, effect, refused};
use crate::world::Namespace;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use windlass::call::{self, Confirmed, Touch, Undo};
use windlass::cluster::call::Change;
use windlass::contract::ErrorKind;
use windlass::contract::cluster_nodes::{DrainOptions, Drained};
use xtask::kubernetes::{Options, User};

/// Evicts nothing that would be missed.
pub(super) fn drain(node: &str) -> Change {
    drain_with(node, false, false, LONG)
}

pub(super) fn drain_with(
    node: &str,
    delete_empty_dir: bool,
    unmanaged: bool,
    within: Duration,
) -> Change {
    Change::Drain {
        node: node.into(),
        options: DrainOptions {
            delete_empty_dir,
            unmanaged,
            within: u64::try_from(within.as_millis()).unwrap(),
        },
    }
}

/// A deployment with a label of its name, and annotations for its pods.
pub(super) fn deployment(name: &str, replicas: u32, annotations: &str, volumes: &str) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}, annotations: {{{annotations}}}}}
    spec: {{volumes: [{volumes}], containers: [{{name: app, image: \"shop:1.0\"}}]}}
"
    )
}

pub(super) fn pod(name: &str, spec: &str, annotations: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {{{annotations}}}, labels: {{app: {name}}}}}
spec: {{{spec} containers: [{{name: app, image: \"shop:1.0\"}}]}}
"
    )
}

fn budget(name: &str, app: &str, least: u32) -> String {
    format!(
        "---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}}}
spec: {{minAvailable: {least}, selector: {{matchLabels: {{app: {app}}}}}}}
"
    )
}

/// A bench with one node that runs this, cordoned. Workloads and pods that are named have found their place before.
pub(super) fn cordoned_with(yaml: &str, running: &[&str]) -> (Bench, String) {
    let bench = Bench::new(Namespace::with_nodes(1));
    let node = bench.namespace.nodes()[0].clone();
    bench.namespace.apply(yaml);
    for one in running {
        if one.starts_with("pod/") {
            bench.namespace.until(one, "condition=Ready");
        } else {
            bench.namespace.until_rolled_out(one);
        }
    }
    bench.apply(&cordon(&node)).unwrap();
    (bench, node)
}

pub(super) fn drained(answer: Value) -> Drained {
    serde_json::from_value(answer).unwrap()
}

/// Names of pods on the node.
fn on_node(bench: &Bench, node: &str) -> BTreeSet<String> {
    let only = format!("--field-selector=spec.nodeName={node}");
    let listed = bench.namespace.kubectl(&[
        "get",
        "pods",
        "--all-namespaces",
        &only,
        "--output=jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{\"\\n\"}{end}",
    ]);
    listed.lines().map(str::to_owned).collect()
}

/// What kubectl's drain would evict with these flags, as the server rehearses it.
fn as_kubectl(bench: &Bench, node: &str, flags: &[&str]) -> BTreeSet<String> {
    let mut arguments = vec!["drain", node, "--ignore-daemonsets", "--dry-run=server"];
    arguments.extend(flags);
    let said = bench
        .namespace
        .kubectl_as(User::Admin, &arguments)
        .expect(0);
    let lines = said.stdout.lines();
    let names = lines.filter_map(|line| line.strip_prefix("evicting pod "));
    names
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// A daemon set that has a pod on the test's own node, and what a node has besides.
fn of_every_sort(namespace: &str, node: &str) -> String {
    let daemon_set = format!(
        "---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent}}
spec:
  selector: {{matchLabels: {{app: agent}}}}
  template:
    metadata: {{labels: {{app: agent}}}}
    spec:
      nodeSelector: {{windlass-test: {namespace}}}
      tolerations: [{{operator: Exists}}]
      containers: [{{name: app, image: \"agent:1.0\"}}]
---
apiVersion: batch/v1
kind: Job
metadata: {{name: done}}
spec: {{template: {{spec: {{restartPolicy: Never, volumes: [{{name: a, emptyDir: {{}}}}], containers: [{{name: app, image: \"job:1.0\"}}]}}}}}}
"
    );
    let scratch = deployment("scratch", 1, "", "{name: a, emptyDir: {}}");
    let mirror = pod(
        "mirror",
        &format!("nodeName: {node},"),
        "kubernetes.io/config.mirror: x",
    );
    [
        daemon_set,
        deployment("web", 2, "", ""),
        scratch,
        pod("bare", "", ""),
        mirror,
    ]
    .concat()
}

#[test]
fn pods_are_evicted_refused_and_left_as_kubectl_does() {
    let bench = Bench::new(Namespace::with_nodes(1));
    let node = bench.namespace.nodes()[0].clone();
    let name = bench.namespace.name().to_owned();
    bench.namespace.apply(&of_every_sort(&name, &node));
    for workload in ["daemonset/agent", "deployment/web", "deployment/scratch"] {
        bench.namespace.until_rolled_out(workload);
    }
    bench.namespace.until("job/done", "condition=Complete");
    bench.namespace.until("pod/bare", "condition=Ready");

    // Not cordoned: a plan assumes that it will be, a run does not.
    let message = refused(bench.prepare(&drain(&node)), ErrorKind::Conflict);
    assert!(message.contains("cordon it first"), "{message}");
    let all = |empty_dir, unmanaged| drain_with(&node, empty_dir, unmanaged, LONG);
    let planned = bench.plan(&all(true, true)).unwrap();
    assert_eq!(
        planned.details,
        ["it is not cordoned now, and has to be by then"]
    );
    bench.apply(&cordon(&node)).unwrap();

    // What kubectl refuses is refused, by the same pods.
    for (change, said, option) in [
        (all(false, true), "scratch-", "`delete-empty-dir`"),
        (all(true, false), "bare", "`unmanaged`"),
    ] {
        let message = refused(bench.prepare(&change), ErrorKind::Conflict);
        assert!(
            message.contains(said) && message.contains(option),
            "{message}"
        );
    }
    for flag in ["--force", "--delete-emptydir-data"] {
        let arguments = ["drain", &node, "--ignore-daemonsets", flag];
        bench
            .namespace
            .kubectl_as(User::Admin, &arguments)
            .expect(1);
    }
    assert_eq!(on_node(&bench, &node).len(), 7);

    let planned = bench.plan(&all(true, true)).unwrap();
    assert!(planned.details.is_empty(), "{:?}", planned.details);
    let foreseen = drained(planned.foreseen);
    let flags = ["--force", "--delete-emptydir-data"];
    let expected = as_kubectl(&bench, &node, &flags);
    let evicted: BTreeSet<_> = foreseen.evicted.iter().cloned().collect();
    assert_eq!(evicted, expected);
    assert_eq!((evicted.len(), foreseen.left), (5, 2));
    // Only looking and rehearsing left all of them there.
    assert_eq!(on_node(&bench, &node).len(), 7);

    let prepared = bench.prepare(&all(true, true)).unwrap();
    assert!(matches!(prepared.undo, Undo::NotNeeded(_)));
    let applied = bench.start_prepared(&all(true, true), prepared.clone());
    let applied = applied.wait(&bench).unwrap();
    assert_eq!(drained(applied.answer), drained(prepared.foreseen.clone()));
    let left = on_node(&bench, &node);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&format!("{name}/mirror")), "{left:?}");
    let asked = bench.confirm(&all(true, true), &prepared);
    assert!(matches!(asked, Confirmed::Done(_)), "{asked:?}");
    // Once more there is nothing to evict.
    let again = bench.apply(&drain(&node)).unwrap();
    assert!(drained(again.answer).evicted.is_empty());
}

#[test]
fn what_a_budget_holds_back_goes_when_it_lets_go() {
    let yaml = [deployment("web", 2, "", ""), budget("web", "web", 2)].concat();
    let (bench, node) = cordoned_with(&yaml, &["deployment/web"]);
    bench
        .namespace
        .until("pdb/web", "jsonpath={.status.currentHealthy}=2");
    let planned = bench.plan(&drain(&node)).unwrap();
    let lines = planned.details.join("\n");
    assert!(lines.contains("needs each of its 2 replicas"), "{lines}");
    let held = "would be held back: The disruption budget web needs 2 healthy pods and has 2";
    assert_eq!(lines.matches(held).count(), 2, "{lines}");

    let short = drain_with(&node, false, false, Duration::from_secs(3));
    let message = refused(bench.apply(&short), ErrorKind::Limit);
    assert!(
        message.contains("2 of 2 pods left") && message.contains("disruption budget web needs"),
        "{message}"
    );
    assert_eq!(on_node(&bench, &node).len(), 2);

    let mut started = bench.start(&drain(&node));
    let line = started.until_shown(&bench, "is held back");
    assert!(line.contains("The disruption budget web needs"), "{line}");
    bench.namespace.kubectl(&["delete", "pdb/web"]);
    started.until_shown(&bench, "2 of 2 pods are gone");
    let applied = started.wait(&bench).unwrap();
    assert_eq!(drained(applied.answer).evicted.len(), 2);
    assert!(on_node(&bench, &node).is_empty());
}

#[test]
fn a_budget_that_lets_one_go_at_a_time_is_kept() {
    // The server asks its budget again by itself, for those that were asked to go in the same moment: by then no replacement is ready.
    let slow = deployment("web", 3, "testbed/ready-after: 2s", "");
    let yaml = [slow, budget("web", "web", 2)].concat();
    let mut bench = Bench::new(Namespace::with_nodes(1));
    bench.namespace.apply(&yaml);
    bench.namespace.until_rolled_out("deployment/web");
    bench
        .namespace
        .until("pdb/web", "jsonpath={.status.disruptionsAllowed}=1");
    bench.namespace.add_node();
    let [node, other] = <[String; 2]>::try_from(bench.namespace.nodes().to_vec()).unwrap();
    bench.apply(&cordon(&node)).unwrap();
    let planned = bench.plan(&drain(&node)).unwrap();
    let line = format!(
        "budget {}/web lets 1 of 3 pods go at once",
        bench.namespace.name()
    );
    assert_eq!(planned.details, [line]);

    let healthy = "--output=jsonpath={.status.currentHealthy} healthy{\"\\n\"}";
    let watch = ["get", "pdb/web", "--watch", healthy];
    let watched = bench.namespace.start_kubectl(User::Admin, &watch);
    watched.until_printed("3 healthy");
    let mut started = bench.start(&drain(&node));
    started.until_shown(&bench, "is held back");
    started.wait(&bench).unwrap();
    assert!(on_node(&bench, &node).is_empty());
    bench.namespace.until_rolled_out("deployment/web");
    assert_eq!(on_node(&bench, &other).len(), 3);
    let seen = watched.kill().stdout;
    assert!(seen.contains("2 healthy"), "{seen}");
    let is_kept = |line: &str| line.starts_with(['2', '3']);
    assert!(seen.lines().all(is_kept), "{seen}");
}

#[test]
fn a_pod_that_two_budgets_are_about_ends_the_drain_at_once() {
    let yaml = [
        deployment("web", 1, "", ""),
        budget("one", "web", 0),
        budget("two", "web", 0),
        deployment("db", 1, "", ""),
    ]
    .concat();
    let (bench, node) = cordoned_with(&yaml, &["deployment/web", "deployment/db"]);
    let planned = bench.plan(&drain(&node)).unwrap();
    let lines = planned.details.join("\n");
    assert!(
        lines.contains("/web-") && lines.ends_with("more than one budget is about it: one, two"),
        "{lines}"
    );
    let message = refused(bench.apply(&drain(&node)), ErrorKind::Conflict);
    assert!(
        message.contains("/web-") && message.ends_with("1 of 2 pods were evicted and stay so"),
        "{message}"
    );
    bench.namespace.kubectl(&["delete", "pdb/one", "pdb/two"]);
    bench.apply(&drain(&node)).unwrap();
    assert!(on_node(&bench, &node).is_empty());
}

#[test]
fn a_pod_that_takes_long_to_end_is_waited_for_and_evicted_once() {
    let slow = deployment("slow", 1, "testbed/terminate-after: 7s", "");
    let yaml = [deployment("web", 1, "", ""), slow].concat();
    let (bench, node) = cordoned_with(&yaml, &["deployment/web", "deployment/slow"]);
    let prepared = bench.prepare(&drain(&node)).unwrap();
    let asked = bench.confirm(&drain(&node), &prepared);
    let Confirmed::NotDone { why, .. } = asked else {
        panic!("{asked:?}");
    };
    assert!(why.starts_with("2 of 2 pods are still on"), "{why}");

    let mut started = bench.start_prepared(&drain(&node), prepared.clone());
    started.until_shown(&bench, "1 of 2 pods is gone");
    started.abandon(&bench);
    let asked = bench.confirm(&drain(&node), &prepared);
    let Confirmed::NotDone { why, .. } = asked else {
        panic!("{asked:?}");
    };
    assert!(
        why.starts_with("1 of 2 pods are still on") && why.contains("/slow-"),
        "{why}"
    );
    // The next one has nobody to ask, and waits.
    let mark = bench.namespace.cluster().requests_length();
    let short = drain_with(&node, false, false, Duration::from_millis(500));
    let message = refused(bench.apply(&short), ErrorKind::Limit);
    assert!(
        message.contains("1 of 1 pod left") && message.contains("(it ends)"),
        "{message}"
    );
    let again = bench.apply(&drain(&node)).unwrap();
    assert!(drained(again.answer).evicted.is_empty());
    let asked = bench.namespace.cluster().requests(mark);
    let own = format!("/namespaces/{}/pods/slow-", bench.namespace.name());
    let evictions = asked.iter().filter(|request| request.uri.contains(&own));
    assert_eq!(evictions.count(), 0);
    let asked = bench.confirm(&drain(&node), &prepared);
    let Confirmed::Done(applied) = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(drained(applied.answer).evicted.len(), 2);
}

#[test]
fn a_pod_of_the_same_name_is_another_one() {
    let (bench, node) = cordoned_with(&pod("bare", "", ""), &["pod/bare"]);
    // Placed by hand, as no scheduler would.
    let again = pod("bare", &format!("nodeName: {node},"), "");
    let change = drain_with(&node, false, true, LONG);
    let prepared = bench.prepare(&change).unwrap();
    bench.namespace.kubectl(&["delete", "pod/bare"]);
    bench.namespace.apply(&again);
    let before = bench.namespace.object("pod/bare")["metadata"]["uid"].clone();
    bench
        .start_prepared(&change, prepared)
        .wait(&bench)
        .unwrap();
    let after = bench.namespace.object("pod/bare");
    assert_eq!(after["metadata"]["uid"], before);
    assert!(after["metadata"]["deletionTimestamp"].is_null(), "{after}");
}

#[test]
fn a_namespace_that_ends_is_waited_for() {
    let slow = deployment("slow", 2, "testbed/terminate-after: 1s", "");
    let (bench, node) = cordoned_with(&slow, &["deployment/slow"]);
    let prepared = bench.prepare(&drain(&node)).unwrap();
    let name = bench.namespace.name().to_owned();
    bench
        .namespace
        .kubectl(&["delete", "namespace", &name, "--wait=false"]);
    let drained = bench.start_prepared(&drain(&node), prepared);
    drained.wait(&bench).unwrap();
    assert!(on_node(&bench, &node).is_empty());
}

#[test]
fn a_namespace_that_is_not_covered_is_not_reached_into() {
    let yaml = [pod("bare", "", ""), budget("bare", "bare", 1)].concat();
    let (mut bench, node) = cordoned_with(&yaml, &["pod/bare"]);
    bench
        .namespace
        .until("pdb/bare", "jsonpath={.status.currentHealthy}=1");
    let change = drain_with(&node, false, true, LONG);
    let checked = |bench: &Bench| {
        let planned = bench.plan(&change).unwrap();
        let [touch, Touch::Node { .. }] = &planned.touches[..] else {
            panic!("{:?}", planned.touches);
        };
        let effect = call::Effect::Cluster(effect(&change));
        let side = bench.effective().refuses_touch(&effect, touch);
        (side.is_some(), planned.details)
    };
    let (refused_by_gate, details) = checked(&bench);
    assert!(!refused_by_gate);
    assert!(
        details.join("\n").contains("needs its only replica"),
        "{details:?}"
    );
    // Then nothing of it is told either, nor tried.
    bench.narrow(&json!({ "namespaces": ["other"] }));
    assert_eq!(checked(&bench), (true, Vec::new()));
    bench.prepare(&drain(&node)).unwrap();
    bench.narrow(&json!({ "verbs": ["cordon", "pods"] }));
    assert!(checked(&bench).0);
}

#[test]
fn a_drain_asks_less_than_kubectl_and_outlives_its_server() {
    let mut bench = Bench::new(Namespace::alone(&Options::default().nodes(1).audit()));
    let web = deployment("web", 5, "testbed/terminate-after: 100ms", "");
    bench.namespace.apply(&web);
    bench.namespace.until_rolled_out("deployment/web");
    bench.namespace.kubectl(&["get", "nodes"]);
    let asked_by = |bench: &Bench, work: &dyn Fn()| {
        let mark = bench.namespace.cluster().requests_length();
        work();
        let asked = bench.namespace.cluster().requests(mark);
        asked
            .iter()
            .map(|request| format!("{} {}", request.verb, request.uri))
            .collect::<Vec<_>>()
    };
    let theirs = asked_by(&bench, &|| {
        bench.namespace.kubectl(&["drain", "node-1"]);
    });
    bench.namespace.kubectl(&["uncordon", "node-1"]);
    bench.namespace.until_rolled_out("deployment/web");
    let ours = asked_by(&bench, &|| {
        bench.apply(&cordon("node-1")).unwrap();
        bench.apply(&drain("node-1")).unwrap();
    });
    // Cordon: look, rehearse, patch. Drain: the node, its pods, a watch, each pod once, and the pods again.
    assert_eq!(ours.len(), 12, "{ours:#?}");
    assert!(theirs.len() >= ours.len(), "{theirs:#?}");

    bench.namespace.kubectl(&["uncordon", "node-1"]);
    bench.namespace.until_rolled_out("deployment/web");
    bench.namespace.apply(&budget("web", "web", 5));
    bench
        .namespace
        .until("pdb/web", "jsonpath={.status.currentHealthy}=5");
    bench.apply(&cordon("node-1")).unwrap();
    let mut started = bench.start(&drain("node-1"));
    started.until_shown(&bench, "is held back");
    bench.namespace.cluster_mut().stop_api_server().unwrap();
    started.until_shown(&bench, "cannot be reached");
    bench.namespace.cluster_mut().start_api_server().unwrap();
    bench.namespace.kubectl(&["delete", "pdb/web"]);
    let applied = started.wait(&bench).unwrap();
    assert_eq!(drained(applied.answer).evicted.len(), 5);
    assert!(on_node(&bench, "node-1").is_empty());
}
