//! The rooms joined: each call goes to the room it names. A room's work is large and rare, so it lives on the heap.

use super::permit::{ChangePermit, Permit};
use crate::call::{Applied, ApplyFailure, Confirmed, Effect, Prepared, Read, Revert, Reverted};
use crate::contract::CallError;
use crate::database;
use crate::journal::RunId;
use crate::notify;
use serde_json::Value;

/// Every room that this host has.
#[derive(Debug)]
pub struct Rooms {
    /// PostgreSQL.
    pub database: database::Client,
    /// Channels to people.
    pub notify: notify::Client,
}

impl Rooms {
    pub(super) async fn read(&self, permit: &Permit, read: &Read) -> Result<Value, CallError> {
        match read {
            Read::Database(read) => Box::pin(self.database.read(permit, read)).await,
        }
    }

    pub(super) async fn prepare(
        &self,
        permit: &Permit,
        effect: &Effect,
    ) -> Result<Prepared, CallError> {
        match effect {
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
        note: Option<&Value>,
    ) -> Result<Confirmed, CallError> {
        match effect {
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
            Revert::Database(revert) => Box::pin(self.database.revert(permit, revert)).await,
        }
    }

    /// Takes the lock that the target itself keeps, where it keeps one.
    pub(super) async fn lock(
        &self,
        target: &str,
        run: &RunId,
    ) -> Result<database::Lock, database::LockError> {
        self.database.lock(target, run).await
    }
}
