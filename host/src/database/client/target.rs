//! What an operator says about a database: where it is, as whom to work there, what to expect of it.

use crate::secret::Secret;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

/// How long a statement waits for a lock unless the operator says otherwise.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a rebuild waits for transactions that are under way unless the operator says otherwise.
pub const DEFAULT_TRANSACTION_WAIT: Duration = Duration::from_mins(10);
/// How long a look may take unless the operator says otherwise.
pub const DEFAULT_STATEMENT_TIMEOUT: Duration = Duration::from_mins(1);
/// At how many rows the counting of an invariant stops unless the operator says otherwise.
pub const DEFAULT_MAX_ROWS: u64 = 1_000;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_mins(1);

/// What an invariant has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The query returns no row.
    NoRows,
    /// The query returns at least one row.
    SomeRows,
}

/// A query that tells whether the data is sound, written by the operator.
///
/// It runs in a read-only transaction with the search path `pg_catalog`: tables are named with their schema.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// One SELECT.
    pub sql: String,
    /// What it has to find.
    pub expect: Expectation,
    /// Where counting stops.
    pub max_rows: u64,
}

/// One named database, as the operator configured it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The logical name that grants and procedures use.
    pub name: String,
    /// A PostgreSQL connection string or URL. It must lead to the server itself or to a pool that keeps a session to one client: the lock and
    /// the settings belong to the session.
    pub connection: Secret,
    /// The role to `SET ROLE` to after the login.
    pub role: Option<String>,
    /// Certificates (PEM) to trust instead of the platform's.
    pub ca: Option<Vec<u8>>,
    /// Size of the volume that holds the data, in bytes.
    pub disk_size: Option<u64>,
    /// How many standbys there should be.
    pub expected_standbys: Option<u32>,
    /// Declared invariants by name.
    pub invariants: BTreeMap<String, Invariant>,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long what works concurrently waits for transactions that are under way. It is in nobody's way meanwhile.
    pub transaction_wait: Duration,
    /// How long a look may take.
    pub statement_timeout: Duration,
}

impl Target {
    /// A database with nothing declared but its name and how to connect.
    pub fn new(name: impl Into<String>, connection: Secret) -> Self {
        Self {
            name: name.into(),
            connection,
            role: None,
            ca: None,
            disk_size: None,
            expected_standbys: None,
            invariants: BTreeMap::new(),
            lock_timeout: DEFAULT_LOCK_TIMEOUT,
            transaction_wait: DEFAULT_TRANSACTION_WAIT,
            statement_timeout: DEFAULT_STATEMENT_TIMEOUT,
        }
    }

    /// Reads the connection string. Silent peers are noticed within about a minute unless the string says otherwise.
    pub(super) fn config(&self) -> Result<Config, TargetError> {
        let mut config: Config = self
            .connection
            .expose()
            .parse()
            .map_err(|error| TargetError::unreadable(&self.name, &error))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(TargetError::NoHost {
                database: self.name.clone(),
            });
        }
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        if hosts > 1 && config.get_target_session_attrs() != TargetSessionAttrs::ReadWrite {
            return Err(TargetError::AnyHost {
                database: self.name.clone(),
            });
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_keepalives_interval().is_none() {
            config
                .keepalives_idle(Duration::from_secs(30))
                .keepalives_interval(Duration::from_secs(10))
                .keepalives_retries(3);
        }
        Ok(config)
    }
}

/// Whether a connection may use TLS at all.
pub(super) fn may_use_tls(config: &Config) -> bool {
    config.get_ssl_mode() != SslMode::Disable
}

/// Why a database cannot be used as it is configured. None of these holds a part of the connection string.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Two databases have one name.
    #[error("database `{0}` is configured twice")]
    Twice(String),
    /// The string has an option that is not known or a value that is not possible.
    #[error("the connection string of database `{database}` cannot be read{}", option_text(.option.as_deref()))]
    Unreadable {
        /// Logical name.
        database: String,
        /// The option that is wrong, where it is one of PostgreSQL's own.
        option: Option<String>,
    },
    /// The string does not say where the server is.
    #[error("the connection string of database `{database}` names no host")]
    NoHost {
        /// Logical name.
        database: String,
    },
    /// One session could reach the primary and the next a standby that is behind.
    #[error(
        "the connection string of database `{database}` names several hosts, any of which might be a standby"
    )]
    AnyHost {
        /// Logical name.
        database: String,
    },
    /// The configured certificates cannot be used.
    #[error("the certificates in `ca` of database `{database}` cannot be read")]
    Certificates {
        /// Logical name.
        database: String,
    },
}

