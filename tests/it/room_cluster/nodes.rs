//! Nodes: seen, cordoned, let work again, waited for.

use super::{Bench, refused};
use crate::world::Namespace;
use serde_json::{Value, json};
use windlass::call::{Confirmed, Reverted, Undo};
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{DisruptionBudget, NodeFacts};
use xtask::kubernetes::{Options, User};

pub(super) fn cordon(node: &str) -> Change {
    Change::Cordon { node: node.into() }
}

fn uncordon(node: &str) -> Change {
    Change::Uncordon { node: node.into() }
}

fn of_test(bench: &Bench) -> Look {
    Look::Nodes {
        selector: format!("windlass-test={}", bench.namespace.name()),
    }
}

fn back(node: &str, before: &NodeFacts, within: u64) -> Look {
    Look::AwaitNode {
        node: node.into(),
        boot: before.boot_id.clone(),
        version: before.kubelet_version.clone(),
        within,
    }
}

fn spec(bench: &Bench, node: &str) -> Value {
    bench.namespace.object(&format!("node/{node}"))["spec"].clone()
}

fn only(facts: Vec<NodeFacts>) -> NodeFacts {
    let [node] = <[NodeFacts; 1]>::try_from(facts).unwrap();
    node
}

#[test]
fn a_cordon_is_foreseen_made_asked_about_and_taken_back() {
    let bench = Bench::new(Namespace::with_nodes(1));
    let node = bench.namespace.nodes()[0].clone();
    let planned = bench.plan(&cordon(&node)).unwrap();
    let lines = planned.details.join("\n");
    assert!(
        lines.contains("spec.unschedulable: – → true")
            && lines.contains("[windlass.dev/cordoned]: – → run-t-"),
        "{lines}"
    );
    assert!(spec(&bench, &node)["unschedulable"].is_null());

    let prepared = bench.prepare(&cordon(&node)).unwrap();
    let asked = bench.confirm(&cordon(&node), &prepared);
    assert!(matches!(asked, Confirmed::NotDone { .. }), "{asked:?}");
    let applied = bench.start_prepared(&cordon(&node), prepared.clone());
    assert_eq!(applied.wait(&bench).unwrap().answer, json!(false));
    assert_eq!(spec(&bench, &node)["unschedulable"], true);
    let asked = bench.confirm(&cordon(&node), &prepared);
    assert!(matches!(asked, Confirmed::Done(_)), "{asked:?}");
    // As kubectl's own cordon, it has the controller keep pods away.
    let listed = bench.namespace.kubectl(&["get", "node", &node]);
    assert!(listed.contains("Ready,SchedulingDisabled"), "{listed}");
    let facts = only(bench.read(of_test(&bench)).unwrap());
    assert!(facts.cordoned && facts.cordoned_by_windlass && facts.ready && !facts.control_plane);

    let again = bench.prepare(&cordon(&node)).unwrap();
    assert!(matches!(again.undo, Undo::NotNeeded(_)) && again.foreseen == json!(true));
    assert!(matches!(bench.undo(&prepared), Reverted::Restored(_)));
    assert!(matches!(bench.undo(&prepared), Reverted::NothingToDo(_)));
    let facts = only(bench.read(of_test(&bench)).unwrap());
    assert!(!facts.cordoned && !facts.cordoned_by_windlass);
}

