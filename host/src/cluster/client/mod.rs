//! The only code that touches Kubernetes. Each function that a procedure can cause takes the proof that the gate let it through.

mod alike;
mod api;
mod assumed;
mod autoscaler;
mod budgets;
mod certificates;
mod change;
mod config;
mod connect;
mod diverted;
mod drain;
mod evict;
mod fleet;
mod foresee;
mod freed;
mod history;
mod issued;
mod job_facts;
mod jobs;
mod list;
mod lock;
mod look;
mod looked;
mod managers;
mod nodes;
mod pods;
mod probe;
mod rehearse;
mod restore;
mod revisions;
mod routes;
mod single;
mod target;
mod together;
mod wait;
mod workloads;

pub use assumed::assumed;
pub use lock::{Lock, LockError};
pub use looked::Looked;
pub use probe::Probe;
pub use target::{Target, TargetError};

use self::api::Api;
use self::lock::Releasing;
use self::restore::Restored;
use super::call::{Change, Subject};
use super::{Effect, Read, Revert};
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Reverted};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use crate::journal::RunId;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Instant;
use tokio::sync::OnceCell;

/// All configured clusters. It connects when it is first asked.
pub struct Client {
    rooms: BTreeMap<String, Room>,
    releasing: Releasing,
}

/// One cluster.
struct Room {
    target: Target,
    connected: OnceCell<Connected>,
}

#[derive(Clone)]
struct Connected {
    api: Api,
    namespace: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.rooms.keys()).finish()
    }
}

impl Room {
    async fn connected(&self) -> Result<&Connected, TargetError> {
        let connect = async || {
            let (client, namespace) = connect::connect(&self.target).await?;
            let api = Api::new(client, &self.target.name);
            Ok(Connected { api, namespace })
        };
        self.connected.get_or_try_init(connect).await
    }
}

impl Client {
    /// Keeps the targets. Does not connect.
    pub fn new(targets: Vec<Target>) -> Result<Self, TargetError> {
        let mut rooms = BTreeMap::new();
        for target in targets {
            let name = target.name.clone();
            let room = Room {
                target,
                connected: OnceCell::new(),
            };
            if rooms.insert(name.clone(), room).is_some() {
                return Err(TargetError::Twice(name));
            }
        }
        Ok(Self {
            rooms,
            releasing: Releasing::default(),
        })
    }

    /// Whether a cluster of this name is configured.
    pub fn has(&self, cluster: &str) -> bool {
        self.rooms.contains_key(cluster)
    }

    async fn room(&self, cluster: &str) -> Result<&Connected, CallError> {
        let unknown = || {
            CallError::new(
                ErrorKind::NotFound,
                format!("no cluster `{cluster}` is configured"),
            )
        };
        let room = self.rooms.get(cluster).ok_or_else(unknown)?;
        let unusable =
            |error: TargetError| CallError::new(ErrorKind::Unavailable, error.to_string());
        room.connected().await.map_err(unusable)
    }

    /// Looks, or waits. Answers the JSON of the type in the contract. A plan looks at nothing twice.
    pub async fn read(&self, permit: &Permit, read: &Read) -> Result<Value, CallError> {
        read.check()?;
        let room = self.room(&read.cluster).await?;
        let asked = serde_json::to_string(&read.look).unwrap_or_default();
        let known = looked::seen(permit, &room.api, |seen| seen.answers.get(&asked).cloned());
        if let Some(answer) = known.flatten() {
            return Ok(answer);
        }
        let answer = look::look(room, permit, read).await?;
        looked::seen(permit, &room.api, |seen| {
            seen.answers.insert(asked, answer.clone())
        });
        Ok(answer)
    }

    /// Looks at what an effect would change, and says how it would be undone. Changes nothing.
    pub async fn prepare(&self, permit: &Permit, effect: &Effect) -> Result<Prepared, CallError> {
        effect.check()?;
        let room = self.room(&effect.cluster).await?;
        let api = &room.api;
        let object = match effect.subject()? {
            Subject::Object(object) => object,
            Subject::Named(object) => return config::prepare(api, permit, effect, &object).await,
        };
        match &effect.change {
            Change::SetImage { .. }
            | Change::Scale { .. }
            | Change::Restart { .. }
            | Change::Pause { .. }
            | Change::Proceed { .. }
            | Change::RollBack { .. }
            | Change::Annotate { .. } => {
                let found = api.get(permit.deadline(), &object).await?;
                let wanted =
                    workloads::wanted(api, permit, &object, &found, &effect.change).await?;
                change::prepare(api, permit, effect, &object, &found, wanted).await
            }
            Change::Cordon { .. } | Change::Uncordon { .. } | Change::Label { .. } => {
                nodes::prepare(api, permit, effect, &object).await
            }
            Change::Drain { options, .. } => {
                drain::prepare(api, permit, effect, &object, *options).await
            }
            Change::FromCronJob { .. } | Change::FromManifest { .. } | Change::DeleteJob { .. } => {
                jobs::prepare(api, permit, effect, &object).await
            }
            Change::Divert { .. } | Change::Restore { .. } => {
                routes::prepare(api, permit, effect, &object).await
            }
            Change::Renew { .. } => certificates::prepare(api, permit, &object).await,
            Change::Apply { .. }
            | Change::Declare { .. }
            | Change::Prune { .. }
            | Change::Patch { .. } => Err(config::elsewhere()),
        }
    }

