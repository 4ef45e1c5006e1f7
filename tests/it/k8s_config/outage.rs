//! A server that goes away after something was applied: what became of it is asked of the server when it is back.

use super::settings;
use crate::world::{Act, Relay, Shop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use windlass::journal::{RunId, Store};

/// A cluster of its own with a grant, and settings to apply.
fn shop() -> Shop {
    let shop = Shop::alone().granting("k8s-config");
    shop.write("settings.yaml", &settings("a"));
    shop
}

fn words(shop: &Shop) -> Vec<String> {
    let namespace = format!("namespace={}", shop.namespace().name());
    let words = [
        "run",
        "k8s-config",
        "--target",
        "staging",
        "--set",
        &namespace,
        "--set",
        "manifests=@settings.yaml",
    ];
    words.map(str::to_owned).to_vec()
}

fn only_run(shop: &Shop) -> RunId {
    let store = Store::open_read_only(&shop.state()).unwrap();
    let mut runs = store.runs().unwrap();
    assert_eq!(runs.len(), 1);
    runs.remove(0).0
}

fn run(shop: &Shop, faults: &[(&str, &str)]) -> crate::world::Output {
    let words = words(shop);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    shop.windlass_with(faults, &words)
}

fn restart_server(shop: &mut Shop) {
    let cluster = shop.namespace_mut().cluster_mut();
    cluster.stop_api_server().unwrap();
    cluster.start_api_server().unwrap();
}

#[test]
fn one_that_was_done_unheard_is_not_done_again() {
    let mut shop = shop();
    let is_down = Arc::new(AtomicBool::new(false));
    let relay = {
        let is_down = Arc::clone(&is_down);
        Relay::to(shop.namespace(), move |line| {
            let applies = line.starts_with("PATCH") && line.contains("/configmaps/settings?");
            if applies && !line.contains("dryRun=All") {
                is_down.store(true, Ordering::SeqCst);
            }
            if is_down.load(Ordering::SeqCst) {
                return Act::LoseAnswer;
            }
            Act::Pass
        })
    };
    shop.write("relayed.json", &relay.kubeconfig().to_string());
    let config = shop.read("windlass.toml");
    let (before, after) = config.split_once("file = \"").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    shop.write(
        "windlass.toml",
        &format!("{before}file = \"relayed.json\"{after}"),
    );
    run(&shop, &[]).expect(4);
    let made = shop.namespace().object("configmap/settings");
    restart_server(&mut shop);
    is_down.store(false, Ordering::SeqCst);
    let run = only_run(&shop);
    let mark = &made["metadata"]["annotations"]["windlass.dev/effect"];
    assert_eq!(*mark, format!("{}/2", run.0));
    let applied = relay.count("Strict HTTP");
    shop.windlass(&["resume", &run.0]).expect(0);
    assert_eq!(shop.namespace().object("configmap/settings"), made);
    assert_eq!(relay.count("Strict HTTP"), applied);
}
