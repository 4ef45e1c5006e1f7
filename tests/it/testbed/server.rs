//! The API server: what it lets whom do, what it records, and that it can be lost.

use super::{deployment, run};
use crate::world::Namespace;
use std::fs;
use std::path::Path;
use std::time::Duration;
use xtask::kubernetes::{Options, User};
use xtask::until;

/// Nothing here takes longer.
const DEADLINE: Duration = Duration::from_mins(1);

const MAY_LOOK: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: looks}
rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: looks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: looks}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: windlass}]
";

/// Processes whose command line names this folder.
fn processes_in(home: &Path) -> Vec<String> {
    let home = home.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    // A process may end while we look.
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(home))
        .collect()
}

#[test]
fn windlass_may_do_nothing_until_it_is_let() {
    let namespace = Namespace::new();
    run(&namespace, "pod", "shop:1.0", "");
    let (get, delete) = (["get", "pod/pod", "--output=name"], ["delete", "pod/pod"]);
    let refused = namespace.kubectl_as(User::Windlass, &get).expect(1);
    assert!(refused.stderr.contains("Forbidden"), "{refused}");

    namespace.apply(MAY_LOOK);
    // A role holds a moment after it was written.
    let seen = until(DEADLINE, || {
        let seen = namespace.kubectl_as(User::Windlass, &get);
        (seen.code == 0).then_some(seen.stdout)
    });
    assert_eq!(seen.as_deref(), Some("pod/pod\n"));
    let refused = namespace.kubectl_as(User::Windlass, &delete).expect(1);
    assert!(refused.stderr.contains("Forbidden"), "{refused}");
}

#[test]
fn an_api_server_is_lost_and_found_and_then_nothing_is_left() {
    let mut namespace = Namespace::alone(&Options::default().nodes(1).audit());
    namespace.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]);
    let mark = namespace.cluster().requests_length();
    namespace
        .kubectl_as(User::Windlass, &["get", "configmap/kept"])
        .expect(1);
    let requests = namespace.cluster().requests(mark);
    let ours = requests.iter().filter(|request| request.user == "windlass");
    let ours: Vec<_> = ours
        .map(|request| (request.verb.as_str(), request.uri.as_str()))
        .collect();
    let uri = format!("/api/v1/namespaces/{}/configmaps/kept", namespace.name());
    assert_eq!(ours.last(), Some(&("get", uri.as_str())), "{requests:#?}");

    namespace.cluster_mut().stop_api_server().unwrap();
    let lost = namespace
        .kubectl_as(User::Admin, &["get", "configmap/kept"])
        .expect(1);
    assert!(lost.stderr.contains("refused"), "{lost}");
    namespace.cluster_mut().start_api_server().unwrap();
    assert_eq!(namespace.object("configmap/kept")["data"]["a"], "b");
    namespace.apply(&deployment("shop:1.0", 2));
    namespace.until_rolled_out("deployment/shop");

    let home = namespace.cluster().home().to_path_buf();
    assert!(processes_in(&home).len() >= 5);
    drop(namespace);
    assert!(!home.exists());
    // Its watchdogs may just be ending.
    let gone = until(DEADLINE, || processes_in(&home).is_empty().then_some(()));
    assert!(gone.is_some(), "{:#?}", processes_in(&home));
}
