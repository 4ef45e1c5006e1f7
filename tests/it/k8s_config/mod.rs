//! `k8s-config` on a real control plane: what it applies, what it restarts, what it takes back, and what it does not read.

mod fields;
mod outage;
mod reading;

use crate::report::{Report, run_on};
use crate::world::{Output, Shop};
use serde_json::Value;
use std::collections::BTreeSet;

/// A shop with a grant for the procedure.
fn shop() -> Shop {
    Shop::open().granting("k8s-config")
}

fn configure(shop: &Shop, parameters: &[&str]) -> Report {
    let namespace = format!("namespace={}", shop.namespace().name());
    let mut all = vec![namespace.as_str(), "within=1min"];
    all.extend(parameters);
    run_on(shop, "staging", &[], "k8s-config", &all)
}

/// A deployment that takes its variables from `settings`.
fn api(image: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec:
  replicas: 1
  progressDeadlineSeconds: 5
  selector: {{matchLabels: {{app: api}}}}
  template:
    metadata: {{labels: {{app: api}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: app, image: '{image}', envFrom: [{{configMapRef: {{name: settings}}}}]}}]
"
    )
}

fn settings(value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{mode: '{value}'}}\n"
    )
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {selector: {app: api}, ports: [{port: 80}]}\n";

/// Writes a folder of manifests: one file for the settings, one for all others.
fn write(shop: &Shop, value: &str, image: &str, more: &str) {
    shop.write("manifests/10-settings.yaml", &settings(value));
    shop.write(
        "manifests/20-api.yml",
        &format!("{}---\n{more}", api(image)),
    );
}

const FOLDER: &str = "manifests=@manifests";

/// What is wanted of the objects: their data or specification, by kind and name.
fn wanted(shop: &Shop) -> Value {
    let list = shop.namespace().object("configmaps,services,deployments");
    let mut all = serde_json::Map::new();
    for object in list["items"].as_array().unwrap() {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        let contents =
            serde_json::json!([object["data"], object["spec"], object["metadata"]["labels"]]);
        all.insert(name, contents);
    }
    all.into()
}

fn undo_the_last(shop: &Shop) -> Output {
    shop.undo_the_last().expect(0)
}

fn pods(shop: &Shop) -> BTreeSet<String> {
    shop.namespace().pods_of("api")
}

#[test]
fn a_folder_is_applied_once_and_taken_back_exactly() {
    let shop = shop();
    write(&shop, "a", "api:1", SERVICE);
    let before = wanted(&shop);
    let report = configure(&shop, &[FOLDER]).expect(0);
    assert_eq!(report.summary(), "3 created");
    assert!(
        report
            .check("every object is what its manifest says")
            .starts_with("pass: 3 looked at")
    );
    assert_eq!(
        configure(&shop, &[FOLDER]).expect(0).summary(),
        "everything is so already"
    );
    undo_the_last(&shop);
    let runs = shop.windlass(&["runs", "--output", "json"]).json();
    let first = runs["runs"][1]["run"].as_str().unwrap();
    shop.windlass(&["undo", first]).expect(0);
    assert_eq!(wanted(&shop), before);
}

#[test]
fn who_takes_from_changed_settings_is_restarted_and_nobody_else() {
    let shop = shop();
    write(&shop, "a", "api:1", SERVICE);
    configure(&shop, &[FOLDER]).expect(0);
    let old = pods(&shop);
    let web = shop.namespace().object("deployment/web");
    write(&shop, "b", "api:1", SERVICE);
    let report = configure(&shop, &[FOLDER]).expect(0);
    assert_eq!(report.summary(), "1 changed, 1 workload restarted");
    assert!(pods(&shop).is_disjoint(&old), "{old:?}");
    let spec = &shop.namespace().object("deployment/web")["spec"];
    assert_eq!(*spec, web["spec"]);
}

#[test]
fn what_left_the_manifests_is_deleted_and_comes_back_with_undo() {
    let shop = shop();
    write(&shop, "a", "api:1", SERVICE);
    configure(&shop, &[FOLDER]).expect(0);
    let before = wanted(&shop);
    write(&shop, "a", "api:1", "");
    let report = configure(&shop, &[FOLDER]).expect(0);
    assert_eq!(report.summary(), "1 pruned");
    assert!(
        !wanted(&shop)
            .to_string()
            .contains("\\\"Service\\\" \\\"api\\\"")
    );
    undo_the_last(&shop);
    assert_eq!(wanted(&shop), before);
}

