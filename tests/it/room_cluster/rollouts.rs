//! When a rollout is over: beside `kubectl rollout status`, on the same objects.

use super::{Bench, refused};
use crate::world::Output;
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{Rollout, RolloutState, WorkloadKind, WorkloadName};
use xtask::kubernetes::User;

/// A workload called `web` of this kind, whose pods run this image.
fn bench(kind: &str, spec: &str, image: &str) -> Bench {
    Bench::having(&format!(
        "
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  {spec}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: app, image: '{image}'}}]
"
    ))
}

fn deployment(spec: &str) -> Bench {
    let spec = format!("replicas: 2\n  {spec}");
    let bench = bench("Deployment", &spec, "shop:1");
    bench.namespace.until_rolled_out("deployment/web");
    bench
}

fn set_image(bench: &Bench, kind: &str, image: &str) {
    let object = format!("{kind}/web");
    bench
        .namespace
        .kubectl(&["set", "image", &object, &format!("app={image}")]);
}

fn ours(bench: &Bench, kind: WorkloadKind, seconds: u64) -> Look {
    Look::AwaitRollout {
        workload: WorkloadName {
            kind,
            namespace: bench.namespace.name().into(),
            name: "web".into(),
        },
        within: seconds * 1000,
    }
}

fn theirs(bench: &Bench, kind: &str, seconds: u64) -> Output {
    let (object, timeout) = (format!("{kind}/web"), format!("--timeout={seconds}s"));
    let status = ["rollout", "status", &object, &timeout];
    bench.namespace.kubectl_as(User::Admin, &status)
}

#[test]
fn one_that_goes_well_is_complete_for_both() {
    let bench = deployment("");
    set_image(&bench, "deployment", "shop:2");
    let rollout: Rollout = bench.facts(ours(&bench, WorkloadKind::Deployment, 60));
    assert_eq!(rollout.state, RolloutState::Complete);
    theirs(&bench, "deployment", 1).expect(0);
}

#[test]
fn what_never_runs_is_given_up_by_both_and_we_say_why() {
    for (image, why) in [
        ("shop:bad", "ImagePullBackOff"),
        ("shop:crash", "CrashLoopBackOff"),
        ("shop:unready", "ProgressDeadlineExceeded"),
    ] {
        let bench = deployment("progressDeadlineSeconds: 2");
        set_image(&bench, "deployment", image);
        let rollout: Rollout = bench.facts(ours(&bench, WorkloadKind::Deployment, 60));
        assert_eq!(rollout.state, RolloutState::Failed, "{image}");
        assert!(rollout.message.contains(why), "{}", rollout.message);
        let status = theirs(&bench, "deployment", 1).expect(1);
        assert!(status.stderr.contains("progress deadline"), "{status}");
    }
}

/// kubectl waits for what nobody does; we say so at once.
#[test]
fn a_paused_one_is_not_waited_for() {
    let bench = deployment("");
    bench
        .namespace
        .kubectl(&["rollout", "pause", "deployment/web"]);
    set_image(&bench, "deployment", "shop:2");
    let look = ours(&bench, WorkloadKind::Deployment, 60);
    let message = refused(bench.read::<Rollout>(look), ErrorKind::Conflict);
    assert!(message.contains("paused"), "{message}");
    theirs(&bench, "deployment", 1).expect(1);
}

/// Both take the part above the partition for all of it.
#[test]
fn a_stateful_set_with_a_partition_is_complete_above_it() {
    let strategy = "updateStrategy: {rollingUpdate: {partition: 1}}";
    let spec = format!("replicas: 2\n  serviceName: web\n  {strategy}");
    let bench = bench("StatefulSet", &spec, "shop:1");
    bench.namespace.until_rolled_out("statefulset/web");
    set_image(&bench, "statefulset", "shop:2");
    let rollout: Rollout = bench.facts(ours(&bench, WorkloadKind::StatefulSet, 60));
    assert_eq!(rollout.state, RolloutState::Complete);
    let status = theirs(&bench, "statefulset", 1).expect(0);
    assert!(status.stdout.contains("partitioned"), "{status}");
    let images = [
        "get",
        "pods",
        "--output=jsonpath={.items[*].spec.containers[*].image}",
    ];
    assert_eq!(bench.namespace.kubectl(&images), "shop:1 shop:2");
}

/// kubectl has no answer for it, and we neither wait nor call it complete.
#[test]
fn one_that_nobody_rolls_out_is_said_to_be() {
    let spec = "replicas: 1\n  serviceName: web\n  updateStrategy: {type: OnDelete}";
    let bench = bench("StatefulSet", spec, "shop:1");
    let look = ours(&bench, WorkloadKind::StatefulSet, 60);
    let message = refused(bench.read::<Rollout>(look), ErrorKind::Conflict);
    assert!(message.contains("OnDelete"), "{message}");
    let status = theirs(&bench, "statefulset", 1).expect(1);
    assert!(status.stderr.contains("RollingUpdate"), "{status}");
}

#[test]
fn a_daemon_set_is_complete_for_both() {
    let bench = Bench::having(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'shop:1'}]}
",
    );
    bench.namespace.until_rolled_out("daemonset/web");
    set_image(&bench, "daemonset", "shop:2");
    let rollout: Rollout = bench.facts(ours(&bench, WorkloadKind::DaemonSet, 60));
    assert_eq!(rollout.state, RolloutState::Complete);
    theirs(&bench, "daemonset", 1).expect(0);
}

#[test]
fn one_that_is_slow_is_no_failure_and_says_how_far_it_is() {
    let bench = deployment("");
    set_image(&bench, "deployment", "shop:unready");
    let look = ours(&bench, WorkloadKind::Deployment, 1);
    let message = refused(bench.read::<Rollout>(look), ErrorKind::Limit);
    assert!(message.contains("not within 1"), "{message}");
    theirs(&bench, "deployment", 1).expect(1);
}

/// One after another, within the second that kubectl counts in.
#[test]
fn a_second_restart_is_one_too() {
    let bench = deployment("");
    let workload = WorkloadName {
        kind: WorkloadKind::Deployment,
        namespace: bench.namespace.name().into(),
        name: "web".into(),
    };
    let restart = Change::Restart { workload };
    let template = || bench.namespace.object("deployment/web")["spec"]["template"].clone();
    bench.act(&restart);
    let prepared = bench.prepare(&restart).unwrap();
    let before = template();
    bench.apply_as(2, &restart, &prepared).unwrap();
    assert_ne!(template(), before);
}
