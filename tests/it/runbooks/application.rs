//! The update of an application: its image by name, its rollout, its pods, what its health page says; and the ways back.

use super::{answering, at_once, endpoint, hasty, roll_out, verify};
use crate::laws::clusters::unmarked;
use crate::room_notify::receiver::{Act, Receiver};
use crate::world::Shop;

const UP: &str = r#"{"status": "UP"}"#;
const DOWN: &str = r#"{"status": "DOWN"}"#;

/// A shop whose health page is served by this, and a baseline of how it is.
fn shop(health: &Receiver) -> Shop {
    let shop = Shop::open();
    hasty(&shop, "deployment/web");
    let up = r#"expect-json = { pointer = "/status", value = "UP" }"#;
    endpoint(&shop, "api", &health.url(), up);
    let shop = shop.granting("k8s-rollout").granting("service-verify");
    verify(&shop, &["endpoints=api", "baseline=true"]).expect(0);
    shop
}

/// All is as it was at the baseline, or better.
fn is_well(shop: &Shop) {
    let report = verify(shop, &["endpoints=api"]).expect(0);
    assert_eq!(report.not_passed(), [""; 0]);
}

#[test]
fn an_application_is_updated_and_goes_back_by_one_revision_and_by_name() {
    let shop = shop(&answering(UP));
    let before = unmarked(&shop);
    for image in ["shop:2", "shop:3"] {
        roll_out(&shop, &[&format!("images=app={image}")]).expect(0);
        assert_eq!(shop.image(), image);
        is_well(&shop);
    }
    let back = roll_out(&shop, &["undo=true"]).expect(0);
    assert_eq!(back.summary(), "back from revision 3 to 2");
    assert_eq!(shop.image(), "shop:2");
    is_well(&shop);
    roll_out(&shop, &["to-revision=1"]).expect(0);
    is_well(&shop);
    assert_eq!(unmarked(&shop), before);
}

/// Pods that are ready are not enough: the page says 200, and in its body that it is down.
#[test]
fn an_update_that_runs_and_does_not_serve_is_seen_and_taken_back() {
    let health = answering(UP);
    let shop = shop(&health);
    let before = unmarked(&shop);
    roll_out(&shop, &["images=app=shop:2", "watch=api"]).expect(0);
    health.always(Act::saying(200, DOWN));
    let report = verify(&shop, &["endpoints=api", "within=1s"]).expect(1);
    assert_eq!(report.not_passed(), ["endpoint api"]);
    let why = report.check("endpoint api");
    assert!(why.contains("another value at `/status`"), "{why}");
    roll_out(&shop, &["undo=true"]).expect(0);
    health.always(Act::saying(200, UP));
    is_well(&shop);
    assert_eq!(unmarked(&shop), before);
}

#[test]
fn what_cannot_run_leaves_the_application_as_it_was() {
    let variants = [
        ("shop:bad", "ImagePull"),
        ("shop:unready", "ProgressDeadlineExceeded"),
        ("shop:crash", "CrashLoop"),
    ];
    at_once(&variants, |(image, why)| {
        let shop = shop(&answering(UP));
        let before = unmarked(&shop);
        let report = roll_out(&shop, &[&format!("images=app={image}")]).expect(1);
        assert!(report.summary().contains(why), "{}", report.summary());
        shop.namespace().until_rolled_out("deployment/web");
        assert_eq!(unmarked(&shop), before, "{image}");
        is_well(&shop);
    });
}

/// A revision that is kept is not yet one that runs.
#[test]
fn a_way_back_to_what_cannot_run_is_taken_back_too() {
    let shop = shop(&answering(UP));
    let kubectl = |image: &str| {
        let words = ["set", "image", "deployment/web", image];
        shop.namespace().kubectl(&words);
    };
    kubectl("app=shop:bad");
    let second = r"jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}=2";
    shop.namespace().until("deployment/web", second);
    kubectl("app=shop:3");
    shop.namespace().until_rolled_out("deployment/web");
    let before = unmarked(&shop);
    let report = roll_out(&shop, &["to-revision=2"]).expect(1);
    assert!(
        report.summary().contains("ImagePull"),
        "{}",
        report.summary()
    );
    shop.namespace().until_rolled_out("deployment/web");
    assert_eq!(unmarked(&shop), before);
    is_well(&shop);
}