fn option_text(option: Option<&str>) -> String {
    option.map_or_else(String::new, |name| format!(": option `{name}`"))
}

impl TargetError {
    fn unreadable(database: &str, error: &tokio_postgres::Error) -> Self {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        Self::Unreadable {
            database: database.to_owned(),
            option: cause.as_deref().and_then(known_option),
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Twice(_) => None,
            Self::Unreadable { option, .. } => Some(match option.as_deref() {
                Some("sslmode") => {
                    "sslmode is `disable`, `prefer` or `require`; with TLS the certificate is always verified".into()
                }
                Some("sslrootcert") => "name the certificate file as `ca` of the database".into(),
                Some(_) | None => {
                    "write `postgresql://user:password@host:5432/dbname` or `host=… dbname=… user=…`; \
                     special characters in a password are percent-encoded in a URL and quoted otherwise"
                        .into()
                }
            }),
            Self::NoHost { .. } => Some("add `host=…`, or the socket's directory".into()),
            Self::AnyHost { .. } => {
                Some("add `target_session_attrs=read-write`: then each session reaches the primary".into())
            }
            Self::Certificates { .. } => {
                Some("`ca` is a file of PEM certificates, each beginning with -----BEGIN CERTIFICATE-----".into())
            }
        }
    }
}

/// The option that a parse error is about. A misread string could make anything look like an option, a piece of a password included, so
/// only names that PostgreSQL knows are repeated.
fn known_option(cause: &str) -> Option<String> {
    const KNOWN: &[&str] = &[
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_retries",
        "krbsrvname",
        "load_balance_hosts",
        "passfile",
        "port",
        "requirepeer",
        "service",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
    ];
    KNOWN
        .iter()
        .find(|name| cause.contains(&format!("`{name}`")))
        .map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "hunter2canary";

    fn refused(connection: &str) -> TargetError {
        Target::new("orders", Secret::new(connection))
            .config()
            .unwrap_err()
    }

    #[test]
    fn errors_never_repeat_the_string() {
        for connection in [
            format!("postgresql://u:{CANARY}@h:port/d"),
            format!("host=h password=a {CANARY}=1"),
            format!("host=h user=u password='{CANARY}"),
            format!("host=h sslmode={CANARY}"),
            format!("password={CANARY}"),
            format!("postgresql://u:{CANARY}@/d?{CANARY}=x"),
        ] {
            let error = refused(&connection);
            let shown = format!("{error} {error:?} {:?}", error.hint());
            assert!(!shown.contains(CANARY), "{shown}");
            assert!(shown.contains("orders"), "{shown}");
        }
        let target = Target::new("orders", Secret::new(CANARY));
        assert!(!format!("{target:?} {}", target.connection).contains(CANARY));
    }

    #[test]
    fn the_wrong_option_is_named() {
        let error = refused("host=h sslmode=verify-full");
        assert!(error.to_string().ends_with("option `sslmode`"), "{error}");
        let error = refused("host=h sslrootcert=/x");
        assert!(error.hint().unwrap().contains("`ca`"));
    }

    #[test]
    fn several_hosts_are_one_primary_or_refused() {
        for hosts in [
            "host=a,b user=u",
            "host=a,b target_session_attrs=any",
            "host=a hostaddr=1.1.1.1,2.2.2.2",
        ] {
            let error = refused(hosts);
            assert!(matches!(error, TargetError::AnyHost { .. }), "{error}");
            assert!(error.hint().unwrap().contains("read-write"));
        }
        let target = Target::new(
            "orders",
            Secret::new("host=a,b target_session_attrs=read-write"),
        );
        target.config().unwrap();
    }

    #[test]
    fn silence_is_noticed_by_default() {
        let target = Target::new("orders", Secret::new("host=h user=u"));
        let config = target.config().unwrap();
        assert_eq!(config.get_keepalives_retries(), Some(3));
        assert_eq!(config.get_tcp_user_timeout(), Some(&SILENCE));
        let target = Target::new("orders", Secret::new("host=h tcp_user_timeout=5"));
        assert_eq!(
            target.config().unwrap().get_tcp_user_timeout(),
            Some(&Duration::from_secs(5))
        );
    }
}
