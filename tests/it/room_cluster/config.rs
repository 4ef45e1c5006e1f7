//! Manifests applied, beside `kubectl apply --server-side`.

use super::acts::{bare, failed};
use super::config_fields::edits;
use super::{Bench, effect, refused};
use crate::world::Namespace;
use serde_json::{Value, json};
use windlass::call::{Confirmed, Prepared, Reverted, Undo};
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_config::Applied;

/// A manifest for the bench's namespace.
pub(super) fn apply(bench: &Bench, mut manifest: Value) -> Change {
    manifest["metadata"]["namespace"] = json!(bench.namespace.name());
    Change::Apply {
        manifest,
        set: None,
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is read where it is written"
)]
pub(super) fn settings(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data})
}

fn deployment(image: &str) -> Value {
    let labels = json!({"app": "web"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{
                "name": "app", "image": image, "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1000m"}},
            }]}},
        },
    })
}

fn answer(value: Value) -> Applied {
    serde_json::from_value(value).unwrap()
}

/// An object as its author sees it: without the mark, without what counts, without how far it is.
pub(super) fn seen(bench: &Bench, name: &str) -> Value {
    let mut object = bare(bench.namespace.object(name));
    let metadata = object["metadata"].as_object_mut().unwrap();
    if let Some(annotations) = metadata.get_mut("annotations") {
        let annotations = annotations.as_object_mut().unwrap();
        annotations.remove("windlass.dev/effect");
        annotations.remove("deployment.kubernetes.io/revision");
    }
    if metadata.get("annotations") == Some(&json!({})) {
        metadata.remove("annotations");
    }
    object.as_object_mut().unwrap().remove("status");
    object
}

/// The same, whichever one it is.
fn alike(bench: &Bench, name: &str) -> Value {
    let mut object = seen(bench, name);
    for own in ["uid", "creationTimestamp", "namespace"] {
        object["metadata"].as_object_mut().unwrap().remove(own);
    }
    object
}

#[test]
fn an_object_is_what_kubectl_makes_of_the_same_manifest() {
    let (theirs, ours) = (Bench::having(""), Bench::having(""));
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    let all = [
        ("configmap/settings", settings(json!({"a": "1"}))),
        ("service/web", service),
        ("deployment/web", deployment("shop:1")),
        // Changed, with a field left out.
        ("configmap/settings", settings(json!({"b": "2"}))),
        ("deployment/web", deployment("shop:2")),
    ];
    for (name, manifest) in all {
        theirs.namespace.apply(&manifest.to_string());
        ours.act(&apply(&ours, manifest));
        assert_eq!(alike(&ours, name), alike(&theirs, name), "{name}");
    }
}

#[test]
fn an_object_is_made_changed_and_left_alone() {
    let bench = Bench::new(Namespace::new());
    let change = |data| apply(&bench, settings(data));
    let (made, _) = bench.act(&change(json!({"a": "1"})));
    assert_eq!(answer(made.answer), Applied::Created);
    let (changed, prepared) = bench.act(&change(json!({"a": "2", "b": "1"})));
    assert_eq!(answer(changed.answer), Applied::Changed);
    assert_eq!(prepared.details, ["data.a: 1 → 2", "data.b: – → 1"]);
    let mark = bench.namespace.cluster().requests_length();
    let (unchanged, _) = bench.act(&change(json!({"a": "2", "b": "1"})));
    assert_eq!(answer(unchanged.answer), Applied::Unchanged);
    // Nothing was written: one look and one rehearsal.
    assert_eq!(bench.requests(mark), ["get", "patch"]);
}

#[test]
fn a_plan_changes_nothing_and_tells_each_field() {
    let bench = Bench::new(Namespace::new());
    let change = apply(&bench, settings(json!({"a": "1"})));
    let planned = bench.plan(&change).unwrap();
    assert_eq!(answer(planned.foreseen), Applied::Created);
    let found = bench
        .namespace
        .kubectl(&["get", "configmap", "--output=name"]);
    assert!(!found.contains("settings"), "{found}");
    let look = Look::Compare {
        manifest: apply_manifest(&change),
        set: None,
    };
    assert_eq!(bench.facts::<Vec<String>>(look), ["it is not there"]);
    bench.act(&change);
    let other = apply(&bench, settings(json!({"a": "2"})));
    let look = Look::Compare {
        manifest: apply_manifest(&other),
        set: None,
    };
    assert_eq!(bench.facts::<Vec<String>>(look), ["data.a: 1 → 2"]);
    assert_eq!(bench.plan(&other).unwrap().details, ["data.a: 1 → 2"]);
    assert_eq!(
        bench.namespace.object("configmap/settings")["data"]["a"],
        "1"
    );
}

