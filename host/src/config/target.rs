//! A named database and how its secrets are found. Nothing secret is read before the target is used.

use super::file::RawDatabase;
use super::{ConfigError, Environment};
use crate::folder;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_ROWS: u64 = 1000;

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

/// What an invariant's query must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// No row at all.
    NoRows,
    /// At least one row.
    SomeRows,
}

/// A query of the operator's, run in a read-only transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invariant {
    /// One statement.
    pub sql: String,
    /// What it must answer.
    pub expect: Expectation,
    /// Where counting rows stops.
    pub max_rows: u64,
}

/// A value that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one who connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl DatabaseTarget {
    pub(super) fn new(name: String, raw: RawDatabase, folder: &Path) -> Self {
        let invariant = |raw: super::file::RawInvariant| Invariant {
            sql: raw.sql,
            expect: raw.expect,
            max_rows: raw.max_rows.unwrap_or(MAX_ROWS),
        };
        Self {
            name,
            role: raw.role,
            disk_size: raw.disk_size.map(|size| size.0),
            expected_standbys: raw.expected_standbys,
            lock_timeout: raw.lock_timeout.map_or(LOCK_TIMEOUT, |span| span.0),
            statement_timeout: raw
                .statement_timeout
                .map_or(STATEMENT_TIMEOUT, |span| span.0),
            invariants: raw
                .invariants
                .into_iter()
                .map(|(name, raw)| (name.into_inner(), invariant(raw)))
                .collect(),
            connection: raw.connection.relative_to(folder),
            ca: raw.ca.map(|path| folder.join(path)),
        }
    }

    /// Reads the connection string, now, from where the file says.
    pub fn connection(&self, environment: &Environment) -> Result<Secret, ConfigError> {
        match &self.connection {
            SecretSource::Env(variable) => {
                environment
                    .variable(variable)
                    .map(Secret)
                    .ok_or_else(|| ConfigError::NoVariable {
                        target: self.name.clone(),
                        variable: variable.clone(),
                    })
            }
            SecretSource::File(file) => {
                let bytes = self.read(file)?;
                let text = String::from_utf8_lossy(&bytes).trim().to_owned();
                if text.is_empty() {
                    return Err(ConfigError::EmptySecret {
                        target: self.name.clone(),
                        file: file.clone(),
                    });
                }
                Ok(Secret(text))
            }
        }
    }

    /// Reads the certificates (PEM) that the server's certificate must be signed by, where the operator named some.
    pub fn ca(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        self.ca.as_deref().map(|path| self.read(path)).transpose()
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
