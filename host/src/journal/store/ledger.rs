//! The journal's file: made, opened, recognised.

use super::super::entry::FORMAT;
use super::StoreError;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior,
};
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file within the state directory.
const FILE: &str = "journal.db";
/// Marks the file as ours: "wndl".
const APPLICATION: i64 = 0x776e_646c;
/// A commit takes well under a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

/// Entries are in the order of the chain. `kind` and `run` repeat what the bodies say, for looking up; verifying compares them.
const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    procedure TEXT,
    target TEXT
) STRICT;
CREATE INDEX run_of ON run (procedure, target);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT,
    blob BLOB,
    hash BLOB NOT NULL,
    UNIQUE (run, seq)
) STRICT;
CREATE TABLE blob (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT;
CREATE TABLE signal (run TEXT PRIMARY KEY, cancel_by TEXT NOT NULL) STRICT;
";

/// When each channel may be sent something next, and which channels were told how a run stood when it had so many entries. No part of the
/// record: journals from before it are given it when they are opened to write.
const BESIDE: &str = "
CREATE TABLE IF NOT EXISTS pace (channel TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS told (
    run TEXT NOT NULL,
    channel TEXT NOT NULL,
    entries INTEGER NOT NULL,
    PRIMARY KEY (run, channel)
) STRICT;
";

/// An open journal file.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// How long another process may hold the write lock.
    pub(super) patience: Duration,
}

impl Ledger {
    /// Opens for writing, making directory and file where they are not there.
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        let _alone = enter(dir)?;
        let path = dir.join(FILE);
        let made = make_file(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut ledger = Self::connect(&path, &path, flags)
            .map_err(|error| could_not_open(error, dir, &path))?;
        if ledger.is_read_only()? {
            return Err(StoreError::ReadOnly { path });
        }
        ledger
            .prepare()
            .map_err(|error| could_not_open(error, dir, &path))?;
        if made {
            sync_directory(dir)?;
            dir.parent().map_or(Ok(()), sync_directory)?;
        }
        Ok(ledger)
    }

    /// Opens a second connection to a journal that is open for writing.
    pub(super) fn beside(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::connect(path, path, flags)
    }

    /// Opens for reading only. Works in a directory that cannot be written.
    pub(super) fn read(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(StoreError::Missing { path }),
            Err(error) => return Err(StoreError::directory(dir, error)),
        }
        let ledger = Self::beside(&path)?;
        match ledger.recognise() {
            // A log file cannot be made here, and none is needed if it would be empty.
            Err(error) if cannot_open(&error) && !has_content(&log_of(&path)) => {
                Self::read_closed(&path)
            }
            Err(error) => Err(error),
            Ok(true) => Ok(ledger),
            Ok(false) => Err(StoreError::Missing { path }),
        }
    }

    /// Opens a journal that was closed in order and that nobody can write meanwhile: no lock and no log file is needed.
    pub(super) fn read_closed(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let ledger = Self::connect(path, Path::new(&closed_uri(path)), flags)?;
        if ledger.recognise()? {
            Ok(ledger)
        } else {
            Err(StoreError::Missing {
                path: path.to_owned(),
            })
        }
    }

    /// In memory, for tests.
    pub(super) fn memory() -> Result<Self, StoreError> {
        let path = PathBuf::from(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| StoreError::sqlite(&path, error))?;
        let mut ledger = Self {
            connection,
            path,
            patience: PATIENCE,
        };
        ledger.make_tables()?;
        Ok(ledger)
    }

    pub(super) fn fail(&self, error: rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, error)
    }

    /// Begins to write, if no other process writes; a patient caller waits a while for it to end.
    pub(super) fn begin(&mut self, patient: bool) -> rusqlite::Result<Transaction<'_>> {
        if !patient {
            self.connection.busy_timeout(Duration::ZERO)?;
        }
        let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        if !patient {
            self.connection.busy_timeout(self.patience)?;
        }
        begun
    }

    fn connect(path: &Path, name: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let open = || {
            let connection = Connection::open_with_flags(name, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            connection.pragma_update(None, "cell_size_check", true)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        Ok(Self {
            connection: open().map_err(|error| StoreError::sqlite(path, error))?,
            path: path.to_owned(),
            patience: PATIENCE,
        })
    }

    fn is_read_only(&self) -> Result<bool, StoreError> {
        self.connection
            .is_readonly("main")
            .map_err(|error| self.fail(error))
    }

    fn prepare(&mut self) -> Result<(), StoreError> {
        // Recognised before anything is changed: the file may be someone else's.
        let known = self.recognise()?;
        let modes = || {
            let mode: String =
                self.connection
                    .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
            self.connection.pragma_update(None, "synchronous", "full")?;
            Ok(mode)
        };
        let mode = modes().map_err(|error| self.fail(error))?;
        if mode != "wal" {
            // Some network file systems cannot share the memory that it needs; in another mode a commit is not what we rely on.
            return Err(StoreError::NoLog {
                path: self.path.clone(),
                mode,
            });
        }
        if known {
            self.connection
                .execute_batch(BESIDE)
                .map_err(|error| self.fail(error))
        } else {
            self.make_tables()
        }
    }

    /// True for a journal that we can read, false for an empty file.
    fn recognise(&self) -> Result<bool, StoreError> {
        let (application, tables) = self.identify().map_err(|error| self.fail(error))?;
        if application == 0 && tables == 0 {
            return Ok(false);
        }
        if application != APPLICATION {
            return Err(StoreError::Foreign {
                path: self.path.clone(),
            });
        }
        match self.format().map_err(|error| self.fail(error))? {
            Some(1..=FORMAT) => Ok(true),
            Some(found) => Err(StoreError::Newer {
                path: self.path.clone(),
                found,
                known: FORMAT,
            }),
            None => Err(StoreError::Damaged {
                path: self.path.clone(),
                what: "it does not tell its format".into(),
            }),
        }
    }

    fn identify(&self) -> rusqlite::Result<(i64, i64)> {
        let first = |sql| self.connection.query_row(sql, [], |row| row.get(0));
        Ok((
            first("PRAGMA application_id")?,
            first("SELECT count(*) FROM sqlite_schema")?,
        ))
    }

    fn format(&self) -> rusqlite::Result<Option<u32>> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = 'format'", [], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    fn make_tables(&mut self) -> Result<(), StoreError> {
        let path = &self.path;
        let mut make = || {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(SCHEMA)?;
            transaction.execute_batch(BESIDE)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.execute(
                "INSERT INTO meta (key, value) VALUES ('format', ?1)",
                [FORMAT.to_string()],
            )?;
            transaction.commit()
        };
        make().map_err(|error| StoreError::sqlite(path, error))
    }
}

