//! The API server is killed in the middle of a run, and comes back. What the run was about is done once, or was never begun.

use super::case::{Case, case};
use super::{changes, unmarked};
use crate::laws::{only_run, store};
use crate::world::{Running, Shop};
use serde_json::Value;
use windlass::journal::{Entry, Outcome, Stamped};

/// The last entry of this kind, if there is one, as a pause is told: see `src/main.rs`.
fn last(entries: &[Stamped], kind: &str) -> Option<String> {
    let same = entries
        .iter()
        .filter(|stamped| stamped.entry.kind() == kind);
    let count = same.count();
    (count > 0).then(|| format!("{kind}:{count}"))
}

/// What is wanted, but for the authority of the cluster itself.
fn end(shop: &Shop) -> Value {
    let mut all = unmarked(shop);
    let own = |object: &Value| object["metadata"]["name"] == "kube-root-ca.crt";
    all.as_array_mut().unwrap().retain(|object| !own(object));
    // Numbers of objects count that one too.
    for object in all.as_array_mut().unwrap() {
        object["metadata"]["uid"] = Value::Null;
    }
    all
}

/// A run whose server is killed after this entry, and stays away until `back` says so.
fn without_server(case: &Case, after: &str, back: impl FnOnce(&mut Shop, Running)) -> Shop {
    let mut shop = case.prepared(Shop::alone());
    let words = case.typed(&shop, "run");
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let paused = shop.start(&[("WINDLASS_TEST_PAUSE_AT", after)], &words);
    paused.until_paused();
    let cluster = shop.namespace_mut().cluster_mut();
    cluster.stop_api_server().unwrap();
    paused.go_on();
    back(&mut shop, paused);
    shop
}

fn start_server(shop: &mut Shop) {
    let cluster = shop.namespace_mut().cluster_mut();
    cluster.start_api_server().unwrap();
}

/// Everything is as after a run that nobody disturbed, and was done as often.
fn assert_done_once(shop: &Shop, undisturbed: &Shop) {
    assert_eq!(end(shop), end(undisturbed));
    assert_eq!(changes(shop), changes(undisturbed));
    let (run, state, _) = only_run(shop);
    assert_eq!(state.outcome(), Some(Outcome::Succeeded));
    let ends = |stamped: &Stamped| matches!(stamped.entry, Entry::End { .. });
    let entries = store(shop).entries(&run).unwrap();
    assert_eq!(entries.iter().filter(|stamped| ends(stamped)).count(), 1);
}

/// After the last effect, or the first look: it is waited for.
fn outlives_its_server(case: &Case) {
    let undisturbed = case.shop();
    case.run(&undisturbed, &[]).expect(0);
    let (_, _, entries) = only_run(&undisturbed);
    let after = last(&entries, "done").unwrap_or_else(|| "observed".to_owned());
    let shop = without_server(case, &after, |shop, run| {
        start_server(shop);
        run.wait().expect(0);
    });
    assert_done_once(&shop, &undisturbed);
}

/// Between what is about to be done and what was done: nobody knows, and whoever resumes the run asks.
fn asks_when_it_is_back(case: &Case) {
    let undisturbed = case.shop();
    case.run(&undisturbed, &[]).expect(0);
    let (_, _, entries) = only_run(&undisturbed);
    let intended = last(&entries, "intended").unwrap();
    let shop = without_server(case, &intended, |shop, run| {
        let ended = run.wait().expect(4);
        start_server(shop);
        let (run, ..) = only_run(shop);
        let hint = format!("windlass resume {}", run.0);
        assert!(ended.stdout.contains(&hint), "{ended}");
        shop.windlass(&["resume", &run.0]).expect(0);
    });
    assert_done_once(&shop, &undisturbed);
}

macro_rules! outlive {
    ($law:ident: $($procedure:ident)*) => {
        mod $law {
            $(#[test]
            fn $procedure() {
                super::$law(&super::case(&stringify!($procedure).replace('_', "-")));
            })*
        }
    };
}

outlive! { outlives_its_server: backup_job cert_renewal k8s_config maintenance_mode service_verify }
outlive! { asks_when_it_is_back: backup_job cert_renewal k8s_config maintenance_mode }
