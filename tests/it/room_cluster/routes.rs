//! Routes led to a maintenance page and back.

use super::acts::bare;
use super::{Bench, refused};
use serde_json::{Value, json};
use windlass::call::{Confirmed, Reverted, Undo};
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{RouteFacts, RouteKind, RouteName};

/// A page that answers, and one that has nobody to answer.
const PAGE: &str = "
apiVersion: v1
kind: Service
metadata: {name: page}
spec: {selector: {app: page}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: page, labels: {app: page}}
spec: {containers: [{name: app, image: \"page:1.0\", ports: [{containerPort: 8080}]}]}
";

pub(super) const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {team.example/note: keep}}
spec:
  tls: [{hosts: [shop.example], secretName: shop-tls}]
  defaultBackend: {service: {name: front, port: {name: http}}}
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: front, port: {number: 80}}}}
      - {path: /api, pathType: Exact, backend: {service: {name: api, port: {number: 8080}}}}
  - host: files.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {resource: {apiGroup: store.example, kind: Bucket, name: files}}}
  - host: bare.example
";

const HTTP_ROUTE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [shop.example, www.shop.example]
  rules:
  - matches: [{path: {type: PathPrefix, value: /}}]
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: x, value: '1'}]}}]
    backendRefs: [{name: front, port: 80, weight: 9}, {name: canary, namespace: beta, port: 80, weight: 1}]
  - matches: [{path: {type: PathPrefix, value: /api}}]
    backendRefs: [{name: api, port: 8080}]
  - matches: [{path: {type: PathPrefix, value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example}}]
";

pub(super) fn bench(route: &str) -> Bench {
    let bench = Bench::having(route);
    bench.namespace.apply(PAGE);
    bench.namespace.until("pod/page", "condition=Ready");
    bench.namespace.kubectl(&[
        "wait",
        "endpointslices",
        "--selector=kubernetes.io/service-name=page",
        "--for=jsonpath={.endpoints[0].conditions.ready}=true",
        "--timeout=60s",
    ]);
    bench
}

fn named(bench: &Bench, kind: RouteKind) -> RouteName {
    RouteName {
        kind,
        namespace: bench.namespace.name().into(),
        name: "shop".into(),
    }
}

fn divert_to(bench: &Bench, kind: RouteKind, service: &str, port: u16) -> Change {
    Change::Divert {
        route: named(bench, kind),
        service: service.into(),
        port,
    }
}

pub(super) fn divert(bench: &Bench, kind: RouteKind) -> Change {
    divert_to(bench, kind, "page", 80)
}

pub(super) fn restore(bench: &Bench, kind: RouteKind) -> Change {
    Change::Restore {
        route: named(bench, kind),
    }
}

fn facts(bench: &Bench, kind: RouteKind) -> RouteFacts {
    bench.facts(Look::Route {
        route: named(bench, kind),
    })
}

fn object(bench: &Bench, kind: RouteKind) -> Value {
    bare(bench.namespace.object(match kind {
        RouteKind::Ingress => "ingress/shop",
        RouteKind::HttpRoute => "httproute/shop",
    }))
}

/// The object but for the mark of the effect that changed it last.
fn unmarked(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    let annotations = metadata["annotations"].as_object_mut().unwrap();
    annotations.remove("windlass.dev/effect").unwrap();
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    object
}

