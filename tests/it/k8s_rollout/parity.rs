//! The same done by kubectl and by windlass gives the same objects, but for the mark of who did it.

use super::{roll_out, shop, web};
use crate::world::Shop;
use serde_json::Value;

/// What is wanted, without what differs between any two namespaces.
fn wanted(shop: &Shop) -> Value {
    let mut web = web(shop);
    for own in ["namespace", "uid", "creationTimestamp"] {
        web["metadata"][own] = Value::Null;
    }
    if let Some(annotations) = web["metadata"]["annotations"].as_object_mut() {
        annotations.remove("windlass.dev/effect");
    }
    web
}

/// Runs both, each in a shop of its own, and compares.
fn same(kubectl: &[&str], parameters: &[&str]) {
    let (one, other) = (shop(), shop());
    one.namespace().kubectl(kubectl);
    one.namespace().until_rolled_out("deployment/web");
    roll_out(&other, parameters).expect(0);
    assert_eq!(wanted(&other), wanted(&one), "{kubectl:?}");
}

#[test]
fn setting_an_image() {
    same(
        &["set", "image", "deployment/web", "app=shop:2"],
        &["images=app=shop:2"],
    );
}

#[test]
fn scaling() {
    same(
        &["scale", "deployment/web", "--replicas=5"],
        &["replicas=5"],
    );
}

#[test]
fn going_back() {
    let (one, other) = (shop(), shop());
    for shop in [&one, &other] {
        shop.namespace()
            .kubectl(&["set", "image", "deployment/web", "app=shop:2"]);
        shop.namespace().until_rolled_out("deployment/web");
    }
    one.namespace()
        .kubectl(&["rollout", "undo", "deployment/web"]);
    one.namespace().until_rolled_out("deployment/web");
    roll_out(&other, &["undo=true"]).expect(0);
    assert_eq!(wanted(&other), wanted(&one));
}

#[test]
fn restarting() {
    let (one, other) = (shop(), shop());
    one.namespace()
        .kubectl(&["rollout", "restart", "deployment/web"]);
    roll_out(&other, &["restart=true"]).expect(0);
    let (mut one, mut other) = (wanted(&one), wanted(&other));
    for web in [&mut one, &mut other] {
        let at = &mut web["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
        assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
        *at = Value::Null;
    }
    assert_eq!(other, one);
}

/// What reached the server about the shop's namespace since the mark, as verb and path.
fn requests(shop: &Shop, mark: u64) -> Vec<String> {
    let own = format!("/namespaces/{}/", shop.namespace().name());
    let all = shop.namespace().cluster().requests(mark);
    let ours = all.into_iter().filter(|request| request.uri.contains(&own));
    ours.filter(|request| request.user == "admin")
        .map(|request| format!("{} {}", request.verb, request.uri))
        .collect()
}

#[test]
fn no_more_requests_than_kubectl() {
    let (one, other) = (shop(), shop());
    if !one.namespace().cluster().is_ours() {
        // Whoever's cluster it is keeps its own log.
        return;
    }
    let mark = one.namespace().cluster().requests_length();
    // What the server would store is asked for first: it decides what can be taken back.
    let set = ["set", "image", "deployment/web", "app=shop:2"];
    let rehearsal = [&set[..], &["--dry-run=server"]].concat();
    one.namespace().kubectl(&rehearsal);
    one.namespace().kubectl(&set);
    one.namespace().until_rolled_out("deployment/web");
    // The workload is looked at before it is changed, and after: its controller's count decides.
    one.namespace().kubectl(&["get", "deployment/web"]);
    one.namespace().kubectl(&["get", "deployment/web"]);
    one.namespace()
        .kubectl(&["get", "pods", "--selector=app=web"]);
    let by_kubectl = requests(&one, mark);
    let mark = other.namespace().cluster().requests_length();
    roll_out(&other, &["images=app=shop:2"]).expect(0);
    let all = requests(&other, mark);
    let by_windlass: Vec<_> = all
        .iter()
        .filter(|line| !line.contains("/leases"))
        .collect();
    // Besides its lock, which kubectl has none of.
    assert!(
        by_windlass.len() <= by_kubectl.len(),
        "{by_windlass:#?}\nagainst {by_kubectl:#?}"
    );
    let locks = all.len() - by_windlass.len();
    assert!(locks <= 4, "{all:#?}");
}

#[test]
fn going_back_to_a_revision() {
    let (one, other) = (shop(), shop());
    for shop in [&one, &other] {
        for image in ["app=shop:2", "app=shop:3"] {
            shop.namespace()
                .kubectl(&["set", "image", "deployment/web", image]);
            shop.namespace().until_rolled_out("deployment/web");
        }
    }
    one.namespace()
        .kubectl(&["rollout", "undo", "deployment/web", "--to-revision=1"]);
    one.namespace().until_rolled_out("deployment/web");
    roll_out(&other, &["to-revision=1"]).expect(0);
    assert_eq!(wanted(&other), wanted(&one));
    assert_eq!(other.image(), "shop:1");
}
