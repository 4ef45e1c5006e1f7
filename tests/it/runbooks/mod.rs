//! Whole procedures one after another, as the page of a runbook has them: what each leaves is what the next one finds.

mod application;
mod backend;
mod certificates;
mod config;
mod frontend;
mod nodes;
mod stop;

use crate::report::{Report, with};
use crate::room_notify::receiver::{Act, Receiver};
use crate::world::Shop;

/// Puts an endpoint into `windlass.toml`: where it leads, and a line for what is expected of it.
fn endpoint(shop: &Shop, name: &str, url: &str, expected: &str) {
    let config = shop.read("windlass.toml");
    let more = format!("\n[endpoint.{name}]\nurl = \"{url}\"\ntimeout = \"1s\"\n{expected}\n");
    shop.write("windlass.toml", &format!("{config}{more}"));
}

/// A program that answers each request with this JSON.
fn answering(body: &str) -> Receiver {
    let receiver = Receiver::start([]);
    receiver.always(Act::saying(200, body));
    receiver
}

/// Has controllers give up soon on what cannot run. What runs well may take longer than what does not is waited for.
fn hasty(shop: &Shop, deployment: &str) {
    let soon = r#"{"spec": {"progressDeadlineSeconds": 5}}"#;
    let patch = ["patch", deployment, "--type=merge", "--patch", soon];
    shop.namespace().kubectl(&patch);
}

fn roll_out(shop: &Shop, change: &[&str]) -> Report {
    let usual = ["name=web", "within=1min"];
    shop.run("k8s-rollout", &with(&usual, change))
}

/// Compares the services with the baseline; `baseline=true` keeps one.
fn verify(shop: &Shop, more: &[&str]) -> Report {
    let usual = ["within=30s", "every=100ms"];
    shop.run("service-verify", &with(&usual, more))
}

/// Calls it with each, all at once: most of each is waiting for controllers.
fn at_once<T: Copy + Send>(all: &[T], check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for one in all {
            let (one, check) = (*one, &check);
            scope.spawn(move || check(one));
        }
    });
}
