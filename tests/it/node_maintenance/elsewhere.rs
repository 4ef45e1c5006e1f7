//! Other hands on the lease of a run, and a server that goes away in the middle of it.

use super::{fleet, is_cordoned, only_run, reboot, start, two};
use crate::world::Shop;
use std::time::Duration;
use xtask::kubernetes::{Options, User};

const LONG: Duration = Duration::from_mins(1);

fn write_lease(shop: &Shop, spec: &str) {
    let patch = format!("{{\"spec\": {{{spec}}}}}");
    let words = ["patch", "lease/windlass", "--type=merge", "--patch", &patch];
    shop.namespace().kubectl(&words);
}

/// Until the run has looked at its lease: it does so only where another hand wrote it.
fn until_looked(shop: &Shop, mark: u64) {
    let cluster = shop.namespace().cluster();
    let lease = format!("namespaces/{}/leases/windlass", shop.namespace().name());
    let looked = || {
        let asked = cluster.requests(mark);
        let mut looks = asked
            .iter()
            .filter(|request| request.verb == "get" && request.uri.contains(&lease))
            .filter(|request| !request.agent.starts_with("kubectl"));
        looks.next().map(drop)
    };
    xtask::until(LONG, looked).unwrap();
}

#[test]
fn a_run_whose_lease_another_hand_took_changes_nothing_more() {
    let shop = fleet(2);
    let [first, second] = two(&shop);
    let mut running = start(&shop, "run", &[]);
    running.until_said(&format!("{first} can be maintained now"));
    let mark = shop.namespace().cluster().requests_length();
    write_lease(&shop, "\"holderIdentity\": \"somebody\"");
    until_looked(&shop, mark);
    reboot(&shop, &first, "again");
    let mut renewed = 0;
    while running.is_at_work() {
        renewed += 1;
        write_lease(&shop, &format!("\"leaseTransitions\": {renewed}"));
    }
    let output = running.wait().expect(4).all();
    let output: Vec<_> = output.split_whitespace().collect();
    let output = output.join(" ");
    for words in ["the lock on `staging` was lost", "somebody holds the lease"] {
        assert!(output.contains(words), "{words}: {output}");
    }
    assert!(is_cordoned(&shop, &first) && !is_cordoned(&shop, &second));

    write_lease(&shop, "\"holderIdentity\": \"\"");
    shop.windlass(&["undo", &only_run(&shop)]).expect(3);
    assert!(!is_cordoned(&shop, &first));
}

#[test]
fn a_server_that_is_killed_while_a_node_is_out_is_waited_for() {
    let alone = crate::world::Namespace::alone(&Options::default().nodes(2));
    let mut shop = Shop::on(alone, User::Admin).granting("node-maintenance");
    let words = ["run", "node-maintenance", "--target", "staging", "--set"];
    let words = [&words[..], &["nodes=node-1", "--set", "within=1min"]].concat();
    let running = shop.start(&[], &words);
    running.until_said("node-1 can be maintained now");
    let cluster = shop.namespace_mut().cluster_mut();
    cluster.stop_api_server().unwrap();
    cluster.start_api_server().unwrap();
    assert!(is_cordoned(&shop, "node-1"));
    reboot(&shop, "node-1", "again");
    let output = running.wait().expect(0);
    assert!(output.all().contains("1 node maintained"), "{output}");
    assert!(!is_cordoned(&shop, "node-1"));
}
