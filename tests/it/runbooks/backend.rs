//! The update of a backend, with its migration and under the maintenance page.

use super::{hasty, roll_out};
use crate::laws::clusters::{unmarked, wanted};
use crate::maintenance_mode::OBJECTS;
use crate::report::Report;
use crate::room_cluster::jobs::cron_job;
use crate::world::Shop;

/// A shop with a route, a maintenance page, a CronJob that backs up, and grants for all that its runbook needs.
fn shop() -> Shop {
    let shop = Shop::open();
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
    let expand = "
apiVersion: batch/v1
kind: Job
metadata: {name: expand}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: 'migrate:1'}]}}}
";
    shop.write("expand.yaml", expand);
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
    let shop = shop();
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
        let shop = shop();
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
