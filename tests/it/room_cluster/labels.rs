//! Labels of nodes.

use super::{Bench, refused};
use crate::world::Namespace;
use serde_json::{Value, json};
use windlass::call::{Confirmed, Reverted, Undo};
use windlass::cluster::call::Change;
use windlass::contract::ErrorKind;

fn label(node: &str, labels: &[(&str, Option<&str>)]) -> Change {
    let owned =
        |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
    Change::Label {
        node: node.into(),
        labels: labels.iter().map(owned).collect(),
    }
}

fn labels(bench: &Bench, node: &str) -> Value {
    bench.namespace.object(&format!("node/{node}"))["metadata"]["labels"].clone()
}

#[test]
fn labels_are_set_as_kubectl_sets_them_and_taken_back() {
    let bench = Bench::new(Namespace::with_nodes(2));
    let [one, other] = <[String; 2]>::try_from(bench.namespace.nodes().to_vec()).unwrap();
    for node in [&one, &other] {
        bench
            .namespace
            .kubectl(&["label", "node", node, "old=yes", "tier=web"]);
    }
    let before = labels(&bench, &one);
    let change = label(
        &one,
        &[
            ("upgrade.example/to", Some("v2")),
            ("old", None),
            ("tier", Some("db")),
        ],
    );
    let planned = bench.plan(&change).unwrap();
    let lines = planned.details.join("\n");
    assert!(
        lines.contains("[upgrade.example/to]: – → v2") && lines.contains("old: yes → –"),
        "{lines}"
    );
    assert_eq!(labels(&bench, &one), before);

    let prepared = bench.prepare(&change).unwrap();
    let asked = bench.confirm(&change, &prepared);
    assert!(matches!(asked, Confirmed::NotDone { .. }), "{asked:?}");
    bench
        .start_prepared(&change, prepared.clone())
        .wait(&bench)
        .unwrap();
    let asked = bench.confirm(&change, &prepared);
    assert!(matches!(asked, Confirmed::Done(_)), "{asked:?}");
    let kubectl = [
        "label",
        "--overwrite",
        "node",
        &other,
        "upgrade.example/to=v2",
        "old-",
        "tier=db",
    ];
    bench.namespace.kubectl(&kubectl);
    let (mut mine, mut theirs) = (labels(&bench, &one), labels(&bench, &other));
    for labels in [&mut mine, &mut theirs] {
        labels["kubernetes.io/hostname"] = Value::Null;
    }
    assert_eq!(mine, theirs);

    let again = bench.prepare(&change).unwrap();
    assert!(matches!(again.undo, Undo::NotNeeded(_)));
    assert!(matches!(bench.undo(&prepared), Reverted::Restored(_)));
    assert_eq!(labels(&bench, &one), before);
    assert!(matches!(bench.undo(&prepared), Reverted::NothingToDo(_)));
}

#[test]
fn a_label_that_another_hand_set_since_is_left_alone() {
    let bench = Bench::new(Namespace::with_nodes(1));
    let node = bench.namespace.nodes()[0].clone();
    let change = label(&node, &[("upgrade.example/to", Some("v2"))]);
    let late = bench.prepare(&change).unwrap();
    bench
        .namespace
        .kubectl(&["label", "node", &node, "upgrade.example/to=v3"]);
    refused(
        bench.start_prepared(&change, late).wait(&bench),
        ErrorKind::Conflict,
    );
    let prepared = bench.prepare(&change).unwrap();
    bench
        .start_prepared(&change, prepared.clone())
        .wait(&bench)
        .unwrap();
    let set = [
        "label",
        "--overwrite",
        "node",
        &node,
        "upgrade.example/to=v4",
    ];
    bench.namespace.kubectl(&set);
    assert!(matches!(bench.undo(&prepared), Reverted::LeftAlone(_)));
    assert_eq!(labels(&bench, &node)["upgrade.example/to"], "v4");
}

#[test]
fn labels_of_kubernetes_have_to_be_named_and_those_of_windlass_are_its_own() {
    let mut bench = Bench::new(Namespace::with_nodes(1));
    let node = bench.namespace.nodes()[0].clone();
    let before = labels(&bench, &node);
    let set = |name: &str| label(&node, &[("fine", Some("x")), (name, Some("x"))]);
    let own = "node.kubernetes.io/exclude";
    for patterns in [json!(["*"]), json!(["fine", "node.kubernetes.io/*"])] {
        bench.narrow(&json!({ "labels": patterns }));
        let message = refused(bench.apply(&set(own)), ErrorKind::Denied);
        assert!(
            message.contains("labels = [\"node.kubernetes.io/exclude\"]"),
            "{message}"
        );
    }
    bench.narrow(&json!({ "labels": ["fine", own, "windlass.dev/effect"] }));
    for name in ["windlass.dev/effect", "x.windlass.dev/y", "a b", "../x"] {
        refused(bench.apply(&set(name)), ErrorKind::Invalid);
    }
    refused(bench.apply(&label(&node, &[])), ErrorKind::Invalid);
    assert_eq!(labels(&bench, &node), before);
    bench.apply(&set(own)).unwrap();
    assert_eq!(labels(&bench, &node)[own], "x");
}