    /// Changes what was prepared.
    pub async fn apply(
        &self,
        permit: &ChangePermit,
        effect: &Effect,
        prepared: &Prepared,
    ) -> Result<Applied, ApplyFailure> {
        effect.check().map_err(change::not_done)?;
        let room = self.room(&effect.cluster).await.map_err(change::not_done)?;
        let api = &room.api;
        let object = match effect.subject().map_err(change::not_done)? {
            Subject::Object(object) => object,
            Subject::Named(object) => {
                return config::apply(api, permit, effect, &object, prepared).await;
            }
        };
        match &effect.change {
            Change::Drain { options, .. } => {
                drain::apply(api, permit, &object, *options, prepared).await
            }
            Change::FromCronJob { .. } | Change::FromManifest { .. } | Change::DeleteJob { .. } => {
                jobs::apply(api, permit, effect, &object, prepared).await
            }
            Change::Renew { .. } => certificates::apply(api, permit, &object, prepared).await,
            Change::Apply { .. }
            | Change::Declare { .. }
            | Change::Prune { .. }
            | Change::Patch { .. } => Err(change::not_done(config::elsewhere())),
            Change::SetImage { .. }
            | Change::Scale { .. }
            | Change::Restart { .. }
            | Change::Pause { .. }
            | Change::Proceed { .. }
            | Change::RollBack { .. }
            | Change::Annotate { .. }
            | Change::Uncordon { .. }
            | Change::Label { .. }
            | Change::Divert { .. }
            | Change::Restore { .. } => change::apply(api, permit, &object, prepared).await,
            Change::Cordon { .. } => {
                nodes::cordon(api, permit, effect, &object, prepared, &self.releasing).await
            }
        }
    }

    /// Asks how an effect ended whose end was not recorded. Only looks. `number` is the effect's within its run.
    pub async fn confirm(
        &self,
        permit: &Permit,
        effect: &Effect,
        prepared: &Prepared,
        number: u64,
    ) -> Result<Confirmed, CallError> {
        let room = self.room(&effect.cluster).await?;
        let api = &room.api;
        let object = match effect.subject()? {
            Subject::Object(object) => object,
            Subject::Named(object) => {
                return config::confirm(api, permit, effect, &object, prepared, number).await;
            }
        };
        match &effect.change {
            Change::Drain { .. } => drain::confirm(api, permit, &object, prepared).await,
            Change::FromCronJob { .. } | Change::FromManifest { .. } | Change::DeleteJob { .. } => {
                jobs::confirm(api, permit, effect, &object, prepared, number).await
            }
            Change::Renew { .. } => certificates::confirm(api, permit, &object, prepared).await,
            Change::Apply { .. }
            | Change::Declare { .. }
            | Change::Prune { .. }
            | Change::Patch { .. } => Err(config::elsewhere()),
            Change::SetImage { .. }
            | Change::Scale { .. }
            | Change::Restart { .. }
            | Change::Pause { .. }
            | Change::Proceed { .. }
            | Change::RollBack { .. }
            | Change::Annotate { .. }
            | Change::Cordon { .. }
            | Change::Uncordon { .. }
            | Change::Label { .. }
            | Change::Divert { .. }
            | Change::Restore { .. } => {
                change::confirm(api, permit, &object, prepared, number).await
            }
        }
    }

    /// Takes an effect back. May be repeated, also after a crash in its middle.
    pub async fn revert(
        &self,
        permit: &ChangePermit,
        revert: &Revert,
    ) -> Result<Reverted, CallError> {
        let room = self.room(revert.cluster()).await?;
        match revert {
            Revert::RestoreFields {
                object,
                uid,
                changes,
                mark,
                applied,
                ..
            } => {
                let restored = Restored {
                    object,
                    uid,
                    changes,
                    mark: mark.as_deref(),
                    applied: applied.as_deref(),
                };
                restore::restore(&room.api, permit, &restored).await
            }
            Revert::DeleteJob { cron_job, .. } => {
                jobs::take_back(&room.api, permit, cron_job).await
            }
            Revert::DeleteMade { object, made, .. } => {
                config::delete_made(&room.api, permit, object, made).await
            }
            Revert::MakeAgain {
                object,
                uid,
                manifest,
                writers,
                ..
            } => {
                let writers = writers.as_deref();
                config::make_again(&room.api, permit, object, uid, manifest, writers).await
            }
        }
    }

    /// Asks as a run would, and says what was found. For operators.
    pub async fn probe(&self, cluster: &str, end: Instant) -> Result<Probe, CallError> {
        probe::probe(self.room(cluster).await?, end).await
    }

    /// Locks the target for one run.
    pub async fn lock(&self, cluster: &str, run: &RunId) -> Result<Lock, LockError> {
        let unavailable = |why: CallError| LockError::Unavailable {
            cluster: cluster.to_owned(),
            why,
        };
        let room = self.room(cluster).await.map_err(unavailable)?;
        let lease = (&*room.namespace, lock::NAME);
        lock::take(&room.api, cluster, lease, run, &self.releasing).await
    }

    /// Waits until locks that were let go are given back.
    pub async fn close(&self) {
        let releasing = std::mem::take(
            &mut *self
                .releasing
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for task in releasing {
            // One that failed ends by itself.
            let _ = task.await;
        }
    }
}

/// As JSON.
fn value<T: Serialize>(answer: &T) -> Result<Value, CallError> {
    serde_json::to_value(answer)
        .map_err(|error| CallError::new(ErrorKind::Invalid, error.to_string()))
}
