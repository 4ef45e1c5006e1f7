//! Looking things up in the record. Nothing here writes.

use super::super::entry::{Ask, Call, Entry, Outcome, RunId, Stamped};
use super::super::kind;
use super::super::state::State;
use super::body::Blob;
use super::chain::{GENESIS, Hash};
use super::{StoreError, name};
use crate::clock::Millis;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

/// Columns that [`Raw`] is made of.
const COLUMNS: &str = "e.seq, e.at, e.kind, e.body, e.blob, b.size, b.packed";
/// The same, but for what folding passes over without looking.
const FOLDED: &str = "e.seq, e.at, e.kind,
    CASE WHEN e.kind IN ('observed/read', 'observed/ask', 'observed/remember', 'log', 'waiting', 'turned') THEN NULL ELSE e.body END,
    CASE WHEN e.kind IN ('observed/read', 'observed/ask', 'observed/remember', 'log', 'waiting', 'turned') THEN NULL ELSE e.blob END,
    b.size, b.packed";
const FROM: &str = "FROM entry e LEFT JOIN blob b ON b.digest =";

/// An entry as it is stored.
pub(super) struct Raw {
    pub(super) seq: u64,
    pub(super) at: Millis,
    pub(super) label: String,
    pub(super) body: Option<String>,
    pub(super) digest: Option<Hash>,
    pub(super) blob: Option<Blob>,
}

impl Raw {
    /// From seven columns, beginning with this one.
    pub(super) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let seq: i64 = row.get(first)?;
        let at: i64 = row.get(first + 1)?;
        let digest: Option<Hash> = row.get(first + 4)?;
        let packed: Option<Vec<u8>> = row.get(first + 6)?;
        let blob = match (digest, packed) {
            (Some(digest), Some(packed)) => Some(Blob {
                digest,
                size: size(row.get(first + 5)?),
                packed,
            }),
            _ => None,
        };
        Ok(Self {
            seq: seq.cast_unsigned(),
            at: Millis(at.cast_unsigned()),
            label: row.get(first + 2)?,
            body: row.get(first + 3)?,
            digest,
            blob,
        })
    }

    pub(super) fn decode(self, run: &RunId) -> Result<Stamped, StoreError> {
        let seq = self.seq;
        if !kind::known(&self.label) {
            let (run, kind) = (run.clone(), self.label);
            return Err(StoreError::UnknownKind { run, seq, kind });
        }
        let broken = |what: &str| StoreError::Broken {
            run: run.clone(),
            seq,
            what: what.into(),
        };
        let undecodable = |error| StoreError::Undecodable {
            run: run.clone(),
            seq,
            source: Arc::new(error),
        };
        let entry: Entry = match (&self.body, &self.blob) {
            (Some(body), _) => serde_json::from_str(body).map_err(undecodable)?,
            (None, Some(blob)) => {
                let bytes = blob.unpack().map_err(|what| broken(&what))?;
                serde_json::from_slice(&bytes).map_err(undecodable)?
            }
            (None, None) => return Err(broken("its content is missing")),
        };
        Ok(Stamped {
            seq,
            at: self.at,
            entry,
        })
    }
}

fn size(stored: i64) -> usize {
    usize::try_from(stored).unwrap_or(usize::MAX)
}

/// Place and hash of the last entry.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<(i64, Hash)> {
    let last = connection
        .prepare_cached("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(last.unwrap_or((0, GENESIS)))
}

pub(super) fn id_of(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM run WHERE name = ?1")?
        .query_row([&run.0], |row| row.get(0))
        .optional()
}

fn raw(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Raw>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, |row| Raw::from_row(row, 0))?;
    rows.collect()
}

/// The entries of a run from this position on.
pub(super) fn entries(
    connection: &Connection,
    run: &RunId,
    from: u64,
    sqlite: &impl Fn(rusqlite::Error) -> StoreError,
) -> Result<Vec<Stamped>, StoreError> {
    let id = id_of(connection, run)
        .map_err(sqlite)?
        .ok_or_else(|| StoreError::NoRun {
            prefix: run.0.clone(),
        })?;
    let sql =
        format!("SELECT {COLUMNS} {FROM} e.blob WHERE e.run = ?1 AND e.seq >= ?2 ORDER BY e.seq");
    raw(connection, &sql, params![id, from.cast_signed()])
        .map_err(sqlite)?
        .into_iter()
        .map(|raw| raw.decode(run))
        .collect()
}