#[test]
fn only_a_cordon_of_windlass_is_lifted() {
    let bench = Bench::new(Namespace::with_nodes(2));
    let [own, foreign] = <[String; 2]>::try_from(bench.namespace.nodes().to_vec()).unwrap();
    bench.namespace.kubectl(&["cordon", &foreign]);
    let made = bench.prepare(&cordon(&own)).unwrap();
    let applied = bench.start_prepared(&cordon(&own), made.clone());
    assert_eq!(applied.wait(&bench).unwrap().answer, json!(false));
    // It was so before, and stays another's.
    assert_eq!(bench.apply(&cordon(&foreign)).unwrap().answer, json!(true));

    let message = refused(bench.apply(&uncordon(&foreign)), ErrorKind::Conflict);
    assert!(
        message.contains(&format!("kubectl uncordon {foreign}")),
        "{message}"
    );
    assert_eq!(spec(&bench, &foreign)["unschedulable"], true);
    let annotations = |node: &str| {
        bench.namespace.object(&format!("node/{node}"))["metadata"]["annotations"].clone()
    };
    let lift = || {
        let lifted = bench.prepare(&uncordon(&own)).unwrap();
        let asked = bench.confirm(&uncordon(&own), &lifted);
        assert!(matches!(asked, Confirmed::NotDone { .. }), "{asked:?}");
        let lifting = bench.start_prepared(&uncordon(&own), lifted.clone());
        lifting.wait(&bench).unwrap();
        let asked = bench.confirm(&uncordon(&own), &lifted);
        assert!(matches!(asked, Confirmed::Done(_)), "{asked:?}");
        assert!(spec(&bench, &own)["unschedulable"].is_null());
        assert!(annotations(&own)["windlass.dev/cordoned"].is_null());
        lifted
    };
    // The run's own cordon and its end leave nothing, and nothing to take back.
    let lifted = lift();
    assert!(matches!(lifted.undo, Undo::NotNeeded(_)));
    assert!(annotations(&own)["windlass.dev/effect"].is_null());
    assert!(matches!(bench.undo(&made), Reverted::NothingToDo(_)));
    // Once more changes nothing.
    bench.apply(&uncordon(&own)).unwrap();
    // What a person did since is left alone.
    bench.namespace.kubectl(&["cordon", &own]);
    assert!(matches!(bench.undo(&made), Reverted::LeftAlone(_)));
    assert_eq!(spec(&bench, &own)["unschedulable"], true);
    bench.namespace.kubectl(&["uncordon", &own]);

    // That of another run is put back as it was, unless a person was there.
    bench.apply(&cordon(&own)).unwrap();
    let another = [
        "annotate",
        "--overwrite",
        "node",
        &own,
        "windlass.dev/cordoned=another",
    ];
    bench.namespace.kubectl(&another);
    let lifted = lift();
    bench.namespace.kubectl(&["cordon", &own]);
    assert!(matches!(bench.undo(&lifted), Reverted::LeftAlone(_)));
    bench.namespace.kubectl(&["uncordon", &own]);
    assert!(matches!(bench.undo(&lifted), Reverted::Restored(_)));
    assert_eq!(spec(&bench, &own)["unschedulable"], true);
    assert_eq!(annotations(&own)["windlass.dev/cordoned"], "another");
    bench.namespace.kubectl(&["uncordon", &own]);
    let recordoned = bench.prepare(&cordon(&own)).unwrap();
    bench.namespace.kubectl(&["cordon", &own]);
    let late = bench.start_prepared(&cordon(&own), recordoned);
    refused(late.wait(&bench), ErrorKind::Conflict);
}

#[test]
fn a_node_of_the_control_plane_has_to_be_named() {
    let mut bench = Bench::new(Namespace::with_nodes(1));
    let node = bench.namespace.nodes()[0].clone();
    let label = "node-role.kubernetes.io/control-plane=";
    bench.namespace.kubectl(&["label", "node", &node, label]);
    assert!(only(bench.read(of_test(&bench)).unwrap()).control_plane);
    for change in [cordon(&node), super::drain::drain(&node)] {
        for nodes in ["*", &node[..node.len() - 1]] {
            bench.narrow(&json!({ "nodes": [format!("{}*", nodes.trim_end_matches('*'))] }));
            let message = refused(bench.apply(&change), ErrorKind::Denied);
            assert!(
                message.contains("control plane") && message.contains(&node),
                "{message}"
            );
        }
    }
    bench.narrow(&json!({ "nodes": [node] }));
    bench.apply(&cordon(&node)).unwrap();
    bench.apply(&super::drain::drain(&node)).unwrap();
}

#[test]
fn only_nodes_that_are_covered_are_shown() {
    let mut bench = Bench::new(Namespace::with_nodes(2));
    let names = bench.namespace.nodes().to_vec();
    let seen = |bench: &Bench| {
        let facts: Vec<NodeFacts> = bench.read(of_test(bench)).unwrap();
        facts.into_iter().map(|node| node.name).collect::<Vec<_>>()
    };
    assert_eq!(seen(&bench), names);
    bench.narrow(&json!({ "nodes": [names[1]] }));
    assert_eq!(seen(&bench), names[1..]);
    bench.narrow(&json!({ "nodes": [] }));
    assert!(seen(&bench).is_empty());
    let none = Look::Nodes {
        selector: "windlass-test=nobody".into(),
    };
    assert!(bench.read::<Vec<NodeFacts>>(none).unwrap().is_empty());
}

#[test]
fn a_budget_is_told_as_the_server_has_it() {
    let bench = Bench::new(Namespace::new());
    bench.namespace.apply(
        "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {minAvailable: 2, selector: {matchExpressions: [{key: app, operator: In, values: [shop, web]}]}}
",
    );
    bench
        .namespace
        .until("pdb/shop", "jsonpath={.status.desiredHealthy}=2");
    let namespace = bench.namespace.name().to_owned();
    let found: Vec<DisruptionBudget> = bench.read(Look::Budgets { namespace }).unwrap();
    let [budget] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (budget.allowed, budget.healthy, budget.desired_healthy),
        (0, 0, 2)
    );
    assert_eq!(budget.selector, "app in (shop,web)");
}

