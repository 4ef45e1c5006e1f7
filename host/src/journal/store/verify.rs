//! Proves that the record is whole: the file, the chain, the contents, the order of each run.

use super::super::entry::RunId;
use super::super::state::State;
use super::StoreError;
use super::body::Blob;
use super::chain::{GENESIS, Hash, Link, Stored};
use super::ledger::Ledger;
use super::read::{self, Raw};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
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
    /// Components and plans of runs that are no longer kept, so that these runs cannot be resumed.
    pub lost: Vec<Lost>,
}

/// Content that a run names by its digest and that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The run.
    pub run: RunId,
    /// `component` or `plan`.
    pub what: &'static str,
    /// `sha256:…`.
    pub digest: String,
}

/// Where the check stands.
struct Walk<'a> {
    ledger: &'a Ledger,
    states: HashMap<RunId, State>,
    entries: u64,
    head: Hash,
    /// The last entry that is intact.
    last: Option<(RunId, u64)>,
    /// The head that was noted earlier and has not come by yet.
    noted: Option<&'a str>,
}

/// Checks everything in one read transaction. `noted` is the head of an earlier check.
pub(super) fn verify(ledger: &Ledger, noted: Option<&str>) -> Result<Verified, StoreError> {
    let sqlite = |error| ledger.fail(error);
    // Dropped without a commit: it only read.
    let _snapshot = ledger.connection.unchecked_transaction().map_err(sqlite)?;
    let mut walk = Walk {
        ledger,
        states: HashMap::new(),
        entries: 0,
        head: GENESIS,
        last: None,
        noted: noted.filter(|head| *head != hex::encode(GENESIS)),
    };
    // The entries first: how far they are intact is told even where a page is damaged.
    let walked = walk.all();
    walk.with_pages(walked)?;
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
        lost: walk.lost()?,
    })
}

/// Hash of the last entry of a run, in hex.
pub(super) fn head_of(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<String>> {
    let last: Option<Hash> = connection
        .prepare_cached(
            "SELECT e.hash FROM entry e JOIN run r ON r.id = e.run WHERE r.name = ?1
             ORDER BY e.seq DESC LIMIT 1",
        )?
        .query_row([&run.0], |row| row.get(0))
        .optional()?;
    Ok(last.map(hex::encode))
}

/// What SQLite's own check of pages, indexes and constraints finds first.
fn page_finding(ledger: &Ledger) -> Option<String> {
    let checked = ledger
        .connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    let finding: String = checked.unwrap_or_else(|error| error.to_string());
    let told = finding.trim_start_matches("*** in database main ***");
    (finding != "ok").then(|| told.trim().replace('\n', " "))
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
    fn all(&mut self) -> Result<(), StoreError> {
        self.entries()?;
        self.begun()?;
        self.contents()
    }

    /// What was found so far, with what the pages say. A place that is named exactly says more than they do.
    fn with_pages(&self, walked: Result<(), StoreError>) -> Result<(), StoreError> {
        let of_the_file = match &walked {
            Ok(()) => None,
            Err(StoreError::Corrupt { source, .. }) => Some(source.to_string()),
            Err(_) => return walked,
        };
        let Some(finding) = page_finding(self.ledger).or(of_the_file) else {
            return Ok(());
        };
        let upto = match (&walked, &self.last) {
            (Ok(()), _) => "every entry can be read and is intact".to_owned(),
            (Err(_), Some((run, seq))) => format!(
                "intact are the first {}, up to entry {seq} of run `{run}`",
                self.entries
            ),
            (Err(_), None) => "no entry can be read".to_owned(),
        };
        Err(StoreError::Damaged {
            path: self.ledger.path.clone(),
            what: format!("{upto} ({finding})"),
        })
    }

    /// A run that has begun has entries, unless somebody removed them.
    fn begun(&self) -> Result<(), StoreError> {
        let sqlite = |error| self.ledger.fail(error);
        let bare: Option<String> = self
            .ledger
            .connection
            .query_row(
                "SELECT name FROM run WHERE procedure IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM entry WHERE run = run.id) LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(sqlite)?;
        bare.map_or(Ok(()), |name| {
            Err(StoreError::Broken {
                run: RunId(name),
                seq: 0,
                what: "the run has begun, and its entries were removed".into(),
            })
        })
    }

    /// What runs name by its digest and is not kept.
    fn lost(&self) -> Result<Vec<Lost>, StoreError> {
        let mut lost = Vec::new();
        for (run, state) in &self.states {
            let Some(begin) = state.begin() else { continue };
            let plan = begin.plan.as_ref().map(|plan| ("plan", plan));
            for (what, digest) in [("component", &begin.digest)].into_iter().chain(plan) {
                if !self.is_kept(digest)? {
                    let (run, digest) = (run.clone(), digest.clone());
                    lost.push(Lost { run, what, digest });
                }
            }
        }
        lost.sort_by(|one, other| one.run.cmp(&other.run));
        Ok(lost)
    }

    fn is_kept(&self, digest: &str) -> Result<bool, StoreError> {
        let Ok(digest) = super::parse(digest) else {
            return Ok(false);
        };
        let blob = read::blob(&self.ledger.connection, &digest);
        Ok(blob.map_err(|error| self.ledger.fail(error))?.is_some())
    }

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
        self.last = Some((run, seq));
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
