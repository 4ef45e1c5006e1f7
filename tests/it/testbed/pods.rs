//! Simulated pods: the tag of an image decides how they fare.

use super::{deployment, run};
use crate::world::Namespace;
use std::time::{Duration, Instant};

const WAITING: &str = "jsonpath={.status.containerStatuses[0].state.waiting.reason}";

#[test]
fn a_deployment_rolls_out_and_logs() {
    let namespace = Namespace::new();
    namespace.apply(&deployment("shop:1.0", 3));
    namespace.until_rolled_out("deployment/shop");
    let status = namespace.object("deployment/shop")["status"].clone();
    assert_eq!(status["readyReplicas"], 3, "{status}");
    let logged = namespace.kubectl(&["logs", "deployment/shop"]);
    assert_eq!(logged, "a line from the testbed\n");
}

#[test]
fn tags_decide_how_a_pod_fares() {
    let namespace = Namespace::new();
    for tag in ["1.0", "bad", "crash", "unready"] {
        let name = tag.replace('.', "-");
        run(
            &namespace,
            &format!("pod-{name}"),
            &format!("shop:{tag}"),
            "",
        );
    }
    namespace.until("pod/pod-1-0", "condition=Ready");
    namespace.until("pod/pod-bad", &format!("{WAITING}=ImagePullBackOff"));
    namespace.until("pod/pod-crash", &format!("{WAITING}=CrashLoopBackOff"));
    namespace.until("pod/pod-unready", "condition=Ready=False");
    let status = namespace.object("pod/pod-unready")["status"].clone();
    assert_eq!(status["phase"], "Running", "{status}");
    assert_eq!(status["containerStatuses"][0]["ready"], false, "{status}");
}

#[test]
fn pods_of_jobs_end_well_or_badly() {
    let namespace = Namespace::new();
    for (name, image) in [("well", "shop:1.0"), ("badly", "shop:fail")] {
        namespace.apply(&format!(
            "
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  backoffLimit: 0
  template:
    spec: {{restartPolicy: Never, containers: [{{name: app, image: \"{image}\"}}]}}
"
        ));
    }
    namespace.until("job/well", "condition=Complete");
    namespace.until("job/badly", "condition=Failed");
}

#[test]
fn a_pod_takes_the_time_to_start_and_to_end_that_it_says() {
    let namespace = Namespace::new();
    let annotations = "testbed/ready-after: 1s, testbed/terminate-after: 1s";
    let start = Instant::now();
    run(&namespace, "slow", "shop:1.0", annotations);
    namespace.until("pod/slow", "condition=Ready");
    assert!(start.elapsed() > Duration::from_millis(900));
    let start = Instant::now();
    namespace.kubectl(&["delete", "pod/slow", "--wait=false"]);
    namespace.until("pod/slow", "delete");
    assert!(start.elapsed() > Duration::from_millis(900));
}

#[test]
fn certificates_are_issued_and_issued_again_when_asked_for() {
    let namespace = Namespace::new();
    for (name, issuer) in [("shop", "letters"), ("never", "broken-letters")] {
        namespace.apply(&format!(
            "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: {name}}}
spec: {{secretName: {name}, issuerRef: {{name: {issuer}}}}}
"
        ));
    }
    namespace.until("certificate/shop", "jsonpath={.status.revision}=1");
    let first = namespace.object("certificate/shop")["status"].clone();
    // What a person does who renews by hand.
    let patch = r#"{"status": {"conditions": [{"type": "Issuing", "status": "True", "reason": "ManuallyTriggered"}]}}"#;
    let renew = [
        "patch",
        "certificate/shop",
        "--subresource=status",
        "--type=merge",
        "--patch",
        patch,
    ];
    namespace.kubectl(&renew);
    namespace.until("certificate/shop", "jsonpath={.status.revision}=2");
    let second = namespace.object("certificate/shop")["status"].clone();
    for time in ["notBefore", "notAfter"] {
        assert_ne!(first[time], second[time]);
    }
    // As cert-manager does, it takes the condition away.
    let conditions = second["conditions"].as_array().unwrap().iter();
    let kinds: Vec<_> = conditions.map(|condition| &condition["type"]).collect();
    assert_eq!(kinds, ["Ready"], "{second}");
    let never = namespace.object("certificate/never");
    assert!(never["status"]["revision"].is_null(), "{never}");
}
