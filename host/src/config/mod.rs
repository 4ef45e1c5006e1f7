//! `windlass.toml`: named targets, channels and endpoints, where runs are recorded, where grants lie. The environment is read here and nowhere else.

mod channel;
mod cluster;
mod endpoint;
mod environment;
mod file;
mod quantity;
mod secret;
mod target;

pub use channel::ChannelTarget;
pub use cluster::ClusterTarget;
pub use endpoint::EndpointTarget;
pub use environment::Environment;
pub use secret::Sought;
pub use target::DatabaseTarget;

use crate::document::{Document, DocumentError};
use crate::folder::{FileError, Folder};
use crate::suggest::did_you_mean;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The name of the file.
pub const FILE: &str = "windlass.toml";

/// What the operator configured.
#[derive(Debug)]
pub struct Config {
    /// The file that this was read from.
    pub file: PathBuf,
    /// Where runs are recorded.
    pub state: PathBuf,
    /// The folder of grants, as an absolute path.
    pub grants: PathBuf,
    /// The zone of the times that people read and write.
    pub zone: TimeZone,
    /// By logical name.
    pub clusters: BTreeMap<String, ClusterTarget>,
    /// By logical name.
    pub databases: BTreeMap<String, DatabaseTarget>,
    /// By logical name.
    pub channels: BTreeMap<String, ChannelTarget>,
    /// By logical name.
    pub endpoints: BTreeMap<String, EndpointTarget>,
    /// Channels that hear when a run needs someone, by target.
    pub tell: BTreeMap<String, Vec<String>>,
}

/// Something that a run can work on.
#[derive(Clone, Copy, Debug)]
pub enum TargetRef<'a> {
    /// A database.
    Database(&'a DatabaseTarget),
    /// A cluster.
    Cluster(&'a ClusterTarget),
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("there is no `{FILE}` in {} or above it", .0.display())]
    NotFound(PathBuf),
    #[error("there is no target `{name}`")]
    UnknownTarget {
        name: String,
        nearest: Option<String>,
        known: Vec<String>,
    },
    #[error("there is no channel `{name}`")]
    UnknownChannel {
        name: String,
        nearest: Option<String>,
        known: Vec<String>,
    },
    #[error("there is no endpoint `{name}`")]
    UnknownEndpoint {
        name: String,
        nearest: Option<String>,
        known: Vec<String>,
    },
    #[error(
        "{whose} takes its {what} from the environment variable `{variable}`, which is not set"
    )]
    NoVariable {
        whose: String,
        what: Sought,
        variable: String,
    },
    #[error("{whose} takes its {what} from `{}`, which is empty", file.display())]
    EmptySecret {
        whose: String,
        what: Sought,
        file: PathBuf,
    },
    #[error("{whose} cannot be used")]
    OwnFile {
        whose: String,
        #[source]
        source: FileError,
    },
}

impl ConfigError {
    /// What to write or to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Document(error) => error.hint().map(str::to_owned),
            Self::NotFound(_) => Some("windlass init".into()),
            Self::UnknownTarget { nearest, known, .. } => {
                nearest.clone().or_else(|| match &known[..] {
                    [] => Some(format!("add a section [database.NAME] to {FILE}")),
                    known => Some(format!("targets here: {}", known.join(", "))),
                })
            }
            Self::UnknownChannel { nearest, known, .. } => {
                nearest.clone().or_else(|| match &known[..] {
                    [] => Some(format!("add a section [channel.NAME] to {FILE}")),
                    known => Some(format!("channels here: {}", known.join(", "))),
                })
            }
            Self::UnknownEndpoint { nearest, known, .. } => {
                nearest.clone().or_else(|| match &known[..] {
                    [] => Some(format!("add a section [endpoint.NAME] to {FILE}")),
                    known => Some(format!("endpoints here: {}", known.join(", "))),
                })
            }
            Self::NoVariable { what, variable, .. } => {
                Some(format!("export {variable}={}", what.example()))
            }
            Self::File(_) | Self::EmptySecret { .. } | Self::OwnFile { .. } => None,
        }
    }
}

