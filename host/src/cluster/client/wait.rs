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
use std::sync::{Mutex, PoisonError};
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
            if what != *said && !what.is_empty() {
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
        refuse_ending(workload, value)?;
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

/// Until no pod is left that is the workload's own. Those that have come to their end need not go.
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

/// Until as many pods are ready as the workload wants, also if it wants another number meanwhile. Returns how many.
pub(super) async fn all_pods(
    api: &Api,
    permit: &Permit,
    workload: &Object,
    within: Duration,
) -> Result<u32, CallError> {
    let found = api.get(permit.deadline(), workload).await?;
    let count = Mutex::new(Count {
        wanted: desired(&workload.kind, &found),
        ready: None,
    });
    let lock = || count.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = object(api, permit, workload, within, |found| {
        refuse_ending(workload, found)?;
        let mut count = lock();
        count.wanted = desired(&workload.kind, found);
        Ok(count.step())
    });
    let ready = pods(api, permit, (workload, &found), within, |pods| {
        let mut count = lock();
        count.ready = Some(pods.values().filter(|ready| **ready).count());
        count.step()
    });
    let counted = tokio::select! {
        counted = wanted => counted,
        counted = ready => counted,
    };
    match counted {
        Err(mut error) if error.kind == ErrorKind::Limit => {
            if let Step::Waiting(said) = lock().step()
                && !said.is_empty()
            {
                error = late(workload, within, &said);
            }
            let namespace = workload.namespace.as_deref().unwrap_or_default();
            let selector = selector(&found["spec"]["selector"]);
            let why = pods::troubles(api, permit, namespace, &selector).await;
            error.message.push_str(&why);
            Err(error)
        }
        other => other,
    }
}

/// How many pods are wanted and how many are ready, as far as either was seen.
struct Count {
    wanted: Option<u32>,
    ready: Option<usize>,
}

impl Count {
    fn step(&self) -> Step<u32> {
        let Some(ready) = self.ready else {
            // There is nothing to show before the pods are seen.
            return Step::Waiting(String::new());
        };
        let Some(wanted) = self.wanted else {
            return Step::Waiting("its controller has not seen it yet".into());
        };
        match u32::try_from(ready).unwrap_or(u32::MAX) {
            ready if ready >= wanted => Step::Done(ready),
            ready => Step::Waiting(format!("{ready} of {wanted} pods are ready")),
        }
    }
}

/// How many pods a workload wants. What a daemon set wants is known only once its controller has counted nodes for it as it is now.
pub(super) fn desired(kind: &Kind, workload: &Value) -> Option<u32> {
    let seen = workload["status"]["observedGeneration"].as_u64();
    let is_stale = seen < workload["metadata"]["generation"].as_u64();
    (*kind != Kind::DaemonSet || !is_stale).then(|| facts(kind, workload).desired)
}

/// Fails with *conflict* for an object that was asked to end: what is waited for does not come any more.
pub(super) fn refuse_ending(object: &Object, found: &Value) -> Result<(), CallError> {
    if found["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let held = held_by(found);
    let message = format!("{object} is being deleted{held}");
    Err(CallError::new(ErrorKind::Conflict, message))
}

/// Which finalizers hold the end of an object, as the end of a sentence; empty if none does.
pub(super) fn held_by(found: &Value) -> String {
    let finalizers = found["metadata"]["finalizers"].as_array();
    let names = finalizers.into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; the finalizer `{}` holds it", names.join("`, `"))
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
    #[serde(default)]
    owner_references: Vec<PodOwner>,
}

#[derive(Clone, Deserialize)]
struct PodOwner {
    kind: String,
    name: String,
    uid: String,
    #[serde(default)]
    controller: bool,
}

#[derive(Clone, Default, Deserialize)]
struct PodStatus {
    #[serde(default)]
    phase: String,
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

    /// Whether its controller counts it: one that has come to its end is replaced by another and may lie there for long.
    fn has_ended(&self) -> bool {
        matches!(&*self.status.phase, "Succeeded" | "Failed")
    }
}

/// The label by which a deployment tells the pods of its templates apart. Its replica sets are named after it.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// A workload, as far as pods tell whose they are. A selector may mean pods of others too.
pub(super) struct Owner {
    kind: Kind,
    name: String,
    uid: String,
}

impl Owner {
    pub(super) fn of(workload: &Object, found: &Value) -> Self {
        let uid = found.pointer("/metadata/uid").and_then(Value::as_str);
        Self {
            kind: workload.kind.clone(),
            name: workload.name.clone(),
            uid: uid.unwrap_or_default().to_owned(),
        }
    }

    /// Whether the pod is one of its own that it counts.
    pub(super) fn counts(&self, pod: &Pod) -> bool {
        let mut owners = pod.metadata.owner_references.iter();
        let Some(owner) = owners.find(|owner| owner.controller) else {
            return false;
        };
        let is_own = if self.kind == Kind::Deployment {
            let hash = pod.metadata.labels.get(TEMPLATE_HASH);
            let set = |hash: &String| format!("{}-{hash}", self.name);
            owner.kind == "ReplicaSet" && hash.is_some_and(|hash| owner.name == set(hash))
        } else {
            owner.uid == self.uid
        };
        is_own && !pod.has_ended()
    }
}

/// Pods by their uid, and whether each is ready.
type Pods = BTreeMap<String, bool>;

/// Waits for the pods that a workload counts to be as `look` wants them. A server that cannot be reached is waited for.
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
    let owner = Owner::of(workload, found);
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
            let whose = (namespace, &*pods_of, &owner);
            match pods_round(api, permit, whose, end, &mut see).await {
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
    (namespace, selector, owner): (&str, &str, &Owner),
    end: Instant,
    see: &mut (impl FnMut(&Pods) -> Option<R> + Send),
) -> Outcome<Option<R>> {
    let query = [("labelSelector", selector)];
    let keep = |pod: Pod| {
        let ready = pod.is_ready();
        owner.counts(&pod).then_some((pod.metadata.uid, ready))
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
            Watched::There(pod) if owner.counts(&pod) => {
                let ready = Pod::is_ready(&pod);
                pods.insert(pod.metadata.uid, ready)
            }
            Watched::There(pod) | Watched::Gone(pod) => pods.remove(&pod.metadata.uid),
        };
        see(&pods)
    };
    api.watch(&path, &query, &listed.version, rest, looked)
        .await
}

#[cfg(test)]
mod tests {
    use super::{Kind, desired};
    use serde_json::json;

    #[test]
    fn what_a_daemon_set_wants_is_not_known_before_its_controller_has_counted() {
        let mut set = json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": 3},
            "status": {"desiredNumberScheduled": 0},
        });
        assert_eq!(desired(&Kind::DaemonSet, &set), None);
        set["status"]["observedGeneration"] = json!(1);
        assert_eq!(desired(&Kind::DaemonSet, &set), None);
        assert_eq!(desired(&Kind::Deployment, &set), Some(3));
        set["status"]["observedGeneration"] = json!(2);
        assert_eq!(desired(&Kind::DaemonSet, &set), Some(0));
    }
}
