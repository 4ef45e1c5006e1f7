//! The update of a frontend beside its backend, and whether monitoring is well enough to tell.

use super::{answering, at_once, endpoint, hasty, roll_out, verify};
use crate::laws::clusters::unmarked;
use crate::room_notify::receiver::{Act, Receiver};
use crate::world::Shop;

const FRONT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: 2
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: app, image: 'front:1'}]
";

/// What users and those who watch over them look at.
struct Site {
    shop: Shop,
    page: Receiver,
    prometheus: Receiver,
    grafana: Receiver,
}

const ENDPOINTS: &str = "endpoints=page,prometheus,grafana";

/// A shop with a frontend, its page, a Prometheus and a Grafana; and a baseline of how it is.
fn site() -> Site {
    let shop = Shop::open();
    shop.namespace().apply(FRONT);
    shop.namespace().until_rolled_out("deployment/front");
    hasty(&shop, "deployment/front");
    let site = Site {
        shop: shop.granting("k8s-rollout").granting("service-verify"),
        page: Receiver::start([]),
        prometheus: Receiver::start([]),
        grafana: answering(r#"{"database": "ok", "version": "12.1.0"}"#),
    };
    let at = |receiver: &Receiver, path: &str| receiver.url().replace("/hook", path);
    let healthy = r#"expect-json = { pointer = "/database", value = "ok" }"#;
    endpoint(&site.shop, "page", &at(&site.page, "/"), "");
    endpoint(
        &site.shop,
        "prometheus",
        &at(&site.prometheus, "/-/ready"),
        "",
    );
    endpoint(
        &site.shop,
        "grafana",
        &at(&site.grafana, "/api/health"),
        healthy,
    );
    verify(&site.shop, &[ENDPOINTS, "baseline=true"]).expect(0);
    site
}

#[test]
fn a_frontend_is_updated_while_users_and_monitoring_are_watched() {
    let site = site();
    let backend = site.shop.namespace().object("deployment/web")["spec"].clone();
    let update = ["name=front", "images=app=front:2", "watch=page"];
    roll_out(&site.shop, &update).expect(0);
    let report = verify(&site.shop, &[ENDPOINTS, "watch=300ms"]).expect(0);
    report.said("info", "Deployment/front: front:1 → front:2");
    for name in ["page", "prometheus", "grafana"] {
        let found = report.check(&format!("endpoint {name}"));
        assert!(found.starts_with("pass: "), "{name}: {found}");
    }
    let asked = |receiver: &Receiver| receiver.requests()[0].line.clone();
    assert_eq!(asked(&site.prometheus), "GET /-/ready HTTP/1.1");
    assert_eq!(asked(&site.grafana), "GET /api/health HTTP/1.1");
    let after = site.shop.namespace().object("deployment/web");
    assert_eq!(after["spec"], backend);
}

#[test]
fn a_frontend_that_cannot_run_is_as_before() {
    at_once(&["front:bad", "front:unready"], |image| {
        let site = site();
        let before = unmarked(&site.shop);
        let update = ["name=front", &format!("images=app={image}")];
        roll_out(&site.shop, &update).expect(1);
        site.shop.namespace().until_rolled_out("deployment/front");
        assert_eq!(unmarked(&site.shop), before, "{image}");
        verify(&site.shop, &[ENDPOINTS]).expect(0);
    });
}

/// A monitoring that does not work shows no trouble, so it is looked at by itself.
#[test]
fn monitoring_that_is_not_well_is_told_apart_from_the_services() {
    let site = site();
    site.prometheus.always(Act::status(503));
    site.grafana
        .always(Act::saying(200, r#"{"database": "failing"}"#));
    let report = verify(&site.shop, &[ENDPOINTS, "within=1s"]).expect(1);
    assert_eq!(
        report.not_passed(),
        ["endpoint prometheus", "endpoint grafana"]
    );
    let why = report.check("endpoint prometheus");
    assert!(why.contains("it answered 503, not 200"), "{why}");
    let why = report.check("endpoint grafana");
    assert!(why.contains("another value at `/database`"), "{why}");
    let page = report.check("endpoint page");
    assert!(page.starts_with("pass: "), "{page}");
}
