//! The rooms joined: each call goes to the room it names.

use super::permit::{ChangePermit, Permit};
use crate::call::{Applied, ApplyFailure, Confirmed, Effect, Prepared, Read, Revert, Reverted};
use crate::cluster;
use crate::contract::CallError;
use crate::database;
use crate::journal::RunId;
use crate::notify;
use crate::probe::{self, Turn};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::fmt;
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

/// All that the engine asks of what is outside. A change takes a permit for it.
pub(super) trait Targets: fmt::Debug + Send + Sync {
    fn read<'a>(
        &'a self,
        permit: &'a Permit,
        read: &'a Read,
    ) -> BoxFuture<'a, Result<Value, CallError>>;

    /// Watches what the look asks to be watched until nobody listens; anything else is not watched.
    fn watch<'a>(
        &'a self,
        permit: &'a Permit,
        read: &'a Read,
        seen: UnboundedSender<Turn>,
    ) -> BoxFuture<'a, ()>;

    fn prepare<'a>(
        &'a self,
        permit: &'a Permit,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Prepared, CallError>>;

    fn apply<'a>(
        &'a self,
        permit: &'a ChangePermit,
        effect: &'a Effect,
        prepared: &'a Prepared,
    ) -> BoxFuture<'a, Result<Applied, ApplyFailure>>;

    fn confirm<'a>(
        &'a self,
        permit: &'a Permit,
        effect: &'a Effect,
        prepared: &'a Prepared,
        number: u64,
        note: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Confirmed, CallError>>;

    fn revert<'a>(
        &'a self,
        permit: &'a ChangePermit,
        revert: &'a Revert,
    ) -> BoxFuture<'a, Result<Reverted, CallError>>;

    /// Takes the lock that the target itself keeps, where it keeps one.
    fn lock<'a>(
        &'a self,
        target: &'a str,
        run: &'a RunId,
    ) -> BoxFuture<'a, Result<Box<dyn TargetLock>, RoomLockError>>;

    /// Waits until locks that were let go are given back.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A target's own lock. Dropping it gives it back.
pub(super) trait TargetLock: fmt::Debug + Send + Sync {
    /// Whether it is still ours. Asks nobody.
    fn is_held(&self) -> bool;

    /// Renews at once what ran out while the target did not answer. What somebody else took meanwhile stays lost, and so does a session.
    fn keep(&self) -> BoxFuture<'_, ()>;
}

impl Targets for Rooms {
    fn read<'a>(
        &'a self,
        permit: &'a Permit,
        read: &'a Read,
    ) -> BoxFuture<'a, Result<Value, CallError>> {
        match read {
            Read::Cluster(read) => Box::pin(self.cluster.read(permit, read)),
            Read::Database(read) => Box::pin(self.database.read(permit, read)),
            Read::Probe(read) => Box::pin(self.probe.read(permit, read)),
        }
    }

    fn watch<'a>(
        &'a self,
        permit: &'a Permit,
        read: &'a Read,
        seen: UnboundedSender<Turn>,
    ) -> BoxFuture<'a, ()> {
        match read {
            Read::Probe(read) => Box::pin(self.probe.watch(permit, read, seen)),
            Read::Cluster(_) | Read::Database(_) => Box::pin(async {}),
        }
    }

    fn prepare<'a>(
        &'a self,
        permit: &'a Permit,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Prepared, CallError>> {
        match effect {
            Effect::Cluster(effect) => Box::pin(self.cluster.prepare(permit, effect)),
            Effect::Database(effect) => Box::pin(self.database.prepare(permit, effect)),
            Effect::Notify(effect) => Box::pin(self.notify.prepare(permit, effect)),
        }
    }

    fn apply<'a>(
        &'a self,
        permit: &'a ChangePermit,
        effect: &'a Effect,
        prepared: &'a Prepared,
    ) -> BoxFuture<'a, Result<Applied, ApplyFailure>> {
        match effect {
            Effect::Cluster(effect) => Box::pin(self.cluster.apply(permit, effect, prepared)),
            Effect::Database(effect) => Box::pin(self.database.apply(permit, effect, prepared)),
            Effect::Notify(effect) => Box::pin(self.notify.apply(permit, effect)),
        }
    }

    fn confirm<'a>(
        &'a self,
        permit: &'a Permit,
        effect: &'a Effect,
        prepared: &'a Prepared,
        number: u64,
        note: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Confirmed, CallError>> {
        match effect {
            Effect::Cluster(effect) => {
                Box::pin(self.cluster.confirm(permit, effect, prepared, number))
            }
            Effect::Database(effect) => {
                Box::pin(self.database.confirm(permit, effect, prepared, note))
            }
            Effect::Notify(_) => Box::pin(async move { Ok(notify::client::confirm(note)) }),
        }
    }

    fn revert<'a>(
        &'a self,
        permit: &'a ChangePermit,
        revert: &'a Revert,
    ) -> BoxFuture<'a, Result<Reverted, CallError>> {
        match revert {
            Revert::Cluster(revert) => Box::pin(self.cluster.revert(permit, revert)),
            Revert::Database(revert) => Box::pin(self.database.revert(permit, revert)),
        }
    }

    fn lock<'a>(
        &'a self,
        target: &'a str,
        run: &'a RunId,
    ) -> BoxFuture<'a, Result<Box<dyn TargetLock>, RoomLockError>> {
        Box::pin(async move {
            let lock: Box<dyn TargetLock> = if self.cluster.has(target) {
                Box::new(self.cluster.lock(target, run).await?)
            } else {
                Box::new(self.database.lock(target, run).await?)
            };
            Ok(lock)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.cluster.close())
    }
}

/// An advisory lock lives as long as its session: there is nothing to renew.
impl TargetLock for database::Lock {
    fn is_held(&self) -> bool {
        self.is_held()
    }

    fn keep(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A Lease.
impl TargetLock for cluster::client::Lock {
    fn is_held(&self) -> bool {
        self.is_held()
    }

    fn keep(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.keep())
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
