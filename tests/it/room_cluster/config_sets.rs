//! Apply-sets, beside `kubectl apply --prune --applyset`; and who takes from ConfigMaps.

use super::acts::failed;
use super::config::{seen, settings, undoing};
use super::{Bench, refused};
use crate::world::Namespace;
use serde_json::{Value, json};
use std::fs;
use windlass::call::{Confirmed, Reverted};
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{ObjectName, WorkloadName};
use xtask::kubernetes::User;

fn config_map(name: &str) -> Value {
    let mut manifest = settings(json!({"a": "1"}));
    manifest["metadata"]["name"] = json!(name);
    manifest
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
}

/// Declares the set `all`, and applies these as its members.
fn apply_all(bench: &Bench, kinds: &[&str], manifests: &[Value]) {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let set = bench.named("all");
    bench.act(&Change::Declare { set, kinds });
    for manifest in manifests {
        let mut manifest = manifest.clone();
        manifest["metadata"]["namespace"] = json!(bench.namespace.name());
        let set = Some("all".to_owned());
        bench.act(&Change::Apply { manifest, set });
    }
}

/// The same with kubectl.
fn kubectl_applies_all(bench: &Bench, manifests: &[Value]) -> crate::world::Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
    fs::write(file.path(), list.to_string()).unwrap();
    let mut command = bench.namespace.cluster().kubectl(User::Admin);
    command.args([
        "--namespace",
        bench.namespace.name(),
        "apply",
        "--server-side",
        "--prune",
    ]);
    command
        .args(["--applyset=configmap/all", "--filename"])
        .arg(file.path());
    command.env("KUBECTL_APPLYSET", "true");
    crate::world::Running::start(command).wait()
}

fn members(bench: &Bench) -> Vec<String> {
    let set = bench.named("all");
    let found: Vec<ObjectName> = bench.facts(Look::Members { set });
    let mut names: Vec<_> = found
        .into_iter()
        .map(|one| format!("{}/{}", one.kind, one.name))
        .collect();
    names.sort();
    names
}

/// The parent of the set but for which tool keeps it and for its own id.
fn parent(bench: &Bench) -> Value {
    let found = bench.namespace.object("configmap/all");
    found["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"].clone()
}

fn object(bench: &Bench, kind: &str, name: &str) -> ObjectName {
    ObjectName {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: Some(bench.namespace.name().into()),
        name: name.into(),
    }
}

fn prune(bench: &Bench, name: &str) -> Change {
    Change::Prune {
        object: object(bench, "ConfigMap", name),
        set: "all".into(),
    }
}

#[test]
fn a_set_has_the_members_that_it_has_for_kubectl() {
    let (theirs, ours) = (Bench::new(Namespace::new()), Bench::new(Namespace::new()));
    let all = [config_map("a"), config_map("b"), service()];
    kubectl_applies_all(&theirs, &all).expect(0);
    apply_all(&ours, &["ConfigMap", "Service"], &all);
    let names = ["ConfigMap/a", "ConfigMap/b", "Service/web"];
    assert_eq!(
        (members(&theirs), members(&ours)),
        (names.map(Into::into).into(), names.map(Into::into).into())
    );
    assert_eq!(parent(&ours), parent(&theirs));
    let label = |bench: &Bench| {
        let selector = "--selector=applyset.kubernetes.io/part-of";
        bench
            .namespace
            .kubectl(&["get", "configmap,service", selector, "--output=name"])
    };
    assert_eq!(label(&ours), label(&theirs));
    // Its id is the one that kubectl makes of the same name.
    let id = |bench: &Bench| {
        let found = bench.namespace.object("configmap/all");
        let own = found["metadata"]["labels"]["applyset.kubernetes.io/id"]
            .as_str()
            .unwrap()
            .to_owned();
        let set = windlass::cluster::manifest::set::id(&bench.named("all"));
        (own, set)
    };
    for bench in [&ours, &theirs] {
        let (own, set) = id(bench);
        assert_eq!(own, set);
    }
    // Each leaves the set of the other alone.
    let refused_theirs = kubectl_applies_all(&ours, &all[..1]);
    assert_ne!(refused_theirs.code, 0);
    assert!(
        refused_theirs.stderr.contains("tooling"),
        "{refused_theirs}"
    );
    let kinds = vec!["ConfigMap".to_owned()];
    let set = theirs.named("all");
    let why = refused(
        theirs.prepare(&Change::Declare { set, kinds }),
        ErrorKind::Conflict,
    );
    assert!(why.contains("is kept by `kubectl`"), "{why}");
    // What the manifests lack is gone for both.
    kubectl_applies_all(&theirs, &all[1..]).expect(0);
    ours.act(&prune(&ours, "a"));
    assert_eq!(members(&theirs), members(&ours));
}