/// Makes the directory and holds it until the file in it is ready, so that two processes do not both make it.
#[expect(
    clippy::disallowed_methods,
    reason = "SQLite takes a path, not a directory: what it opens is made and held by path too"
)]
fn enter(dir: &Path) -> Result<File, StoreError> {
    let failed = |error| StoreError::directory(dir, error);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    let held = OpenOptions::new().read(true).open(dir).map_err(failed)?;
    held.lock().map_err(failed)?;
    Ok(held)
}

/// Whether it had to be made. SQLite gives its log files the mode of this one.
#[expect(
    clippy::disallowed_methods,
    reason = "SQLite takes a path, not a directory: what it opens is made and held by path too"
)]
fn make_file(path: &Path) -> Result<bool, StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(StoreError::directory(path, error)),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "SQLite takes a path, not a directory: what it opens is made and held by path too"
)]
fn sync_directory(dir: &Path) -> Result<(), StoreError> {
    if dir.as_os_str().is_empty() {
        return Ok(());
    }
    OpenOptions::new()
        .read(true)
        .open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| StoreError::directory(dir, error))
}

/// SQLite could not open the database or make the files beside it.
fn cannot_open(error: &StoreError) -> bool {
    let cannot_open =
        |source: &rusqlite::Error| source.sqlite_error_code() == Some(ErrorCode::CannotOpen);
    matches!(error, StoreError::ReadOnly { .. })
        || matches!(error, StoreError::Sqlite { source, .. } if cannot_open(source))
}

/// SQLite does not say why it cannot open; a directory without write access is the usual cause.
fn could_not_open(error: StoreError, dir: &Path, path: &Path) -> StoreError {
    if cannot_open(&error) && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
        return StoreError::ReadOnly {
            path: path.to_owned(),
        };
    }
    error
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn has_content(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.len() > 0)
}

fn closed_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}
