//! A named database and how its secrets are found. Nothing secret is read before the target is used.

use super::file::RawDatabase;
use super::{ConfigError, Environment};
use crate::database::client::{
    DEFAULT_LOCK_TIMEOUT, DEFAULT_STATEMENT_TIMEOUT, Invariant, Secret, Target,
};
use crate::folder;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
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
        Ok(Target {
            name: self.name.clone(),
            connection: self.connection(environment)?,
            role: self.role.clone(),
            ca: self.ca.as_deref().map(|path| self.read(path)).transpose()?,
            disk_size: self.disk_size,
            expected_standbys: self.expected_standbys,
            invariants: self.invariants.clone(),
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
        })
    }

    fn connection(&self, environment: &Environment) -> Result<Secret, ConfigError> {
        match &self.connection {
            SecretSource::Env(variable) => match environment.variable(variable) {
                Some(text) => Ok(Secret::new(text)),
                None => Err(ConfigError::NoVariable {
                    target: self.name.clone(),
                    variable: variable.clone(),
                }),
            },
            SecretSource::File(file) => match String::from_utf8_lossy(&self.read(file)?).trim() {
                "" => Err(ConfigError::EmptySecret {
                    target: self.name.clone(),
                    file: file.clone(),
                }),
                text => Ok(Secret::new(text)),
            },
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ConfigError> {
        folder::read(path, 1 << 20).map_err(|source| ConfigError::TargetFile {
            target: self.name.clone(),
            source,
        })
    }
}

/// Where a secret is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretSource {
    Env(String),
    File(PathBuf),
}

impl SecretSource {
    fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::Env(_) => self,
            Self::File(path) => Self::File(folder.join(path)),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = \"VARIABLE\" } or { file = \"PATH\" }")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretSource, E> {
        Err(E::custom(
            "a connection string does not belong in this file, which is reviewed, copied and kept in version control; \
             write where it is found: { env = \"VARIABLE\" } or { file = \"PATH\" }",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretSource, A::Error> {
        match RawSource::deserialize(MapAccessDeserializer::new(map))? {
            RawSource {
                env: Some(env),
                file: None,
            } => Ok(SecretSource::Env(env)),
            RawSource {
                env: None,
                file: Some(file),
            } => Ok(SecretSource::File(file)),
            RawSource { .. } => Err(A::Error::custom(
                "either `env` or `file` is needed, and not both",
            )),
        }
    }
}