#[test]
fn a_member_is_deleted_and_made_again_as_it_was() {
    let bench = Bench::new(Namespace::new());
    apply_all(&bench, &["ConfigMap"], &[config_map("a")]);
    let before = seen(&bench, "configmap/a");
    let change = prune(&bench, "a");
    bench.plan(&change).unwrap();
    let prepared = bench.prepare(&change).unwrap();
    assert!(
        undoing(&prepared).starts_with("make configmap "),
        "{}",
        undoing(&prepared)
    );
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::NotDone { .. }
    ));
    assert!(matches!(bench.undo(&prepared), Reverted::NothingToDo(_)));
    // What does not count may change in between.
    bench
        .namespace
        .kubectl(&["annotate", "configmap/a", "windlass.dev/effect-"]);
    bench.apply_as(2, &change, &prepared).unwrap();
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::Done(_)
    ));
    assert!(members(&bench).is_empty());
    let Reverted::Restored(told) = bench.undo(&prepared) else {
        panic!("it was not made again");
    };
    let mut after = seen(&bench, "configmap/a");
    assert!(
        told.contains(after["metadata"]["uid"].as_str().unwrap()),
        "{told}"
    );
    for other in ["uid", "creationTimestamp"] {
        after["metadata"][other] = before["metadata"][other].clone();
    }
    assert_eq!(after, before);
    assert_eq!(members(&bench), ["ConfigMap/a"]);
    assert!(matches!(bench.undo(&prepared), Reverted::NothingToDo(_)));
}

#[test]
fn what_is_no_member_and_what_takes_data_with_it_is_not_pruned() {
    let bench = Bench::new(Namespace::new());
    apply_all(&bench, &["ConfigMap"], &[config_map("a")]);
    bench.namespace.apply(&config_map("theirs").to_string());
    let why = refused(bench.prepare(&prune(&bench, "theirs")), ErrorKind::Denied);
    assert!(why.contains("is no member of the set all"), "{why}");
    let claim = Change::Prune {
        object: object(&bench, "PersistentVolumeClaim", "data"),
        set: "all".into(),
    };
    let why = refused(bench.prepare(&claim), ErrorKind::Denied);
    assert!(why.contains("never pruned"), "{why}");
    // It changed since it was looked at.
    let change = prune(&bench, "a");
    let prepared = bench.prepare(&change).unwrap();
    let patch = [
        "patch",
        "configmap/a",
        "--type=merge",
        "--patch",
        r#"{"data": {"a": "9"}}"#,
    ];
    bench.namespace.kubectl(&patch);
    failed(bench.apply_as(2, &change, &prepared), ErrorKind::Conflict);
    assert_eq!(members(&bench), ["ConfigMap/a"]);
}

#[test]
fn a_set_that_is_not_there_has_no_members_and_one_that_is_none_is_told() {
    let bench = Bench::new(Namespace::new());
    assert!(members(&bench).is_empty());
    bench.namespace.apply(&config_map("all").to_string());
    let set = bench.named("all");
    let why = refused(
        bench.read::<Value>(Look::Members { set }),
        ErrorKind::Conflict,
    );
    assert!(why.contains("is no parent of an apply-set"), "{why}");
    let set = bench.named("all");
    let kinds = Vec::new();
    refused(
        bench.prepare(&Change::Declare { set, kinds }),
        ErrorKind::Conflict,
    );
}

