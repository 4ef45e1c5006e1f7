//! An application that stands still while what it needs is changed, and runs again with as many replicas as it had.

use super::{hasty, roll_out, verify};
use crate::laws::clusters::{unmarked, wanted};
use crate::world::Shop;

/// A shop of four replicas, which is no number that stands in a procedure.
fn shop() -> Shop {
    let shop = Shop::open();
    hasty(&shop, "deployment/web");
    shop.namespace()
        .kubectl(&["scale", "deployment/web", "--replicas=4"]);
    shop.namespace().until_rolled_out("deployment/web");
    shop.granting("k8s-rollout").granting("service-verify")
}

fn pods(shop: &Shop) -> usize {
    let selected = ["get", "pods", "--selector=app=web", "--output=name"];
    shop.namespace().kubectl(&selected).lines().count()
}

#[test]
fn a_database_is_updated_while_its_application_stands_still() {
    let shop = shop();
    shop.start_a_database();
    let before = shop.namespace().object("deployment/web")["spec"].clone();
    verify(&shop, &["baseline=true"]).expect(0);
    let stopped = roll_out(&shop, &["stop=true"]).expect(0);
    assert_eq!(stopped.summary(), "4 → 0 replicas");
    assert_eq!(pods(&shop), 0);
    // Of what stands still on purpose nobody can say that it is well.
    assert_eq!(verify(&shop, &[]).code, 4);
    let update = ["name=db", "kind=stateful-set", "images=app=postgres:15.5"];
    roll_out(&shop, &update).expect(0);
    let started = roll_out(&shop, &["start=true"]).expect(0);
    assert_eq!(started.summary(), "0 → 4 replicas");
    assert_eq!(shop.namespace().object("deployment/web")["spec"], before);
    let report = verify(&shop, &[]).expect(0);
    report.said("info", "StatefulSet/db: postgres:15.4 → postgres:15.5");
}

/// Its application can be started again with the database that it had.
#[test]
fn a_database_that_cannot_be_updated_is_as_before_and_its_application_too() {
    let shop = shop();
    shop.start_a_database();
    verify(&shop, &["baseline=true"]).expect(0);
    let before = unmarked(&shop);
    roll_out(&shop, &["stop=true"]).expect(0);
    let update = [
        "name=db",
        "kind=stateful-set",
        "images=app=postgres:bad",
        "within=5s",
    ];
    roll_out(&shop, &update).expect(1);
    let evicted = format!(
        "evicted {}/db-0, which was not ready",
        shop.namespace().name()
    );
    let told = shop.show_the_last();
    assert!(told.contains(&evicted), "{told}");
    roll_out(&shop, &["start=true"]).expect(0);
    assert_eq!(unmarked(&shop), before);
    shop.namespace().until_rolled_out("statefulset/db");
    verify(&shop, &[]).expect(0);
}

/// Its controller waits for ever, so who has to delete the pod is not left in the dark.
#[test]
fn a_pod_that_may_not_be_evicted_is_named() {
    let readme = include_str!("../../../plugins/k8s-rollout/README.md");
    let right = "- {apiGroups: [\"\"], resources: [pods/eviction], verbs: [create]}\n";
    assert!(readme.contains(right));
    let shop = Shop::with_the_role_of(&readme.replace(right, "")).granting("k8s-rollout");
    shop.start_a_database();
    let update = [
        "name=db",
        "kind=stateful-set",
        "images=app=postgres:bad",
        "within=5s",
    ];
    roll_out(&shop, &update).expect(4);
    let told = shop.show_the_last();
    assert!(
        told.contains("/db-0 is not ready and has to be deleted") && told.contains("forbidden"),
        "{told}"
    );
}

/// What is left to a person is no end that nobody has to look at.
#[test]
fn a_pod_that_a_budget_keeps_leaves_the_run_stuck() {
    let shop = shop();
    shop.start_a_database();
    shop.namespace().apply(
        "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: db}}}
",
    );
    let update = [
        "name=db",
        "kind=stateful-set",
        "images=app=postgres:crash",
        "within=5s",
    ];
    roll_out(&shop, &update).expect(4);
    let by_hand = format!(
        "kubectl --namespace {} delete pod db-0",
        shop.namespace().name()
    );
    let told = shop.show_the_last();
    assert!(told.contains(&by_hand), "{told}");
    // When a person did, the run ends.
    shop.namespace().kubectl(&["delete", "pod", "db-0"]);
    shop.undo_the_last();
    shop.namespace().until_rolled_out("statefulset/db");
}

#[test]
fn a_start_that_fails_stands_still_again_and_can_be_tried_once_more() {
    let shop = shop();
    let before = unmarked(&shop);
    roll_out(&shop, &["stop=true"]).expect(0);
    let image = |image: &str| {
        let words = ["set", "image", "deployment/web", image];
        shop.namespace().kubectl(&words);
    };
    image("app=shop:bad");
    let still = unmarked(&shop);
    let report = roll_out(&shop, &["start=true", "within=30s"]).expect(1);
    assert!(
        report.summary().contains("ImagePull"),
        "{}",
        report.summary()
    );
    assert_eq!(unmarked(&shop), still);
    image("app=shop:1");
    // Stopping what stands still keeps the number that counts.
    roll_out(&shop, &["stop=true"]).expect(0);
    roll_out(&shop, &["start=true"]).expect(0);
    assert_eq!(unmarked(&shop), before);
}

#[test]
fn what_nobody_stopped_is_not_started_to_a_number_that_is_made_up() {
    let shop = shop();
    let before = wanted(&shop);
    let running = roll_out(&shop, &["start=true"]).expect(0);
    running.said("info", "it is not stopped");
    assert_eq!(wanted(&shop)[0]["spec"], before[0]["spec"]);
    shop.namespace()
        .kubectl(&["scale", "deployment/web", "--replicas=0"]);
    let report = roll_out(&shop, &["start=true"]).expect(1);
    assert!(
        report.summary().contains("nobody knows how many replicas"),
        "{}",
        report.summary()
    );
}

/// What was taken back was not stopped: the number before it counts.
#[test]
fn a_stop_that_is_undone_is_none() {
    let shop = shop();
    let before = wanted(&shop);
    roll_out(&shop, &["stop=true"]).expect(0);
    shop.undo_the_last().expect(0);
    assert_eq!(wanted(&shop), before);
    shop.namespace()
        .kubectl(&["scale", "deployment/web", "--replicas=0"]);
    roll_out(&shop, &["start=true"]).expect(1);
}

/// It would put back what is scaled, so its owner has to have it step aside first.
#[test]
fn who_scales_it_is_not_fought() {
    let shop = shop();
    shop.namespace()
        .kubectl(&["autoscale", "deployment/web", "--min=1", "--max=2"]);
    // Above its maximum it scales down at once, without any metric.
    shop.namespace()
        .until("deployment/web", "jsonpath={.spec.replicas}=2");
    let before = wanted(&shop);
    let report = roll_out(&shop, &["stop=true"]).expect(1);
    assert!(
        report.summary().contains("autoscaler"),
        "{}",
        report.summary()
    );
    assert_eq!(wanted(&shop), before);
}
