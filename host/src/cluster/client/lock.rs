//! One run at a time for each target: a Lease in its namespace, renewed as long as the run lives.
//!
//! As in client-go's leader election, no clock of another machine is believed: a lease that somebody holds is free only when it was watched
//! for its whole duration and nobody renewed it. Whoever holds it and cannot renew it stops in time by its own clock.

use super::api::{Api, Failure};
use crate::clock::Clock;
use crate::cluster::object::{Kind, Object};
use crate::contract::CallError;
use crate::journal::RunId;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The name of the Lease.
pub(super) const NAME: &str = "windlass";
/// For how long it holds without being renewed.
const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(4);
/// How long the server may take to answer.
const REQUEST: Duration = Duration::from_secs(10);
/// How often a lease is looked at that somebody else holds.
const LOOK: Duration = Duration::from_millis(500);

/// Why a cluster could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run works there.
    #[error("another run works on cluster `{cluster}`: {holder} holds the lease `{lease}`")]
    Held {
        /// Logical name.
        cluster: String,
        /// Namespace and name of the Lease.
        lease: String,
        /// The run.
        holder: String,
    },
    /// The server could not be asked.
    #[error("{}", .why.message)]
    Unavailable {
        /// Logical name.
        cluster: String,
        /// Why; its message names the cluster.
        why: CallError,
    },
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => Some(
                "wait for that run to end, or look at it with `windlass runs` where it was started"
                    .into(),
            ),
            Self::Unavailable { cluster, .. } => {
                Some(format!("windlass doctor --target {cluster}"))
            }
        }
    }
}

/// Proof that no other run works on the target, as long as it is renewed.
pub struct Lock {
    hold: Hold,
    renewing: tokio::task::JoinHandle<()>,
    releasing: Releasing,
}

/// A lease with this run's name in it.
#[derive(Clone)]
struct Hold {
    api: Api,
    object: Object,
    holder: String,
    clock: Clock,
    held: Arc<Mutex<Held>>,
}

/// What the server has of us, and until when it holds.
struct Held {
    lease: Value,
    until: Instant,
}

/// Locks that are being given back.
pub(super) type Releasing = Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>;

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock")
            .field("object", &self.hold.object)
            .finish_non_exhaustive()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewing.abort();
        // One that was lost is somebody else's, or this run has taken it anew.
        if !self.is_held() {
            return;
        }
        let release = self.hold.clone().release();
        // Without a runtime the process is at its end, and the lease ends by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let mut releasing = self
                .releasing
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            releasing.push(runtime.spawn(release));
        }
    }
}

impl Lock {
    /// Whether it is still ours. Asks nobody.
    pub fn is_held(&self) -> bool {
        self.hold.clock.instant() < self.hold.held().until
    }

    /// Renews it at once if it ran out, as it does while the server does not answer. One that somebody else took meanwhile stays lost.
    pub async fn keep(&self) {
        if !self.is_held() {
            self.hold.renew().await;
        }
    }
}

/// Takes the lock or says who has it.
pub(super) async fn take(
    api: &Api,
    cluster: &str,
    (namespace, name): (&str, &str),
    run: &RunId,
    releasing: &Releasing,
) -> Result<Lock, LockError> {
    let unavailable = |why: CallError| LockError::Unavailable {
        cluster: cluster.to_owned(),
        why,
    };
    let object = Object::new(Kind::Lease, namespace, name).map_err(unavailable)?;
    let holder = run.to_string();
    let clock = Clock::system();
    let mut seen: Option<(String, Instant)> = None;
    loop {
        let now = clock.instant();
        let found = api
            .find(now + REQUEST, &object)
            .await
            .map_err(|failure| unavailable(failure.into()))?;
        if let Some(other) = found
            .as_ref()
            .and_then(|lease| held_by_another(lease, &holder))
        {
            let version = found
                .as_ref()
                .map(|lease| lease["metadata"]["resourceVersion"].to_string())
                .unwrap_or_default();
            let since = match &seen {
                Some((known, since)) if *known == version => *since,
                Some(_) => return Err(held(cluster, &object, other)),
                None => now,
            };
            seen = Some((version, since));
            if now - since < found.as_ref().map_or(DURATION, holds_for) {
                tokio::time::sleep(LOOK).await;
                continue;
            }
        }
        match write(api, &object, found, &holder, &clock).await {
            Ok(lease) => {
                let until = now + DURATION;
                let hold = Hold {
                    api: api.clone(),
                    object,
                    holder,
                    clock,
                    held: Arc::new(Mutex::new(Held { lease, until })),
                };
                return Ok(Lock {
                    renewing: tokio::spawn(hold.clone().keep()),
                    hold,
                    releasing: Arc::clone(releasing),
                });
            }
            // Somebody else was quicker.
            Err(failure) if failure.status == Some(409) => {}
            Err(failure) => return Err(unavailable(failure.into())),
        }
    }
}

