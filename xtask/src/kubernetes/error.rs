//! What can go wrong with a cluster, and what to do about it.

use super::VARIABLE;
use crate::fresh::NoPort;
use crate::shell;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why there is no Kubernetes, or why it does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Go is not installed, and nothing was built before.
    #[error("the Kubernetes of the suite has to be built, and `go` is not installed")]
    NoGo,
    /// Go is installed and cannot build this.
    #[error("the Kubernetes of the suite needs Go {needed}, and `go version` says `{found}`")]
    OldGo {
        /// What go.mod asks for.
        needed: String,
        /// What is there.
        found: String,
    },
    /// go.mod does not say what is asked of it.
    #[error("`{0}` names no version of `{1}`")]
    Module(PathBuf, &'static str),
    /// The build failed.
    #[error("the Kubernetes of the suite could not be built")]
    Build(#[source] shell::Failure),
    /// A client program failed.
    #[error(transparent)]
    Program(#[from] shell::Failure),
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// A program ended, although nobody ended it.
    #[error("`{program}` ended ({status}): {log}")]
    Ended {
        /// Its name.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The cluster did not do something in time.
    #[error("the cluster did not become ready: `{program}`, which was waited for, says: {log}")]
    Late {
        /// Its name.
        program: &'static str,
        /// The end of its log.
        log: String,
        /// What looked, in vain.
        #[source]
        looked: shell::Failure,
    },
    /// A file could not be read or written.
    #[error("`{0}` cannot be used")]
    File(PathBuf, #[source] io::Error),
    /// A file does not hold what it should.
    #[error("`{0}` is not JSON as it was expected")]
    Json(PathBuf, #[source] serde_json::Error),
    /// Every port that was tried is taken.
    #[error(transparent)]
    NoPort(#[from] NoPort),
    /// Somebody's cluster is not ours to stop.
    #[error("the cluster that `{VARIABLE}` names cannot be stopped and started")]
    NotOurs,
    /// There is nothing to speak to a given cluster with.
    #[error(
        "`kubectl` is not installed, and the cluster that `{VARIABLE}` names is reached with it"
    )]
    NoKubectl,
    /// A given cluster is not one for the suite.
    #[error("the cluster that `{VARIABLE}` names cannot serve the suite: {0}")]
    Unfit(&'static str, #[source] shell::Failure),
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
            Self::NoGo => Some(format!(
                "install Go (https://go.dev/dl), or let {VARIABLE} name a cluster's kubeconfig: see tests/testbed/README.md"
            )),
            Self::OldGo { needed, .. } => Some(format!(
                "install Go {needed} or newer (https://go.dev/dl), or let it fetch that itself: go env -w GOTOOLCHAIN=auto"
            )),
            Self::Build(_) => Some(
                "it needs a reachable module proxy (`go env GOPROXY`) and about 5 GB of disk; try `go build` in tests/testbed".to_owned(),
            ),
            Self::NoKubectl => Some("install kubectl".to_owned()),
            Self::Unfit(..) => Some(
                "tests/testbed/README.md says what it must have; `cargo xtask cluster` starts one that has it".to_owned(),
            ),
            Self::Module(..)
            | Self::Program(_)
            | Self::Certificate(_)
            | Self::Ended { .. }
            | Self::Late { .. }
            | Self::File(..)
            | Self::Json(..)
            | Self::NoPort(_)
            | Self::NotOurs => None,
        }
    }
}
