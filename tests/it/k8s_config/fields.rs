//! Fields of one object: limits, variables, settings, scaling.

use super::{FOLDER, configure, pods, settings, shop, write};
use crate::world::{DATABASE, Shop};
use serde_json::{Value, json};

/// A shop with `api`, which takes its variables from `settings`.
fn with_api() -> Shop {
    let shop = shop();
    write(&shop, "a", "api:1", "");
    configure(&shop, &[FOLDER]).expect(0);
    shop
}

fn container(shop: &Shop) -> Value {
    let api = shop.namespace().object("deployment/api");
    api["spec"]["template"]["spec"]["containers"][0].clone()
}

fn spec(shop: &Shop, object: &str) -> Value {
    shop.namespace().object(object)["spec"].clone()
}

const API: &str = "object=deployment/api";
const LIMIT: &str = "fields=spec.template.spec.containers[app].resources.limits.memory=";

fn limit(memory: &str) -> String {
    format!("{LIMIT}{memory}")
}

#[test]
fn a_limit_is_set_followed_and_taken_back() {
    let shop = with_api();
    let before = spec(&shop, "deployment/api");
    let old = pods(&shop);
    let report = configure(&shop, &[API, &limit("64Mi")]).expect(0);
    assert_eq!(report.summary(), "1 changed");
    assert_eq!(container(&shop)["resources"]["limits"]["memory"], "64Mi");
    assert!(pods(&shop).is_disjoint(&old), "{old:?}");
    let report = configure(&shop, &[API, &limit("64Mi")]).expect(0);
    assert_eq!(report.summary(), "everything is so already");
    shop.undo_the_last().expect(0);
    let runs = shop.windlass(&["runs", "--output", "json"]).json();
    let set = runs["runs"][1]["run"].as_str().unwrap();
    shop.windlass(&["undo", set]).expect(0);
    assert_eq!(spec(&shop, "deployment/api"), before);
}

/// The server writes quantities its own way: what is put back is what it stored.
#[test]
fn limits_that_the_server_writes_otherwise_are_taken_back() {
    let shop = with_api();
    let before = spec(&shop, "deployment/api");
    let at = "spec.template.spec.containers[app].resources.limits";
    let both = format!("fields={at}.cpu=1000m,{at}.memory=1024Mi");
    configure(&shop, &[API, &both]).expect(0);
    let limits = json!({"cpu": "1", "memory": "1Gi"});
    assert_eq!(container(&shop)["resources"]["limits"], limits);
    let again = configure(&shop, &[API, &both]).expect(0);
    assert_eq!(again.summary(), "everything is so already");
    let runs = shop.windlass(&["runs", "--output", "json"]).json();
    let set = runs["runs"][1]["run"].as_str().unwrap();
    let told = shop.windlass(&["undo", set]).expect(0);
    assert!(told.all().contains("1 undone"), "{told}");
    assert_eq!(spec(&shop, "deployment/api"), before);
}

#[test]
fn limits_that_no_node_has_room_for_are_taken_back() {
    let shop = with_api();
    let before = spec(&shop, "deployment/api");
    let much = "fields=spec.template.spec.containers[app].resources.limits.cpu=100000m";
    configure(&shop, &[API, much]).expect(1);
    assert_eq!(spec(&shop, "deployment/api"), before);
    shop.namespace().until_rolled_out("deployment/api");
}

#[test]
fn variables_are_set_and_go() {
    let shop = with_api();
    let at = "spec.template.spec.containers[app].env";
    let both = format!("fields={at}[SIZE].value=10,{at}[MODE].value=fast");
    configure(&shop, &[API, &both]).expect(0);
    let variables = json!([{"name": "SIZE", "value": "10"}, {"name": "MODE", "value": "fast"}]);
    assert_eq!(container(&shop)["env"], variables);
    configure(&shop, &[API, &format!("fields={at}[SIZE]=null")]).expect(0);
    assert_eq!(
        container(&shop)["env"],
        json!([{"name": "MODE", "value": "fast"}])
    );
}

#[test]
fn settings_that_changed_restart_who_takes_from_them() {
    let shop = with_api();
    let old = pods(&shop);
    let settings = [
        "object=configmap/settings",
        "fields=data.mode=b,data.size=3",
    ];
    let report = configure(&shop, &settings).expect(0);
    assert_eq!(report.summary(), "1 changed, 1 workload restarted");
    assert!(pods(&shop).is_disjoint(&old), "{old:?}");
    let report = configure(&shop, &settings).expect(0);
    assert_eq!(report.summary(), "everything is so already");
}

#[test]
fn the_bounds_of_an_autoscaler_are_edited_and_taken_back() {
    let shop = shop();
    shop.namespace().apply(
        "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  minReplicas: 2
  maxReplicas: 4
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
",
    );
    let before = spec(&shop, "horizontalpodautoscaler/web");
    let bounds = [
        "object=horizontalpodautoscaler/web",
        "fields=spec.minReplicas=5,spec.maxReplicas=9",
    ];
    configure(&shop, &bounds).expect(0);
    let during = spec(&shop, "horizontalpodautoscaler/web");
    assert_eq!(
        (&during["minReplicas"], &during["maxReplicas"]),
        (&json!(5), &json!(9))
    );
    shop.undo_the_last().expect(0);
    assert_eq!(spec(&shop, "horizontalpodautoscaler/web"), before);
}

