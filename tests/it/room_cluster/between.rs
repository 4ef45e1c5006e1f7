//! Another hand between the look and the change (409 Conflict): what it did to other fields is kept, what it did to the same ones is told.
//!
//! Of `apply` it is tried in `config`, of `patch` in `config_fields`.

use super::Bench;
use super::acts::failed;
use super::routes;
use serde_json::Value;
use windlass::cluster::call::Change;
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{RouteKind, WorkloadKind, WorkloadName};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'shop:1'}]}
";

/// Somebody labels the object after it was looked at; then somebody changes what the effect is about.
fn between(bench: &Bench, object: &str, changes: [Change; 2], theirs: &[&str], at: &str) {
    let [change, again] = changes;
    let prepared = bench.prepare(&change).unwrap();
    bench.namespace.kubectl(&["label", object, "team=x"]);
    bench.apply_as(1, &change, &prepared).unwrap();
    assert_eq!(
        bench.namespace.object(object)["metadata"]["labels"]["team"],
        "x"
    );
    let prepared = bench.prepare(&again).unwrap();
    bench.namespace.kubectl(theirs);
    let field = |object: &Value| object.pointer(at).cloned();
    let before = field(&bench.namespace.object(object));
    let why = failed(bench.apply_as(2, &again, &prepared), ErrorKind::Conflict);
    assert!(why.contains("changed by another hand"), "{why}");
    assert_eq!(field(&bench.namespace.object(object)), before);
}

#[test]
fn scaling() {
    let bench = Bench::having(WEB);
    let scale = |replicas| Change::Scale {
        workload: WorkloadName {
            kind: WorkloadKind::Deployment,
            namespace: bench.namespace.name().into(),
            name: "web".into(),
        },
        replicas,
    };
    let theirs = ["scale", "deployment/web", "--replicas=5"];
    let changes = [scale(2), scale(3)];
    between(&bench, "deployment/web", changes, &theirs, "/spec/replicas");
}

#[test]
fn setting_an_image() {
    let bench = Bench::having(WEB);
    let set = |image: &str| Change::SetImage {
        workload: WorkloadName {
            kind: WorkloadKind::Deployment,
            namespace: bench.namespace.name().into(),
            name: "web".into(),
        },
        images: vec![("app".into(), image.into())],
    };
    let theirs = ["set", "image", "deployment/web", "app=shop:9"];
    let changes = [set("shop:2"), set("shop:3")];
    let at = "/spec/template/spec/containers/0/image";
    between(&bench, "deployment/web", changes, &theirs, at);
}

#[test]
fn leading_a_route_elsewhere() {
    let bench = routes::bench(routes::INGRESS);
    let kind = RouteKind::Ingress;
    let changes = [routes::divert(&bench, kind), routes::restore(&bench, kind)];
    let patch = r#"[{"op": "replace", "path": "/spec/rules/0/http/paths/0/backend/service/name", "value": "theirs"}]"#;
    let theirs = ["patch", "ingress/shop", "--type=json", "--patch", patch];
    between(&bench, "ingress/shop", changes, &theirs, "/spec/rules");
}
