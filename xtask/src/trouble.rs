//! What can go wrong, told as windlass tells it: the error, its causes, what to do.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use xtask::{kubernetes, postgres, shell, wasm};

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("`cargo xtask {0}` is not a command, or has other arguments")]
    Usage(String),
    #[error("`{0}` is not a supported major version of PostgreSQL: {OLDEST} to {NEWEST} are", OLDEST = postgres::OLDEST, NEWEST = postgres::NEWEST)]
    NotMajor(String),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
    #[error(transparent)]
    Wasm(#[from] wasm::Error),
    #[error(transparent)]
    Program(#[from] shell::Failure),
    #[error("`{0}` cannot be used")]
    File(PathBuf, #[source] std::io::Error),
    #[error("the database `{0}` is on the server already")]
    Exists(String),
    #[error("there are advisories against packages that are built in")]
    Advisories,
    #[error("{0}")]
    Unexpected(String),
}

impl Trouble {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File(path, error)
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("cargo xtask help".to_owned()),
            Self::Postgres(error) => error.hint(),
            Self::Kubernetes(error) => error.hint(),
            Self::Wasm(error) => error.hint(),
            Self::Exists(_) => Some(
                "the demo makes and drops a database of that name: use another server, or unset DATABASE_URL"
                    .to_owned(),
            ),
            Self::Advisories => Some(
                "cargo update -p PACKAGE; what cannot reach us goes into [advisories] of deny.toml with its reason"
                    .to_owned(),
            ),
            Self::NotMajor(_) | Self::Program(_) | Self::File(..) | Self::Unexpected(_) => None,
        }
    }

    pub(crate) fn tell(&self) {
        eprintln!("{}", xtask::story(self, self.hint()));
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::NotMajor(_) => ExitCode::from(2),
            Self::Postgres(_)
            | Self::Kubernetes(_)
            | Self::Wasm(_)
            | Self::Program(_)
            | Self::File(..)
            | Self::Exists(_)
            | Self::Advisories
            | Self::Unexpected(_) => ExitCode::FAILURE,
        }
    }
}
