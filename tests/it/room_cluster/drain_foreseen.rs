//! What a drain foresees and finds: pods that come back, and what holds the end of one.

use super::drain::{cordoned_with, deployment, drain, drain_with, drained};
use super::refused;
use std::time::Duration;
use windlass::contract::ErrorKind;

#[test]
fn pods_that_tolerate_a_cordon_come_back_and_are_counted() {
    // The old one is there until its replacement has found the same node.
    let tolerant = deployment("web", 1, "testbed/terminate-after: 3s", "").replace(
        "spec: {volumes",
        "spec: {tolerations: [{operator: Exists}], volumes",
    );
    let (bench, node) = cordoned_with(&tolerant, &["deployment/web"]);
    let planned = bench.plan(&drain(&node)).unwrap();
    let lines = planned.details.join("\n");
    assert!(lines.contains("tolerates the taint of a cordon"), "{lines}");
    assert_eq!(planned.after, "0 pods, and 1 that may come back");
    let applied = bench.apply(&drain(&node)).unwrap();
    assert!(
        applied
            .after
            .starts_with("1 pod, of which the drain evicted none: ")
            && applied.after.contains("/web-"),
        "{}",
        applied.after
    );
    let told = drained(applied.answer);
    assert_eq!((told.evicted.len(), told.left), (1, 1));
}

#[test]
fn what_holds_the_end_of_a_pod_is_named() {
    let (bench, node) = cordoned_with(
        &deployment("web", 1, "", "").replace(
            "spec: {volumes",
            "spec: {terminationGracePeriodSeconds: 90, volumes",
        ),
        &["deployment/web"],
    );
    let pod = bench.namespace.pods().into_keys().next().unwrap();
    let finalizers = |finalizers: &str| {
        let patch = format!("{{\"metadata\": {{\"finalizers\": [{finalizers}]}}}}");
        let words = ["patch", "pod", &pod, "--type=merge", "--patch", &patch];
        bench.namespace.kubectl(&words);
    };
    finalizers("\"test.example/hold\"");
    let short = drain_with(&node, false, false, Duration::from_secs(3));
    let lines = bench.plan(&short).unwrap().details.join("\n");
    for words in ["its finalizer `test.example/hold`", "may take 1 min 30 s"] {
        assert!(lines.contains(words), "{lines}");
    }
    let message = refused(bench.apply(&short), ErrorKind::Limit);
    finalizers("");
    assert!(
        message.contains("(it ends; the finalizer `test.example/hold` holds it)"),
        "{message}"
    );
}
