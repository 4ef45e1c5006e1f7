//! Watches whose version the server does not know any more (410 Gone): what is waited for is looked at anew.

use super::drain::{drain_with, pod};
use super::nodes::cordon;
use super::{Bench, CLUSTER, LONG};
use crate::world::{Act, Namespace, Relay};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use windlass::cluster::Read;
use windlass::cluster::call::Look;
use windlass::contract::cluster_types::{Rollout, RolloutState, WorkloadKind, WorkloadName};
use xtask::kubernetes::Options;

const GONE: &str = "\"code\":410";
const WATCH: &str = "watch=true";

/// A bench on a server that has forgotten how it began. Its first watch asks for what was then.
fn bench(yaml: &str) -> (Bench, Relay) {
    let mut namespace = Namespace::alone(&Options::default().nodes(1));
    namespace.apply(yaml);
    namespace.cluster_mut().stop_api_server().unwrap();
    namespace.cluster_mut().start_api_server().unwrap();
    let is_first = AtomicBool::new(true);
    let relay = Relay::to(&namespace, move |line| {
        if line.contains(WATCH) && is_first.swap(false, Ordering::Relaxed) {
            return Act::Instead(from_the_beginning(line));
        }
        Act::Pass
    });
    let mut bench = Bench::new(namespace);
    bench.go_through(&relay);
    (bench, relay)
}

fn from_the_beginning(line: &str) -> String {
    let (before, after) = line.split_once("resourceVersion=").unwrap();
    let (_, after) = after.split_once('&').unwrap();
    format!("{before}resourceVersion=1&{after}")
}

#[test]
fn a_rollout_is_followed_over_a_watch_that_expired() {
    let (bench, relay) = bench(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'shop:unready'}]}
",
    );
    let workload = WorkloadName {
        kind: WorkloadKind::Deployment,
        namespace: bench.namespace.name().into(),
        name: "web".into(),
    };
    let read = Read {
        cluster: CLUSTER.into(),
        look: Look::AwaitRollout {
            workload,
            within: u64::try_from(LONG.as_millis()).unwrap(),
        },
    };
    let (sender, _shown) = mpsc::unbounded_channel();
    let (room, permit) = (Arc::clone(&bench.room), bench.permit(Some(sender)));
    let waiting = async move { room.read(&permit, &read).await };
    let waiting = bench.runtime.spawn(waiting);
    relay.until(2, WATCH);
    assert!(relay.was_answered(GONE));
    bench
        .namespace
        .kubectl(&["set", "image", "deployment/web", "app=shop:1"]);
    let answer: Value = bench.runtime.block_on(waiting).unwrap().unwrap();
    let rollout: Rollout = serde_json::from_value(answer).unwrap();
    assert_eq!(rollout.state, RolloutState::Complete);
    // It did not ask over and over.
    assert_eq!(relay.count(WATCH), 2);
}

#[test]
fn a_drain_goes_on_over_a_watch_that_expired() {
    let held = pod("held", "", "").replace("labels:", "finalizers: [test.example/hold], labels:");
    let (bench, relay) = bench(&held);
    bench.namespace.until("pod/held", "condition=Ready");
    bench.apply(&cordon("node-1")).unwrap();
    let started = bench.start(&drain_with("node-1", false, true, LONG));
    relay.until(2, WATCH);
    assert!(relay.was_answered(GONE));
    let patch = r#"{"metadata": {"finalizers": null}}"#;
    bench
        .namespace
        .kubectl(&["patch", "pod/held", "--type=merge", "--patch", patch]);
    started.wait(&bench).unwrap();
    assert_eq!(relay.count(WATCH), 2);
}
