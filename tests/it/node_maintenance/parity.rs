//! The same done by kubectl and by windlass gives the same objects, but for the mark of who did it.

use super::{fleet, maintain, node, pods_on, start, two};
use crate::world::Shop;
use serde_json::Value;

/// The node without what differs between any two.
fn wanted(shop: &Shop, name: &str) -> Value {
    let mut node = node(shop, name);
    for own in ["name", "uid", "creationTimestamp", "labels"] {
        node["metadata"][own] = Value::Null;
    }
    let taints = node["spec"]["taints"].as_array_mut();
    for taint in taints.into_iter().flatten() {
        // The test's own has its name.
        taint["value"] = Value::Null;
    }
    let annotations = node["metadata"]["annotations"].as_object_mut();
    annotations
        .unwrap()
        .retain(|name, _| !name.starts_with("windlass.dev/"));
    node
}

#[test]
fn a_node_that_is_out() {
    let (one, other) = (fleet(2), fleet(2));
    let [by_kubectl, _] = two(&one);
    let [by_windlass, _] = two(&other);
    one.namespace()
        .kubectl(&["drain", &by_kubectl, "--ignore-daemonsets"]);
    let running = start(&other, "run", &[]);
    running.until_said(&format!("{by_windlass} can be maintained now"));
    let tainted =
        "jsonpath={.spec.taints[?(@.key==\"node.kubernetes.io/unschedulable\")].effect}=NoSchedule";
    for (shop, node) in [(&one, &by_kubectl), (&other, &by_windlass)] {
        shop.namespace().until(&format!("node/{node}"), tainted);
        shop.namespace().until_rolled_out("deployment/web");
        assert!(pods_on(shop, node).is_empty());
    }
    assert_eq!(wanted(&other, &by_windlass), wanted(&one, &by_kubectl));
}

#[test]
fn a_node_that_is_back() {
    let (one, other) = (fleet(2), fleet(2));
    let nodes = two(&one);
    for name in &nodes {
        one.namespace()
            .kubectl(&["drain", name, "--ignore-daemonsets"]);
        one.namespace().kubectl(&["uncordon", name]);
    }
    maintain(&other, &["update=none"]).expect(0);
    for (by_kubectl, by_windlass) in nodes.iter().zip(two(&other)) {
        assert_eq!(wanted(&other, &by_windlass), wanted(&one, by_kubectl));
    }
    for shop in [&one, &other] {
        shop.namespace().until_rolled_out("deployment/web");
    }
}