fn apply_manifest(change: &Change) -> Value {
    let Change::Apply { manifest, .. } = change else {
        panic!("{change:?} has no manifest");
    };
    manifest.clone()
}

#[test]
fn what_was_made_is_deleted_and_what_was_changed_is_restored_exactly() {
    let bench = Bench::new(Namespace::new());
    let make = apply(&bench, deployment("shop:1"));
    let (_, first) = bench.act(&make);
    let before = seen(&bench, "deployment/web");
    let mut other = deployment("shop:2");
    let spec = &mut other["spec"]["template"]["spec"];
    spec["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "log", "image": "log:1"}));
    spec["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    other["metadata"]["annotations"] = json!({"team.example/note": "x"});
    let change = apply(&bench, other);
    let prepared = bench.prepare(&change).unwrap();
    bench.apply_as(2, &change, &prepared).unwrap();
    assert_ne!(seen(&bench, "deployment/web"), before);
    assert!(matches!(bench.undo_as(2, &prepared), Reverted::Restored(_)));
    assert_eq!(seen(&bench, "deployment/web"), before);
    assert!(matches!(
        bench.undo_as(2, &prepared),
        Reverted::NothingToDo(_)
    ));
    // What was taken back is ours, though the server knows it under another name: applying it once more is no conflict.
    let again = bench.prepare(&change).unwrap();
    bench.apply_as(3, &change, &again).unwrap();
    bench.undo_as(3, &again);
    // What came after gave the mark of what made it back, so it is known whose it is.
    assert!(matches!(bench.undo(&first), Reverted::Restored(_)));
}

#[test]
fn what_was_made_is_gone_after_it_was_taken_back() {
    let bench = Bench::new(Namespace::new());
    let change = apply(&bench, settings(json!({"a": "1"})));
    let (_, made) = bench.act(&change);
    assert!(matches!(bench.undo(&made), Reverted::Restored(_)));
    assert!(matches!(bench.undo(&made), Reverted::NothingToDo(_)));
    let (_, made) = bench.act(&change);
    let patch = [
        "patch",
        "configmap/settings",
        "--type=merge",
        "--patch",
        r#"{"data": {"a": "9"}}"#,
    ];
    bench.namespace.kubectl(&patch);
    assert!(matches!(bench.undo(&made), Reverted::LeftAlone(_)));
    assert_eq!(
        bench.namespace.object("configmap/settings")["data"]["a"],
        "9"
    );
}

#[test]
fn what_another_manager_writes_is_a_conflict_that_names_it() {
    let bench = Bench::new(Namespace::new());
    bench
        .namespace
        .apply(&settings(json!({"a": "1", "b": "1"})).to_string());
    let change = apply(&bench, settings(json!({"a": "2", "c": "1"})));
    let why = refused(bench.prepare(&change), ErrorKind::Conflict);
    assert!(why.contains("kubectl writes .data.a;"), "{why}");
    // The same value may have two writers, and what is not said is not taken away.
    bench.act(&apply(&bench, settings(json!({"a": "1", "c": "1"}))));
    let data = &bench.namespace.object("configmap/settings")["data"];
    assert_eq!(*data, json!({"a": "1", "b": "1", "c": "1"}));
    // Between looking and changing another hand takes a field.
    let change = apply(&bench, settings(json!({"a": "1", "c": "2"})));
    let prepared = bench.prepare(&change).unwrap();
    let theirs = settings(json!({"a": "1", "b": "1", "c": "9"})).to_string();
    bench.namespace.apply_forced(&theirs);
    let why = failed(bench.apply_as(1, &change, &prepared), ErrorKind::Conflict);
    assert!(
        why.contains("another hand") || why.contains("kubectl writes"),
        "{why}"
    );
    assert_eq!(
        bench.namespace.object("configmap/settings")["data"]["c"],
        "9"
    );
}

#[test]
fn another_change_in_between_does_not_matter_unless_it_is_of_the_same_fields() {
    let bench = Bench::new(Namespace::new());
    bench.act(&apply(&bench, settings(json!({"a": "1"}))));
    let change = apply(&bench, settings(json!({"a": "2"})));
    let prepared = bench.prepare(&change).unwrap();
    bench
        .namespace
        .kubectl(&["label", "configmap/settings", "team=x"]);
    bench.apply_as(2, &change, &prepared).unwrap();
    let found = bench.namespace.object("configmap/settings");
    assert_eq!(
        (&found["data"]["a"], &found["metadata"]["labels"]["team"]),
        (&json!("2"), &json!("x"))
    );
    // What we wrote by a patch we write over; what came since is not ours.
    bench.act(&set_data(&bench, "a", "3"));
    let change = apply(&bench, settings(json!({"a": "4"})));
    let prepared = bench.prepare(&change).unwrap();
    let patch = r#"{"data": {"a": "9"}}"#;
    bench
        .namespace
        .kubectl(&["patch", "configmap/settings", "--patch", patch]);
    failed(bench.apply_as(3, &change, &prepared), ErrorKind::Conflict);
    let found = bench.namespace.object("configmap/settings");
    assert_eq!(found["data"]["a"], "9");
}

fn set_data(bench: &Bench, key: &str, value: &str) -> Change {
    let path = format!("data.{key}");
    let all = [(path.as_str(), Some(json!(value)))];
    edits(bench, "v1", "ConfigMap", "settings", &all)
}

#[test]
fn one_that_another_hand_makes_meanwhile_stays_as_it_is() {
    let bench = Bench::new(Namespace::new());
    let change = apply(&bench, settings(json!({"a": "1"})));
    let prepared = bench.prepare(&change).unwrap();
    bench
        .namespace
        .apply(&settings(json!({"b": "1"})).to_string());
    let theirs = seen(&bench, "configmap/settings");
    let why = failed(bench.apply_as(1, &change, &prepared), ErrorKind::Conflict);
    assert!(why.contains("was made by another hand"), "{why}");
    assert_eq!(seen(&bench, "configmap/settings"), theirs);
}

#[test]
fn after_a_crash_the_mark_tells() {
    let bench = Bench::new(Namespace::new());
    let make = apply(&bench, settings(json!({"a": "1"})));
    let prepared = bench.prepare(&make).unwrap();
    assert!(matches!(
        bench.confirm(&make, &prepared),
        Confirmed::NotDone { .. }
    ));
    bench.apply_as(1, &make, &prepared).unwrap();
    assert!(matches!(
        bench.confirm(&make, &prepared),
        Confirmed::Done(_)
    ));
    let change = apply(&bench, settings(json!({"a": "2"})));
    let prepared = bench.prepare(&change).unwrap();
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::NotDone { .. }
    ));
    bench.apply_as(1, &change, &prepared).unwrap();
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::Done(_)
    ));
    bench.namespace.kubectl(&["delete", "configmap/settings"]);
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::CannotTell(_)
    ));
}

