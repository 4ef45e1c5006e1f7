//! What a watch tells of what users saw: beside a run of `k8s-rollout`, which has it watched.

use crate::room_notify::receiver::{Act, Receiver};
use crate::world::{Output, Shop};
use serde_json::Value;

/// A shop that users reach at this receiver, whose pods take a while.
fn shop(receiver: &Receiver) -> Shop {
    let shop = Shop::open();
    let slow =
        r#"{"spec": {"template": {"metadata": {"annotations": {"testbed/ready-after": "1s"}}}}}"#;
    let namespace = shop.namespace();
    namespace.kubectl(&["patch", "deployment/web", "--type=merge", "--patch", slow]);
    namespace.until_rolled_out("deployment/web");
    let config = shop.read("windlass.toml");
    let endpoint = format!("[endpoint.shop]\nurl = \"{}\"\n", receiver.url());
    shop.write("windlass.toml", &format!("{config}{endpoint}"));
    shop.granting("k8s-rollout")
}

fn words(shop: &Shop, verb: &str) -> Vec<String> {
    let namespace = format!("namespace={}", shop.namespace().name());
    let sets = [
        namespace.as_str(),
        "name=web",
        "images=app=shop:2",
        "watch=shop",
    ];
    let mut words = [verb, "k8s-rollout", "--target", "staging"]
        .map(str::to_owned)
        .to_vec();
    words.extend(
        sets.iter()
            .flat_map(|set| ["--set".to_owned(), (*set).to_owned()]),
    );
    words
}

fn windlass(shop: &Shop, variables: &[(&str, &str)], words: &[String]) -> Output {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    shop.windlass_with(variables, &words)
}

/// The report of the only run, and what it tells of what users saw.
fn report(shop: &Shop) -> Value {
    let runs = shop.windlass(&["runs", "--output", "json"]).json();
    let run = runs["runs"][0]["run"].as_str().unwrap();
    let report = shop.windlass(&["show", run, "--output", "json"]).expect(0);
    report.json()["watched"][0].clone()
}

#[test]
fn for_how_long_users_were_hit_is_told() {
    let (up, down) = (Act::status(200), Act::status(503));
    let receiver = Receiver::start([up, down]);
    let shop = shop(&receiver);
    let run = windlass(&shop, &[], &words(&shop, "run")).expect(0);
    assert!(run.stdout.contains("✗ shop: down "), "{run}");
    assert!(run.stdout.contains("it answered 503, not 200"), "{run}");
    assert!(
        run.stderr.contains("shop does not pass: it answered 503"),
        "{run}"
    );
    let watched = report(&shop);
    assert_eq!(watched["endpoint"], "shop");
    let down = watched["down-ms"].as_u64().unwrap();
    assert!((900..10_000).contains(&down), "{watched:#}");
    assert!(
        watched["watched-ms"].as_u64().unwrap() > down,
        "{watched:#}"
    );
    assert_eq!(watched["down"].as_array().unwrap().len(), 1);
    assert_eq!(watched["unwatched"].as_array().unwrap().len(), 0);
    // With the run the watch has ended.
    let asked = receiver.requests().len();
    shop.windlass(&["doctor"]).expect(0);
    assert_eq!(receiver.requests().len(), asked + 1);
}

#[test]
fn what_nobody_watched_after_a_crash_is_told() {
    let receiver = Receiver::start([]);
    let shop = shop(&receiver);
    let killed = windlass(
        &shop,
        // Before anything is changed: the whole rollout is left to who goes on.
        &[("WINDLASS_TEST_KILL_AT", "intended")],
        &words(&shop, "run"),
    );
    assert_eq!(killed.code, 128 + 9, "{killed}");
    let runs = shop.windlass(&["runs", "--output", "json"]).json();
    let run = runs["runs"][0]["run"].as_str().unwrap();
    // Who goes on with the run goes on watching: only that sees it.
    receiver.always(Act::status(503));
    let resumed = shop.windlass(&["resume", run]).expect(0);
    assert!(
        resumed.stdout.contains("windlass was not there"),
        "{resumed}"
    );
    let watched = report(&shop);
    let (down, unwatched) = (&watched["down"], &watched["unwatched"]);
    assert_eq!(down.as_array().unwrap().len(), 1, "{watched:#}");
    assert_eq!(unwatched.as_array().unwrap().len(), 1, "{watched:#}");
    assert_eq!(unwatched[0]["until"], down[0]["from"], "{watched:#}");
    assert!(watched["down-ms"].as_u64().unwrap() > 0, "{watched:#}");
}

#[test]
fn a_plan_watches_nothing() {
    let receiver = Receiver::start([]);
    let shop = shop(&receiver);
    windlass(&shop, &[], &words(&shop, "plan")).expect(0);
    assert_eq!(receiver.connections(), 0);
}
