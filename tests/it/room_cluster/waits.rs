//! Waiting for pods and for disruption budgets.

use super::{Bench, CLUSTER, LONG, refused};
use crate::world::{NOT_PULLED, Namespace};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;
use windlass::call;
use windlass::cluster::Read;
use windlass::cluster::call::Look;
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{
    Namespaced, PodFacts, WorkloadFacts, WorkloadKind, WorkloadName,
};

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

#[test]
fn pods_are_awaited_as_many_as_are_wanted_by_then() {
    let bench = Bench::new(Namespace::new());
    let web = web(&bench, "shop:unready", 2);
    let (sender, mut shown) = mpsc::unbounded_channel();
    let (room, permit) = (Arc::clone(&bench.room), bench.permit(Some(sender)));
    let read = Read {
        cluster: CLUSTER.into(),
        look: pods(&web, 60_000),
    };
    let waiting = bench
        .runtime
        .spawn(async move { room.read(&permit, &read).await });
    let first = async {
        while let Some(progress) = shown.recv().await {
            if progress.phase.contains("0 of 2 pods are ready") {
                return;
            }
        }
        panic!("it was never shown");
    };
    let first = async { tokio::time::timeout(LONG, first).await };
    bench.runtime.block_on(first).unwrap();
    bench
        .namespace
        .kubectl(&["scale", "deployment/web", "--replicas=0"]);
    assert_eq!(bench.runtime.block_on(waiting).unwrap().unwrap(), 0);
}

#[test]
fn only_its_own_pods_are_counted_and_only_as_long_as_they_live() {
    let bench = Bench::new(Namespace::new());
    let web = web(&bench, "shop:unready", 1);
    bench.namespace.apply(
        "
apiVersion: v1
kind: Pod
metadata: {name: stray, labels: {app: web}}
spec: {containers: [{name: app, image: 'shop:1'}]}
",
    );
    bench.namespace.until("pod/stray", "condition=Ready");
    let message = refused(bench.read::<u32>(pods(&web, 500)), ErrorKind::Limit);
    assert!(message.contains("0 of 1 pods are ready"), "{message}");

    // One that was evicted stays there for long, and does not keep a workload from having none.
    let mut own = bench.namespace.pods_of("web").into_iter();
    let own = own.find(|pod| pod != "stray").unwrap();
    bench.namespace.evicted(&own);
    bench
        .namespace
        .kubectl(&["scale", "deployment/web", "--replicas=0"]);
    let none = Look::AwaitNoPods {
        workload: web,
        within: 30_000,
    };
    bench.read::<()>(none).unwrap();
    let phase = bench.namespace.object(&format!("pod/{own}"))["status"]["phase"].clone();
    assert_eq!(phase, "Failed");
}

#[test]
fn restarts_of_containers_that_run_beside_the_others_count() {
    let bench = Bench::new(Namespace::new());
    bench.namespace.apply(
        "
apiVersion: v1
kind: Pod
metadata: {name: mesh, labels: {app: mesh}}
spec:
  initContainers:
  - {name: setup, image: 'shop:1'}
  - {name: proxy, image: 'proxy:1', restartPolicy: Always}
  containers: [{name: app, image: 'shop:1'}]
",
    );
    bench.namespace.until("pod/mesh", "condition=Ready");
    let status = |name: &str, restarts: u32| json!({"name": name, "restartCount": restarts, "ready": true, "image": "i", "imageID": "i"});
    let statuses = json!([status("setup", 3), status("proxy", 12)]);
    let patch = json!({"status": {"initContainerStatuses": statuses}}).to_string();
    let words = ["patch", "pod/mesh", "--subresource=status", "--type=merge"];
    bench
        .namespace
        .kubectl(&[&words[..], &["--patch", &patch]].concat());
    let look = Look::Pods {
        namespace: bench.namespace.name().into(),
        selector: "app=mesh".into(),
    };
    let found = bench.read::<Vec<PodFacts>>(look).unwrap();
    assert_eq!(found[0].restarts, 12);
}

#[test]
fn a_workload_says_why_its_pod_must_be_the_only_one() {
    let bench = Bench::new(Namespace::new());
    let claim = |name: &str, mode: &str| {
        format!(
            "---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec: {{accessModes: [{mode}], resources: {{requests: {{storage: 1Gi}}}}}}
"
        )
    };
    let with = |name: &str, strategy: &str, claim: &str| {
        format!(
            "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  strategy: {strategy}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      volumes: [{claim}]
      containers: [{{name: app, image: 'shop:1'}}]
"
        )
    };
    let of = |claim: &str| format!("{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}");
    let rolling = "{rollingUpdate: {maxSurge: 1}}";
    let yaml = [
        claim("own", "ReadWriteOncePod"),
        claim("shared", "ReadWriteMany"),
        with("recreate", "{type: Recreate}", ""),
        with("nosurge", "{rollingUpdate: {maxSurge: 0%}}", ""),
        with("own", rolling, &of("own")),
        with("lost", rolling, &of("lost")),
        with("shared", rolling, &of("shared")),
        with("web", rolling, ""),
    ];
    bench.namespace.apply(&yaml.concat());
    let all = bench.read::<Vec<WorkloadFacts>>(Look::Workloads {
        namespace: bench.namespace.name().into(),
        selector: String::new(),
    });
    let why: Vec<_> = all
        .unwrap()
        .into_iter()
        .map(|facts| format!("{}: {}", facts.name.name, facts.single.unwrap_or_default()))
        .collect();
    assert_eq!(why[1], "nosurge: its maxSurge is 0");
    assert_eq!(why[2], "own: its claim `own` is ReadWriteOncePod");
    assert_eq!(why[3], "recreate: its strategy is Recreate");
    assert_eq!(why[4..], ["shared: ", "web: "]);
    assert!(
        why[0].starts_with("lost: whether two pods may have the claim `lost` is not known"),
        "{}",
        why[0]
    );
}
