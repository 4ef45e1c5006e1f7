//! The update of a backend, with its migration and under the maintenance page.

use super::{hasty, roll_out};
use crate::laws::clusters::{unmarked, wanted};
use crate::maintenance_mode::OBJECTS;
use crate::report::Report;
use crate::room_cluster::jobs::cron_job;
use crate::world::{Namespace, Shop};
use xtask::kubernetes::{Options, User};

const EXPAND: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: expand}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: 'migrate:1'}]}}}
";

/// With a route, a maintenance page, a CronJob that backs up, and grants for all that its runbook needs.
fn furnished(shop: Shop) -> Shop {
    let namespace = shop.namespace();
    namespace.apply(OBJECTS);
    namespace.apply(&cron_job("backup:1", "300ms"));
    namespace.kubectl(&[
        "wait",
        "endpointslices",
        "--selector=kubernetes.io/service-name=page",
        "--for=jsonpath={.endpoints[0].conditions.ready}=true",
        "--timeout=60s",
    ]);
    shop.write("expand.yaml", EXPAND);
    [
        "backup-job",
        "maintenance-mode",
        "k8s-rollout",
        "service-verify",
    ]
    .into_iter()
    .fold(shop, Shop::granting)
}

fn maintenance(shop: &Shop, mode: &str) -> Report {
    let mode = format!("mode={mode}");
    let page = ["kind=ingress", "name=shop", "service=page"];
    shop.run("maintenance-mode", &[&[mode.as_str()], &page[..]].concat())
        .expect(0)
}

fn update(shop: &Shop, image: &str) -> Report {
    let image = format!("images=app={image}");
    roll_out(shop, &[&image, "expand=@expand.yaml"])
}

fn verify(shop: &Shop, more: &[&str]) -> Report {
    super::verify(shop, &[&["selector=app=web"], more].concat())
}

/// Baseline, backup, maintenance page, migration and new image, verification, page off again.
#[test]
fn a_backend_is_updated() {
    let shop = furnished(Shop::open());
    verify(&shop, &["baseline=true"]).expect(0);
    shop.run("backup-job", &["cron-job=backup"]).expect(0);
    maintenance(&shop, "on");
    update(&shop, "shop:2").expect(0);
    verify(&shop, &["watch=300ms"]).expect(0);
    maintenance(&shop, "off");
    let ingress = shop.namespace().object("ingress/shop");
    let rule = &ingress["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(rule["backend"]["service"]["name"], "front");
    assert_eq!(shop.image(), "shop:2");
    let fresh = shop.run(
        "backup-job",
        &["cron-job=backup", "only-check=true", "max-age=10min"],
    );
    fresh.expect(0);
}

/// With an image that cannot run the update takes itself back, and after the page is off all is as it was, marks aside.
#[test]
fn a_backend_whose_new_image_cannot_run_is_as_before() {
    for image in ["shop:bad", "shop:unready"] {
        let shop = furnished(Shop::open());
        hasty(&shop, "deployment/web");
        let before = unmarked(&shop);
        verify(&shop, &["baseline=true"]).expect(0);
        maintenance(&shop, "on");
        let during = wanted(&shop);
        update(&shop, image).expect(1);
        assert_eq!(wanted(&shop), during, "{image}");
        shop.namespace().until_rolled_out("deployment/web");
        verify(&shop, &[]).expect(0);
        maintenance(&shop, "off");
        assert_eq!(unmarked(&shop), before, "{image}");
    }
}

/// The runbook by kubectl: the page on, one replica, the new image, the migration and what it said, two replicas, the wait, the page off.
fn by_kubectl(shop: &Shop) {
    let kubectl = |words: &[&str]| shop.namespace().kubectl(words);
    // As windlass does: what the server would store is asked for first, since it decides what can be taken back.
    let rehearsed = |words: &[&str]| {
        kubectl(&[words, &["--dry-run=server"]].concat());
        kubectl(words)
    };
    let field = "/spec/rules/0/http/paths/0/backend/service/name";
    let route = |service: &str| {
        let patch = format!(r#"[{{"op": "replace", "path": "{field}", "value": "{service}"}}]"#);
        rehearsed(&["patch", "ingress/shop", "--type=json", "--patch", &patch]);
    };
    route("page");
    kubectl(&["scale", "deployment/web", "--replicas=1"]);
    rehearsed(&["set", "image", "deployment/web", "app=shop:2"]);
    shop.namespace().until_rolled_out("deployment/web");
    let file = shop.path().join("expand.yaml");
    kubectl(&["create", "--filename", file.to_str().unwrap()]);
    shop.namespace().until("job/expand", "condition=Complete");
    kubectl(&["logs", "job/expand"]);
    kubectl(&["scale", "deployment/web", "--replicas=2"]);
    shop.namespace()
        .until("deployment/web", "condition=Available");
    route("front");
}

/// Everything that the API server is asked while this works.
fn asked(shop: &Shop, work: impl Fn()) -> Vec<String> {
    let cluster = shop.namespace().cluster();
    let mark = cluster.requests_length();
    work();
    let all = cluster.requests(mark).into_iter();
    all.map(|request| format!("{} {}", request.verb, request.uri))
        .collect()
}

#[test]
fn an_update_of_a_backend_asks_no_more_than_kubectl() {
    let options = Options::default().audit();
    let shop = furnished(Shop::on(Namespace::alone(&options), User::Admin));
    // From here on it knows the kinds.
    shop.namespace()
        .kubectl(&["get", "ingresses,jobs,deployments"]);
    let theirs = asked(&shop, || by_kubectl(&shop));
    let ours = asked(&shop, || {
        maintenance(&shop, "on");
        update(&shop, "shop:3").expect(0);
        maintenance(&shop, "off");
    });
    let (locks, ours): (Vec<_>, Vec<_>) = ours
        .into_iter()
        .partition(|request| request.contains("/leases"));
    assert!(ours.len() <= theirs.len(), "{ours:#?}\nagainst {theirs:#?}");
    // Each run takes its lock, which kubectl has none of, by two requests, and gives it back by one. A slow machine renews it.
    let renewals = locks
        .iter()
        .filter(|request| request.starts_with("update"))
        .count()
        - 5;
    assert_eq!(locks.len() - renewals, 9, "{locks:#?}");
}

/// A smoke test is made anew each time: one that went well yesterday says nothing of today.
#[test]
fn a_smoke_test_is_a_job_of_its_own_each_time() {
    let shop = Shop::open().granting("backup-job");
    let image = |image| {
        let yaml = cron_job(image, "300ms").replace("backup", "smoke");
        shop.namespace().apply(&yaml);
    };
    let smoke = || shop.run("backup-job", &["cron-job=smoke", "lines=5"]);
    let jobs = || {
        let jobs = ["get", "jobs", "--output=name"];
        shop.namespace().kubectl(&jobs).lines().count()
    };
    image("smoke:1");
    smoke().expect(0);
    smoke().expect(0);
    assert_eq!(jobs(), 2);
    image("smoke:fail");
    let report = smoke().expect(1);
    assert!(
        report.summary().contains("BackoffLimitExceeded"),
        "{}",
        report.summary()
    );
    assert_eq!(jobs(), 2);
}
