//! Single fields of objects, set within what a grant covers.

use super::acts::failed;
use super::config::{seen, settings};
use super::{Bench, effect, refused};
use crate::world::Namespace;
use serde_json::{Value, json};
use windlass::call::{Prepared, Reverted};
use windlass::cluster::call::Change;
use windlass::contract::ErrorKind;
use windlass::contract::cluster_config::{Applied, FieldEdit};
use windlass::contract::cluster_types::ObjectName;

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'shop:1'}, {name: log, image: 'log:1'}]}
";

/// A patch of these fields of an object.
pub(super) fn edits(
    bench: &Bench,
    version: &str,
    kind: &str,
    name: &str,
    all: &[(&str, Option<Value>)],
) -> Change {
    let edit = |(path, value): &(&str, Option<Value>)| FieldEdit {
        path: (*path).into(),
        value: value.as_ref().map(Value::to_string),
    };
    Change::Patch {
        object: ObjectName {
            api_version: version.into(),
            kind: kind.into(),
            namespace: Some(bench.namespace.name().into()),
            name: name.into(),
        },
        changes: all.iter().map(edit).collect(),
    }
}

fn of_web(bench: &Bench, all: &[(&str, Option<Value>)]) -> Change {
    edits(bench, "apps/v1", "Deployment", "web", all)
}

#[test]
fn fields_are_set_and_restored_exactly() {
    let bench = Bench::having(WEB);
    let before = seen(&bench, "deployment/web");
    let limits = json!({"limits": {"memory": "64Mi"}});
    let change = of_web(
        &bench,
        &[
            (
                "spec.template.spec.containers[app].resources",
                Some(limits.clone()),
            ),
            ("metadata.labels[team]", Some(json!("x"))),
            ("spec.replicas", Some(json!(2))),
        ],
    );
    let (_, prepared) = bench.act(&change);
    let web = bench.namespace.object("deployment/web");
    assert_eq!(
        web["spec"]["template"]["spec"]["containers"][0]["resources"],
        limits
    );
    assert_eq!(
        (&web["spec"]["replicas"], &web["metadata"]["labels"]["team"]),
        (&json!(2), &json!("x"))
    );
    assert!(matches!(bench.undo(&prepared), Reverted::Restored(_)));
    assert_eq!(seen(&bench, "deployment/web"), before);
}

/// The server has its own writing of what it is asked for, and adds what it takes for granted.
#[test]
fn what_is_stored_is_taken_back_whatever_was_asked_for() {
    let bench = Bench::having(WEB);
    bench.namespace.apply(
        "
apiVersion: v1
kind: ResourceQuota
metadata: {name: most}
spec: {hard: {pods: 5}}
",
    );
    let container = "spec.template.spec.containers[app]";
    let limit = |name: &str| format!("{container}.resources.limits.{name}");
    let deployment = ("apps/v1", "Deployment", "web");
    let quota = ("v1", "ResourceQuota", "most");
    for ((version, kind, name), path, asked) in [
        (deployment, limit("cpu"), json!("0.5")),
        (deployment, limit("cpu"), json!(2)),
        (deployment, limit("memory"), json!("1024Mi")),
        (
            deployment,
            "spec.strategy".into(),
            json!({"type": "Recreate"}),
        ),
        (quota, "spec.hard.pods".into(), json!(10)),
        (quota, "spec.hard[limits.cpu]".into(), json!("1000m")),
    ] {
        let object = format!("{}/{name}", kind.to_lowercase());
        let before = seen(&bench, &object);
        let change = edits(&bench, version, kind, name, &[(&path, Some(asked))]);
        let (_, prepared) = bench.act(&change);
        assert_ne!(seen(&bench, &object), before, "{path}");
        let again = bench.prepare(&change).unwrap();
        assert_eq!(again.foreseen, json!(Applied::Unchanged), "{path}");
        let undone = bench.undo(&prepared);
        assert!(
            matches!(undone, Reverted::Restored(_)),
            "{path}: {undone:?}"
        );
        assert_eq!(seen(&bench, &object), before, "{path}");
    }
}

