//! One job made from a cron job or a manifest, one of our own deleted.
//!
//! A job is called after what it is made from, the run and the number of the effect. So the server itself refuses to make it twice, and whoever knows
//! the effect knows the job.

use super::api::{Api, Failure};
use super::change::{failed, internal, mark, not_done};
use super::history::{self, Past};
use super::job_facts::{facts, refuse_idle, text};
use super::value;
use super::wait::{self, Step};
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Reverted, Undo};
use crate::cluster::call::Change;
use crate::cluster::field::{MARK, Path};
use crate::cluster::object::{Kind, Object};
use crate::cluster::{Effect, Revert};
use crate::contract::cluster_types::{JobFacts, JobOutcome};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use crate::journal::RunId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// What Kubernetes writes into a job that somebody asked for besides the schedule.
const INSTANTIATE: &str = "cronjob.kubernetes.io/instantiate";
/// What the name of a job has at most: pods carry it as a label of 63, those of an indexed job with their index.
const NAME: usize = 52;
/// How long a job may take to go once it is deleted. It goes at once, unless somebody's finalizer holds it.
const GOING: Duration = Duration::from_mins(1);

/// What was seen before a job is made.
#[derive(Serialize, Deserialize)]
struct Template {
    /// The job but for its name.
    job: Value,
    /// Of the jobs of its namespace then: a watch from there tells whether the job was made. None if the server did not tell.
    #[serde(default)]
    version: Option<String>,
}

/// What was seen before a job is deleted.
#[derive(Serialize, Deserialize)]
struct Doomed {
    uid: String,
}

/// Looks at the cron job, or at the job that is to be deleted. In a plan the server rehearses either.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
) -> Result<Prepared, CallError> {
    let job = if let Change::FromManifest { manifest, .. } = &effect.change {
        manifest.clone()
    } else {
        let found = api.get(permit.deadline(), object).await?;
        if let Change::DeleteJob { .. } = &effect.change {
            return prepare_delete(api, permit, object, &found).await;
        }
        manifest(&found)
    };
    let version = version(api, permit, object).await?;
    let template = Template { job, version };
    refuse_idle(object, &template.job)?;
    let (made, mut job) = made(&template, object, permit, 0)?;
    if permit.is_plan() {
        job = api
            .create(permit.deadline(), &home(&made), &job, true)
            .await?;
    }
    let foreseen = JobFacts {
        uid: String::new(),
        created: None,
        ..facts(&job)
    };
    let containers = job["spec"]["template"]["spec"]["containers"].as_array();
    let images: Vec<_> = containers
        .into_iter()
        .flatten()
        .map(|container| text(container, "/image"))
        .collect();
    Ok(Prepared {
        before: value(&template)?,
        foreseen: value(&foreseen)?,
        undo: undo(effect, object),
        touches: Vec::new(),
        now: String::new(),
        after: format!("runs {}", images.join(", ")),
        details: Vec::new(),
    })
}

/// How a job that is made is taken back.
fn undo(effect: &Effect, object: &Object) -> Undo {
    if let Change::FromManifest {
        reversible: false, ..
    } = &effect.change
    {
        return Undo::Final("what the job changes cannot be gone back behind".into());
    }
    Undo::By(crate::call::Revert::Cluster(Revert::DeleteJob {
        cluster: effect.cluster.clone(),
        cron_job: object.clone(),
    }))
}

async fn prepare_delete(
    api: &Api,
    permit: &Permit,
    object: &Object,
    found: &Value,
) -> Result<Prepared, CallError> {
    if Path::annotation(MARK).get(found).is_none() {
        let message = format!("{object} was not made by windlass: it has no annotation `{MARK}`");
        return Err(CallError::new(ErrorKind::Denied, message));
    }
    let uid = text(found, "/metadata/uid").to_owned();
    if permit.is_plan() {
        api.delete(permit.deadline(), object, &with_its_pods(&uid, true))
            .await?;
    }
    let now = match facts(found).outcome {
        JobOutcome::Running => "running",
        JobOutcome::Complete => "complete",
        JobOutcome::Failed => "failed",
    };
    Ok(Prepared {
        before: value(&Doomed { uid })?,
        foreseen: Value::Null,
        undo: Undo::Impossible("a job that is run again is another one".into()),
        touches: Vec::new(),
        now: now.into(),
        after: "gone".into(),
        details: Vec::new(),
    })
}