impl Config {
    /// Reads the named file, or else `windlass.toml` in the folder `from` or the nearest folder above it.
    pub fn find(named: Option<&Path>, from: &Path) -> Result<Self, ConfigError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => from
                .ancestors()
                .map(|folder| folder.join(FILE))
                .find(|path| path.is_file())
                .ok_or_else(|| ConfigError::NotFound(from.to_owned()))?,
        };
        let (folder, name) = Folder::of_file(&path)?;
        let text = folder.read_text(&name)?;
        let shown = path
            .strip_prefix(from)
            .unwrap_or(&path)
            .display()
            .to_string();
        Self::parse(&Document::new(&shown, &text), &folder.path().join(name))
    }

    fn parse(document: &Document<'_>, file: &Path) -> Result<Self, ConfigError> {
        let parsed = file::parse(document)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let databases = parsed
            .databases
            .into_iter()
            .map(|(name, raw)| (name.clone(), DatabaseTarget::new(name, raw, folder)))
            .collect();
        let clusters = parsed
            .clusters
            .into_iter()
            .map(|(name, raw)| (name.clone(), ClusterTarget::new(name, raw, folder)))
            .collect();
        let channels = parsed
            .channels
            .into_iter()
            .map(|(name, raw)| (name.clone(), ChannelTarget::new(name, raw, folder)))
            .collect();
        let endpoints = parsed
            .endpoints
            .into_iter()
            .map(|(name, raw)| (name.clone(), EndpointTarget::new(name, raw, folder)))
            .collect();
        Ok(Self {
            file: file.to_owned(),
            state: folder.join(parsed.state),
            grants: folder.join(parsed.grants),
            zone: parsed.zone,
            clusters,
            databases,
            channels,
            endpoints,
            tell: parsed.tell,
        })
    }

    /// Names of everything that a run can work on: databases, then clusters.
    pub fn targets(&self) -> impl Iterator<Item = &String> {
        self.databases.keys().chain(self.clusters.keys())
    }

    /// The target of that name.
    pub fn target(&self, name: &str) -> Result<TargetRef<'_>, ConfigError> {
        let database = self.databases.get(name).map(TargetRef::Database);
        let cluster = || self.clusters.get(name).map(TargetRef::Cluster);
        database
            .or_else(cluster)
            .ok_or_else(|| ConfigError::UnknownTarget {
                name: name.to_owned(),
                nearest: did_you_mean(name, self.targets().map(String::as_str)),
                known: self.targets().cloned().collect(),
            })
    }

    /// The database of that name.
    pub fn database(&self, name: &str) -> Result<&DatabaseTarget, ConfigError> {
        match self.target(name)? {
            TargetRef::Database(database) => Ok(database),
            TargetRef::Cluster(_) => Err(ConfigError::UnknownTarget {
                name: name.to_owned(),
                nearest: None,
                known: self.databases.keys().cloned().collect(),
            }),
        }
    }
}

impl Config {
    /// The channel of that name.
    pub fn channel(&self, name: &str) -> Result<&ChannelTarget, ConfigError> {
        let known = || self.channels.keys();
        self.channels
            .get(name)
            .ok_or_else(|| ConfigError::UnknownChannel {
                name: name.to_owned(),
                nearest: did_you_mean(name, known().map(String::as_str)),
                known: known().cloned().collect(),
            })
    }

    /// The endpoint of that name.
    pub fn endpoint(&self, name: &str) -> Result<&EndpointTarget, ConfigError> {
        let known = || self.endpoints.keys();
        self.endpoints
            .get(name)
            .ok_or_else(|| ConfigError::UnknownEndpoint {
                name: name.to_owned(),
                nearest: did_you_mean(name, known().map(String::as_str)),
                known: known().cloned().collect(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Environment};
    use crate::database::Client;
    use crate::folder::write;
    use std::time::Duration;

    const TEXT: &str = r#"
[windlass]
zone = "Europe/Berlin"

[database.orders]
connection = { env = "ORDERS_URL" }
role = "maintenance"
disk-size = "40 GB"
expected-standbys = 1
lock-timeout = "2s"

[database.orders.invariants.no-orphans]
sql = "select 1 from items where order_id is null"
expect = "no-rows"

[database.ledger]
connection = { file = "secrets/ledger" }
"#;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own folders")]
    fn a_file_is_found_above_and_its_paths_are_relative_to_it() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let deep = root.join("a/b");
        std::fs::DirBuilder::new()
            .recursive(true)
            .create(&deep)
            .unwrap();
        std::fs::DirBuilder::new()
            .create(root.join("secrets"))
            .unwrap();
        write(&root.join("windlass.toml"), TEXT.as_bytes(), false).unwrap();
        write(
            &root.join("secrets/ledger"),
            b"host=db password=canary\n",
            false,
        )
        .unwrap();

        let config = Config::find(None, &deep).unwrap();
        assert_eq!(config.state, root.join(".windlass"));
        assert_eq!(config.grants, root.join("grants"));
        let orders = config.database("orders").unwrap();
        assert_eq!(orders.disk_size, Some(40 << 30));
        assert_eq!(orders.lock_timeout, Duration::from_secs(2));
        assert_eq!(orders.invariants["no-orphans"].max_rows, 1000);

        let environment = Environment::fixed([]);
        let error = orders.resolve(&environment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "target `orders` takes its connection from the environment variable `ORDERS_URL`, which is not set"
        );
        let target = config
            .database("ledger")
            .unwrap()
            .resolve(&environment)
            .unwrap();
        assert!(!format!("{target:?}").contains("canary"));
        assert!(Client::new(vec![target]).is_ok());

        let error = config.database("order").unwrap_err();
        assert_eq!(error.to_string(), "there is no target `order`");
        assert_eq!(error.hint().as_deref(), Some("did you mean `orders`?"));
    }

    #[test]
    fn without_a_file_the_next_command_is_told() {
        let place = tempfile::tempdir().unwrap();
        let error = Config::find(None, place.path()).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("windlass init"));
    }
}