/// The runs on this target that have not ended, oldest first.
pub(super) fn live_on(connection: &Connection, target: &str) -> rusqlite::Result<Vec<RunId>> {
    let sql = "SELECT name FROM run WHERE target = ?1 AND 'end' <>
        (SELECT kind FROM entry WHERE run = run.id ORDER BY seq DESC LIMIT 1) ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let names = statement.query_map([target], |row| Ok(RunId(row.get(0)?)))?;
    names.collect()
}

/// Runs with an entry since then of which `told` does not say that all is told, oldest first.
pub(super) fn untold(connection: &Connection, since: Millis) -> rusqlite::Result<Vec<RunId>> {
    let sql = "SELECT run.name FROM run JOIN entry last ON last.run = run.id
        AND last.seq = (SELECT max(seq) FROM entry WHERE run = run.id)
        LEFT JOIN told ON told.run = run.name AND told.channel = '' AND told.entries = last.seq + 1
        WHERE last.at >= ?1 AND told.run IS NULL ORDER BY run.id";
    let mut statement = connection.prepare_cached(sql)?;
    let names = statement.query_map([since.0.cast_signed()], |row| Ok(RunId(row.get(0)?)))?;
    names.collect()
}

/// How many entries the run had when the channel was told last.
pub(super) fn told(
    connection: &Connection,
    run: &RunId,
    channel: &str,
) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT entries FROM told WHERE run = ?1 AND channel = ?2")?
        .query_row(params![run.0, channel], |row| row.get(0))
        .optional()
        .map(|entries: Option<i64>| entries.map(i64::cast_unsigned))
}

/// The state of a stored run. Observations, which may be large, are not even read.
pub(super) fn fold(
    connection: &Connection,
    id: i64,
    run: &RunId,
    sqlite: &impl Fn(rusqlite::Error) -> StoreError,
) -> Result<State, StoreError> {
    let sql = format!(
        "SELECT {FOLDED} {FROM} CASE WHEN e.kind IN ('observed/read', 'observed/ask', 'observed/remember') THEN NULL ELSE e.blob END
         WHERE e.run = ?1 ORDER BY e.seq"
    );
    let mut state = State::default();
    for raw in raw(connection, &sql, [id]).map_err(sqlite)? {
        let (seq, at) = (raw.seq, raw.at);
        if kind::passes(&raw.label) && seq == state.entries() {
            state.pass(at, kind::answers(&raw.label));
            continue;
        }
        let stamped = raw.decode(run)?;
        state
            .record(&stamped)
            .map_err(|illegal| StoreError::Broken {
                run: run.clone(),
                seq,
                what: illegal.to_string(),
            })?;
    }
    Ok(state)
}

/// Names of all runs that have begun, newest first.
pub(super) fn names(connection: &Connection) -> rusqlite::Result<Vec<(i64, RunId)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name FROM run WHERE EXISTS (SELECT 1 FROM entry WHERE run = run.id)
         ORDER BY id DESC",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, RunId(row.get(1)?))))?;
    rows.collect()
}

/// The one run that is meant by what someone typed.
pub(super) fn find(names: Vec<(i64, RunId)>, typed: &str) -> Result<RunId, StoreError> {
    let typed = typed.to_lowercase();
    let mut candidates = Vec::new();
    for (_, run) in names {
        if run.0 == typed {
            return Ok(run);
        }
        if !typed.is_empty() && name::matches(&run.0, &typed) {
            candidates.push(run);
        }
    }
    match <[RunId; 1]>::try_from(candidates) {
        Ok([run]) => Ok(run),
        Err(candidates) if candidates.is_empty() => Err(StoreError::NoRun { prefix: typed }),
        Err(candidates) => Err(StoreError::Ambiguous {
            prefix: typed,
            candidates,
        }),
    }
}

/// Whose memory is asked for. A name is no identity: any component can have it, so digests decide.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The procedure's name.
    pub procedure: &'a str,
    /// Digests of the components that share it.
    pub digests: &'a [String],
    /// Logical name of the target.
    pub target: &'a str,
}