#[test]
fn what_cannot_run_is_taken_back_with_all_that_was_applied() {
    let shop = shop();
    write(&shop, "a", "api:1", "");
    configure(&shop, &[FOLDER]).expect(0);
    let before = wanted(&shop);
    write(&shop, "b", "api:bad", SERVICE);
    let report = configure(&shop, &[FOLDER]).expect(1);
    assert!(
        report.summary().contains("the rollout of api failed"),
        "{}",
        report.summary()
    );
    assert_eq!(wanted(&shop), before);
    shop.namespace().until_rolled_out("deployment/api");
}

/// What is made and restarted in one run is known as its own when that run is taken back.
#[test]
fn what_was_made_and_then_restarted_is_taken_back() {
    let shop = shop();
    shop.write("manifests/10-settings.yaml", &settings("a"));
    configure(&shop, &[FOLDER]).expect(0);
    let before = wanted(&shop);
    write(&shop, "b", "api:bad", "");
    let report = configure(&shop, &[FOLDER]).expect(1);
    assert!(
        report.summary().contains("the rollout of api failed"),
        "{}",
        report.summary()
    );
    assert_eq!(wanted(&shop), before);
}

#[test]
fn the_way_back_leads_to_what_was_applied_before_the_last_time() {
    let shop = shop();
    let report = configure(&shop, &["back=true"]).expect(1);
    assert!(
        report.summary().contains("no state is remembered"),
        "{}",
        report.summary()
    );
    write(&shop, "a", "api:1", SERVICE);
    configure(&shop, &[FOLDER]).expect(0);
    let first = data(&shop);
    write(&shop, "b", "api:2", "");
    configure(&shop, &[FOLDER]).expect(0);
    // Once more the same: that is no state of its own.
    configure(&shop, &[FOLDER]).expect(0);
    let second = data(&shop);
    let report = configure(&shop, &["back=true"]).expect(0);
    assert_eq!(
        report.summary(),
        "1 created, 2 changed, 1 workload restarted"
    );
    assert_eq!(data(&shop), first);
    configure(&shop, &["back=true"]).expect(0);
    assert_eq!(data(&shop), second);
}

/// Mode, image, and whether there is a service.
fn data(shop: &Shop) -> (Value, Value, bool) {
    let settings = shop.namespace().object("configmap/settings");
    let api = shop.namespace().object("deployment/api");
    let services = shop
        .namespace()
        .kubectl(&["get", "services", "--output=name"]);
    let image = &api["spec"]["template"]["spec"]["containers"][0]["image"];
    (
        settings["data"]["mode"].clone(),
        image.clone(),
        services.contains("service/api"),
    )
}

#[test]
fn a_plan_says_each_field_and_binds_what_the_files_said() {
    let shop = shop();
    write(&shop, "a", "api:1", "");
    configure(&shop, &[FOLDER]).expect(0);
    let before = wanted(&shop);
    write(&shop, "b", "api:1", "");
    let namespace = format!("namespace={}", shop.namespace().name());
    let words = [
        "plan",
        "k8s-config",
        "--target",
        "staging",
        "--set",
        &namespace,
        "--set",
        FOLDER,
    ];
    let planned = shop.windlass(&words).expect(0);
    assert!(
        planned.to_string().contains("data.mode: a → b"),
        "{planned}"
    );
    assert_eq!(wanted(&shop), before);
    // The files say something else by then: the plan holds.
    write(&shop, "c", "api:9", "");
    shop.windlass(&[
        "run",
        "k8s-config",
        "--target",
        "staging",
        "--plan",
        "plan.json",
    ])
    .expect(0);
    assert_eq!(data(&shop).0, "b");
    assert_eq!(data(&shop).1, "api:1");
}

#[test]
fn what_is_granted_covers_kinds_and_names() {
    let shop = shop();
    let file = "grants/k8s-config.staging.toml";
    let narrowed = shop
        .read(file)
        .replace("kinds = [\"*\"]", "kinds = [\"v1/ConfigMap\"]");
    shop.write(file, &narrowed);
    write(&shop, "a", "api:1", "");
    let report = configure(&shop, &[FOLDER]).expect(3);
    assert!(
        report.summary().contains("no grant covers it"),
        "{}",
        report.summary()
    );
    // What was applied before it is taken back.
    assert!(!wanted(&shop).to_string().contains("settings"));
}

#[test]
fn a_service_account_has_to_be_chosen_and_granted() {
    let shop = shop();
    let with_account = api("api:1").replace("envFrom", "env: [], envFrom").replace(
        "      containers:",
        "      serviceAccountName: runner\n      containers:",
    );
    shop.write(
        "manifests/10.yaml",
        &format!("{}---\n{with_account}", settings("a")),
    );
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: runner}\n";
    shop.namespace().apply(account);
    configure(&shop, &[FOLDER]).expect(3);
    configure(&shop, &[FOLDER, "service-accounts=runner"]).expect(0);
}

