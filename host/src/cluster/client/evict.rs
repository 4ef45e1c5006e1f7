//! Evicting pods: they are asked to go through the eviction API, never deleted, and it is watched until they are gone.

use super::api::{Api, Failure, Watched};
use super::drain::{named, on_node};
use crate::cluster::drain::Pod;
use crate::cluster::object::{Kind, Object};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Progress};
use crate::text::{counted, printable};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Evictions that are asked for at once.
pub(super) const AT_ONCE: usize = 8;
/// How long is paused before pods that were held back are asked to go again: first, and at most unless the server wants more. To watch the
/// budgets instead would take rights that evicting does not.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// A pod that has to be gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Leaving {
    namespace: String,
    name: String,
    pub(super) uid: String,
    /// It ends already: nobody has to ask it to go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ending: bool,
    /// What has to be taken off before it is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    finalizers: Vec<String>,
}

impl Leaving {
    pub(super) fn of(pod: &Pod) -> Self {
        Self {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            ending: pod.ending,
            finalizers: pod.finalizers.clone(),
        }
    }

    /// One as the server has it.
    pub(super) fn pod(pod: &serde_json::Value) -> Self {
        let text = |name: &str| {
            pod["metadata"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            namespace: text("namespace"),
            name: text("name"),
            uid: text("uid"),
            ending: false,
            finalizers: Vec::new(),
        }
    }

    /// `shop/web-0`.
    pub(super) fn text(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// That it ends, and what holds its end.
    fn ends(&self) -> String {
        if self.finalizers.is_empty() {
            return "it ends".into();
        }
        let names = self.finalizers.join("`, `");
        format!("it ends; the finalizer `{names}` holds it")
    }
}

/// Asks a pod to go.
pub(super) async fn evict(
    api: &Api,
    end: Instant,
    pod: &Leaving,
    rehearse: bool,
) -> Result<(), Failure> {
    let object = Object::new(Kind::Pod, &pod.namespace, &pod.name).map_err(Failure::from)?;
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    });
    let path = format!("{}/eviction", object.path());
    api.create(end, &path, &eviction, rehearse).await.map(drop)
}

/// Why a pod was not evicted.
pub(super) enum Refusal {
    /// It is not there any more, or another one has its name.
    Gone,
    /// Not now: by a budget, a namespace that ends, or a server that is busy or cannot be reached.
    Held { why: String, after: Duration },
    /// The server evicts no pod that several budgets are about.
    SeveralBudgets,
    /// For another reason.
    Failed(CallError),
}

impl Refusal {
    /// Why, for people.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Gone => "it is gone",
            Self::Held { why, .. } => why,
            Self::SeveralBudgets => "several disruption budgets are about it",
            Self::Failed(error) => &error.message,
        }
    }

    pub(super) fn of(failure: Failure) -> Self {
        let seconds = failure
            .details
            .as_ref()
            .map(|said| said.retry_after_seconds);
        let budget = failure.cause("DisruptionBudget");
        let why = printable(budget.unwrap_or(&failure.error.message)).into_owned();
        let after = Duration::from_secs(seconds.unwrap_or_default().into());
        let held = Self::Held { why, after };
        match failure.status {
            Some(404 | 410) => Self::Gone,
            // With 409 another pod has its name, or it just changes: a watch tells.
            Some(409 | 429 | 503 | 504) => held,
            None if failure.error.kind == ErrorKind::Unavailable => held,
            Some(403) if failure.cause("NamespaceTerminating").is_some() => held,
            Some(500)
                if failure
                    .error
                    .message
                    .contains("more than one PodDisruptionBudget") =>
            {
                Self::SeveralBudgets
            }
            _ => Self::Failed(failure.error),
        }
    }
}

/// Evicts pods of a node that were there as of a version, and waits until they are gone. `limit` when the time is up. A server that cannot
/// be reached is asked again: asking a pod to go that ends already changes nothing.
pub(super) async fn drain(
    api: &Api,
    permit: &ChangePermit,
    node: &Object,
    pods: &[Leaving],
    version: &str,
    within: Duration,
) -> Result<(), CallError> {
    let drain = Drain {
        api,
        permit,
        node,
        end: permit.deadline().min(permit.clock().instant() + within),
        total: pods.len(),
        state: Mutex::new(State::of(pods)),
    };
    let work = async { tokio::try_join!(drain.evict_all(), drain.watch(version)) };
    match tokio::time::timeout_at(drain.end.into(), work).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(drain.broken_off(error)),
        Err(_) => Err(drain.late(within)),
    }
}