/// The job of a cron job's template, as `kubectl create job --from` makes it: it does not block the end of its owner, which would need a right
/// of its own.
fn manifest(cron_job: &Value) -> Value {
    let template = &cron_job["spec"]["jobTemplate"];
    let mut annotations = serde_json::Map::new();
    annotations.insert(INSTANTIATE.into(), json!("manual"));
    if let Some(own) = template["metadata"]["annotations"].as_object() {
        annotations.extend(own.clone());
    }
    let owner = json!({
        "apiVersion": Kind::CronJob.api_version(),
        "kind": Kind::CronJob.to_string(),
        "name": cron_job["metadata"]["name"],
        "uid": cron_job["metadata"]["uid"],
        "controller": true,
    });
    let mut metadata = json!({"annotations": annotations, "ownerReferences": [owner]});
    if let Some(labels) = template.pointer("/metadata/labels") {
        metadata["labels"] = labels.clone();
    }
    json!({
        "apiVersion": Kind::Job.api_version(),
        "kind": Kind::Job.to_string(),
        "metadata": metadata,
        "spec": template["spec"],
    })
}

/// The version of the jobs of a namespace. Where listing them is not allowed, nothing is known.
async fn version(api: &Api, permit: &Permit, object: &Object) -> Result<Option<String>, CallError> {
    let namespace = object.namespace.as_deref();
    let asked = api.version(permit.deadline(), &Kind::Job, namespace);
    match asked.await {
        Err(failure) if failure.error.kind == ErrorKind::Denied => Ok(None),
        version => Ok(version?),
    }
}

/// The job that an effect of a run makes from a cron job, or from a manifest of this name.
fn job_of(from: &Object, run: &RunId, effect: u64) -> Result<Object, CallError> {
    let end = format!("-{run}-{effect}");
    let start: String = from
        .name
        .chars()
        .take(NAME.saturating_sub(end.len()))
        .collect();
    let name = format!("{}{end}", start.trim_end_matches(['-', '.']));
    let namespace = from.namespace.as_deref().unwrap_or_default();
    Object::new(Kind::Job, namespace, &name)
}

/// Which job it is, and what is sent: the template with a name and the mark.
fn made(
    template: &Template,
    cron_job: &Object,
    permit: &Permit,
    effect: u64,
) -> Result<(Object, Value), CallError> {
    let object = job_of(cron_job, permit.run(), effect)?;
    let mut job = template.job.clone();
    job["metadata"]["name"] = json!(object.name);
    job["metadata"]["annotations"][MARK] = json!(mark(permit, effect));
    Ok((object, job))
}

/// Where jobs of its namespace are.
fn home(job: &Object) -> String {
    job.kind.path(job.namespace.as_deref())
}

/// Makes the job, or deletes it.
pub(super) async fn apply(
    api: &Api,
    permit: &ChangePermit,
    effect: &Effect,
    object: &Object,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    if let Change::DeleteJob { .. } = &effect.change {
        let Doomed { uid } = before(prepared).map_err(not_done)?;
        delete(api, permit, object, &uid).await?;
        return Ok(deleted());
    }
    let template: Template = before(prepared).map_err(not_done)?;
    let (made, job) = made(&template, object, permit, permit.effect()).map_err(not_done)?;
    let failure = match api
        .create(permit.deadline(), &home(&made), &job, false)
        .await
    {
        Ok(job) => return applied(&job, &prepared.after).map_err(not_done),
        Err(failure) => failure,
    };
    if failure.status == Some(409)
        && let Ok(Some(job)) = api.find(permit.deadline(), &made).await
    {
        return if is_of(&job, permit, permit.effect()) {
            applied(&job, &prepared.after).map_err(not_done)
        } else {
            let message = format!("{made} is there already, and another hand made it");
            Err(not_done(CallError::new(ErrorKind::Conflict, message)))
        };
    }
    Err(failed(failure))
}

fn before<T: serde::de::DeserializeOwned>(prepared: &Prepared) -> Result<T, CallError> {
    serde_json::from_value(prepared.before.clone()).map_err(|error| internal(&error))
}

fn applied(job: &Value, after: &str) -> Result<Applied, CallError> {
    Ok(Applied {
        answer: value(&facts(job))?,
        after: after.to_owned(),
        sweep: None,
    })
}

fn deleted() -> Applied {
    Applied {
        answer: Value::Null,
        after: "gone".into(),
        sweep: None,
    }
}

/// Whether this effect made the job.
fn is_of(job: &Value, permit: &Permit, effect: u64) -> bool {
    let found = Path::annotation(MARK).get(job).and_then(Value::as_str);
    found == Some(&mark(permit, effect))
}

/// Asks for the job that the effect makes, or for the one that it deletes.
pub(super) async fn confirm(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
    prepared: &Prepared,
    number: u64,
) -> Result<Confirmed, CallError> {
    let not_done = |why: String| Ok(Confirmed::NotDone { why, sweep: None });
    if let Change::DeleteJob { .. } = &effect.change {
        let Doomed { uid } = before(prepared)?;
        let found = api.find(permit.deadline(), object).await?;
        let stays = found.filter(|job| text(job, "/metadata/uid") == uid);
        return match stays {
            Some(job) if job["metadata"]["deletionTimestamp"].is_null() => {
                not_done(format!("{object} is there"))
            }
            _ => Ok(Confirmed::Done(deleted())),
        };
    }
    let template: Template = before(prepared)?;
    let (made, _) = made(&template, object, permit, number)?;
    match api.find(permit.deadline(), &made).await? {
        Some(job) if is_of(&job, permit, number) => {
            Ok(Confirmed::Done(applied(&job, &prepared.after)?))
        }
        Some(_) => Ok(Confirmed::CannotTell(format!(
            "{made} was made by another hand"
        ))),
        None => absent(api, permit, &made, &template, prepared, number).await,
    }
}

