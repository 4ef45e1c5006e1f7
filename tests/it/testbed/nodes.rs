//! Simulated nodes: a test has its own, and they do what their annotations say.

use super::{deployment, run};
use crate::world::Namespace;
use serde_json::Value;
use xtask::kubernetes::User;

const BUDGET: &str = "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {minAvailable: 2, selector: {matchLabels: {app: shop}}}
";

/// The nodes that pods of a test run on.
fn places(pods: &Value) -> Vec<&str> {
    let pods = pods["items"].as_array().unwrap().iter();
    pods.map(|pod| pod["spec"]["nodeName"].as_str().unwrap())
        .collect()
}

#[test]
fn a_budget_refuses_evictions_and_without_it_a_node_is_drained() {
    let namespace = Namespace::with_nodes(2);
    let [first, second] = namespace.nodes() else {
        panic!("two nodes");
    };
    namespace.kubectl(&["cordon", second]);
    namespace.apply(&deployment("shop:1.0", 2));
    namespace.until_rolled_out("deployment/shop");
    assert_eq!(places(&namespace.object("pods")), [first, first]);
    namespace.kubectl(&["uncordon", second]);
    namespace.apply(BUDGET);
    namespace.until("pdb/shop", "jsonpath={.status.currentHealthy}=2");

    // It would try again and again.
    let drain = namespace.start_kubectl(User::Admin, &["drain", first]);
    drain.until_said("disruption budget");
    drain.kill();
    assert_eq!(places(&namespace.object("pods")), [first, first]);

    namespace.kubectl(&["delete", "pdb/shop"]);
    namespace.kubectl(&["drain", first, "--timeout=60s"]);
    namespace.until_rolled_out("deployment/shop");
    let pods = namespace.object("pods");
    assert!(!places(&pods).contains(&first.as_str()), "{pods}");
}

#[test]
fn pods_keep_to_the_nodes_of_their_test() {
    let (one, other) = (Namespace::with_nodes(1), Namespace::new());
    for namespace in [&one, &other] {
        run(namespace, "pod", "shop:1.0", "");
        namespace.until("pod/pod", "condition=Ready");
    }
    assert_eq!(one.object("pod/pod")["spec"]["nodeName"], one.nodes()[0]);
    let place = other.object("pod/pod")["spec"]["nodeName"].clone();
    assert!(place.as_str().unwrap().starts_with("node-"), "{place}");
}

#[test]
fn a_node_reboots_is_upgraded_and_goes_down_by_annotations() {
    let namespace = Namespace::with_nodes(1);
    let node = format!("node/{}", namespace.nodes()[0]);
    let about = |field: &str| namespace.object(&node)["status"]["nodeInfo"][field].clone();
    let annotate = |what: &str| namespace.kubectl(&["annotate", "--overwrite", &node, what]);
    let (boot, version) = (about("bootID"), about("kubeletVersion"));
    assert_ne!(boot, "");

    annotate("testbed/boot=second");
    namespace.until(&node, "jsonpath={.status.nodeInfo.bootID}=second");
    assert_eq!(about("kubeletVersion"), version);
    annotate("testbed/version=v1.36.9");
    namespace.until(&node, "jsonpath={.status.nodeInfo.kubeletVersion}=v1.36.9");
    assert_eq!(about("bootID"), "second");

    annotate("testbed/down=yes");
    namespace.until(&node, "condition=Ready=False");
    annotate("testbed/down-");
    namespace.until(&node, "condition=Ready");
    assert_eq!(
        (about("bootID"), about("kubeletVersion")),
        ("second".into(), "v1.36.9".into())
    );
}
