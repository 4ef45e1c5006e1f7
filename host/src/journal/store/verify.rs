//! Proves that the record is whole: the file, the chain, the contents, the order of each run.

use super::super::entry::RunId;
use super::super::state::State;
use super::StoreError;
use super::body::Blob;
use super::chain::{GENESIS, Hash, Link, Stored};
use super::ledger::Ledger;
use super::read::Raw;
use rusqlite::Row;
use std::collections::HashMap;

/// A record that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// How many runs they are of.
    pub runs: u64,
    /// Hash of the last entry, in hex. Note it elsewhere: a later check proves with it that nothing before was cut off or rewritten.
    pub head: String,
}

/// Where the check stands.
struct Walk<'a> {
    ledger: &'a Ledger,
    states: HashMap<RunId, State>,
    entries: u64,
    head: Hash,
    /// The head that was noted earlier and has not come by yet.
    noted: Option<&'a str>,
}

/// Checks everything in one read transaction. `noted` is the head of an earlier check.
pub(super) fn verify(ledger: &Ledger, noted: Option<&str>) -> Result<Verified, StoreError> {
    let sqlite = |error| ledger.fail(error);
    // Dropped without a commit: it only read.
    let _snapshot = ledger.connection.unchecked_transaction().map_err(sqlite)?;
    check_file(ledger)?;
    let mut walk = Walk {
        ledger,
        states: HashMap::new(),
        entries: 0,
        head: GENESIS,
        noted: noted.filter(|head| *head != hex::encode(GENESIS)),
    };
    walk.entries()?;
    walk.contents()?;
    if let Some(head) = walk.noted {
        return Err(StoreError::HeadLost {
            path: ledger.path.clone(),
            head: head.to_owned(),
        });
    }
    Ok(Verified {
        entries: walk.entries,
        runs: walk.states.len() as u64,
        head: hex::encode(walk.head),
    })
}

/// SQLite's own check of pages, indexes and constraints.
fn check_file(ledger: &Ledger) -> Result<(), StoreError> {
    let finding: String = ledger
        .connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| ledger.fail(error))?;
    if finding == "ok" {
        return Ok(());
    }
    let finding = finding.trim_start_matches("*** in database main ***");
    Err(StoreError::Damaged {
        path: ledger.path.clone(),
        what: finding.trim().replace('\n', " "),
    })
}

/// An entry with what only the check looks at.
struct Filed {
    id: i64,
    hash: Hash,
    run: RunId,
    procedure: Option<String>,
    target: Option<String>,
    raw: Raw,
}

impl Filed {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            hash: row.get(1)?,
            run: RunId(row.get::<_, Option<String>>(2)?.unwrap_or_default()),
            procedure: row.get(3)?,
            target: row.get(4)?,
            raw: Raw::from_row(row, 5)?,
        })
    }

    fn broken(&self, what: impl Into<String>) -> StoreError {
        StoreError::Broken {
            run: self.run.clone(),
            seq: self.raw.seq,
            what: what.into(),
        }
    }
}

impl Walk<'_> {
    fn entries(&mut self) -> Result<(), StoreError> {
        let sqlite = |error| self.ledger.fail(error);
        let mut statement = self
            .ledger
            .connection
            .prepare(
                "SELECT e.id, e.hash, r.name, r.procedure, r.target,
                        e.seq, e.at, e.kind, e.body, e.blob, b.size, b.packed
                 FROM entry e LEFT JOIN run r ON r.id = e.run LEFT JOIN blob b ON b.digest = e.blob
                 ORDER BY e.id",
            )
            .map_err(sqlite)?;
        let mut rows = statement.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            self.entry(Filed::from_row(row).map_err(sqlite)?)?;
        }
        Ok(())
    }

    fn entry(&mut self, row: Filed) -> Result<(), StoreError> {
        self.link(&row)?;
        let (run, procedure, target) = (row.run.clone(), row.procedure.clone(), row.target.clone());
        let (seq, label) = (row.raw.seq, row.raw.label.clone());
        let stamped = row.raw.decode(&run)?;
        let broken = |what: String| StoreError::Broken {
            run: run.clone(),
            seq,
            what,
        };
        if stamped.entry.label() != label {
            return Err(broken(format!("it is filed as `{label}`")));
        }
        let state = self.states.entry(run.clone()).or_default();
        state
            .record(&stamped)
            .map_err(|illegal| broken(illegal.to_string()))?;
        if let Some(begin) = state.begin()
            && (Some(&begin.procedure), Some(&begin.target))
                != (procedure.as_ref(), target.as_ref())
        {
            return Err(broken(
                "the run is filed under another procedure or target".into(),
            ));
        }
        Ok(())
    }

    /// The entry's hash follows from the one before.
    fn link(&mut self, row: &Filed) -> Result<(), StoreError> {
        let body = match (&row.raw.body, &row.raw.digest) {
            (Some(body), None) => Stored::Inline(body),
            (None, Some(digest)) => Stored::Blob(digest),
            _ => return Err(row.broken("it has no content, or two")),
        };
        let link = Link {
            run: &row.run.0,
            seq: row.raw.seq,
            at: row.raw.at.0,
            label: &row.raw.label,
            body,
        };
        self.entries += 1;
        let next = row.id.cast_unsigned() == self.entries;
        if !next || link.hash(&self.head) != row.hash {
            return Err(row.broken("it, or an entry before it, was changed or removed"));
        }
        self.head = row.hash;
        if self
            .noted
            .is_some_and(|noted| noted == hex::encode(row.hash))
        {
            self.noted = None;
        }
        Ok(())
    }

    /// Kept components too are what their digests say.
    fn contents(&self) -> Result<(), StoreError> {
        let sqlite = |error| self.ledger.fail(error);
        let mut statement = self
            .ledger
            .connection
            .prepare("SELECT digest, size, packed FROM blob")
            .map_err(sqlite)?;
        let mut rows = statement.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            let read = || {
                let size: i64 = row.get(1)?;
                Ok(Blob {
                    digest: row.get(0)?,
                    size: usize::try_from(size).unwrap_or(usize::MAX),
                    packed: row.get(2)?,
                })
            };
            let blob = read().map_err(sqlite)?;
            blob.unpack().map_err(|what| StoreError::Damaged {
                path: self.ledger.path.clone(),
                what: format!("content {}: {what}", hex::encode(blob.digest)),
            })?;
        }
        Ok(())
    }
}
