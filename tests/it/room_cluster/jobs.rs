//! Jobs made from cron jobs, beside `kubectl create job --from`.

use super::acts::{bare, failed};
use super::{Bench, LONG, effect, refused, room};
use crate::world::{NOT_PULLED, Namespace};
use serde_json::{Value, json};
use windlass::call::{Confirmed, Reverted, Undo};
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{JobFacts, JobOutcome};
use xtask::kubernetes::User;

/// A cron job called `backup` whose schedule never comes. Its pods run for this long.
pub(crate) fn cron_job(image: &str, ends_after: &str) -> String {
    format!(
        "
apiVersion: batch/v1
kind: CronJob
metadata: {{name: backup, labels: {{team: storage}}}}
spec:
  schedule: 0 3 1 1 *
  suspend: true
  jobTemplate:
    metadata: {{labels: {{app: backup}}, annotations: {{team.example/note: nightly}}}}
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: 300
      template:
        metadata: {{labels: {{app: backup}}, annotations: {{testbed/complete-after: {ends_after}}}}}
        spec: {{restartPolicy: Never, containers: [{{name: app, image: \"{image}\", args: [--all]}}]}}
"
    )
}

fn bench(image: &str) -> Bench {
    Bench::having(&cron_job(image, "300ms"))
}

fn from_cron_job(bench: &Bench) -> Change {
    Change::FromCronJob {
        cron_job: bench.named("backup"),
    }
}

fn delete(bench: &Bench, name: &str) -> Change {
    Change::DeleteJob {
        job: bench.named(name),
    }
}

/// What the effect of this number calls its job.
fn called(bench: &Bench, number: u64) -> String {
    format!("backup-{}-{number}", bench.numbered(number).run())
}

fn jobs(bench: &Bench) -> Vec<JobFacts> {
    bench.facts(Look::Jobs {
        namespace: bench.namespace.name().into(),
        selector: String::new(),
    })
}

fn ended(bench: &Bench, name: &str) -> JobFacts {
    bench.facts(Look::AwaitJob {
        job: bench.named(name),
        within: u64::try_from(LONG.as_millis()).unwrap(),
    })
}

fn facts(answer: Value) -> JobFacts {
    serde_json::from_value(answer).unwrap()
}

/// A job as somebody wrote it: without what makes it another one than the next, and without how far it is.
fn written(bench: &Bench, name: &str) -> Value {
    let mut job = bare(bench.namespace.object(&format!("job/{name}")));
    job["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("creationTimestamp");
    job["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("windlass.dev/effect");
    job.as_object_mut().unwrap().remove("status");
    let uid = job["metadata"]["uid"].as_str().unwrap().to_owned();
    let text = job.to_string().replace(&uid, "UID").replace(name, "NAME");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_job_is_the_one_that_kubectl_makes() {
    let bench = bench("backup:1.0");
    bench
        .namespace
        .kubectl(&["create", "job", "theirs", "--from=cronjob/backup"]);
    let mark = bench.namespace.cluster().requests_length();
    let (applied, _) = bench.act(&from_cron_job(&bench));
    assert_eq!(bench.requests(mark), ["get", "list", "create"]);
    let made = facts(applied.answer);
    assert_eq!(made.name.name, called(&bench, 1));
    assert_eq!(made.cron_job.as_deref(), Some("backup"));
    assert_eq!(written(&bench, &made.name.name), written(&bench, "theirs"));
    let object = bench.namespace.object(&format!("job/{}", made.name.name));
    assert_eq!(
        object["metadata"]["annotations"]["windlass.dev/effect"],
        format!("{}/1", bench.numbered(1).run())
    );
}

#[test]
fn what_became_of_a_job_is_told_in_its_controllers_words() {
    // The next one is made in another second, as the server counts.
    let mut bench = Bench::having(&cron_job("backup:1.0", "1100ms"));
    bench.apply(&from_cron_job(&bench)).unwrap();
    let complete = ended(&bench, &called(&bench, 1));
    assert_eq!(
        (complete.outcome, complete.succeeded, complete.failed),
        (JobOutcome::Complete, 1, 0)
    );
    assert!(complete.finished >= complete.created && complete.message.is_empty());

    bench.namespace.apply(&cron_job("backup:fail", "300ms"));
    let prepared = bench.prepare(&from_cron_job(&bench)).unwrap();
    bench
        .apply_as(2, &from_cron_job(&bench), &prepared)
        .unwrap();
    let failed = ended(&bench, &called(&bench, 2));
    assert_eq!((failed.outcome, failed.failed), (JobOutcome::Failed, 1));
    assert!(
        failed.message.starts_with("BackoffLimitExceeded: "),
        "{}",
        failed.message
    );
    let names = |bench: &Bench| -> Vec<_> {
        let jobs = jobs(bench).into_iter();
        jobs.map(|job| job.name.name).collect()
    };
    assert_eq!(names(&bench), [called(&bench, 2), called(&bench, 1)]);
    // What a grant does not cover is not shown.
    bench.narrow(&json!({"names": [called(&bench, 1)]}));
    assert_eq!(names(&bench), [called(&bench, 1)]);
}

#[test]
fn a_job_that_does_not_end_says_why() {
    let bench = bench("backup:bad");
    bench.apply(&from_cron_job(&bench)).unwrap();
    let job = format!("job/{}", called(&bench, 1));
    bench.namespace.until(&job, "jsonpath={.status.active}=1");
    bench.namespace.until_pods("backup", NOT_PULLED);
    let look = Look::AwaitJob {
        job: bench.named(&called(&bench, 1)),
        within: 500,
    };
    let why = refused(bench.read::<Value>(look), ErrorKind::Limit);
    assert!(why.contains("1 of its pods are at work"), "{why}");
    assert!(why.contains("ImagePullBackOff"), "{why}");
}

#[test]
fn a_job_is_made_once_for_one_effect() {
    let bench = bench("backup:1.0");
    let change = from_cron_job(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let Confirmed::NotDone { why, .. } = bench.confirm(&change, &prepared) else {
        panic!("nothing was sent");
    };
    assert_eq!(
        why,
        format!(
            "job {}/{} was never there",
            bench.namespace.name(),
            called(&bench, 1)
        )
    );
    let first = bench.apply_as(1, &change, &prepared).unwrap();
    let again = bench.apply_as(1, &change, &prepared).unwrap();
    assert_eq!(facts(first.answer).uid, facts(again.answer).uid);
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::Done(_)
    ));
    assert_eq!(jobs(&bench).len(), 1);
    // A second call of the run is another effect, and makes another job.
    bench.apply_as(2, &change, &prepared).unwrap();
    assert_eq!(jobs(&bench).len(), 2);
}

#[test]
fn a_host_killed_while_it_makes_a_job_finds_it_later() {
    let bench = bench("backup:1.0");
    let change = from_cron_job(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let doomed = tokio::runtime::Runtime::new().unwrap();
    let room = room(&bench.namespace, User::Admin);
    let (permit, effect, sent) = (bench.numbered(1), effect(&change), prepared.clone());
    doomed.spawn(async move { room.apply(&permit, &effect, &sent).await.map(drop) });
    bench
        .namespace
        .until(&format!("job/{}", called(&bench, 1)), "create");
    doomed.shutdown_background();
    let Confirmed::Done(done) = bench.confirm(&change, &prepared) else {
        panic!("it is there");
    };
    let again = bench.apply_as(1, &change, &prepared).unwrap();
    assert_eq!(facts(done.answer).uid, facts(again.answer).uid);
    assert_eq!(jobs(&bench).len(), 1);
}

#[test]
fn another_hands_job_of_the_name_is_left_alone() {
    let bench = bench("backup:1.0");
    let change = from_cron_job(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let name = called(&bench, 1);
    bench
        .namespace
        .kubectl(&["create", "job", &name, "--image=theirs:1"]);
    let why = failed(bench.apply_as(1, &change, &prepared), ErrorKind::Conflict);
    assert!(why.contains("another hand made it"), "{why}");
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::CannotTell(_)
    ));
    assert!(matches!(bench.undo(&prepared), Reverted::LeftAlone(_)));
    assert_eq!(jobs(&bench).len(), 1);
}

#[test]
fn undo_deletes_the_job_and_its_pods() {
    let bench = Bench::having(&cron_job("backup:1.0", "60s"));
    let (_, prepared) = bench.act(&from_cron_job(&bench));
    let name = called(&bench, 1);
    bench
        .namespace
        .until(&format!("job/{name}"), "jsonpath={.status.active}=1");
    assert!(matches!(bench.undo(&prepared), Reverted::Restored(_)));
    assert!(jobs(&bench).is_empty());
    bench.namespace.until_pods("backup", "delete");
    assert!(matches!(bench.undo(&prepared), Reverted::NothingToDo(_)));
}

#[test]
fn a_job_that_is_held_is_waited_for() {
    let bench = bench("backup:1.0");
    bench.apply(&from_cron_job(&bench)).unwrap();
    let job = format!("job/{}", called(&bench, 1));
    let finalizers = |list: &str| {
        let patch = format!("{{\"metadata\": {{\"finalizers\": {list}}}}}");
        bench
            .namespace
            .kubectl(&["patch", &job, "--type=merge", "--patch", &patch]);
    };
    finalizers("[\"team.example/hold\"]");
    let mut deleting = bench.start(&delete(&bench, &called(&bench, 1)));
    deleting.until_shown(&bench, "the finalizer `team.example/hold` holds it");
    finalizers("null");
    deleting.wait(&bench).unwrap();
    assert!(jobs(&bench).is_empty());
}

#[test]
fn only_a_job_of_windlass_is_deleted() {
    let bench = bench("backup:1.0");
    bench
        .namespace
        .kubectl(&["create", "job", "theirs", "--image=theirs:1"]);
    let why = refused(bench.prepare(&delete(&bench, "theirs")), ErrorKind::Denied);
    assert!(why.contains("was not made by windlass"), "{why}");
    refused(bench.prepare(&delete(&bench, "none")), ErrorKind::NotFound);

    bench.apply(&from_cron_job(&bench)).unwrap();
    let own = delete(&bench, &called(&bench, 1));
    bench.plan(&own).unwrap();
    assert_eq!(jobs(&bench).len(), 2, "a plan deletes nothing");
    let prepared = bench.prepare(&own).unwrap();
    assert!(matches!(prepared.undo, Undo::Impossible(_)));
    assert!(matches!(
        bench.confirm(&own, &prepared),
        Confirmed::NotDone { .. }
    ));
    bench.apply_as(2, &own, &prepared).unwrap();
    bench.apply_as(2, &own, &prepared).unwrap();
    assert!(matches!(bench.confirm(&own, &prepared), Confirmed::Done(_)));
    assert_eq!(jobs(&bench).len(), 1);
}

#[test]
fn a_plan_makes_no_job_and_says_what_it_would_run() {
    let bench = bench("backup:1.0");
    let prepared = bench.plan(&from_cron_job(&bench)).unwrap();
    assert_eq!(prepared.after, "runs backup:1.0");
    let foreseen = facts(prepared.foreseen);
    assert_eq!(foreseen.outcome, JobOutcome::Running);
    assert_eq!(foreseen.cron_job.as_deref(), Some("backup"));
    assert!(jobs(&bench).is_empty());
}

#[test]
fn who_may_not_is_told_so_in_the_servers_words() {
    let bench = Bench::without_rights();
    bench.namespace.apply(&cron_job("backup:1.0", "300ms"));
    let change = from_cron_job(&bench);
    let why = refused(bench.prepare(&change), ErrorKind::Denied);
    assert!(why.contains("cannot get resource \"cronjobs\""), "{why}");
    let look = Look::Jobs {
        namespace: bench.namespace.name().into(),
        selector: String::new(),
    };
    let why = refused(bench.read::<Value>(look), ErrorKind::Denied);
    assert!(why.contains("cannot list resource \"jobs\""), "{why}");
    bench.allow("get", "cronjobs");
    let prepared = bench.prepare(&change).unwrap();
    let why = failed(bench.apply_as(1, &change, &prepared), ErrorKind::Denied);
    assert!(why.contains("cannot create resource \"jobs\""), "{why}");
    let why = refused(bench.plan(&change), ErrorKind::Denied);
    assert!(why.contains("cannot create resource \"jobs\""), "{why}");
}

#[test]
fn names_that_reach_elsewhere_are_refused_before_anything_is_asked() {
    let bench = Bench::new(Namespace::new());
    let mark = bench.namespace.cluster().requests_length();
    for name in [
        "web-0/log",
        "x?dryRun=All",
        "..",
        "%2f",
        "",
        "ä",
        &"a".repeat(254),
    ] {
        let (cron_job, job) = (bench.named(name), bench.named(name));
        refused(
            bench.prepare(&Change::FromCronJob { cron_job }),
            ErrorKind::Invalid,
        );
        refused(
            bench.prepare(&Change::DeleteJob { job: job.clone() }),
            ErrorKind::Invalid,
        );
        refused(
            bench.prepare(&Change::Renew {
                certificate: job.clone(),
            }),
            ErrorKind::Invalid,
        );
        refused(
            bench.read::<Value>(Look::AwaitJob { job, within: 1 }),
            ErrorKind::Invalid,
        );
    }
    for namespace in ["", "*", "payments/secrets/x?"] {
        let look = Look::Jobs {
            namespace: namespace.into(),
            selector: String::new(),
        };
        refused(bench.read::<Value>(look), ErrorKind::Invalid);
    }
    let look = Look::Jobs {
        namespace: bench.namespace.name().into(),
        selector: "a=b&limit=1".into(),
    };
    refused(bench.read::<Value>(look), ErrorKind::Invalid);
    assert!(bench.requests(mark).is_empty());
}

#[test]
fn a_job_that_was_cleared_away_was_made_all_the_same() {
    let bench = bench("backup:1.0");
    let change = from_cron_job(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let Confirmed::NotDone { why, .. } = bench.confirm(&change, &prepared) else {
        panic!("it was never made");
    };
    assert!(why.ends_with("was never there"), "{why}");
    bench.apply_as(1, &change, &prepared).unwrap();
    let name = called(&bench, 1);
    ended(&bench, &name);
    bench.namespace.kubectl(&["delete", "job", &name]);
    let Confirmed::Done(applied) = bench.confirm(&change, &prepared) else {
        panic!("it was made");
    };
    assert_eq!(facts(applied.answer).name.name, name);

    // Of a time that the server does not know nothing is known.
    let mut forgotten = prepared;
    forgotten.before["version"] = Value::Null;
    let Confirmed::CannotTell(why) = bench.confirm(&change, &forgotten) else {
        panic!("it cannot be known");
    };
    assert!(why.contains("cleared away since"), "{why}");
}

#[test]
fn a_job_that_is_suspended_is_not_waited_for() {
    let bench = bench("backup:1.0");
    let suspended = cron_job("backup:1.0", "300ms").replace("backoffLimit: 0", "suspend: true");
    bench.namespace.apply(&suspended);
    let change = from_cron_job(&bench);
    let message = refused(bench.plan(&change), ErrorKind::Conflict);
    assert!(message.contains("the job is suspended"), "{message}");

    bench.namespace.apply(&cron_job("backup:1.0", "300s"));
    bench.apply(&change).unwrap();
    let name = called(&bench, 1);
    let patch = "{\"spec\": {\"suspend\": true}}";
    let words = ["patch", "job", &name, "--type=merge", "--patch", patch];
    bench.namespace.kubectl(&words);
    let look = Look::AwaitJob {
        job: bench.named(&name),
        within: 50_000,
    };
    let message = refused(bench.read::<JobFacts>(look), ErrorKind::Conflict);
    assert!(message.contains("the job is suspended"), "{message}");
}
