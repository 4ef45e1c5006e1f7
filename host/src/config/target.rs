//! A named database and how its secrets are found. Nothing secret is read before the target is used.

use super::file::RawDatabase;
use super::secret::{SecretSource, Sought, read_file};
use super::{ConfigError, Environment};
use crate::database::client::{
    DEFAULT_LOCK_TIMEOUT, DEFAULT_STATEMENT_TIMEOUT, DEFAULT_TRANSACTION_WAIT, Invariant, Target,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A database as the operator configured it. Holds no secret.
#[derive(Clone, Debug)]
pub struct DatabaseTarget {
    /// Its logical name.
    pub name: String,
    /// The role that maintenance is done under, if not the one that connects.
    pub role: Option<String>,
    /// Bytes of the volume that holds the data.
    pub disk_size: Option<u64>,
    /// How many standbys there should be.
    pub expected_standbys: Option<u32>,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a rebuild waits for transactions that are under way.
    pub transaction_wait: Duration,
    /// How long a look may take.
    pub statement_timeout: Duration,
    /// Queries that must have a certain outcome, by name.
    pub invariants: BTreeMap<String, Invariant>,
    connection: SecretSource,
    ca: Option<PathBuf>,
}

impl DatabaseTarget {
    pub(super) fn new(name: String, raw: RawDatabase, folder: &Path) -> Self {
        let invariants = raw.invariants.into_iter();
        Self {
            name,
            role: raw.role,
            disk_size: raw.disk_size.map(|size| size.0),
            expected_standbys: raw.expected_standbys,
            lock_timeout: raw.lock_timeout.map_or(DEFAULT_LOCK_TIMEOUT, |span| span.0),
            transaction_wait: raw
                .transaction_wait
                .map_or(DEFAULT_TRANSACTION_WAIT, |span| span.0),
            statement_timeout: raw
                .statement_timeout
                .map_or(DEFAULT_STATEMENT_TIMEOUT, |span| span.0),
            invariants: invariants
                .map(|(name, raw)| (name.into_inner(), raw.into()))
                .collect(),
            connection: raw.connection.relative_to(folder),
            ca: raw.ca.map(|path| folder.join(path)),
        }
    }

    /// The target with its secrets, read now from where the file says.
    pub fn resolve(&self, environment: &Environment) -> Result<Target, ConfigError> {
        let whose = format!("target `{}`", self.name);
        Ok(Target {
            name: self.name.clone(),
            connection: self
                .connection
                .read(&whose, Sought::Connection, environment)?,
            role: self.role.clone(),
            ca: self
                .ca
                .as_deref()
                .map(|path| read_file(&whose, path))
                .transpose()?,
            disk_size: self.disk_size,
            expected_standbys: self.expected_standbys,
            invariants: self.invariants.clone(),
            lock_timeout: self.lock_timeout,
            transaction_wait: self.transaction_wait,
            statement_timeout: self.statement_timeout,
        })
    }
}