/// A drain under way.
struct Drain<'a> {
    api: &'a Api,
    permit: &'a ChangePermit,
    node: &'a Object,
    end: Instant,
    total: usize,
    state: Mutex<State>,
}

/// How far it is.
struct State {
    /// Pods that are there, by their uid.
    left: BTreeMap<String, Leaving>,
    /// Why pods did not go, by their uid.
    held: BTreeMap<String, String>,
    /// Pods that the server agreed to evict.
    evicted: usize,
}

impl State {
    fn of(pods: &[Leaving]) -> Self {
        let pods = pods.iter();
        Self {
            left: pods.map(|pod| (pod.uid.clone(), pod.clone())).collect(),
            held: BTreeMap::new(),
            evicted: 0,
        }
    }
}

/// A pod in a watch.
#[derive(Clone, Deserialize)]
struct Seen {
    metadata: SeenMetadata,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenMetadata {
    uid: String,
    deletion_timestamp: Option<String>,
    #[serde(default)]
    finalizers: Vec<String>,
}

impl Drain<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all pods to go, again and again those that are held back.
    async fn evict_all(&self) -> Result<(), CallError> {
        let mut pause = PAUSES.0;
        loop {
            let there = self.state().left.values().cloned().collect::<Vec<_>>();
            let asked = there.into_iter().filter(|pod| !pod.ending);
            let round = stream::iter(asked)
                .map(|pod| self.evict_one(pod))
                .buffer_unordered(AT_ONCE);
            // One that fails does not keep the others of its round from being counted.
            let outcomes: Vec<_> = round.collect().await;
            let outcomes: Result<Vec<_>, CallError> = outcomes.into_iter().collect();
            let outcomes = outcomes?;
            if outcomes.contains(&None) {
                // Some went, so others may soon.
                pause = PAUSES.0;
            }
            let Some(wanted) = outcomes.into_iter().flatten().max() else {
                return Ok(());
            };
            tokio::time::sleep(pause.max(wanted)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Asks one pod to go, if the node is still this run's to drain. Returns after what time it has to be asked again, if it has to.
    async fn evict_one(&self, pod: Leaving) -> Result<Option<Duration>, CallError> {
        self.permit.still_ours().await?;
        let refusal = evict(self.api, self.permit.deadline(), &pod, false).await;
        let refusal = refusal.err().map(Refusal::of);
        let mut state = self.state();
        state.evicted += usize::from(refusal.is_none());
        match refusal {
            // The watch tells when it is gone.
            None | Some(Refusal::Gone) => {
                state.held.remove(&pod.uid);
                if let Some(there) = state.left.get_mut(&pod.uid) {
                    there.ending = true;
                }
                Ok(None)
            }
            Some(Refusal::Held { why, after }) => {
                let text = format!("{} is held back: {why}", pod.text());
                let known = state.held.insert(pod.uid, why.clone());
                drop(state);
                if known.as_ref() != Some(&why) {
                    // Reasons come and go; that it is held back is worth a line once.
                    self.show(text, known.is_none());
                }
                Ok(Some(after))
            }
            Some(Refusal::SeveralBudgets) => {
                let message = format!(
                    "{} cannot be evicted: more than one disruption budget is about it; `kubectl get pdb -n {}` shows them",
                    pod.text(),
                    pod.namespace
                );
                Err(CallError::new(ErrorKind::Conflict, message))
            }
            Some(Refusal::Failed(mut error)) => {
                error.message = format!("{}: {}", pod.text(), error.message);
                Err(error)
            }
        }
    }

    /// Until no pod is left. A server that cannot be reached is waited for.
    async fn watch(&self, version: &str) -> Result<(), CallError> {
        let mut version = version.to_owned();
        let path = Kind::Pod.path(None);
        let query = [(
            "fieldSelector",
            &*format!("spec.nodeName={}", self.node.name),
        )];
        while !self.state().left.is_empty() {
            let rest = self
                .end
                .saturating_duration_since(self.permit.clock().instant());
            let see = |event| self.see(event).then_some(());
            let watched = self.api.watch(&path, &query, &version, rest, see).await;
            let listed = match watched {
                Ok(Some(())) => return Ok(()),
                Ok(None) => {
                    tokio::time::sleep(PAUSES.0).await;
                    on_node(self.api, self.permit, self.node).await
                }
                Err(failure) => Err(failure),
            };
            match listed {
                Ok(listed) => {
                    self.see_all(&listed.items);
                    version = listed.version;
                }
                Err(failure) if failure.error.kind == ErrorKind::Unavailable => {
                    tokio::time::sleep(PAUSES.0).await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }

    /// Keeps what a watch tells. Answers whether no pod is left.
    fn see(&self, event: Watched<Seen>) -> bool {
        let mut state = self.state();
        match event {
            Watched::There(pod) => {
                if let Some(there) = state.left.get_mut(&pod.metadata.uid) {
                    there.ending |= pod.metadata.deletion_timestamp.is_some();
                    there.finalizers = pod.metadata.finalizers;
                }
                false
            }
            Watched::Gone(pod) => {
                let was_left = state.left.remove(&pod.metadata.uid).is_some();
                let left = state.left.len();
                drop(state);
                if was_left {
                    self.show_gone(left);
                }
                left == 0
            }
        }
    }

    /// Keeps what a list tells.
    fn see_all(&self, pods: &[Pod]) {
        let found: BTreeMap<_, _> = pods.iter().map(|pod| (&pod.uid, pod)).collect();
        let mut state = self.state();
        state.left.retain(|uid, pod| {
            let Some(there) = found.get(uid) else {
                return false;
            };
            pod.ending |= there.ending;
            pod.finalizers.clone_from(&there.finalizers);
            true
        });
        let left = state.left.len();
        drop(state);
        self.show_gone(left);
    }

    fn show_gone(&self, left: usize) {
        let gone = self.total - left;
        let verb = if gone == 1 { "is" } else { "are" };
        let phase = format!("{gone} of {} {verb} gone", counted(self.total, "pod"));
        self.show(phase, false);
    }

    fn show(&self, phase: String, notice: bool) {
        let gone = self.total - self.state().left.len();
        self.permit.progress(Progress {
            phase,
            done: gone as u64,
            total: self.total as u64,
            notice,
        });
    }

    fn broken_off(&self, mut error: CallError) -> CallError {
        let evicted = self.state().evicted;
        if evicted > 0 {
            let all = counted(self.total, "pod");
            // Writing into text cannot fail.
            let _ = write!(
                error.message,
                "; {evicted} of {all} were evicted and stay so"
            );
        }
        error
    }

    fn late(&self, within: Duration) -> CallError {
        let state = self.state();
        let left = state.left.values().map(|pod| {
            let why = state.held.get(&pod.uid).map(String::as_str);
            let ends = if pod.ending {
                pod.ends()
            } else {
                "not asked yet".to_owned()
            };
            format!("{} ({})", pod.text(), why.map_or(ends, str::to_owned))
        });
        let left: Vec<_> = left.collect();
        let message = format!(
            "{}: not within {}; {} of {} left: {}",
            self.node,
            crate::text::duration(within),
            left.len(),
            counted(self.total, "pod"),
            named(&left)
        );
        CallError::new(ErrorKind::Limit, message)
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Refusal};
    use crate::contract::{CallError, ErrorKind};
    use serde_json::json;
    use std::time::Duration;

    fn refusal(status: Option<u16>, cause: &str, message: &str, seconds: u32) -> Refusal {
        let kind = if status == Some(403) {
            ErrorKind::Denied
        } else {
            ErrorKind::Unavailable
        };
        let details = json!({
            "causes": [{"reason": cause, "message": "why"}],
            "retryAfterSeconds": seconds,
        });
        Refusal::of(Failure {
            status,
            error: CallError::new(kind, message),
            details: serde_json::from_value(details).ok(),
        })
    }

    #[test]
    fn what_a_server_says_is_taken_as_kubectl_takes_it() {
        let held = |refusal| match refusal {
            Refusal::Held { why, after } => Some((why, after)),
            Refusal::Gone | Refusal::SeveralBudgets | Refusal::Failed(_) => None,
        };
        let of_budget = held(refusal(Some(429), "DisruptionBudget", "m", 10));
        assert_eq!(of_budget, Some(("why".into(), Duration::from_secs(10))));
        let busy = held(refusal(Some(429), "", "too many requests", 0));
        assert_eq!(busy, Some(("too many requests".into(), Duration::ZERO)));
        assert!(held(refusal(Some(403), "NamespaceTerminating", "m", 0)).is_some());
        assert!(held(refusal(Some(409), "", "another uid", 0)).is_some());
        assert!(held(refusal(None, "", "cannot be reached", 0)).is_some());
        assert!(matches!(refusal(Some(404), "", "m", 0), Refusal::Gone));
        for (status, cause, message) in [
            (403, "", "forbidden"),
            (500, "", "a webhook failed"),
            (422, "", "m"),
        ] {
            let failed = refusal(Some(status), cause, message, 0);
            assert!(matches!(failed, Refusal::Failed(_)), "{status}");
        }
        let several = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        assert!(matches!(
            refusal(Some(500), "", several, 0),
            Refusal::SeveralBudgets
        ));
    }
}
