//! What can go wrong with the record, and what to do about it.

use super::super::entry::RunId;
use super::super::state::Illegal;
use crate::contract::{CallError, ErrorKind};
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// What can go wrong with the record. Cheap to clone: all that waited for one commit are told the same.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The state directory cannot be made or entered.
    #[error("the state directory `{path}` cannot be used")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// There is nothing to read.
    #[error("there is no journal at `{path}`")]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The journal, its directory or this store is only for reading.
    #[error("the journal `{path}` cannot be written: it or its directory is read-only")]
    ReadOnly {
        /// The journal's file.
        path: PathBuf,
    },
    /// No room is left. Nothing of the batch was recorded.
    #[error("the disk of the journal `{path}` is full")]
    Full {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
    /// The disk failed. Nothing of the batch was recorded.
    #[error("the disk of the journal `{path}` does not read or write")]
    Disk {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
    /// A page is damaged, or the file is no database at all.
    #[error("the journal `{path}` is damaged")]
    Corrupt {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
    /// The database's own check found damage.
    #[error("the journal `{path}` is damaged: {what}")]
    Damaged {
        /// The journal's file.
        path: PathBuf,
        /// The first finding.
        what: String,
    },
    /// Someone else's database.
    #[error("`{path}` is not a journal of windlass")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process kept it locked.
    #[error("the journal `{path}` stayed locked by another process")]
    Busy {
        /// The journal's file.
        path: PathBuf,
    },
    /// The file system does not carry a write-ahead log.
    #[error("the journal `{path}` cannot have a write-ahead log here; SQLite offers `{mode}`")]
    NoLog {
        /// The journal's file.
        path: PathBuf,
        /// The journal mode that SQLite fell back to.
        mode: String,
    },
    /// A newer windlass wrote it.
    #[error("the journal `{path}` has format {found}; this windlass knows formats up to {known}")]
    Newer {
        /// The journal's file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A newer windlass wrote this entry.
    #[error("entry {seq} of run `{run}` is of the unknown kind `{kind}`")]
    UnknownKind {
        /// The run.
        run: RunId,
        /// Position within it.
        seq: u64,
        /// As stored.
        kind: String,
    },
    /// A stored entry does not read as one.
    #[error("entry {seq} of run `{run}` cannot be read")]
    Undecodable {
        /// The run.
        run: RunId,
        /// Position within it.
        seq: u64,
        /// Why.
        source: Arc<serde_json::Error>,
    },
    /// An entry has no stored form.
    #[error("an entry of run `{run}` cannot be written as JSON")]
    Unencodable {
        /// The run.
        run: RunId,
        /// Why.
        source: Arc<serde_json::Error>,
    },
    /// The entry may not stand there. Nothing was recorded.
    #[error("run `{run}` cannot take this entry")]
    Illegal {
        /// The run.
        run: RunId,
        /// Which rule forbids it.
        source: Illegal,
    },
    /// The entry is too large. Nothing was recorded.
    #[error("an entry of run `{run}` has {size} bytes; the journal takes {limit}")]
    TooLarge {
        /// The run.
        run: RunId,
        /// Of its JSON.
        size: usize,
        /// The most.
        limit: usize,
    },
    /// The bytes are not what their digest says.
    #[error("the content is not that of `{digest}`")]
    Digest {
        /// As claimed.
        digest: String,
    },
    /// No run has this name.
    #[error("there is no run `{prefix}`")]
    NoRun {
        /// What was asked for.
        prefix: String,
    },
    /// Several runs have names that begin so.
    #[error("`{prefix}` may be any of {}", listed(.candidates))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// The runs, newest first.
        candidates: Vec<RunId>,
    },
    /// The record was changed by another hand.
    #[error("the record is broken at entry {seq} of run `{run}`: {what}")]
    Broken {
        /// The run.
        run: RunId,
        /// Position within it.
        seq: u64,
        /// What does not fit.
        what: String,
    },
    /// The head that was noted earlier is not in the chain: the record was cut or rewritten since.
    #[error("the chain of the journal `{path}` does not contain {head}")]
    HeadLost {
        /// The journal's file.
        path: PathBuf,
        /// As noted.
        head: String,
    },
    /// Who committed the entry broke off before it told how that ended.
    #[error("the journal is closed")]
    Closed,
    /// Anything else that SQLite reports.
    #[error("the journal `{path}` cannot be used")]
    Sqlite {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
}

fn listed(runs: &[RunId]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<_> = runs.iter().take(SHOWN).map(|r| format!("`{r}`")).collect();
    let rest = runs.len().saturating_sub(SHOWN);
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    format!("{}{more}", names.join(", "))
}

impl StoreError {
    pub(super) fn directory(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        if matches!(
            error.kind(),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
        ) {
            return Self::ReadOnly { path };
        }
        Self::Directory {
            path,
            source: Arc::new(error),
        }
    }

    pub(super) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let code = error.sqlite_error_code();
        let source = Arc::new(error);
        match code {
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(ErrorCode::SystemIoFailure) => Self::Disk { path, source },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, source }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            _ => Self::Sqlite { path, source },
        }
    }

    /// For a guest, who learns only that the host could not record the call.
    pub fn into_call_error(self) -> CallError {
        let message = match self {
            Self::TooLarge { size, limit, .. } => {
                return CallError::new(
                    ErrorKind::Limit,
                    format!(
                        "the call or its answer has {size} bytes; the host records at most {limit}"
                    ),
                );
            }
            Self::Full { .. } => "the host could not record the call: its disk is full",
            Self::Directory { .. }
            | Self::Missing { .. }
            | Self::ReadOnly { .. }
            | Self::Disk { .. }
            | Self::Corrupt { .. }
            | Self::Damaged { .. }
            | Self::Foreign { .. }
            | Self::Busy { .. }
            | Self::NoLog { .. }
            | Self::Newer { .. }
            | Self::UnknownKind { .. }
            | Self::Undecodable { .. }
            | Self::Unencodable { .. }
            | Self::Illegal { .. }
            | Self::Digest { .. }
            | Self::NoRun { .. }
            | Self::Ambiguous { .. }
            | Self::Broken { .. }
            | Self::HeadLost { .. }
            | Self::Closed
            | Self::Sqlite { .. } => "the host could not record the call",
        };
        CallError::new(ErrorKind::Unavailable, message)
    }

    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("it is made by the first `windlass run`".into()),
            Self::ReadOnly { path } => Some(format!(
                "give this user write access to {}, or set another state directory",
                path.parent().unwrap_or(path).display()
            )),
            Self::Full { .. } => Some(
                "free some space; what was recorded is safe, and the run can be resumed".into(),
            ),
            Self::Disk { .. } => Some(
                "mend or free the disk; what was recorded is safe, and `windlass runs` shows how it stands"
                    .into(),
            ),
            Self::Corrupt { .. } | Self::Undecodable { .. } => {
                Some("`windlass audit verify` tells how far the record is intact".into())
            }
            Self::Damaged { .. } | Self::Broken { .. } | Self::HeadLost { .. } => Some(
                "keep a copy of the file as evidence, and compare it with your last backup".into(),
            ),
            Self::Busy { .. } => Some("`windlass runs` shows which runs are at work".into()),
            Self::NoLog { .. } => Some("keep the state directory on a local disk".into()),
            Self::Newer { .. } | Self::UnknownKind { .. } => {
                Some("use the windlass that wrote it, or a newer one".into())
            }
            Self::NoRun { .. } => Some("`windlass runs` lists them".into()),
            Self::Ambiguous { .. } => {
                Some("type more of the name; `windlass runs` lists them".into())
            }
            Self::Directory { .. }
            | Self::Foreign { .. }
            | Self::Unencodable { .. }
            | Self::Illegal { .. }
            | Self::TooLarge { .. }
            | Self::Digest { .. }
            | Self::Closed
            | Self::Sqlite { .. } => None,
        }
    }
}