#[test]
fn a_change_of_another_field_in_between_is_kept_and_one_of_the_same_is_a_conflict() {
    let bench = Bench::having(WEB);
    let change = of_web(&bench, &[("spec.replicas", Some(json!(2)))]);
    let prepared = bench.prepare(&change).unwrap();
    bench
        .namespace
        .kubectl(&["annotate", "deployment/web", "team.example/note=x"]);
    bench.apply_as(1, &change, &prepared).unwrap();
    let web = bench.namespace.object("deployment/web");
    assert_eq!(web["spec"]["replicas"], 2);
    assert_eq!(web["metadata"]["annotations"]["team.example/note"], "x");
    let change = of_web(&bench, &[("spec.replicas", Some(json!(3)))]);
    let prepared = bench.prepare(&change).unwrap();
    bench
        .namespace
        .kubectl(&["scale", "deployment/web", "--replicas=5"]);
    let why = failed(bench.apply_as(2, &change, &prepared), ErrorKind::Conflict);
    assert!(why.contains("changed by another hand"), "{why}");
    assert_eq!(
        bench.namespace.object("deployment/web")["spec"]["replicas"],
        5
    );
}

#[test]
fn a_grant_covers_fields() {
    let mut bench = Bench::new(Namespace::new());
    bench.narrow(
        &json!({"fields": ["spec.template.spec.containers[*].resources", "spec.replicas"]}),
    );
    let may = |path: &str| {
        let change = of_web(
            &bench,
            &[("spec.replicas", Some(json!(1))), (path, Some(json!(1)))],
        );
        let effect = windlass::call::Effect::Cluster(effect(&change));
        bench.effective().refuses_effect(&effect).is_none()
    };
    assert!(may("spec.replicas") && may("spec.template.spec.containers[app].resources.limits"));
    for path in [
        "spec.template.spec.containers[app].image",
        "spec",
        "spec.template",
        "data.a",
    ] {
        assert!(!may(path), "{path}");
    }
}

#[test]
fn what_is_never_set_is_refused_before_anything_is_asked() {
    let bench = Bench::new(Namespace::new());
    let mark = bench.namespace.cluster().requests_length();
    for path in [
        "status.replicas",
        "metadata.finalizers",
        "metadata.ownerReferences",
        "metadata.annotations[windlass.dev/effect]",
        "spec.template.spec.hostNetwork",
    ] {
        let change = of_web(&bench, &[(path, Some(json!(true)))]);
        refused(bench.prepare(&change), ErrorKind::Denied);
    }
    let change = edits(&bench, "v1", "Secret", "a", &[("data.a", Some(json!("x")))]);
    refused(bench.prepare(&change), ErrorKind::Denied);
    assert!(bench.requests(mark).is_empty());
}

#[test]
fn what_is_not_there_is_told() {
    let bench = Bench::having(&settings(json!({"a": "1"})).to_string());
    bench.namespace.apply(WEB);
    let change = of_web(
        &bench,
        &[(
            "spec.template.spec.containers[none].image",
            Some(json!("a:1")),
        )],
    );
    let why = refused(bench.prepare(&change), ErrorKind::NotFound);
    assert!(why.contains("containers[none]"), "{why}");
    let change = edits(
        &bench,
        "v1",
        "ConfigMap",
        "settings",
        &[("data.a", Some(json!("2"))), ("data.b", None)],
    );
    bench.act(&change);
    assert_eq!(
        bench.namespace.object("configmap/settings")["data"],
        json!({"a": "2"})
    );
}

#[test]
fn a_variable_is_added_and_taken_away_again() {
    let bench = Bench::having(WEB);
    let before = seen(&bench, "deployment/web");
    let variables = "spec.template.spec.containers[app].env";
    let mode = format!("{variables}[MODE].value");
    let size = format!("{variables}[SIZE].value");
    let change = of_web(
        &bench,
        &[(&mode, Some(json!("a"))), (&size, Some(json!("1")))],
    );
    let (_, added) = bench.act(&change);
    let env = |bench: &Bench| {
        let web = bench.namespace.object("deployment/web");
        web["spec"]["template"]["spec"]["containers"][0]["env"].clone()
    };
    let both = json!([{"name": "MODE", "value": "a"}, {"name": "SIZE", "value": "1"}]);
    assert_eq!(env(&bench), both);
    let without = of_web(&bench, &[(&format!("{variables}[MODE]"), None)]);
    let prepared = bench.prepare(&without).unwrap();
    bench.apply_as(2, &without, &prepared).unwrap();
    assert_eq!(env(&bench), json!([{"name": "SIZE", "value": "1"}]));
    assert!(matches!(bench.undo_as(2, &prepared), Reverted::Restored(_)));
    assert_eq!(env(&bench), both);
    assert!(matches!(bench.undo(&added), Reverted::Restored(_)));
    assert_eq!(seen(&bench, "deployment/web"), before);
}