/// There and back again, by `restore` and by undo, of both directions.
fn is_restored_exactly(bench: &Bench, kind: RouteKind, services: &[&str], diverted_to: &[&str]) {
    let before = object(bench, kind);
    let seen = facts(bench, kind);
    assert_eq!(seen.services, services);
    assert!(!seen.diverted);
    assert_eq!(bench.plan(&divert(bench, kind)).unwrap().foreseen, false);
    assert_eq!(object(bench, kind), before, "a plan changes nothing");

    let (applied, undo) = bench.act(&divert(bench, kind));
    assert_eq!(applied.answer, false);
    let diverted = facts(bench, kind);
    assert_eq!((diverted.hosts, diverted.diverted), (seen.hosts, true));
    assert_eq!(diverted.services, diverted_to);
    let there = object(bench, kind);

    // Once more: nothing to do, and nothing is asked for.
    let again = bench.prepare(&divert(bench, kind)).unwrap();
    assert!(matches!(again.undo, Undo::NotNeeded(_)));
    let mark = bench.namespace.cluster().requests_length();
    assert_eq!(
        bench
            .apply_as(2, &divert(bench, kind), &again)
            .unwrap()
            .answer,
        true
    );
    assert!(bench.requests(mark).is_empty());

    let (_, undo_of_restore) = bench.act(&restore(bench, kind));
    assert_eq!(unmarked(object(bench, kind)), before);
    assert!(matches!(
        bench.undo(&undo_of_restore),
        Reverted::Restored(_)
    ));
    assert_eq!(object(bench, kind)["spec"], there["spec"]);
    assert!(facts(bench, kind).diverted);
    assert!(matches!(bench.undo(&undo), Reverted::Restored(_)));
    assert_eq!(object(bench, kind), before);
    assert!(matches!(bench.undo(&undo), Reverted::NothingToDo(_)));
}

#[test]
fn an_ingress_is_diverted_and_restored_exactly() {
    let bench = bench(INGRESS);
    is_restored_exactly(&bench, RouteKind::Ingress, &["front", "api"], &["page"]);
    let hosts = facts(&bench, RouteKind::Ingress).hosts;
    assert_eq!(hosts, ["shop.example", "files.example", "bare.example"]);
}

#[test]
fn an_http_route_is_diverted_and_restored_exactly() {
    let bench = bench(HTTP_ROUTE);
    let kind = RouteKind::HttpRoute;
    is_restored_exactly(&bench, kind, &["front", "beta/canary", "api"], &["page"]);
    assert_eq!(
        facts(&bench, kind).hosts,
        ["shop.example", "www.shop.example"]
    );
    bench.apply(&divert(&bench, kind)).unwrap();
    let rules = &object(&bench, kind)["spec"]["rules"];
    let page = json!([{"group": "", "kind": "Service", "name": "page", "port": 80, "weight": 1}]);
    assert_eq!(
        (&rules[0]["backendRefs"], &rules[1]["backendRefs"]),
        (&page, &page)
    );
    assert_eq!(rules[0]["filters"][0]["type"], "RequestHeaderModifier");
    // A rule that redirects may lead to no service.
    assert_eq!(rules[2]["backendRefs"], Value::Null);
}

/// One path changed by another hand keeps users of no other path on the page.
#[test]
fn what_another_hand_changed_stays_and_all_else_is_led_back() {
    let kind = RouteKind::Ingress;
    let theirs = r#"[{"op": "replace", "path": "/spec/rules/0/http/paths/0/backend/service/name", "value": "theirs"}]"#;
    for undone in [true, false] {
        let bench = bench(INGRESS);
        let mut before = object(&bench, kind);
        let (_, undo) = bench.act(&divert(&bench, kind));
        bench
            .namespace
            .kubectl(&["patch", "ingress/shop", "--type=json", "--patch", theirs]);
        if undone {
            assert!(matches!(bench.undo(&undo), Reverted::Restored(_)));
        } else {
            let change = restore(&bench, kind);
            let prepared = bench.prepare(&change).unwrap();
            bench.apply_as(2, &change, &prepared).unwrap();
        }
        before["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] =
            json!("theirs");
        let mut after = object(&bench, kind);
        if !undone {
            after = unmarked(after);
        }
        assert_eq!(after, before);
    }
}

const ONE_PATH: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: front, port: {number: 80}}}}]}}]
";

