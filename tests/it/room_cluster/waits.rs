//! Waiting for pods and for disruption budgets.

use super::{Bench, CLUSTER, LONG, refused};
use crate::world::{NOT_PULLED, Namespace};
use std::sync::Arc;
use tokio::sync::mpsc;
use windlass::call;
use windlass::cluster::Read;
use windlass::cluster::call::Look;
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{Namespaced, WorkloadKind, WorkloadName};

fn web(bench: &Bench, image: &str, replicas: u32) -> WorkloadName {
    deployment(bench, "web", image, replicas)
}

fn deployment(bench: &Bench, name: &str, image: &str, replicas: u32) -> WorkloadName {
    bench.namespace.apply(&format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: app, image: '{image}'}}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}}}
spec: {{minAvailable: 2, selector: {{matchLabels: {{app: {name}}}}}}}
"
    ));
    WorkloadName {
        kind: WorkloadKind::Deployment,
        namespace: bench.namespace.name().into(),
        name: name.into(),
    }
}

fn pods(workload: &WorkloadName, within: u64) -> Look {
    let workloads = vec![workload.clone()];
    Look::AwaitPods { workloads, within }
}

fn budget(bench: &Bench, name: &str, within: u64) -> Look {
    budgets(bench, &[name], within)
}

fn budgets(bench: &Bench, names: &[&str], within: u64) -> Look {
    let budget = |name: &&str| Namespaced {
        namespace: bench.namespace.name().into(),
        name: (*name).into(),
    };
    let budgets = names.iter().map(budget).collect();
    Look::AwaitBudgets { budgets, within }
}

#[test]
fn pods_are_awaited_until_as_many_as_wanted_are_ready() {
    let bench = Bench::new(Namespace::new());
    let bad = web(&bench, "shop:bad", 2);
    let made = "jsonpath={.status.unavailableReplicas}=2";
    bench.namespace.until("deployment/web", made);
    bench.namespace.until_pods("web", NOT_PULLED);
    let message = refused(bench.read::<u32>(pods(&bad, 500)), ErrorKind::Limit);
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
    let counted = "jsonpath={.status.desiredHealthy}=2";
    bench.namespace.until("pdb/web", counted);
    let short = bench.read::<()>(budget(&bench, "web", 500));
    let message = refused(short, ErrorKind::Limit);
    assert!(
        message.contains("0 of 2 pods that it wants are healthy"),
        "{message}"
    );
    web(&bench, "shop:1", 2);
    bench.read::<()>(budget(&bench, "web", 60_000)).unwrap();
    let none = bench.read::<()>(budget(&bench, "none", 1_000));
    refused(none, ErrorKind::NotFound);
}

/// One look at each sort of object, and a watch of the one that is not as wanted.
#[test]
fn many_are_looked_at_together() {
    let mut bench = Bench::new(Namespace::new());
    let names = ["a", "b", "c"];
    let mut workloads = names
        .map(|name| deployment(&bench, name, "shop:1", 2))
        .to_vec();
    let all = |workloads: &[WorkloadName], within| Look::AwaitPods {
        workloads: workloads.to_vec(),
        within,
    };
    assert_eq!(bench.read::<u32>(all(&workloads, 60_000)), Ok(6));
    bench.read::<()>(budgets(&bench, &names, 60_000)).unwrap();
    let mark = bench.namespace.cluster().requests_length();
    assert_eq!(bench.read::<u32>(all(&workloads, 60_000)), Ok(6));
    bench.read::<()>(budgets(&bench, &names, 60_000)).unwrap();
    // Deployments, pods, budgets.
    assert_eq!(bench.requests(mark), ["list", "list", "list"]);

    workloads.insert(1, deployment(&bench, "d", "shop:unready", 2));
    let message = refused(bench.read::<u32>(all(&workloads, 2_000)), ErrorKind::Limit);
    assert!(message.contains("/d: "), "{message}");
    assert!(message.contains("0 of 2 pods are ready"), "{message}");
    deployment(&bench, "d", "shop:2", 2);
    assert_eq!(bench.read::<u32>(all(&workloads, 60_000)), Ok(8));
    let missing = bench.read::<()>(budgets(&bench, &["a", "none"], 1_000));
    refused(missing, ErrorKind::NotFound);
    refused(bench.read::<u32>(all(&[], 1)), ErrorKind::Invalid);
    let none = bench.read::<()>(budgets(&bench, &[], 1));
    refused(none, ErrorKind::Invalid);

    bench.narrow(&serde_json::json!({ "names": ["a", "b"] }));
    let may = |look| {
        let read = Read {
            cluster: CLUSTER.into(),
            look,
        };
        let refused = bench.effective().refuses_read(&call::Read::Cluster(read));
        refused.is_none()
    };
    assert!(may(budgets(&bench, &["a", "b"], 1)) && may(all(&workloads[..1], 1)));
    assert!(!may(budgets(&bench, &names, 1)) && !may(all(&workloads, 1)));
}