#[test]
fn what_does_not_run_is_taken_back() {
    let shop = with_api();
    let before = spec(&shop, "deployment/api");
    // The server takes it, and no pod ever gets it.
    shop.namespace().apply(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {requests.example.com/gpu: 0}}\n",
    );
    let gpu = "fields=spec.template.spec.containers[app].resources={\"limits\": {\"example.com/gpu\": \"1\"}}";
    let report = configure(&shop, &[API, gpu]).expect(1);
    assert!(
        report.summary().contains("quota none has 0"),
        "{}",
        report.summary()
    );
    assert_eq!(spec(&shop, "deployment/api"), before);
}

#[test]
fn a_plan_says_that_a_quota_has_no_room() {
    let shop = with_api();
    shop.namespace().apply(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: most}\nspec: {hard: {limits.memory: 1Gi}}\n",
    );
    let namespace = format!("namespace={}", shop.namespace().name());
    let limit = limit("2Gi");
    let words = [
        "plan",
        "k8s-config",
        "--target",
        "staging",
        "--set",
        &namespace,
        "--set",
        API,
        "--set",
        &limit,
    ];
    let planned = shop.windlass(&words).expect(0);
    assert!(
        planned.to_string().contains("quota most has 1Gi of"),
        "{planned}"
    );
    let refused = configure(&shop, &[API, &limit]).expect(1);
    assert!(
        refused.summary().contains("pods that do not fit"),
        "{}",
        refused.summary()
    );
}

#[test]
fn a_grant_names_fields_and_what_it_lacks_is_refused() {
    let shop = with_api();
    let before = spec(&shop, "deployment/api");
    let image = "fields=spec.template.spec.containers[app].image=evil:1";
    // Nobody can grant what it does not need.
    configure(&shop, &[API, image]).expect(3);
    let file = "grants/k8s-config.staging.toml";
    let grant = shop.read(file);
    assert!(grant.contains("\"spec.hard\""), "{grant}");
    let narrowed = grant.replace("\"spec.template.spec.containers[*].resources\", ", "");
    assert_ne!(narrowed, grant);
    shop.write(file, &narrowed);
    configure(&shop, &[API, &limit("64Mi")]).expect(3);
    assert_eq!(spec(&shop, "deployment/api"), before);
}

#[test]
fn replicas_below_what_a_grant_keeps_are_refused_as_a_field_and_in_a_manifest() {
    let shop = with_api();
    let before = spec(&shop, "deployment/api");
    let file = "grants/k8s-config.staging.toml";
    let scope = "[[cluster]]\n";
    let bounded = shop
        .read(file)
        .replace(scope, &format!("{scope}keep-replicas = 2\n"));
    shop.write(file, &bounded);
    for fewer in [&[API, "fields=spec.replicas=1"][..], &[FOLDER]] {
        write(&shop, "a", "api:2", "");
        configure(&shop, fewer).expect(3);
        assert_eq!(spec(&shop, "deployment/api"), before);
    }
    configure(&shop, &[API, "fields=spec.replicas=2"]).expect(0);
}

#[test]
fn what_is_no_object_or_no_field_is_told() {
    let shop = shop();
    shop.namespace().apply(&settings("a"));
    for (parameters, why) in [
        (["object=web", "fields=spec.replicas=1"], "write KIND/NAME"),
        (
            ["object=deployment/web", "fields=spec.replicas"],
            "is not FIELD=VALUE",
        ),
        (
            ["object=deployment/none", "fields=spec.replicas=1"],
            "not found",
        ),
        (["object=configmap/settings", "back=true"], "go together"),
    ] {
        let report = configure(&shop, &parameters).expect(1);
        assert!(report.summary().contains(why), "{}", report.summary());
    }
}

/// Its controller waits for a pod that cannot run, also when the template is the old one again.
#[test]
fn a_stateful_set_that_cannot_run_is_taken_back_with_its_pod() {
    let readme = include_str!("../../../plugins/k8s-config/README.md");
    let shop = Shop::with_the_role_of(readme).granting("k8s-config");
    shop.start_a_database();
    let no_node_has = "fields=spec.template.spec.containers[app].resources.requests.memory=64Ti";
    is_taken_back(&shop, &["object=statefulset/db", no_node_has]);
}

#[test]
fn an_applied_stateful_set_is_taken_back_with_its_pod_too() {
    let shop = shop();
    shop.write("manifests/db.yaml", DATABASE);
    configure(&shop, &[FOLDER]).expect(0);
    let bad = DATABASE.replace("postgres:15.4", "postgres:bad");
    shop.write("manifests/db.yaml", &bad);
    is_taken_back(&shop, &[FOLDER]);
}

fn is_taken_back(shop: &Shop, change: &[&str]) {
    let before = spec(shop, "statefulset/db");
    shop.run("k8s-config", &[change, &["within=5s"]].concat())
        .expect(1);
    let told = shop.show_the_last();
    let pod = format!("{}/db-0", shop.namespace().name());
    let evicted = format!("evicted {pod}, which was not ready");
    assert!(told.contains(&evicted), "{told}");
    assert_eq!(spec(shop, "statefulset/db"), before);
    shop.namespace().until_rolled_out("statefulset/db");
}