/// What the newest run of these components on the target that counts remembered under the key.
pub(super) fn remembered(
    connection: &Connection,
    whose: Whose<'_>,
    key: &str,
    sqlite: &impl Fn(rusqlite::Error) -> StoreError,
) -> Result<Option<String>, StoreError> {
    let runs = {
        let list = || {
            let mut statement = connection.prepare_cached(
                "SELECT id, name FROM run WHERE procedure = ?1 AND target = ?2 ORDER BY id DESC",
            )?;
            let rows = statement.query_map([whose.procedure, whose.target], |row| {
                Ok((row.get::<_, i64>(0)?, RunId(row.get(1)?)))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        list().map_err(sqlite)?
    };
    for (id, run) in runs {
        let kept = remembered_in(connection, id, &run, key, sqlite)?;
        if kept.is_some()
            && is_of(connection, id, &run, whose.digests, sqlite)?
            && counts(connection, id, &run, sqlite)?
        {
            return Ok(kept);
        }
    }
    Ok(None)
}

/// Whether the run is of one of these components.
fn is_of(
    connection: &Connection,
    id: i64,
    run: &RunId,
    digests: &[String],
    sqlite: &impl Fn(rusqlite::Error) -> StoreError,
) -> Result<bool, StoreError> {
    let sql = format!("SELECT {COLUMNS} {FROM} e.blob WHERE e.run = ?1 ORDER BY e.seq LIMIT 1");
    for raw in raw(connection, &sql, [id]).map_err(sqlite)? {
        if let Entry::Begin(begin) = raw.decode(run)?.entry {
            return Ok(digests.contains(&begin.digest));
        }
    }
    Ok(false)
}

/// Whether later runs may build on it: it came to its end, and nothing of it was taken back. What it could not decide does not matter.
fn counts(
    connection: &Connection,
    id: i64,
    run: &RunId,
    sqlite: &impl Fn(rusqlite::Error) -> StoreError,
) -> Result<bool, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} {FROM} e.blob WHERE e.run = ?1 ORDER BY e.seq DESC LIMIT 1");
    for raw in raw(connection, &sql, [id]).map_err(sqlite)? {
        if let Entry::End { outcome, .. } = raw.decode(run)?.entry {
            return Ok(matches!(
                outcome,
                Outcome::Succeeded | Outcome::Inconclusive
            ));
        }
    }
    Ok(false)
}

fn remembered_in(
    connection: &Connection,
    id: i64,
    run: &RunId,
    wanted: &str,
    sqlite: &impl Fn(rusqlite::Error) -> StoreError,
) -> Result<Option<String>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} {FROM} e.blob
         WHERE e.run = ?1 AND e.kind = 'observed/remember' ORDER BY e.seq DESC"
    );
    for raw in raw(connection, &sql, [id]).map_err(sqlite)? {
        if let Entry::Observed {
            call: Call::Ask(Ask::Remember { key, value }),
            answer: Ok(_),
        } = raw.decode(run)?.entry
            && key == wanted
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

pub(super) fn cancel_requested(
    connection: &Connection,
    run: &RunId,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT cancel_by FROM signal WHERE run = ?1")?
        .query_row([&run.0], |row| row.get(0))
        .optional()
}

/// Whether there is content under this digest.
pub(super) fn has_blob(connection: &Connection, digest: &Hash) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM blob WHERE digest = ?1")?
        .exists([digest])
}

/// Position of the last entry of a run.
pub(super) fn last_seq(connection: &Connection, run: i64) -> rusqlite::Result<Option<u64>> {
    let seq: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM entry WHERE run = ?1")?
        .query_row([run], |row| row.get(0))?;
    Ok(seq.map(i64::cast_unsigned))
}

/// Content under a digest.
pub(super) fn blob(connection: &Connection, digest: &Hash) -> rusqlite::Result<Option<Blob>> {
    connection
        .prepare_cached("SELECT size, packed FROM blob WHERE digest = ?1")?
        .query_row([digest], |row| {
            Ok(Blob {
                digest: *digest,
                size: size(row.get(0)?),
                packed: row.get(1)?,
            })
        })
        .optional()
}
