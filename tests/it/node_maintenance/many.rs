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
    // Each cordon is rehearsed all the same.
    assert_eq!(count(&asked, "dryRun=All"), NODES + 1, "{asked:#?}");
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
    for cordon in cordons {
        let lines = [
            "metadata.annotations[windlass.dev/cordoned]: – → plan",
            "spec.unschedulable: – → true",
        ];
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

    one_that_may_not_be_cordoned(&shop);
}

/// What the server says of a node later than of the first is in the plan, and it is none that can be run.
fn one_that_may_not_be_cordoned(shop: &Shop) {
    shop.namespace().apply(KEPT);
    let refused = || {
        let patch = "{\"spec\": {\"unschedulable\": true}}";
        let rehearse = ["patch", "node/node-7", "--dry-run=server", "--patch", patch];
        let output = shop.namespace().kubectl_as(User::Admin, &rehearse);
        (output.code != 0).then_some(())
    };
    xtask::until(LONG, refused).unwrap();
    let said = plan(shop).0.expect(1).all();
    assert_eq!(said.matches("node-7 stays as it is").count(), 1, "{said}");
}

const KEPT: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: kept}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], resources: [nodes], operations: [UPDATE]}]
  validations:
  - expression: \"object.metadata.name != 'node-7' || !has(object.spec.unschedulable)\"
    message: node-7 stays as it is
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: kept}
spec: {policyName: kept, validationActions: [Deny]}
";