/// A kind whose definition was deleted has no members; all others are the set's as before.
#[test]
fn a_kind_that_the_server_forgot_has_no_members() {
    let bench = Bench::new(Namespace::new());
    let group = format!("{}.example", bench.namespace.name());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    let crd = format!("crd/widgets.{group}");
    bench.namespace.allow(&definition.to_string());
    bench
        .namespace
        .kubectl(&["wait", &crd, "--for=condition=Established", "--timeout=60s"]);
    let widget =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "w"}});
    let kind = format!("Widget.{group}");
    let path = format!("/apis/{group}/v1");
    let raw = |found: bool| {
        xtask::until(std::time::Duration::from_mins(1), || {
            let output = bench
                .namespace
                .kubectl_as(User::Admin, &["get", "--raw", &path]);
            ((output.code == 0) == found).then_some(())
        })
        .unwrap();
    };
    raw(true);
    apply_all(&bench, &["ConfigMap", &kind], &[config_map("a"), widget]);
    assert_eq!(members(&bench), ["ConfigMap/a", "Widget/w"]);
    bench.namespace.kubectl(&["delete", &crd]);
    raw(false);
    assert_eq!(members(&bench), ["ConfigMap/a"]);
    let kinds = vec!["ConfigMap".to_owned()];
    let set = bench.named("all");
    let change = Change::Declare { set, kinds };
    let planned = bench.plan(&change).unwrap();
    let told = planned.details.join("\n");
    assert!(
        told.contains(&format!("does not know {kind} any more")),
        "{told}"
    );
    let prepared = bench.prepare(&change).unwrap();
    bench.apply_as(4, &change, &prepared).unwrap();
    assert_eq!(parent(&bench), "ConfigMap");
}

/// What a pod or a kept revision takes from stays until nothing does.
#[test]
fn what_is_still_taken_from_is_not_pruned() {
    let bench = Bench::new(Namespace::new());
    apply_all(&bench, &["ConfigMap"], &[config_map("a"), config_map("b")]);
    let pod = |name: &str, spec: &Value| {
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        bench.namespace.apply(&pod.to_string());
    };
    let volume = json!({"projected": {"sources": [{"configMap": {"name": "a"}}]}});
    pod(
        "reader",
        &json!({"containers": [{"name": "c", "image": "a:1"}], "volumes": [{"name": "v", "projected": volume["projected"]}]}),
    );
    let why = refused(bench.prepare(&prune(&bench, "a")), ErrorKind::Conflict);
    assert!(why.contains("Pod reader takes from it"), "{why}");
    let planned = bench.plan(&prune(&bench, "a")).unwrap();
    assert_eq!(planned.details, ["Pod reader takes from it"]);
    bench.prepare(&prune(&bench, "b")).unwrap();
    bench
        .namespace
        .kubectl(&["delete", "pod", "reader", "--grace-period=0", "--force"]);
    bench.namespace.until("pod/reader", "delete");
    bench.prepare(&prune(&bench, "a")).unwrap();
}

#[test]
fn consumers_are_those_whose_pods_take_something() {
    let web = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 0\n  \
             selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {spec}\n"
        )
    };
    let all = [
        web(
            "a",
            "{containers: [{name: c, image: 'a:1', envFrom: [{configMapRef: {name: settings}}]}]}",
        ),
        web(
            "b",
            "{containers: [{name: c, image: 'a:1'}], volumes: [{name: v, configMap: {name: settings}}]}",
        ),
        web(
            "c",
            "{containers: [{name: c, image: 'a:1', envFrom: [{configMapRef: {name: other}}]}]}",
        ),
    ];
    let bench = Bench::having(&all.concat());
    let found: Vec<WorkloadName> = bench.facts(Look::Consumers {
        namespace: bench.namespace.name().into(),
        config_maps: vec!["settings".into()],
    });
    let names: Vec<_> = found.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["a", "b"]);
}