#[test]
fn what_another_hand_changed_since_is_left_alone_and_reported() {
    let bench = bench(ONE_PATH);
    let kind = RouteKind::Ingress;
    let (_, undo) = bench.act(&divert(&bench, kind));
    let patch = r#"[{"op": "replace", "path": "/spec/rules/0/http/paths/0/backend/service/name", "value": "theirs"}]"#;
    bench
        .namespace
        .kubectl(&["patch", "ingress/shop", "--type=json", "--patch", patch]);
    let theirs = object(&bench, kind);
    let Reverted::LeftAlone(why) = bench.undo(&undo) else {
        panic!("it is not ours any more");
    };
    assert!(why.contains("spec.rules"), "{why}");
    for change in [restore(&bench, kind), divert(&bench, kind)] {
        let why = refused(bench.prepare(&change), ErrorKind::Conflict);
        assert!(why.contains("spec.rules of ingress"), "{why}");
        assert!(
            why.contains("by another hand since it was diverted"),
            "{why}"
        );
    }
    assert_eq!(object(&bench, kind), theirs);
}

#[test]
fn a_service_that_nobody_would_answer_at_is_refused() {
    let bench = bench(INGRESS);
    let before = object(&bench, RouteKind::Ingress);
    for (service, port, why) in [
        ("none", 80, "there is no service"),
        ("page", 81, "has no port 81"),
        ("empty", 80, "has no endpoint that is ready"),
    ] {
        let change = divert_to(&bench, RouteKind::Ingress, service, port);
        let said = refused(bench.prepare(&change), ErrorKind::Conflict);
        assert!(said.contains(why), "{said}");
    }
    let hostile = divert_to(&bench, RouteKind::Ingress, "page/status", 80);
    refused(bench.prepare(&hostile), ErrorKind::Invalid);
    let lost = bench.prepare(&restore(&bench, RouteKind::Ingress));
    assert!(refused(lost, ErrorKind::Conflict).contains("is not diverted"));
    assert_eq!(object(&bench, RouteKind::Ingress), before);
}

#[test]
fn an_annotation_that_windlass_did_not_write_restores_nothing() {
    let bench = bench(INGRESS);
    let kind = RouteKind::Ingress;
    for text in [
        "",
        "none",
        "[]",
        r#"{"service": "page"}"#,
        r#"{"service": "page", "port": 80, "rules": {}}"#,
        r#"{"service": "page", "port": 80, "spec": {}}"#,
    ] {
        let annotation = format!("windlass.dev/diverted={text}");
        bench
            .namespace
            .kubectl(&["annotate", "--overwrite", "ingress/shop", &annotation]);
        let why = refused(bench.prepare(&restore(&bench, kind)), ErrorKind::Conflict);
        assert!(why.contains("is not what windlass writes"), "{why}");
    }
}

#[test]
fn what_does_not_fit_into_an_annotation_is_refused() {
    let bench = bench(INGRESS);
    let large = INGRESS.replace("keep", &"k".repeat((256 << 10) - 200));
    bench.namespace.apply(&large);
    let why = refused(
        bench.prepare(&divert(&bench, RouteKind::Ingress)),
        ErrorKind::Limit,
    );
    assert!(why.contains("256"), "{why}");
}

#[test]
fn after_a_crash_the_mark_tells() {
    let bench = bench(HTTP_ROUTE);
    let change = divert(&bench, RouteKind::HttpRoute);
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
}

#[test]
fn who_may_not_is_told_so_in_the_servers_words() {
    let bench = Bench::without_rights();
    let why = refused(
        bench.prepare(&divert(&bench, RouteKind::Ingress)),
        ErrorKind::Denied,
    );
    assert!(why.contains("cannot get resource \"ingresses\""), "{why}");
    let why = refused(
        bench.prepare(&restore(&bench, RouteKind::HttpRoute)),
        ErrorKind::Denied,
    );
    assert!(why.contains("cannot get resource \"httproutes\""), "{why}");
}