#[test]
fn what_gives_a_pod_more_than_its_own_is_refused_before_anything_is_asked() {
    let bench = Bench::new(Namespace::new());
    let mark = bench.namespace.cluster().requests_length();
    let with = |path: &str, value: Value| {
        let mut manifest = deployment("shop:1");
        *manifest.pointer_mut("/spec/template/spec").unwrap() = json!({path: value});
        bench.prepare(&apply(&bench, manifest))
    };
    let container =
        |context: Value| json!([{"name": "app", "image": "a:1", "securityContext": context}]);
    for (path, value) in [
        ("containers", container(json!({"privileged": true}))),
        (
            "containers",
            container(json!({"capabilities": {"add": ["SYS_ADMIN"]}})),
        ),
        ("hostNetwork", json!(true)),
        ("volumes", json!([{"name": "a", "hostPath": {"path": "/"}}])),
    ] {
        let why = refused(with(path, value), ErrorKind::Denied);
        assert!(
            why.contains(&format!("`spec.template.spec.{path}")),
            "{why}"
        );
    }
    let mut owned = settings(json!({}));
    owned["metadata"]["ownerReferences"] = json!([]);
    refused(bench.prepare(&apply(&bench, owned)), ErrorKind::Denied);
    for (version, kind) in [
        ("v1", "Secret"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("coordination.k8s.io/v1", "Lease"),
    ] {
        let manifest = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
        refused(bench.prepare(&apply(&bench, manifest)), ErrorKind::Denied);
    }
    for name in ["a?force=true", "../x", "a/status"] {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        refused(bench.prepare(&apply(&bench, manifest)), ErrorKind::Invalid);
    }
    assert!(bench.requests(mark).is_empty());
}

#[test]
fn kinds_are_those_that_the_server_knows_where_it_has_them() {
    let bench = Bench::new(Namespace::new());
    let of = |version: &str, kind: &str| {
        let manifest = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
        bench.prepare(&apply(&bench, manifest))
    };
    for (version, kind) in [
        ("v1", "Unicorn"),
        ("apps/v9", "Deployment"),
        ("x.example/v1", "Thing"),
    ] {
        let why = refused(of(version, kind), ErrorKind::NotFound);
        assert!(why.contains("has no kind"), "{why}");
    }
    let why = refused(of("v1", "Namespace"), ErrorKind::Invalid);
    assert!(why.contains("are in no namespace"), "{why}");
    refused(of("v1", "Binding"), ErrorKind::Invalid);
    let issuer =
        json!({"secretName": "tls", "issuerRef": {"name": "own"}, "dnsNames": ["a.example"]});
    let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "tls"}, "spec": issuer});
    let (made, prepared) = bench.act(&apply(&bench, certificate));
    assert_eq!(answer(made.answer), Applied::Created);
    assert!(matches!(prepared.undo, Undo::By(_)));
    // A field that the kind does not have.
    let mut wrong = settings(json!({}));
    wrong["dat"] = json!({});
    refused(bench.prepare(&apply(&bench, wrong)), ErrorKind::Invalid);
}

