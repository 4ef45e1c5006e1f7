//! Waiting for pods and for disruption budgets.

use super::{Bench, CLUSTER, LONG, refused};
use crate::world::Namespace;
use std::sync::Arc;
use tokio::sync::mpsc;
use windlass::cluster::Read;
use windlass::cluster::call::Look;
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{DisruptionBudget, Namespaced, WorkloadKind, WorkloadName};

fn web(bench: &Bench, image: &str, replicas: u32) -> WorkloadName {
    bench.namespace.apply(&format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: app, image: '{image}'}}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec: {{minAvailable: 2, selector: {{matchLabels: {{app: web}}}}}}
"
    ));
    WorkloadName {
        kind: WorkloadKind::Deployment,
        namespace: bench.namespace.name().into(),
        name: "web".into(),
    }
}

fn pods(workload: &WorkloadName, within: u64) -> Look {
    let workload = workload.clone();
    Look::AwaitPods { workload, within }
}

fn budget(bench: &Bench, name: &str, within: u64) -> Look {
    let budget = Namespaced {
        namespace: bench.namespace.name().into(),
        name: name.into(),
    };
    Look::AwaitBudget { budget, within }
}

#[test]
fn pods_are_awaited_until_as_many_as_wanted_are_ready() {
    let bench = Bench::new(Namespace::new());
    let bad = web(&bench, "shop:bad", 2);
    let message = refused(bench.read::<u32>(pods(&bad, 2_000)), ErrorKind::Limit);
    assert!(message.contains("0 of 2 pods are ready"), "{message}");
    assert!(message.contains("ImagePullBackOff"), "{message}");
    let good = web(&bench, "shop:1", 2);
    assert!(bench.read::<u32>(pods(&good, 60_000)).unwrap() >= 2);

    // It watches: who is scaled up while it waits is seen.
    let wanted = web(&bench, "shop:unready", 3);
    let (sender, mut shown) = mpsc::unbounded_channel();
    let (room, permit) = (Arc::clone(&bench.room), bench.permit(Some(sender)));
    let read = Read {
        cluster: CLUSTER.into(),
        look: pods(&wanted, 60_000),
    };
    let waiting = async move { room.read(&permit, &read).await };
    let waiting = bench.runtime.spawn(waiting);
    let first = async { tokio::time::timeout(LONG, shown.recv()).await };
    let first = bench.runtime.block_on(first).unwrap().unwrap();
    assert!(
        first.phase.contains("of 3 pods are ready"),
        "{}",
        first.phase
    );
    web(&bench, "shop:2", 3);
    assert_eq!(bench.runtime.block_on(waiting).unwrap().unwrap(), 3);

    let none = WorkloadName {
        name: "none".into(),
        ..good
    };
    refused(bench.read::<u32>(pods(&none, 1_000)), ErrorKind::NotFound);
}

#[test]
fn a_budget_is_awaited_until_it_is_met() {
    let bench = Bench::new(Namespace::new());
    web(&bench, "shop:unready", 2);
    let short = bench.read::<DisruptionBudget>(budget(&bench, "web", 2_000));
    let message = refused(short, ErrorKind::Limit);
    assert!(
        message.contains("0 of 2 pods that it wants are healthy"),
        "{message}"
    );
    web(&bench, "shop:1", 2);
    let found: DisruptionBudget = bench.read(budget(&bench, "web", 60_000)).unwrap();
    assert_eq!((found.healthy, found.desired_healthy), (2, 2));
    let none = bench.read::<DisruptionBudget>(budget(&bench, "none", 1_000));
    refused(none, ErrorKind::NotFound);
}
