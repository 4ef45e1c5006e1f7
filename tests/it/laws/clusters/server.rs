//! The API server is killed in the middle of a run, and comes back. What the run was about is done once, or was never begun.

use super::case::{Case, case};
use super::{changes, only_run, store, unmarked};
use crate::world::Shop;
use serde_json::Value;
use windlass::journal::{Entry, Outcome, Stamped};

/// The number of the entry after which the server is killed: the end of the last effect, else the first look.
fn moment(entries: &[Stamped]) -> usize {
    let is_done = |stamped: &Stamped| matches!(stamped.entry, Entry::Done { .. });
    let is_look = |stamped: &Stamped| matches!(stamped.entry, Entry::Observed { .. });
    let done = entries.iter().rposition(is_done);
    done.or_else(|| entries.iter().position(is_look)).unwrap() + 1
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

fn outlives_its_server(case: Case) {
    let undisturbed = case.shop();
    case.run(&undisturbed, &[]).expect(0);
    let (_, _, entries) = only_run(&undisturbed);
    let mut shop = case.prepared(Shop::alone());
    let words = case.typed(&shop, "run");
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let at = moment(&entries).to_string();
    let paused = shop.start(&[("WINDLASS_TEST_PAUSE_AT", &at)], &words);
    paused.until_paused();
    let cluster = shop.namespace_mut().cluster_mut();
    cluster.stop_api_server().unwrap();
    paused.go_on();
    let cluster = shop.namespace_mut().cluster_mut();
    cluster.start_api_server().unwrap();
    paused.wait().expect(0);
    assert_eq!(end(&shop), end(&undisturbed));
    assert_eq!(changes(&shop), changes(&undisturbed));
    let (run, state, _) = only_run(&shop);
    assert_eq!(state.outcome(), Some(Outcome::Succeeded));
    let ends = |stamped: &Stamped| matches!(stamped.entry, Entry::End { .. });
    let entries = store(&shop).entries(&run).unwrap();
    assert_eq!(entries.iter().filter(|stamped| ends(stamped)).count(), 1);
}

macro_rules! outlive {
    ($($procedure:ident)*) => {
        $(#[test]
        fn $procedure() {
            outlives_its_server(case(&stringify!($procedure).replace('_', "-")));
        })*
    };
}

outlive! { backup_job cert_renewal k8s_config maintenance_mode service_verify }
