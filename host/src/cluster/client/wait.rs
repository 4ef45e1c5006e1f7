//! Waiting for what controllers do: one look, then a watch from there, and again if the watch ends. Nothing is polled.

use super::api::{Api, Outcome, Watched};
use super::pods;
use super::workloads::{facts, refuse_unrolled, selector};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::{Rollout, RolloutState};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{Permit, Progress};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long is paused before a server that ended a watch, or cannot be reached, is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// How far it is.
pub(super) enum Step<R> {
    /// There.
    Done(R),
    /// Not yet, and what is waited for.
    Waiting(String),
}

/// Waits for an object to be as `look` wants it. `limit` when the time is up; what was seen last is in the message. A server that cannot be
/// reached is waited for too: the work there may well go on.
pub(super) async fn object<R>(
    api: &Api,
    permit: &Permit,
    object: &Object,
    within: Duration,
    mut look: impl FnMut(&Value) -> Result<Step<R>, CallError> + Send,
) -> Result<R, CallError> {
    let end = permit.deadline().min(permit.clock().instant() + within);
    let mut said = String::from("nothing was seen yet");
    let mut see = |value: &Value, said: &mut String| match look(value) {
        Ok(Step::Done(result)) => Some(Ok(result)),
        Ok(Step::Waiting(what)) => {
            if what != *said {
                show(permit, &what);
                *said = what;
            }
            None
        }
        Err(error) => Some(Err(error)),
    };
    let waiting = async {
        loop {
            match round(api, permit, object, end, &mut |value| see(value, &mut said)).await {
                Ok(Some(result)) => return result,
                // Its server may end each watch at once.
                Ok(None) => tokio::time::sleep(PAUSE).await,
                Err(failure) if failure.error.kind == ErrorKind::Unavailable => {
                    said = failure.error.message;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    };
    let ended = tokio::time::timeout_at(end.into(), waiting).await;
    ended.unwrap_or_else(|_| Err(late(object, within, &said)))
}

/// One look, and a watch from there. None if the watch ended.
async fn round<R>(
    api: &Api,
    permit: &Permit,
    object: &Object,
    end: Instant,
    see: &mut (impl FnMut(&Value) -> Option<Result<R, CallError>> + Send),
) -> Outcome<Option<Result<R, CallError>>> {
    let found = api.get(permit.deadline(), object).await?;
    if let Some(result) = see(&found) {
        return Ok(Some(result));
    }
    let version = found.pointer("/metadata/resourceVersion");
    let version = version.and_then(Value::as_str).unwrap_or_default();
    let name = format!("metadata.name={}", object.name);
    let path = object.kind.path(object.namespace.as_deref());
    let rest = end.saturating_duration_since(permit.clock().instant());
    let gone = || CallError::new(ErrorKind::NotFound, format!("{object} was deleted"));
    let query = [("fieldSelector", name.as_str())];
    let looked = |event| match event {
        Watched::There(value) => see(&value),
        Watched::Gone(_) => Some(Err(gone())),
    };
    api.watch(&path, &query, version, rest, looked).await
}

fn show(permit: &Permit, what: &str) {
    permit.progress(Progress {
        phase: what.to_owned(),
        done: 0,
        total: 0,
        notice: false,
    });
}

fn late(object: &Object, within: Duration, said: &str) -> CallError {
    let message = format!(
        "{object}: not within {}; {said}",
        crate::text::duration(within)
    );
    CallError::new(ErrorKind::Limit, message)
}

/// Until the rollout is complete, or its controller gave up. What its pods say is told with it.
pub(super) async fn rollout(
    api: &Api,
    permit: &Permit,
    workload: &Object,
    within: Duration,
) -> Result<Rollout, CallError> {
    let mut pods_of = String::new();
    let found = object(api, permit, workload, within, |value| {
        let facts = facts(&workload.kind, value);
        pods_of.clone_from(&facts.selector);
        let rollout = facts.rollout;
        refuse_unrolled(workload, rollout.state, &rollout.message)?;
        Ok(match rollout.state {
            RolloutState::Progressing => Step::Waiting(rollout.message),
            RolloutState::Complete | RolloutState::Failed | RolloutState::Paused => {
                Step::Done(rollout)
            }
        })
    })
    .await;
    let namespace = workload.namespace.as_deref().unwrap_or_default();
    match found {
        Ok(mut rollout) if rollout.state == RolloutState::Failed => {
            rollout
                .message
                .push_str(&pods::troubles(api, permit, namespace, &pods_of).await);
            Ok(rollout)
        }
        Err(mut error) if error.kind == ErrorKind::Limit => {
            error
                .message
                .push_str(&pods::troubles(api, permit, namespace, &pods_of).await);
            Err(error)
        }
        other => other,
    }
}

/// Until no pod is left that the workload's selector means.
pub(super) async fn no_pods(
    api: &Api,
    permit: &Permit,
    workload: &Object,
    within: Duration,
) -> Result<(), CallError> {
    let found = api.get(permit.deadline(), workload).await?;
    pods(api, permit, (workload, &found), within, |pods| {
        if pods.is_empty() {
            return Step::Done(());
        }
        Step::Waiting(format!("{} pods are still there", pods.len()))
    })
    .await
}

/// Until as many pods are ready as the workload wants. Answers how many.
pub(super) async fn all_pods(
    api: &Api,
    permit: &Permit,
    workload: &Object,
    within: Duration,
) -> Result<u32, CallError> {
    let found = api.get(permit.deadline(), workload).await?;
    let facts = facts(&workload.kind, &found);
    let counted = pods(api, permit, (workload, &found), within, |pods| {
        let ready = pods.values().filter(|ready| **ready).count();
        match u32::try_from(ready).unwrap_or(u32::MAX) {
            ready if ready >= facts.desired => Step::Done(ready),
            ready => Step::Waiting(format!("{ready} of {} pods are ready", facts.desired)),
        }
    });
    match counted.await {
        Err(mut error) if error.kind == ErrorKind::Limit => {
            let namespace = workload.namespace.as_deref().unwrap_or_default();
            let why = pods::troubles(api, permit, namespace, &facts.selector).await;
            error.message.push_str(&why);
            Err(error)
        }
        other => other,
    }
}

/// A pod, as far as it is waited for: of thousands no more is kept in memory than this.
#[derive(Clone, Deserialize)]
pub(super) struct Pod {
    metadata: PodMetadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodMetadata {
    uid: String,
    deletion_timestamp: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Default, Deserialize)]
struct PodStatus {
    #[serde(default)]
    conditions: Vec<PodCondition>,
}

#[derive(Clone, Deserialize)]
struct PodCondition {
    r#type: String,
    status: String,
}

impl Pod {
    /// Whether it is ready and stays.
    pub(super) fn is_ready(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        self.metadata.deletion_timestamp.is_none()
            && conditions.any(|condition| condition.r#type == "Ready" && condition.status == "True")
    }

    pub(super) fn labels(&self) -> &BTreeMap<String, String> {
        &self.metadata.labels
    }
}

/// Pods by their uid, and whether each is ready.
type Pods = BTreeMap<String, bool>;

/// Waits for the pods that a workload's selector means to be as `look` wants them. A server that cannot be reached is waited for.
async fn pods<R>(
    api: &Api,
    permit: &Permit,
    (workload, found): (&Object, &Value),
    within: Duration,
    look: impl Fn(&Pods) -> Step<R> + Send + Sync,
) -> Result<R, CallError> {
    let end = permit.deadline().min(permit.clock().instant() + within);
    let namespace = workload.namespace.as_deref().unwrap_or_default();
    let pods_of = selector(&found["spec"]["selector"]);
    let mut said = String::from("nothing was seen yet");
    let mut see = |pods: &Pods| match look(pods) {
        Step::Done(result) => Some(result),
        Step::Waiting(what) => {
            if what != said {
                show(permit, &what);
                said = what;
            }
            None
        }
    };
    let waiting = async {
        loop {
            match pods_round(api, permit, (namespace, &pods_of), end, &mut see).await {
                Ok(Some(result)) => return Ok(result),
                // Its server may end each watch at once.
                Ok(None) => tokio::time::sleep(PAUSE).await,
                Err(failure) if failure.error.kind == ErrorKind::Unavailable => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    };
    let ended = tokio::time::timeout_at(end.into(), waiting).await;
    ended.unwrap_or_else(|_| Err(late(workload, within, &said)))
}

/// One list, and a watch from there. None if the watch ended.
async fn pods_round<R>(
    api: &Api,
    permit: &Permit,
    (namespace, selector): (&str, &str),
    end: Instant,
    see: &mut (impl FnMut(&Pods) -> Option<R> + Send),
) -> Outcome<Option<R>> {
    let query = [("labelSelector", selector)];
    let keep = |pod: Pod| {
        let ready = pod.is_ready();
        Some((pod.metadata.uid, ready))
    };
    let listed = api
        .list(permit.deadline(), Kind::Pod, Some(namespace), &query, keep)
        .await?;
    let mut pods: Pods = listed.items.into_iter().collect();
    if let Some(result) = see(&pods) {
        return Ok(Some(result));
    }
    let rest = end.saturating_duration_since(permit.clock().instant());
    let path = Kind::Pod.path(Some(namespace));
    let looked = |event| {
        match event {
            Watched::There(pod) => {
                let ready = Pod::is_ready(&pod);
                pods.insert(pod.metadata.uid, ready)
            }
            Watched::Gone(pod) => pods.remove(&pod.metadata.uid),
        };
        see(&pods)
    };
    api.watch(&path, &query, &listed.version, rest, looked)
        .await
}
