//! Where secrets are found. Nothing secret is read before it is used.

use super::{ConfigError, Environment};
use crate::folder;
use crate::secret::Secret;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a secret is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretSource {
    Env(String),
    File(PathBuf),
}

/// What a secret is for, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A connection string.
    Connection,
    /// The URL of a channel.
    Url,
    /// A signing key.
    Key,
    /// A password.
    Password,
    /// The value of a header.
    Header,
    /// The text of a kubeconfig.
    Kubeconfig,
}

impl Sought {
    /// How one begins.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Connection => "postgresql://…",
            Self::Url => "https://…",
            Self::Key => "whsec_…",
            Self::Password | Self::Header => "…",
            Self::Kubeconfig => "'apiVersion: v1 …'",
        }
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Url => "URL",
            Self::Key => "signing key",
            Self::Password => "password",
            Self::Header => "header",
            Self::Kubeconfig => "kubeconfig",
        })
    }
}

impl SecretSource {
    pub(super) fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::Env(_) => self,
            Self::File(path) => Self::File(folder.join(path)),
        }
    }

    /// Where the file with it is, if it is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Env(_) => None,
            Self::File(path) => path.parent(),
        }
    }

    /// Reads the secret now. `whose` is what people call its owner: "target `orders`".
    pub(super) fn read(
        &self,
        whose: &str,
        what: Sought,
        environment: &Environment,
    ) -> Result<Secret, ConfigError> {
        let whose = whose.to_owned();
        match self {
            Self::Env(variable) => match environment.variable(variable) {
                Some(text) => Ok(Secret::new(text)),
                None => Err(ConfigError::NoVariable {
                    whose,
                    what,
                    variable: variable.clone(),
                }),
            },
            Self::File(file) => match String::from_utf8_lossy(&read_file(&whose, file)?).trim() {
                "" => Err(ConfigError::EmptySecret {
                    whose,
                    what,
                    file: file.clone(),
                }),
                text => Ok(Secret::new(text)),
            },
        }
    }
}

/// A file that belongs to a target or a channel.
pub(super) fn read_file(whose: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    folder::read(path, 1 << 20).map_err(|source| ConfigError::OwnFile {
        whose: whose.to_owned(),
        source,
    })
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
            "a connection string, a URL of a channel, a key or a password does not belong in this file, which is reviewed, copied and kept in version control; \
             write where it is found: { env = \"VARIABLE\" } or { file = \"PATH\" }",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretSource, A::Error> {
        match RawSource::deserialize(MapAccessDeserializer::new(map))? {
            RawSource {
                env: Some(env),
                file: None,
            } if is_variable(&env) => Ok(SecretSource::Env(env)),
            RawSource {
                env: None,
                file: Some(file),
            } if !file.to_string_lossy().contains("://") => Ok(SecretSource::File(file)),
            RawSource {
                env: Some(_),
                file: None,
            } => Err(A::Error::custom(
                "`env` is the name of a variable: letters, digits and `_`, no digit first",
            )),
            RawSource {
                env: None,
                file: Some(_),
            } => Err(A::Error::custom("`file` is a path, not the secret itself")),
            RawSource { .. } => Err(A::Error::custom(
                "either `env` or `file` is needed, and not both",
            )),
        }
    }
}

/// A name that is none may be the secret itself, so messages never repeat it.
fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
