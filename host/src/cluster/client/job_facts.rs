//! What came of jobs.

use super::api::Api;
use super::pods;
use super::wait::{self, Step};
use super::workloads::{count, instant};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::{JobFacts, JobOutcome, Namespaced};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::Value;
use std::cmp::Reverse;
use std::time::Duration;

/// The label by which pods say which job they are of.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// Jobs of a namespace that may be shown, newest first.
pub(super) async fn list(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    selector: &str,
    shows: &(dyn Fn(&Object) -> bool + Sync),
) -> Result<Vec<JobFacts>, CallError> {
    let keep = |job: Value| {
        let object = Object::new(Kind::Job, namespace, text(&job, "/metadata/name")).ok()?;
        shows(&object).then(|| facts(&job))
    };
    let query = [("labelSelector", selector)];
    let mut jobs = api
        .list(permit.deadline(), Kind::Job, Some(namespace), &query, keep)
        .await?
        .items;
    jobs.sort_by_key(|job| Reverse(job.created));
    Ok(jobs)
}

/// When a job of the cron job succeeded last, as its controller keeps it.
pub(super) async fn last_success(
    api: &Api,
    permit: &Permit,
    cron_job: &Object,
) -> Result<Option<u64>, CallError> {
    let found = api.get(permit.deadline(), cron_job).await?;
    Ok(instant(&found["status"]["lastSuccessfulTime"]))
}

/// Waits until the controller says that the job is complete or failed. What keeps its pods from running is told when the time is up.
pub(super) async fn ended(
    api: &Api,
    permit: &Permit,
    job: &Object,
    within: Duration,
) -> Result<JobFacts, CallError> {
    let ended = wait::object(api, permit, job, within, |found| {
        let facts = facts(found);
        if facts.outcome == JobOutcome::Running {
            wait::refuse_ending(job, found)?;
            refuse_idle(job, found)?;
        }
        Ok(match facts.outcome {
            JobOutcome::Complete | JobOutcome::Failed => Step::Done(facts),
            JobOutcome::Running => Step::Waiting(format!(
                "{} of its pods are at work, {} have succeeded, {} have failed",
                count(&found["status"]["active"]),
                facts.succeeded,
                facts.failed
            )),
        })
    })
    .await;
    match ended {
        Err(mut error) if error.kind == ErrorKind::Limit => {
            let namespace = job.namespace.as_deref().unwrap_or_default();
            let pods_of = format!("{JOB_NAME}={}", job.name);
            error
                .message
                .push_str(&pods::troubles(api, permit, namespace, &pods_of).await);
            Err(error)
        }
        ended => ended,
    }
}

/// The label by which a job waits for Kueue, which lets it start when there is room.
const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// Fails with *conflict* for a job that says itself that none of its pods starts, unless another controller is there to let it start.
pub(super) fn refuse_idle(of: &Object, job: &Value) -> Result<(), CallError> {
    let spec = &job["spec"];
    if spec["managedBy"].is_string() || job["metadata"]["labels"][QUEUE].is_string() {
        return Ok(());
    }
    let why = if spec["suspend"] == true {
        "the job is suspended: no pod of it starts before `suspend` is taken off"
    } else if spec["parallelism"] == 0 {
        "the job's parallelism is 0: no pod of it starts"
    } else {
        return Ok(());
    };
    let message = format!("{of}: {why}");
    Err(CallError::new(ErrorKind::Conflict, message))
}

/// A text of an object; empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The facts of one.
pub(super) fn facts(job: &Value) -> JobFacts {
    let conditions = job["status"]["conditions"].as_array();
    let condition = |kind: &str| {
        let mut all = conditions.into_iter().flatten();
        all.find(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    let failure = condition("Failed");
    let outcome = match (failure, condition("Complete")) {
        (Some(_), _) => JobOutcome::Failed,
        (None, Some(_)) => JobOutcome::Complete,
        (None, None) => JobOutcome::Running,
    };
    let finished = match failure {
        Some(failure) => instant(&failure["lastTransitionTime"]),
        None => instant(&job["status"]["completionTime"]),
    };
    let owners = job["metadata"]["ownerReferences"].as_array();
    let cron_job = owners
        .into_iter()
        .flatten()
        .find(|owner| owner["kind"] == "CronJob" && owner["controller"] == true);
    JobFacts {
        name: Namespaced {
            namespace: text(job, "/metadata/namespace").to_owned(),
            name: text(job, "/metadata/name").to_owned(),
        },
        uid: text(job, "/metadata/uid").to_owned(),
        created: instant(&job["metadata"]["creationTimestamp"]),
        finished,
        outcome,
        succeeded: count(&job["status"]["succeeded"]),
        failed: count(&job["status"]["failed"]),
        cron_job: cron_job.map(|owner| text(owner, "/name").to_owned()),
        message: failure.map_or_else(String::new, |failure| {
            format!(
                "{}: {}",
                text(failure, "/reason"),
                text(failure, "/message")
            )
        }),
    }
}