fn with_data(shop: &Shop, data: &str) {
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: flags}}\ndata: {data}\n");
    shop.write("flags/a.yaml", &text);
}

/// What taking back put there again is still of the set, so a manifest without it takes it away.
#[test]
fn a_key_that_came_back_by_undo_goes_with_the_next_manifest() {
    let shop = shop();
    let flags = || shop.namespace().object("configmap/flags")["data"].clone();
    let both = serde_json::json!({"mode": "fast", "legacy": "on"});
    with_data(&shop, "{mode: fast, legacy: \"on\"}");
    configure(&shop, &["manifests=@flags"]).expect(0);
    assert_eq!(flags(), both);
    with_data(&shop, "{mode: fast}");
    configure(&shop, &["manifests=@flags"]).expect(0);
    undo_the_last(&shop);
    assert_eq!(flags(), both);
    configure(&shop, &["manifests=@flags"]).expect(0);
    assert_eq!(flags(), serde_json::json!({"mode": "fast"}));
}

#[test]
fn a_variable_that_came_back_with_a_bad_image_goes_with_the_next_manifest() {
    let shop = shop();
    let variables = || {
        let api = shop.namespace().object("deployment/api");
        let container = &api["spec"]["template"]["spec"]["containers"][0];
        (container["image"].clone(), container["env"].clone())
    };
    let write = |image: &str, env: &str| {
        let text = api(image).replace("envFrom: [{configMapRef: {name: settings}}]", env);
        shop.write("m/a.yaml", &text);
    };
    let debug = "env: [{name: DEBUG, value: '1'}]";
    write("api:1", debug);
    configure(&shop, &["manifests=@m"]).expect(0);
    let before = variables();
    write("api:bad", "env: []");
    configure(&shop, &["manifests=@m"]).expect(1);
    assert_eq!(variables(), before);
    write("api:2", "env: []");
    configure(&shop, &["manifests=@m"]).expect(0);
    assert_eq!(variables(), ("api:2".into(), Value::Null));
}

fn settings_of_a_version(shop: &Shop, name: &str) {
    let settings = settings(name).replace("name: settings", &format!("name: app-{name}"));
    let api = api("api:1").replace("name: settings", &format!("name: app-{name}"));
    shop.write("hashed/a.yaml", &format!("{settings}---\n{api}"));
}

/// Pods that serve still take from the settings of before, and so would those of a revision that is rolled back to.
#[test]
fn what_pods_or_a_kept_revision_take_from_is_not_pruned() {
    let shop = shop();
    settings_of_a_version(&shop, "aaa");
    configure(&shop, &["manifests=@hashed"]).expect(0);
    let old = pods(&shop);
    let replica_sets =
        shop.namespace()
            .kubectl(&["get", "replicasets", "--selector=app=api", "--output=name"]);
    settings_of_a_version(&shop, "bbb");
    let report = configure(&shop, &["manifests=@hashed"]).expect(0);
    assert_eq!(
        report.summary(),
        "1 created, 1 changed, 1 still in use and not pruned"
    );
    let told = shop.show_the_last();
    assert!(told.contains("ReplicaSet api-"), "{told}");
    shop.namespace().object("configmap/app-aaa");
    // No revision takes from it any more.
    let none = r#"{"spec": {"revisionHistoryLimit": 0}}"#;
    let patch = ["patch", "deployment/api", "--patch", none];
    shop.namespace().kubectl(&patch);
    shop.namespace().until(replica_sets.trim(), "delete");
    for pod in old {
        shop.namespace().until(&format!("pod/{pod}"), "delete");
    }
    let report = configure(&shop, &["manifests=@hashed"]).expect(0);
    assert_eq!(report.summary(), "1 pruned");
}

/// The Role that the README lists, and nothing else.
#[test]
fn the_role_of_its_readme_is_enough() {
    let readme = include_str!("../../../plugins/k8s-config/README.md");
    let shop = Shop::with_the_role_of(readme).granting("k8s-config");
    write(&shop, "a", "api:1", SERVICE);
    configure(&shop, &[FOLDER]).expect(0);
    write(&shop, "b", "api:1", "");
    let report = configure(&shop, &[FOLDER]).expect(0);
    assert_eq!(
        report.summary(),
        "1 changed, 1 pruned, 1 workload restarted"
    );
    undo_the_last(&shop);
    let limit = "fields=spec.template.spec.containers[app].resources.limits.memory=64Mi";
    configure(&shop, &["object=deployment/api", limit]).expect(0);
    let said = undo_the_last(&shop);
    assert!(!said.all().contains("no right to list"), "{said}");
}
