//! The rooms joined: each call goes to the room it names. A room's work is large and rare, so it lives on the heap.

use super::permit::{ChangePermit, Permit};
use crate::call::{Applied, ApplyFailure, Confirmed, Effect, Prepared, Read, Revert, Reverted};
use crate::cluster;
use crate::contract::CallError;
use crate::database;
use crate::journal::RunId;
use crate::notify;
use crate::probe::{self, Turn};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

/// Every room that this host has.
#[derive(Debug)]
pub struct Rooms {
    /// Kubernetes.
    pub cluster: cluster::Client,
    /// PostgreSQL.
    pub database: database::Client,
    /// Channels to people.
    pub notify: notify::Client,
    /// Endpoints that people use.
    pub probe: probe::Client,
}

impl Rooms {
    pub(super) async fn read(&self, permit: &Permit, read: &Read) -> Result<Value, CallError> {
        match read {
            Read::Cluster(read) => Box::pin(self.cluster.read(permit, read)).await,
            Read::Database(read) => Box::pin(self.database.read(permit, read)).await,
            Read::Probe(read) => Box::pin(self.probe.read(permit, read)).await,
        }
    }

    /// Watches what the look asks to be watched until nobody listens; anything else is not watched.
    pub(super) async fn watch(&self, permit: &Permit, read: &Read, seen: UnboundedSender<Turn>) {
        match read {
            Read::Probe(read) => self.probe.watch(permit, read, seen).await,
            Read::Cluster(_) | Read::Database(_) => {}
        }
    }

    pub(super) async fn prepare(
        &self,
        permit: &Permit,
        effect: &Effect,
    ) -> Result<Prepared, CallError> {
        match effect {
            Effect::Cluster(effect) => Box::pin(self.cluster.prepare(permit, effect)).await,
            Effect::Database(effect) => Box::pin(self.database.prepare(permit, effect)).await,
            Effect::Notify(effect) => Box::pin(self.notify.prepare(permit, effect)).await,
        }
    }

    pub(super) async fn apply(
        &self,
        permit: &ChangePermit,
        effect: &Effect,
        prepared: &Prepared,
    ) -> Result<Applied, ApplyFailure> {
        match effect {
            Effect::Cluster(effect) => Box::pin(self.cluster.apply(permit, effect, prepared)).await,
            Effect::Database(effect) => {
                Box::pin(self.database.apply(permit, effect, prepared)).await
            }
            Effect::Notify(effect) => Box::pin(self.notify.apply(permit, effect)).await,
        }
    }

    pub(super) async fn confirm(
        &self,
        permit: &Permit,
        effect: &Effect,
        prepared: &Prepared,
        number: u64,
        note: Option<&Value>,
    ) -> Result<Confirmed, CallError> {
        match effect {
            Effect::Cluster(effect) => {
                Box::pin(self.cluster.confirm(permit, effect, prepared, number)).await
            }
            Effect::Database(effect) => {
                Box::pin(self.database.confirm(permit, effect, prepared, note)).await
            }
            Effect::Notify(_) => Ok(notify::client::confirm(note)),
        }
    }

    pub(super) async fn revert(
        &self,
        permit: &ChangePermit,
        revert: &Revert,
    ) -> Result<Reverted, CallError> {
        match revert {
            Revert::Cluster(revert) => Box::pin(self.cluster.revert(permit, revert)).await,
            Revert::Database(revert) => Box::pin(self.database.revert(permit, revert)).await,
        }
    }

    /// Takes the lock that the target itself keeps, where it keeps one.
    pub(super) async fn lock(
        &self,
        target: &str,
        run: &RunId,
    ) -> Result<TargetLock, RoomLockError> {
        if self.cluster.has(target) {
            return Ok(TargetLock::Cluster(Box::new(
                self.cluster.lock(target, run).await?,
            )));
        }
        Ok(TargetLock::Database(self.database.lock(target, run).await?))
    }

    /// Waits until locks that were let go are given back.
    pub(super) async fn close(&self) {
        self.cluster.close().await;
    }
}

/// A target's own lock.
#[derive(Debug)]
pub(super) enum TargetLock {
    /// An advisory lock.
    Database(database::Lock),
    /// A Lease.
    Cluster(Box<cluster::client::Lock>),
}

impl TargetLock {
    /// Whether it is still ours. Asks nobody.
    pub(super) fn is_held(&self) -> bool {
        match self {
            Self::Database(lock) => lock.is_held(),
            Self::Cluster(lock) => lock.is_held(),
        }
    }

    /// Renews at once what ran out while the target did not answer. What somebody else took meanwhile stays lost, and so does a session.
    pub(super) async fn keep(&self) {
        match self {
            Self::Database(_) => {}
            Self::Cluster(lock) => lock.keep().await,
        }
    }
}

/// Why a target's own lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RoomLockError {
    /// Of a database.
    #[error(transparent)]
    Database(#[from] database::LockError),
    /// Of a cluster.
    #[error(transparent)]
    Cluster(#[from] cluster::client::LockError),
}

impl RoomLockError {
    /// Whether another run has the lock.
    pub fn is_held(&self) -> bool {
        match self {
            Self::Database(error) => matches!(error, database::LockError::Held { .. }),
            Self::Cluster(error) => matches!(error, cluster::client::LockError::Held { .. }),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Cluster(error) => error.hint(),
        }
    }
}
