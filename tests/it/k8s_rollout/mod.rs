//! `k8s-rollout` on a real control plane: what it does, what it refuses, and what it takes back.

mod elsewhere;
mod migrate;
mod parity;
mod trouble;

use crate::report::Report;
use crate::world::Shop;
use serde_json::Value;

/// A shop with a grant for the procedure.
fn shop() -> Shop {
    Shop::open().granting("k8s-rollout")
}

fn roll_out(shop: &Shop, parameters: &[&str]) -> Report {
    let mut all = vec!["name=web", "within=1min"];
    all.extend(parameters);
    shop.run("k8s-rollout", &all)
}

/// The deployment but for what the server and its controller count.
fn web(shop: &Shop) -> Value {
    let mut web = shop.namespace().object("deployment/web");
    let metadata = web["metadata"].as_object_mut().unwrap();
    for counted in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(counted);
    }
    if let Some(annotations) = metadata["annotations"].as_object_mut() {
        annotations.remove("deployment.kubernetes.io/revision");
    }
    web["status"] = Value::Null;
    web
}

#[test]
fn an_image_is_rolled_out_and_taken_back_exactly() {
    let shop = shop();
    let before = web(&shop);
    let report = roll_out(&shop, &["images=app=shop:2"]).expect(0);
    assert_eq!(report.summary(), "shop:1 → shop:2");
    assert!(
        report.done()[0].starts_with("set image deployment t-"),
        "{:?}",
        report.done()
    );
    assert_eq!(shop.image(), "shop:2");
    assert_eq!(report.check("its pods run"), "pass: 3 pods ready");
    shop.undo_the_last().expect(0);
    assert_eq!(web(&shop), before);
}

#[test]
fn what_cannot_run_is_taken_back_by_itself_and_told() {
    for (image, why) in [
        ("shop:bad", "ImagePull"),
        ("shop:unready", "ProgressDeadlineExceeded"),
    ] {
        let shop = shop();
        // What runs well may take longer than what does not is waited for.
        let soon = r#"{"spec": {"progressDeadlineSeconds": 5}}"#;
        let patch = ["patch", "deployment/web", "--type=merge", "--patch", soon];
        shop.namespace().kubectl(&patch);
        let before = web(&shop);
        let report = roll_out(&shop, &[&format!("images=app={image}")]).expect(1);
        assert!(
            report.summary().contains("the rollout of web failed"),
            "{}",
            report.summary()
        );
        assert!(report.summary().contains(why), "{}", report.summary());
        assert_eq!(web(&shop), before, "{image}");
        shop.namespace().until_rolled_out("deployment/web");
    }
}

#[test]
fn replicas_are_set_to_none_and_put_back_to_what_they_were() {
    let shop = shop();
    let report = roll_out(&shop, &["replicas=0"]).expect(0);
    assert_eq!(report.summary(), "3 → 0 replicas");
    let pods = shop.namespace().kubectl(&["get", "pods", "--output=name"]);
    assert_eq!(pods, "");
    shop.undo_the_last().expect(0);
    let web = shop.namespace().object("deployment/web");
    assert_eq!(web["spec"]["replicas"], 3);
}

#[test]
fn a_restart_replaces_each_pod() {
    let shop = shop();
    let before = shop.namespace().pods_of("web");
    roll_out(&shop, &["restart=true"]).expect(0);
    assert!(shop.namespace().pods_of("web").is_disjoint(&before));
}

#[test]
fn a_revision_is_gone_back_to_by_what_it_was_and_not_by_its_number() {
    let shop = shop();
    roll_out(&shop, &["images=app=shop:2"]).expect(0);
    roll_out(&shop, &["images=app=shop:3"]).expect(0);
    let report = roll_out(&shop, &["undo=true"]).expect(0);
    assert_eq!(report.summary(), "back from revision 3 to 2");
    assert_eq!(shop.image(), "shop:2");
    let report = roll_out(&shop, &["to-revision=1"]).expect(0);
    assert_eq!(report.summary(), "back from revision 4 to 1");
    assert_eq!(shop.image(), "shop:1");
    let report = roll_out(&shop, &["to-revision=2"]).expect(1);
    assert!(
        report
            .summary()
            .contains("there is no such revision; kept are"),
        "{}",
        report.summary()
    );
}

#[test]
fn what_another_hand_changed_since_is_left_alone_and_reported() {
    let shop = shop();
    roll_out(&shop, &["images=app=shop:2"]).expect(0);
    shop.namespace()
        .kubectl(&["set", "image", "deployment/web", "app=shop:9"]);
    let undone = shop.undo_the_last();
    assert!(undone.to_string().contains("is shop:9 by now"), "{undone}");
    assert_eq!(shop.image(), "shop:9");
}

#[test]
fn a_release_is_not_taken_back_for_an_old_pod_that_was_evicted() {
    let shop = shop();
    let pod = shop.namespace().pods_of("web").into_iter().next().unwrap();
    shop.namespace().evicted(&pod);
    shop.namespace().until_rolled_out("deployment/web");
    let report = roll_out(&shop, &["images=app=shop:2"]).expect(0);
    assert_eq!(report.check("its pods run"), "pass: 3 pods ready");
    report.said(
        "info",
        &format!("{pod} has come to its end and does not count"),
    );
    assert_eq!(shop.image(), "shop:2");
}

#[test]
fn replicas_are_not_judged_by_a_rollout_that_failed_before() {
    let shop = shop();
    let soon = r#"{"spec": {"progressDeadlineSeconds": 3}}"#;
    let patch = ["patch", "deployment/web", "--type=merge", "--patch", soon];
    shop.namespace().kubectl(&patch);
    shop.namespace()
        .kubectl(&["set", "image", "deployment/web", "app=shop:bad"]);
    shop.namespace()
        .until("deployment/web", "condition=Progressing=False");
    let report = roll_out(&shop, &["replicas=4"]).expect(0);
    assert_eq!(report.summary(), "3 → 4 replicas");
    // Nor is a change that is made afterwards.
    roll_out(&shop, &["images=app=shop:2"]).expect(0);
}
