//! Configuration that is changed, found wanting, and gone back with: limits, variables, replicas.

use super::verify;
use crate::laws::clusters::unmarked;
use crate::report::Report;
use crate::world::Shop;
use serde_json::Value;

/// Two deployments. Only `api` takes from the settings.
fn manifests(settings: &str, image: &str, memory: &str, replicas: u32) -> String {
    // Soon given up is only what cannot run.
    let patience = if image == "api:1" { 600 } else { 5 };
    format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{mode: '{settings}'}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec:
  replicas: {replicas}
  progressDeadlineSeconds: {patience}
  selector: {{matchLabels: {{app: api}}}}
  template:
    metadata: {{labels: {{app: api}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: app
        image: '{image}'
        resources: {{limits: {{memory: {memory}}}}}
        envFrom: [{{configMapRef: {{name: settings}}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: cache}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: cache}}}}
  template:
    metadata: {{labels: {{app: cache}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: app, image: 'cache:1'}}]
"
    )
}

fn configure(shop: &Shop, manifests: &str) -> Report {
    shop.write("config/all.yaml", manifests);
    let parameters = ["manifests=@config", "within=1min"];
    shop.run("k8s-config", &parameters)
}

/// A shop that is configured, and a baseline of how it is.
fn shop() -> Shop {
    let shop = Shop::open()
        .granting("k8s-config")
        .granting("service-verify");
    configure(&shop, &manifests("a", "api:1", "64Mi", 1)).expect(0);
    verify(&shop, &["baseline=true"]).expect(0);
    shop
}

/// What is wanted. That pods were replaced stays in their template, and is no part of it.
fn configured(shop: &Shop) -> Value {
    let mut all = unmarked(shop);
    for object in all.as_array_mut().unwrap() {
        let template = object.pointer_mut("/spec/template/metadata");
        if let Some(metadata) = template.and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
    }
    all
}

/// The state before is what was applied before, and not a commit that somebody names; whose pods read nothing of it run on.
#[test]
fn settings_go_back_and_only_who_reads_them_is_restarted() {
    let shop = shop();
    let before = configured(&shop);
    let report = configure(&shop, &manifests("b", "api:1", "64Mi", 1)).expect(0);
    assert_eq!(report.summary(), "1 changed, 1 workload restarted");
    let pods = |app| shop.namespace().pods_of(app);
    let (api, cache) = (pods("api"), pods("cache"));
    let back = shop.run("k8s-config", &["back=true", "within=1min"]);
    assert_eq!(back.expect(0).summary(), "1 changed, 1 workload restarted");
    let again = pods("api");
    assert!(again.is_disjoint(&api), "{again:?}");
    assert_eq!(pods("cache"), cache);
    assert_eq!(configured(&shop), before);
    verify(&shop, &[]).expect(0);
}

#[test]
fn limits_and_replicas_are_changed_and_go_back() {
    let shop = shop();
    let before = unmarked(&shop);
    let report = configure(&shop, &manifests("a", "api:1", "128Mi", 2)).expect(0);
    assert_eq!(report.summary(), "1 changed");
    let api = shop.namespace().object("deployment/api");
    let container = &api["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"]["memory"], "128Mi");
    assert_eq!(api["spec"]["replicas"], 2);
    verify(&shop, &[]).expect(0);
    let back = shop.run("k8s-config", &["back=true", "within=1min"]);
    back.expect(0);
    assert_eq!(unmarked(&shop), before);
}

/// Settings, variables and the image of one change: where one part cannot run, none of it stays.
#[test]
fn a_configuration_that_cannot_run_leaves_everything_as_it_was() {
    super::at_once(&["api:bad", "api:unready"], |image| {
        let shop = shop();
        let before = unmarked(&shop);
        let report = configure(&shop, &manifests("b", image, "128Mi", 2)).expect(1);
        assert!(
            report.summary().contains("the rollout of api failed"),
            "{}",
            report.summary()
        );
        shop.namespace().until_rolled_out("deployment/api");
        assert_eq!(unmarked(&shop), before, "{image}");
        verify(&shop, &[]).expect(0);
        // What was taken back was never a state to go back to.
        shop.run("k8s-config", &["back=true"]).expect(1);
    });
}