#[test]
fn what_is_so_already_is_not_written() {
    let bench = Bench::having(WEB);
    let change = of_web(&bench, &[("spec.replicas", Some(json!(1)))]);
    let mark = bench.namespace.cluster().requests_length();
    let (applied, _) = bench.act(&change);
    assert_eq!(applied.answer, json!(Applied::Unchanged));
    assert_eq!(bench.requests(mark), ["get"]);
    let change = of_web(&bench, &[("spec.replicas", Some(json!(2)))]);
    assert_eq!(bench.act(&change).0.answer, json!(Applied::Changed));
}

const MEMORY: &str = "spec.template.spec.containers[app].resources.limits.memory";

/// A namespace with room for 1Gi, of which `web` has 256Mi; each container has at least 16Mi.
fn bounded() -> Bench {
    let bench = Bench::having(
        "
apiVersion: v1
kind: ResourceQuota
metadata: {name: most}
spec: {hard: {limits.memory: 1Gi}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: each}
spec: {limits: [{type: Container, default: {memory: 128Mi}, defaultRequest: {memory: 64Mi}, min: {memory: 16Mi}}]}
",
    );
    bench.namespace.apply(WEB);
    bench.namespace.until_rolled_out("deployment/web");
    bench.namespace.until(
        "resourcequota/most",
        "jsonpath={.status.used.limits\\.memory}=256Mi",
    );
    bench
}

fn said(planned: &Prepared) -> String {
    planned.details.join("\n")
}

#[test]
fn pods_that_a_quota_has_no_room_for_are_told_in_a_plan_and_refused_in_a_run() {
    let bench = bounded();
    let memory = |size: &str| of_web(&bench, &[(MEMORY, Some(json!(size)))]);
    // 900Mi and the 128Mi of the other container; 256Mi go.
    let planned = bench.plan(&memory("900Mi")).unwrap();
    let why = "quota most has 1Gi of limits.memory, 256Mi are used, and it would be 1028Mi";
    assert!(said(&planned).contains(why), "{planned:?}");
    let refused_as = refused(bench.prepare(&memory("900Mi")), ErrorKind::Limit);
    assert!(refused_as.contains(why), "{refused_as}");
    // It would fit without the old pod, but that goes only after the new one is there.
    let tight = refused(bench.prepare(&memory("700Mi")), ErrorKind::Limit);
    assert!(tight.contains("before the first old pod goes"), "{tight}");
    let small = refused(bench.prepare(&memory("8Mi")), ErrorKind::Limit);
    assert!(
        small.contains("limit range each has min 16Mi of memory"),
        "{small}"
    );
    let web = bench.namespace.object("deployment/web");
    assert_eq!(web["metadata"]["generation"], 1);
    bench.act(&memory("512Mi"));
    bench.namespace.until_rolled_out("deployment/web");
}

/// What is refused here the server takes, and wedges on.
#[test]
fn the_server_itself_would_have_taken_it() {
    let bench = bounded();
    let patch = r#"[{"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {"limits": {"memory": "900Mi"}}}]"#;
    let patch = ["patch", "deployment/web", "--type=json", "--patch", patch];
    let rehearsed = [&patch[..], &["--dry-run=server"]].concat();
    bench.namespace.kubectl(&rehearsed);
    bench.namespace.kubectl(&patch);
    bench
        .namespace
        .until("deployment/web", "condition=ReplicaFailure");
}

#[test]
fn whoever_may_not_see_quotas_is_told_so() {
    let mut bench = bounded();
    bench.log_in(xtask::kubernetes::User::Windlass);
    bench.allow("get, patch", "deployments");
    let change = of_web(&bench, &[(MEMORY, Some(json!("512Mi")))]);
    let planned = bench.prepare(&change).unwrap();
    assert!(said(&planned).contains("no right to list"), "{planned:?}");
}
