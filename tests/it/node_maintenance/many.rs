//! Plans for many nodes: what they ask, and that they say the same.

use crate::world::{Namespace, Output, Shop};
use serde_json::Value;
use std::time::Duration;
use xtask::kubernetes::{Options, User};

const NODES: usize = 16;
const LONG: Duration = Duration::from_mins(1);

/// A plan for all nodes, and what it asked.
fn plan(shop: &Shop) -> (Output, Vec<String>) {
    let mark = shop.namespace().cluster().requests_length();
    let words = [
        "plan",
        "node-maintenance",
        "--target",
        "staging",
        "--out",
        "plan.json",
    ];
    let set = [
        "--set",
        "pool=kubernetes.io/os=linux",
        "--set",
        "update=none",
    ];
    let output = shop.windlass(&[&words[..], &set[..]].concat());
    let asked = shop.namespace().cluster().requests(mark);
    let asked = asked
        .iter()
        .map(|request| format!("{} {}", request.verb, request.uri));
    (output, asked.collect())
}

fn count(asked: &[String], what: &str) -> usize {
    asked.iter().filter(|line| line.contains(what)).count()
}

#[test]
fn a_plan_of_many_nodes_asks_once_for_their_pods() {
    let namespace = Namespace::alone(&Options::default().nodes(NODES).audit());
    let shop = Shop::on(namespace, User::Admin).granting("node-maintenance");
    shop.namespace()
        .kubectl(&["scale", "deployment/web", "--replicas=40"]);
    shop.namespace().until_rolled_out("deployment/web");
    let (output, asked) = plan(&shop);
    output.expect(0);
    // A few nodes one by one, then how many pods there are, then all of them.
    assert_eq!(
        count(&asked, "list /api/v1/pods?fieldSelector"),
        8,
        "{asked:#?}"
    );
    assert_eq!(count(&asked, "list /api/v1/pods?limit"), 2, "{asked:#?}");
    // One cordon and one eviction are rehearsed: the others are like them.
    assert_eq!(count(&asked, "dryRun=All"), 2, "{asked:#?}");
    let plan: Value = serde_json::from_str(&shop.read("plan.json")).unwrap();
    let effects = plan["effects"].as_array().unwrap();
    let of = |action: &str| {
        let effects = effects
            .iter()
            .filter(move |effect| effect["action"] == action);
        effects.collect::<Vec<_>>()
    };
    let (cordons, drains) = (of("cordon"), of("drain"));
    assert_eq!((cordons.len(), drains.len()), (NODES, NODES));
    let first = cordons[0]["object"].as_str().unwrap();
    for (cordon, number) in cordons.iter().zip(0..) {
        let mut lines = vec![
            "metadata.annotations[windlass.dev/cordoned]: – → plan".to_owned(),
            "spec.unschedulable: – → true".to_owned(),
        ];
        if number > 0 {
            lines.push(format!("as rehearsed of {first}, which is like it"));
        }
        assert_eq!(cordon["details"], serde_json::json!(lines), "{cordon}");
    }
    let pods = shop.namespace().object("pods");
    let pods = pods["items"].as_array().unwrap();
    for drain in drains {
        let node = drain["object"]
            .as_str()
            .unwrap()
            .trim_start_matches("node ");
        let there = pods.iter().filter(|pod| pod["spec"]["nodeName"] == node);
        assert_eq!(
            drain["now"],
            windlass::text::counted(there.count(), "pod"),
            "{drain}"
        );
    }

    rights_to_single_nodes(&shop);
    one_that_may_not_be_cordoned(&shop);
}

/// Where the right to change nodes is one of names, what is said of one says nothing of another: each is rehearsed, until one is refused.
fn rights_to_single_nodes(shop: &Shop) {
    shop.namespace().allow(SINGLE);
    let admin = shop.read("windlass.toml");
    let kubeconfig = |user| {
        let path = shop.namespace().cluster().kubeconfig(user);
        path.display().to_string()
    };
    let (of_admin, of_windlass) = (kubeconfig(User::Admin), kubeconfig(User::Windlass));
    shop.write("windlass.toml", &admin.replace(&of_admin, &of_windlass));
    let (output, asked) = plan(shop);
    let said = output.expect(1).all();
    let refused = "nodes \"node-10\" is forbidden";
    assert!(said.contains(refused), "{said}");
    let cordons = asked
        .iter()
        .filter(|line| line.starts_with("patch /api/v1/nodes"));
    assert_eq!(cordons.count(), 2, "{asked:#?}");
    shop.write("windlass.toml", &admin);
}

/// One that its owners tell from the others is rehearsed by itself.
fn one_that_may_not_be_cordoned(shop: &Shop) {
    shop.namespace()
        .kubectl(&["label", "node/node-7", "kept=yes"]);
    shop.namespace().apply(KEPT);
    let refused = || {
        let patch = "{\"spec\": {\"unschedulable\": true}}";
        let rehearse = ["patch", "node/node-7", "--dry-run=server", "--patch", patch];
        let output = shop.namespace().kubectl_as(User::Admin, &rehearse);
        (output.code != 0).then_some(())
    };
    xtask::until(LONG, refused).unwrap();
    let said = plan(shop).0.expect(1).all();
    assert_eq!(said.matches("a kept node works on").count(), 1, "{said}");
}

const SINGLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: single}
rules:
- {apiGroups: [\"\"], resources: [nodes, pods], verbs: [get, list]}
- {apiGroups: [\"\"], resources: [nodes], verbs: [patch], resourceNames: [node-1]}
- {apiGroups: [\"\"], resources: [pods/eviction], verbs: [create]}
- {apiGroups: [apps], resources: [daemonsets], verbs: [get]}
- {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: single}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: single}
subjects: [{kind: User, name: windlass}]
";

const KEPT: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: kept}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], resources: [nodes], operations: [UPDATE]}]
  validations:
  - expression: \"!('kept' in object.metadata.labels) || !has(object.spec.unschedulable)\"
    message: a kept node works on
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: kept}
spec: {policyName: kept, validationActions: [Deny]}
";
