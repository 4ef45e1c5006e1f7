//! `backup-job` on a real control plane.

use crate::room_cluster::jobs::cron_job;
use crate::world::Shop;
use serde_json::json;

/// A shop with the suspended CronJob `backup`, whose pods run this image.
fn shop(image: &str) -> Shop {
    let shop = Shop::open().granting("backup-job");
    shop.namespace().apply(&cron_job(image, "300ms"));
    shop
}

fn jobs(shop: &Shop) -> String {
    shop.namespace().kubectl(&["get", "jobs", "--output=name"])
}

#[test]
fn a_backup_is_made_followed_and_its_words_are_kept() {
    let shop = shop("backup:1");
    let report = shop.run("backup-job", &["cron-job=backup"]).expect(0);
    assert!(report.summary().ends_with("is complete"));
    let check = report.check("the backup is complete");
    assert!(check.starts_with("pass: complete in "), "{check}");
    assert!(!report.lines("info").is_empty() || !report.lines("warning").is_empty());
    assert_eq!(jobs(&shop).lines().count(), 1);
    let again = shop.run("backup-job", &["cron-job=backup"]).expect(0);
    let check = again.check("the backup is complete");
    assert!(check.contains("the median of 1 job before is "), "{check}");
    assert_eq!(jobs(&shop).lines().count(), 2);
}

#[test]
fn one_that_fails_is_told_with_its_reason_and_taken_back() {
    let shop = shop("backup:fail");
    let report = shop.run("backup-job", &["cron-job=backup"]).expect(1);
    let check = report.check("the backup is complete");
    assert!(check.starts_with("fail: BackoffLimitExceeded"), "{check}");
    assert!(report.summary().contains("BackoffLimitExceeded"));
    assert_eq!(jobs(&shop), "");
}

#[test]
fn one_that_never_starts_says_what_its_pod_says() {
    let shop = shop("backup:bad");
    let report = shop
        .run("backup-job", &["cron-job=backup", "within=3s"])
        .expect(1);
    report.said("warning", "ImagePullBackOff");
}

#[test]
fn freshness_needs_a_complete_one_that_is_young_enough() {
    let shop = shop("backup:1");
    let look = |more: &str| shop.run("backup-job", &["cron-job=backup", "only-check=true", more]);
    let none = look("max-age=1h").expect(1);
    assert_eq!(
        none.check("the newest backup is fresh"),
        "fail: none of 0 jobs is complete, and the CronJob has kept no success"
    );
    shop.run("backup-job", &["cron-job=backup"]).expect(0);
    look("max-age=1h").expect(0);
    look("max-age=0s").expect(1);
    assert_eq!(jobs(&shop).lines().count(), 1);
}

#[test]
fn two_backups_at_once_are_not_made() {
    let shop = shop("backup:1");
    shop.namespace().apply(&cron_job("backup:1", "300s"));
    shop.namespace()
        .kubectl(&["create", "job", "theirs", "--from=cronjob/backup"]);
    shop.namespace()
        .until("job/theirs", "jsonpath={.status.active}=1");
    let report = shop.run("backup-job", &["cron-job=backup", "within=3s"]);
    let report = report.expect(1);
    assert_eq!(
        report.summary(),
        "theirs is under way; two backups at once are not made"
    );
    assert_eq!(jobs(&shop), "job.batch/theirs\n");
}

#[test]
fn a_cron_job_that_is_not_granted_makes_nothing() {
    let shop = shop("backup:1");
    let file = "grants/backup-job.staging.toml";
    let mut table: toml::Table = shop.read(file).parse().unwrap();
    let scopes = table["cluster"].as_array_mut().unwrap();
    let makes = |scope: &&mut toml::Value| scope["verbs"][0].as_str() == Some("create-job");
    scopes.iter_mut().find(makes).unwrap()["names"] = vec!["other"].into();
    shop.write(file, &toml::to_string(&table).unwrap());
    shop.run("backup-job", &["cron-job=backup"]).expect(3);
    assert_eq!(jobs(&shop), "");
}

#[test]
fn the_role_of_its_readme_is_enough() {
    let shop = Shop::with_the_role_of(include_str!("../../plugins/backup-job/README.md"))
        .granting("backup-job");
    shop.namespace().apply(&cron_job("backup:1", "300ms"));
    shop.run("backup-job", &["cron-job=backup"]).expect(0);
    shop.undo_the_last().expect(0);
    assert_eq!(shop.namespace().object("jobs")["items"], json!([]));
}

#[test]
fn a_success_counts_that_the_cron_job_has_kept_itself() {
    let shop = shop("backup:1");
    let status = format!(
        "{{\"status\": {{\"lastSuccessfulTime\": \"{:.0}\"}}}}",
        jiff::Timestamp::now()
    );
    let words = [
        "patch",
        "cronjob/backup",
        "--subresource=status",
        "--type=merge",
    ];
    shop.namespace()
        .kubectl(&[&words[..], &["--patch", &status]].concat());
    let look = ["cron-job=backup", "only-check=true", "max-age=1h"];
    let report = shop.run("backup-job", &look).expect(0);
    let check = report.check("the newest backup is fresh");
    assert!(
        check.starts_with("pass: a job that is cleared away"),
        "{check}"
    );
}

#[test]
fn a_log_that_is_gone_with_its_pods_is_missed() {
    let shop = shop("backup:1");
    let gone = cron_job("backup:1", "300ms").replace(
        "backoffLimit: 0",
        "backoffLimit: 0\n      ttlSecondsAfterFinished: 0",
    );
    shop.namespace().apply(&gone);
    let report = shop.run("backup-job", &["cron-job=backup"]);
    report.said("warning", "is lost: ");
}
