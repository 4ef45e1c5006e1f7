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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The name of the Lease.
const NAME: &str = "windlass";
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
    #[error(
        "another run works on cluster `{cluster}`: {holder} holds the lease `{namespace}/{NAME}`"
    )]
    Held {
        /// Logical name.
        cluster: String,
        /// Where the Lease is.
        namespace: String,
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
    api: Api,
    object: Object,
    holder: String,
    until: Arc<Mutex<Instant>>,
    renewing: tokio::task::JoinHandle<()>,
    releasing: Releasing,
}

/// Locks that are being given back.
pub(super) type Releasing = Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>;

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock")
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewing.abort();
        let release = release(self.api.clone(), self.object.clone(), self.holder.clone());
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

/// Gives it back at once. Where that does not arrive, the next run waits until it ends by itself.
async fn release(api: Api, object: Object, holder: String) {
    let end = Clock::system().instant() + REQUEST;
    if let Ok(mut lease) = api.get(end, &object).await
        && lease["spec"]["holderIdentity"] == holder
    {
        lease["spec"]["holderIdentity"] = json!("");
        let _ = api.replace(end, &object, &lease).await;
    }
}

impl Lock {
    /// Whether it is still ours. Asks nobody.
    pub fn is_held(&self) -> bool {
        Clock::system().instant() < *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the lock or says who has it.
pub(super) async fn take(
    api: &Api,
    cluster: &str,
    namespace: &str,
    run: &RunId,
    releasing: &Releasing,
) -> Result<Lock, LockError> {
    let unavailable = |why: CallError| LockError::Unavailable {
        cluster: cluster.to_owned(),
        why,
    };
    let object = Object::new(Kind::Lease, namespace, NAME).map_err(unavailable)?;
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
                Some(_) => return Err(held(cluster, namespace, other)),
                None => now,
            };
            seen = Some((version, since));
            if now - since < DURATION {
                tokio::time::sleep(LOOK).await;
                continue;
            }
        }
        match write(api, &object, found, &holder, &clock).await {
            Ok(()) => return Ok(keep(api, object, holder, now + DURATION, clock, releasing)),
            // Somebody else was quicker.
            Err(failure) if failure.status == Some(409) => {}
            Err(failure) => return Err(unavailable(failure.into())),
        }
    }
}

fn held(cluster: &str, namespace: &str, holder: String) -> LockError {
    LockError::Held {
        cluster: cluster.to_owned(),
        namespace: namespace.to_owned(),
        holder,
    }
}

fn held_by_another(lease: &Value, own: &str) -> Option<String> {
    let holder = lease["spec"]["holderIdentity"].as_str()?;
    (!holder.is_empty() && holder != own).then(|| holder.to_owned())
}

/// Writes ourselves into the lease, as it was when it was read.
async fn write(
    api: &Api,
    object: &Object,
    found: Option<Value>,
    holder: &str,
    clock: &Clock,
) -> Result<(), Failure> {
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
            api.create(end, &path, &lease, false).await.map(drop)
        }
        Some(mut lease) => {
            lease["spec"] = spec;
            api.replace(end, object, &lease).await.map(drop)
        }
    }
}

/// Renews it in the background. Somebody else's name in it, or no answer, lets it run out.
fn keep(
    api: &Api,
    object: Object,
    holder: String,
    until: Instant,
    clock: Clock,
    releasing: &Releasing,
) -> Lock {
    let until = Arc::new(Mutex::new(until));
    let renewing = tokio::spawn({
        let (api, object, holder, until) = (
            api.clone(),
            object.clone(),
            holder.clone(),
            Arc::clone(&until),
        );
        async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                let begun = clock.instant();
                let Ok(found) = api.find(begun + REQUEST, &object).await else {
                    continue;
                };
                if found
                    .as_ref()
                    .and_then(|lease| held_by_another(lease, &holder))
                    .is_some()
                {
                    return;
                }
                if write(&api, &object, found, &holder, &clock).await.is_ok() {
                    *until.lock().unwrap_or_else(PoisonError::into_inner) = begun + DURATION;
                }
            }
        }
    });
    Lock {
        api: api.clone(),
        object,
        holder,
        until,
        renewing,
        releasing: Arc::clone(releasing),
    }
}