#[test]
fn who_may_not_is_told_so_in_the_servers_words() {
    let bench = Bench::without_rights();
    let change = apply(&bench, settings(json!({"a": "1"})));
    let why = refused(bench.prepare(&change), ErrorKind::Denied);
    assert!(why.contains("cannot get resource \"configmaps\""), "{why}");
    bench.allow("get", "configmaps");
    let why = refused(bench.prepare(&change), ErrorKind::Denied);
    assert!(
        why.contains("cannot patch resource \"configmaps\""),
        "{why}"
    );
}

#[test]
fn a_grant_covers_each_object_by_its_kind_and_its_name() {
    let mut bench = Bench::new(Namespace::new());
    let may = |bench: &Bench, manifest: Value| {
        let effect = windlass::call::Effect::Cluster(effect(&apply(bench, manifest)));
        bench.effective().refuses_effect(&effect).is_none()
    };
    assert!(may(&bench, settings(json!({}))) && may(&bench, deployment("a:1")));
    bench.narrow(&json!({"kinds": ["v1/ConfigMap"], "names": ["settings"]}));
    assert!(may(&bench, settings(json!({}))));
    assert!(!may(&bench, deployment("a:1")));
    let mut other = settings(json!({}));
    other["metadata"]["name"] = json!("other");
    assert!(!may(&bench, other));
    bench.narrow(&json!({}));
    let mut account = deployment("a:1");
    account["spec"]["template"]["spec"]["serviceAccountName"] = json!("runner");
    assert!(!may(&bench, account.clone()));
    // Nor is it rehearsed for whoever only wants to see what would differ.
    let look = Look::Compare {
        manifest: apply_manifest(&apply(&bench, account.clone())),
        set: None,
    };
    let compares = |bench: &Bench| {
        let read = windlass::call::Read::Cluster(windlass::cluster::Read {
            cluster: super::CLUSTER.into(),
            look: look.clone(),
        });
        bench.effective().refuses_read(&read).is_none()
    };
    assert!(!compares(&bench));
    bench.narrow(&json!({"service-accounts": ["runner"]}));
    assert!(may(&bench, account.clone()) && compares(&bench));
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "a"}});
    assert!(!may(&bench, hook));
}

/// What undoing this would do.
pub(super) fn undoing(prepared: &Prepared) -> String {
    prepared.undo.to_string()
}