fn held(cluster: &str, lease: &Object, holder: String) -> LockError {
    let namespace = lease.namespace.as_deref().unwrap_or_default();
    LockError::Held {
        cluster: cluster.to_owned(),
        lease: format!("{namespace}/{}", lease.name),
        holder,
    }
}

fn held_by_another(lease: &Value, own: &str) -> Option<String> {
    let holder = lease["spec"]["holderIdentity"].as_str()?;
    (!holder.is_empty() && holder != own).then(|| holder.to_owned())
}

/// For how long a lease holds without being renewed, as it says itself: another version of windlass may have another duration.
fn holds_for(lease: &Value) -> Duration {
    let seconds = lease["spec"]["leaseDurationSeconds"].as_u64();
    seconds.map_or(DURATION, Duration::from_secs)
}

/// Writes ourselves into the lease, if it is still as it was when we read or wrote it. Answers what the server then has.
async fn write(
    api: &Api,
    object: &Object,
    found: Option<Value>,
    holder: &str,
    clock: &Clock,
) -> Result<Value, Failure> {
    let end = clock.instant() + REQUEST;
    let at = Timestamp::from_millisecond(i64::try_from(clock.now().0).unwrap_or(i64::MAX))
        .unwrap_or_default();
    let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": DURATION.as_secs(), "renewTime": format!("{at:.6}")});
    match found {
        None => {
            let lease = json!({
                "apiVersion": object.kind.api_version(), "kind": object.kind.to_string(),
                "metadata": {"name": object.name, "namespace": object.namespace}, "spec": spec,
            });
            let path = object.kind.path(object.namespace.as_deref());
            api.create(end, &path, &lease, false).await
        }
        Some(mut lease) => {
            lease["spec"] = spec;
            api.replace(end, object, &lease).await
        }
    }
}

impl Hold {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews it until it is lost. While there is no answer it runs out.
    async fn keep(self) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            if !self.renew().await {
                return;
            }
        }
    }

    /// Renews it, as far as the server answers. False if it is lost: somebody else has it, or had it meanwhile.
    async fn renew(&self) -> bool {
        let begun = self.clock.instant();
        match self.written().await {
            Ok(Some(lease)) => {
                let until = begun + DURATION;
                *self.held() = Held { lease, until };
                true
            }
            Ok(None) => {
                // However long it would have held: nothing more is done under it.
                self.held().until = begun;
                false
            }
            Err(_) => true,
        }
    }

    /// Answers the lease as it then is, or none if it is not ours any more.
    async fn written(&self) -> Result<Option<Value>, Failure> {
        let Self {
            api,
            object,
            holder,
            clock,
            ..
        } = self;
        let known = self.held().lease.clone();
        let failure = match write(api, object, Some(known), holder, clock).await {
            Ok(lease) => return Ok(Some(lease)),
            Err(failure) => failure,
        };
        // Gone, or written by another hand since.
        if !matches!(failure.status, Some(404 | 409)) {
            return Err(failure);
        }
        let found = api.find(clock.instant() + REQUEST, object).await?;
        if !found.as_ref().is_none_or(|lease| self.is_in(lease)) {
            return Ok(None);
        }
        write(api, object, found, holder, clock).await.map(Some)
    }

    fn is_in(&self, lease: &Value) -> bool {
        lease["spec"]["holderIdentity"] == self.holder
    }

    /// Gives it back at once. Where that does not arrive, the next run waits until it ends by itself.
    async fn release(self) {
        let Self { api, object, .. } = &self;
        let end = self.clock.instant() + REQUEST;
        let without_us = |mut lease: Value| {
            lease["spec"]["holderIdentity"] = json!("");
            lease
        };
        let known = self.held().lease.clone();
        let first = api.replace(end, object, &without_us(known)).await;
        // Written by another hand since: it is given back only if it is still ours.
        if first.is_err_and(|failure| failure.status == Some(409))
            && let Ok(lease) = api.get(end, object).await
            && self.is_in(&lease)
        {
            let _ = api.replace(end, object, &without_us(lease)).await;
        }
    }
}
