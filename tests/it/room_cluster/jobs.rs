//! Jobs made from cron jobs, beside `kubectl create job --from`.

use super::{Bench, LONG, RUN, bare, effect, failed, refused, room, runtime};
use crate::world::Namespace;
use serde_json::Value;
use windlass::call::{Confirmed, Reverted, Undo};
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{JobFacts, JobOutcome, Namespaced};
use xtask::kubernetes::User;

/// A cron job called `backup` whose schedule never comes.
fn cron_job(image: &str) -> String {
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
        metadata: {{labels: {{app: backup}}}}
        spec: {{restartPolicy: Never, containers: [{{name: app, image: \"{image}\", args: [--all]}}]}}
"
    )
}

fn bench(image: &str) -> Bench {
    let bench = Bench::new();
    bench.namespace.apply(&cron_job(image));
    bench
}

fn from_cron_job(bench: &Bench) -> Change {
    Change::FromCronJob {
        cron_job: named(bench, "backup"),
    }
}

fn delete(bench: &Bench, name: &str) -> Change {
    Change::DeleteJob {
        job: named(bench, name),
    }
}

fn named(bench: &Bench, name: &str) -> Namespaced {
    Namespaced {
        namespace: bench.name(),
        name: name.into(),
    }
}

/// What the effect of this number calls its job.
fn called(number: u64) -> String {
    format!("backup-{RUN}-{number}")
}

fn jobs(bench: &Bench) -> Vec<JobFacts> {
    bench.facts(Look::Jobs {
        namespace: bench.name(),
        selector: String::new(),
    })
}

fn ended(bench: &Bench, name: &str) -> JobFacts {
    bench.facts(Look::AwaitJob {
        job: named(bench, name),
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
    assert_eq!(bench.requests(mark), ["get", "create"]);
    let made = facts(applied.answer);
    assert_eq!(made.name.name, called(1));
    assert_eq!(made.cron_job.as_deref(), Some("backup"));
    assert_eq!(written(&bench, &made.name.name), written(&bench, "theirs"));
    let object = bench.namespace.object(&format!("job/{}", made.name.name));
    assert_eq!(
        object["metadata"]["annotations"]["windlass.dev/effect"],
        format!("{RUN}/1")
    );
}

#[test]
fn what_became_of_a_job_is_told_in_its_controllers_words() {
    let bench = bench("backup:1.0");
    bench.act(&from_cron_job(&bench));
    let complete = ended(&bench, &called(1));
    assert_eq!(
        (complete.outcome, complete.succeeded, complete.failed),
        (JobOutcome::Complete, 1, 0)
    );
    assert!(complete.finished >= complete.created && complete.message.is_empty());

    bench.namespace.apply(&cron_job("backup:fail"));
    let prepared = bench.prepare(&from_cron_job(&bench)).unwrap();
    bench.apply(&from_cron_job(&bench), &prepared, 2).unwrap();
    let failed = ended(&bench, &called(2));
    assert_eq!((failed.outcome, failed.failed), (JobOutcome::Failed, 1));
    assert!(
        failed.message.starts_with("BackoffLimitExceeded: "),
        "{}",
        failed.message
    );
    let names: Vec<_> = jobs(&bench).into_iter().map(|job| job.name.name).collect();
    assert_eq!(names, [called(2), called(1)]);
}

#[test]
fn a_job_that_does_not_end_says_why() {
    let bench = bench("backup:bad");
    bench.act(&from_cron_job(&bench));
    let job = format!("job/{}", called(1));
    bench.namespace.until(&job, "jsonpath={.status.active}=1");
    bench.namespace.kubectl(&[
        "wait",
        "pods",
        "--selector=app=backup",
        "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff",
        "--timeout=60s",
    ]);
    let look = Look::AwaitJob {
        job: named(&bench, &called(1)),
        within: 500,
    };
    let why = refused(bench.read(look), ErrorKind::Limit);
    assert!(why.contains("1 of its pods are at work"), "{why}");
    assert!(why.contains("ImagePullBackOff"), "{why}");
}

#[test]
fn a_job_is_made_once_for_one_effect() {
    let bench = bench("backup:1.0");
    let change = from_cron_job(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let Confirmed::NotDone { why, .. } = bench.confirm(&change, &prepared, 1) else {
        panic!("nothing was sent");
    };
    assert_eq!(
        why,
        format!("there is no job {}/{}", bench.name(), called(1))
    );
    let first = bench.apply(&change, &prepared, 1).unwrap();
    let again = bench.apply(&change, &prepared, 1).unwrap();
    assert_eq!(facts(first.answer).uid, facts(again.answer).uid);
    assert!(matches!(
        bench.confirm(&change, &prepared, 1),
        Confirmed::Done(_)
    ));
    assert_eq!(jobs(&bench).len(), 1);
    // A second call of the run is another effect, and makes another job.
    bench.apply(&change, &prepared, 2).unwrap();
    assert_eq!(jobs(&bench).len(), 2);
}

#[test]
fn a_host_killed_while_it_makes_a_job_finds_it_later() {
    let bench = bench("backup:1.0");
    let change = from_cron_job(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let doomed = runtime();
    let room = room(&bench.namespace, User::Admin);
    let (permit, effect, sent) = (bench.change_permit(1), effect(&change), prepared.clone());
    doomed.spawn(async move { room.apply(&permit, &effect, &sent).await.map(drop) });
    bench
        .namespace
        .until(&format!("job/{}", called(1)), "create");
    doomed.shutdown_background();
    let Confirmed::Done(done) = bench.confirm(&change, &prepared, 1) else {
        panic!("it is there");
    };
    let again = bench.apply(&change, &prepared, 1).unwrap();
    assert_eq!(facts(done.answer).uid, facts(again.answer).uid);
    assert_eq!(jobs(&bench).len(), 1);
}

#[test]
fn another_hands_job_of_the_name_is_left_alone() {
    let bench = bench("backup:1.0");
    let change = from_cron_job(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let name = called(1);
    bench
        .namespace
        .kubectl(&["create", "job", &name, "--image=theirs:1"]);
    let why = failed(bench.apply(&change, &prepared, 1), ErrorKind::Conflict);
    assert!(why.contains("another hand made it"), "{why}");
    assert!(matches!(
        bench.confirm(&change, &prepared, 1),
        Confirmed::CannotTell(_)
    ));
    assert!(matches!(bench.undo(&prepared.undo), Reverted::LeftAlone(_)));
    assert_eq!(jobs(&bench).len(), 1);
}

#[test]
fn undo_deletes_the_job_and_its_pods() {
    let bench = bench("backup:1.0");
    let (_, undo) = bench.act(&from_cron_job(&bench));
    let name = called(1);
    bench
        .namespace
        .until(&format!("job/{name}"), "jsonpath={.status.active}=1");
    assert!(matches!(bench.undo(&undo), Reverted::Restored(_)));
    assert!(jobs(&bench).is_empty());
    bench.namespace.kubectl(&[
        "wait",
        "pods",
        "--selector=app=backup",
        "--for=delete",
        "--timeout=60s",
    ]);
    assert!(matches!(bench.undo(&undo), Reverted::NothingToDo(_)));
}

#[test]
fn a_job_that_is_held_is_waited_for() {
    let bench = bench("backup:1.0");
    let (_, undo) = bench.act(&from_cron_job(&bench));
    let job = format!("job/{}", called(1));
    let finalizers = |list: &str| {
        let patch = format!("{{\"metadata\": {{\"finalizers\": {list}}}}}");
        bench
            .namespace
            .kubectl(&["patch", &job, "--type=merge", "--patch", &patch]);
    };
    finalizers("[\"team.example/hold\"]");
    let reverted = std::thread::scope(|scope| {
        let undoing = scope.spawn(|| bench.undo(&undo));
        bench
            .namespace
            .until(&job, "jsonpath={.metadata.deletionTimestamp}");
        assert!(!undoing.is_finished());
        finalizers("null");
        undoing.join().unwrap()
    });
    assert!(matches!(reverted, Reverted::Restored(_)), "{reverted:?}");
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

    bench.act(&from_cron_job(&bench));
    let own = delete(&bench, &called(1));
    bench.plan(&own).unwrap();
    assert_eq!(jobs(&bench).len(), 2, "a plan deletes nothing");
    let prepared = bench.prepare(&own).unwrap();
    assert!(matches!(prepared.undo, Undo::Impossible(_)));
    assert!(matches!(
        bench.confirm(&own, &prepared, 2),
        Confirmed::NotDone { .. }
    ));
    bench.apply(&own, &prepared, 2).unwrap();
    bench.apply(&own, &prepared, 2).unwrap();
    assert!(matches!(
        bench.confirm(&own, &prepared, 2),
        Confirmed::Done(_)
    ));
    assert_eq!(jobs(&bench).len(), 1);
}

#[test]
fn a_plan_makes_no_job_and_knows_what_would_be_refused() {
    let bench = bench("backup:1.0");
    let prepared = bench.plan(&from_cron_job(&bench)).unwrap();
    assert_eq!(prepared.after, "runs backup:1.0");
    let foreseen = facts(prepared.foreseen);
    assert_eq!(foreseen.outcome, JobOutcome::Running);
    assert_eq!(foreseen.cron_job.as_deref(), Some("backup"));
    assert!(jobs(&bench).is_empty());
    bench
        .namespace
        .kubectl(&["create", "quota", "none", "--hard=count/jobs.batch=0"]);
    bench
        .namespace
        .until("quota/none", "jsonpath={.status.hard}");
    let why = refused(bench.plan(&from_cron_job(&bench)), ErrorKind::Denied);
    assert!(why.contains("exceeded quota"), "{why}");
}

#[test]
fn who_may_not_is_told_so_in_the_servers_words() {
    let bench = Bench::of(Namespace::new(), User::Windlass);
    bench.namespace.apply(&cron_job("backup:1.0"));
    let change = from_cron_job(&bench);
    let why = refused(bench.prepare(&change), ErrorKind::Denied);
    assert!(why.contains("cannot get resource \"cronjobs\""), "{why}");
    let look = Look::Jobs {
        namespace: bench.name(),
        selector: String::new(),
    };
    let why = refused(bench.read(look), ErrorKind::Denied);
    assert!(why.contains("cannot list resource \"jobs\""), "{why}");
    bench.namespace.kubectl(&[
        "create",
        "role",
        "look",
        "--verb=get",
        "--resource=cronjobs",
    ]);
    bench.namespace.kubectl(&[
        "create",
        "rolebinding",
        "look",
        "--role=look",
        "--user=windlass",
    ]);
    bench
        .namespace
        .kubectl(&["wait", "rolebinding/look", "--for=create", "--timeout=60s"]);
    let prepared = bench.prepare(&change).unwrap();
    let why = failed(bench.apply(&change, &prepared, 1), ErrorKind::Denied);
    assert!(why.contains("cannot create resource \"jobs\""), "{why}");
    refused(bench.plan(&change), ErrorKind::Denied);
}

#[test]
fn names_that_reach_elsewhere_are_refused_before_anything_is_asked() {
    let bench = Bench::new();
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
        let (cron_job, job) = (named(&bench, name), named(&bench, name));
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
            bench.read(Look::AwaitJob { job, within: 1 }),
            ErrorKind::Invalid,
        );
    }
    for namespace in ["", "*", "payments/secrets/x?"] {
        let look = Look::Jobs {
            namespace: namespace.into(),
            selector: String::new(),
        };
        refused(bench.read(look), ErrorKind::Invalid);
    }
    let look = Look::Jobs {
        namespace: bench.name(),
        selector: "a=b&limit=1".into(),
    };
    refused(bench.read(look), ErrorKind::Invalid);
    assert!(bench.requests(mark).is_empty());
}