#[test]
fn a_node_is_awaited_until_it_is_another_and_ready() {
    let bench = Bench::new(Namespace::with_nodes(1));
    let node = bench.namespace.nodes()[0].clone();
    let before = only(bench.read(of_test(&bench)).unwrap());
    let message = refused(
        bench.read::<NodeFacts>(back(&node, &before, 1_500)),
        ErrorKind::Limit,
    );
    assert!(
        message.contains("still has the boot and the kubelet"),
        "{message}"
    );
    let annotate = |what: &str| {
        let arguments = ["annotate", "--overwrite", &format!("node/{node}"), what];
        bench.namespace.kubectl(&arguments)
    };
    for change in ["testbed/boot=second", "testbed/version=v1.36.9"] {
        let before = only(bench.read(of_test(&bench)).unwrap());
        annotate(change);
        let after: NodeFacts = bench.read(back(&node, &before, 30_000)).unwrap();
        let (_, expected) = change.split_once('=').unwrap();
        assert!([after.boot_id, after.kubelet_version].contains(&expected.to_owned()));
    }
    annotate("testbed/down=yes");
    bench
        .namespace
        .until(&format!("node/{node}"), "condition=Ready=False");
    // Another one, but not ready.
    let message = refused(
        bench.read::<NodeFacts>(back(&node, &before, 1_500)),
        ErrorKind::Limit,
    );
    assert!(message.contains("not ready"), "{message}");
    annotate("testbed/down-");
    let ready = Look::AwaitNode {
        node,
        boot: String::new(),
        version: String::new(),
        within: 30_000,
    };
    assert!(bench.read::<NodeFacts>(ready).unwrap().ready);
}

#[test]
fn names_that_are_none_reach_no_server() {
    let bench = Bench::new(Namespace::alone(&Options::default().nodes(1).audit()));
    let mark = bench.namespace.cluster().requests_length();
    for name in ["", "..", "n?dryRun=All", "n/status", "%2f", "N", "n\n"] {
        for change in [cordon(name), uncordon(name), super::drain::drain(name)] {
            refused(bench.prepare(&change), ErrorKind::Invalid);
        }
        let look = Look::AwaitNode {
            node: name.into(),
            boot: String::new(),
            version: String::new(),
            within: 1_000,
        };
        refused(bench.read::<NodeFacts>(look), ErrorKind::Invalid);
    }
    let selector = "a=b&limit=1".into();
    let look = Look::Nodes { selector };
    refused(bench.read::<Vec<NodeFacts>>(look), ErrorKind::Invalid);
    let asked = bench.namespace.cluster().requests(mark);
    let ours = asked.iter().filter(|request| request.uri.contains("nodes"));
    assert_eq!(ours.count(), 0, "{asked:#?}");

    as_many_nodes_as_allowed(bench);
}

/// On a cluster of its own, as it counts all cordons of windlass, and binds a role for all namespaces.
fn as_many_nodes_as_allowed(mut bench: Bench) {
    bench.namespace.apply(
        "
apiVersion: v1
kind: Node
metadata: {name: node-2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: looks}
rules: [{apiGroups: [\"\"], resources: [nodes, pods], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: looks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: looks}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: windlass}]
",
    );
    bench.narrow(&json!({ "nodes-at-once": 1 }));
    bench.apply(&cordon("node-1")).unwrap();
    let message = refused(bench.apply(&cordon("node-2")), ErrorKind::Denied);
    assert!(
        message.contains("at most 1 node may") && message.contains("node-1"),
        "{message}"
    );
    // The same node again is none more.
    bench.apply(&cordon("node-1")).unwrap();
    bench.apply(&uncordon("node-1")).unwrap();
    bench.apply(&cordon("node-2")).unwrap();
    bench.narrow(&json!({ "nodes-at-once": 2 }));
    bench.apply(&cordon("node-1")).unwrap();

    // Who may only look is refused by the server, and nothing is changed.
    bench.log_in(User::Windlass);
    let look = || Look::Nodes {
        selector: String::new(),
    };
    let seen = xtask::until(super::LONG, || bench.read::<Vec<NodeFacts>>(look()).ok());
    assert_eq!(seen.unwrap().len(), 2);
    let message = refused(bench.apply(&uncordon("node-1")), ErrorKind::Denied);
    assert!(message.contains("forbidden"), "{message}");
    assert_eq!(spec(&bench, "node-1")["unschedulable"], true);
    bench
        .namespace
        .kubectl(&["delete", "clusterrolebinding/looks"]);
    let lost = xtask::until(super::LONG, || bench.read::<Vec<NodeFacts>>(look()).err());
    assert_eq!(lost.unwrap().kind, ErrorKind::Denied);
    for change in [cordon("node-1"), super::drain::drain("node-1")] {
        refused(bench.apply(&change), ErrorKind::Denied);
    }
}