/// How the effect ended whose job is not there: a cron job's history limits, a time to live or a person may have removed it since.
async fn absent(
    api: &Api,
    permit: &Permit,
    made: &Object,
    template: &Template,
    prepared: &Prepared,
    number: u64,
) -> Result<Confirmed, CallError> {
    let past = match &template.version {
        Some(version) => history::since(api, made, version).await?,
        None => Past::Forgotten,
    };
    Ok(match past {
        Past::There(job) if is_of(&job, permit, number) => {
            Confirmed::Done(applied(&job, &prepared.after)?)
        }
        Past::There(_) => Confirmed::CannotTell(format!("{made} was made by another hand")),
        Past::Never => Confirmed::NotDone {
            why: format!("{made} was never there"),
            sweep: None,
        },
        Past::Forgotten => Confirmed::CannotTell(format!(
            "{made} is not there, but it may have come to its end and been cleared away since"
        )),
    })
}

/// Takes back: deletes the job that an effect of this run made from the cron job.
pub(super) async fn take_back(
    api: &Api,
    permit: &ChangePermit,
    cron_job: &Object,
) -> Result<Reverted, CallError> {
    let job = job_of(cron_job, permit.run(), permit.effect())?;
    let Some(found) = api.find(permit.deadline(), &job).await? else {
        return Ok(Reverted::NothingToDo(format!("there is no {job}")));
    };
    if !is_of(&found, permit, permit.effect()) {
        return Ok(Reverted::LeftAlone(format!(
            "{job} was made by another hand"
        )));
    }
    delete(api, permit, &job, text(&found, "/metadata/uid"))
        .await
        .map_err(|failure| failure.error)?;
    Ok(Reverted::Restored(format!("{job} is gone")))
}

/// What is asked of the server: the job goes at once, its pods are ended by the garbage collector.
fn with_its_pods(uid: &str, rehearse: bool) -> Value {
    let mut options = json!({"propagationPolicy": "Background", "preconditions": {"uid": uid}});
    if rehearse {
        options["dryRun"] = json!(["All"]);
    }
    options
}

/// Deletes a job, and waits until it is gone. One that is gone already is fine.
async fn delete(api: &Api, permit: &Permit, job: &Object, uid: &str) -> Result<(), ApplyFailure> {
    gone(api, permit, job, uid, &with_its_pods(uid, false)).await
}

/// Deletes any object by these options, which name it by its uid, and waits until it is gone.
pub(super) async fn gone(
    api: &Api,
    permit: &Permit,
    job: &Object,
    uid: &str,
    options: &Value,
) -> Result<(), ApplyFailure> {
    let answer = api.delete(permit.deadline(), job, options).await;
    match answer {
        // The server answers with the job as long as something holds it, else with a mere success.
        Ok(answer) if answer["kind"] == "Status" => return Ok(()),
        Ok(_) => {}
        Err(Failure {
            status: Some(404), ..
        }) => return Ok(()),
        Err(failure) => return Err(failed(failure)),
    }
    let gone = wait::object(api, permit, job, GOING, |found| {
        Ok(if text(found, "/metadata/uid") == uid {
            Step::Waiting(format!("it is being deleted{}", wait::held_by(found)))
        } else {
            Step::Done(())
        })
    })
    .await;
    match gone {
        Err(error) if error.kind != ErrorKind::NotFound => Err(ApplyFailure {
            error,
            in_doubt: true,
            sweep: None,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{NAME, RunId, job_of};
    use crate::cluster::object::{Kind, Object};

    #[test]
    fn a_job_is_called_after_its_cron_job_its_run_and_its_effect() {
        let run = RunId("251121-k3f".into());
        let name = |cron_job: &str, effect| {
            let cron_job = Object::new(Kind::CronJob, "shop", cron_job).unwrap();
            job_of(&cron_job, &run, effect).unwrap().name
        };
        assert_eq!(name("backup", 3), "backup-251121-k3f-3");
        let long = "a".repeat(NAME);
        assert_eq!(name(&long, 12).len(), NAME);
        assert_ne!(name(&long, 1), name(&long, 2));
        // What is cut off at a separator does not end with one.
        let cut = format!("{}.b", "a".repeat(38));
        assert_eq!(name(&cut, 1), format!("{}-251121-k3f-1", "a".repeat(38)));
    }
}
