//! Components that say in manifests and fields what they may not, on a real API server that tells what it was asked.

use crate::world::{Namespace, Shop};
use windlass::cli::hostile_component;
use xtask::kubernetes::{Options, User};

#[test]
fn manifests_are_refused_before_the_api_server_is_asked_anything() {
    let namespace = Namespace::alone(&Options::default().audit());
    let shop = Shop::on(namespace, User::Admin);
    let cluster = shop.namespace().cluster();
    for (case, why) in [
        (
            "cluster-manifests",
            "may not apply namespace windlass-hostile",
        ),
        ("cluster-fields", "may not set fields"),
    ] {
        let component = hostile_component(case).unwrap();
        std::fs::write(shop.path().join("hostile.wasm"), component).unwrap();
        let on_target = |verb| [verb, "./hostile.wasm", "--target", "staging"];
        let grant = [
            &on_target("grant")[..],
            &["--force", "--approved-by", "tester"],
        ]
        .concat();
        shop.windlass(&grant).expect(0);
        for verb in ["plan", "run"] {
            let mark = cluster.requests_length();
            let said = shop.windlass(&on_target(verb)).expect(3);
            let asked: Vec<_> = cluster
                .requests(mark)
                .into_iter()
                .filter(|request| !request.agent.starts_with("kube"))
                .map(|request| format!("{} {}", request.verb, request.uri))
                .collect();
            // Its version, and the lock of a run.
            let other = asked
                .iter()
                .find(|asked| !asked.contains("/leases") && !asked.ends_with(" /version"));
            assert_eq!(other, None, "{case}: {said}");
            assert!(said.all().contains(why), "{said}");
            assert!(!said.all().contains("let through"), "{said}");
        }
    }
    let left = ["get", "all,secrets,configmaps,roles", "--all-namespaces"];
    let left = shop.namespace().kubectl(&left);
    assert!(!left.contains("windlass-hostile"), "{left}");
}
