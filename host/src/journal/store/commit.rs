//! How entries are committed: all that waits in one transaction, and only then whoever waits is answered.

use super::super::entry::{Entry, RunId, Stamped};
use super::super::state::State;
use super::body::Body;
use super::chain::{GENESIS, Hash, Link};
use super::ledger::Ledger;
use super::{Moment, Receipt, StoreError, Watcher, lock, read, write};
use crate::clock::Millis;
use rusqlite::{Connection, params};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// The most requests in one commit; more wait for the next.
const BATCH: usize = 1024;

pub(super) type Reply = oneshot::Sender<Result<Receipt, StoreError>>;

/// An entry to append. Its place is filled in when it is written.
pub(super) struct Append {
    run: RunId,
    stamped: Stamped,
    body: Body,
    refused: Option<StoreError>,
    /// Who waits, if somebody does.
    reply: Option<Reply>,
}

impl Append {
    pub(super) fn new(
        run: RunId,
        (at, entry): (Millis, Entry),
        body: Body,
        reply: Option<Reply>,
    ) -> Self {
        let stamped = Stamped { seq: 0, at, entry };
        Self {
            run,
            stamped,
            body,
            refused: None,
            reply,
        }
    }

    /// Bytes of the entry as JSON: about what it takes while it waits.
    pub(super) fn length(&self) -> usize {
        self.body.length()
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.reply.is_some()
    }

    /// Tells who waits; someone who no longer does is fine. An error that nobody waits for is handed back.
    fn answer(self, failure: Option<&StoreError>) -> Option<(RunId, StoreError)> {
        let stamped = self.stamped;
        let answer = match failure.cloned().or(self.refused) {
            Some(error) => Err(error),
            None => Ok(Receipt { stamped }),
        };
        match (self.reply, answer) {
            (Some(reply), answer) => {
                let _ = reply.send(answer);
                None
            }
            (None, Ok(_)) => None,
            (None, Err(error)) => Some((self.run, error)),
        }
    }
}

/// A run that this process appends to.
#[derive(Default)]
struct Open {
    id: Option<i64>,
    state: State,
    /// Another process has written since, perhaps to this run.
    doubtful: bool,
}

impl Open {
    /// Whether the run is as this process left it.
    fn is_current(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        if let (true, Some(id)) = (self.doubtful, self.id) {
            let known = self.state.entries().checked_sub(1);
            self.doubtful = read::last_seq(connection, id)? != known;
        }
        Ok(!self.doubtful)
    }
}

/// What whoever commits holds.
pub(super) struct Committer {
    ledger: Arc<Mutex<Ledger>>,
    watcher: Option<Watcher>,
    open: HashMap<RunId, Open>,
    /// Runs of which an entry was lost that nobody waited for: nothing may follow it.
    lost: HashMap<RunId, StoreError>,
    last: (i64, Hash),
}

impl Committer {
    pub(super) fn new(ledger: Arc<Mutex<Ledger>>, watcher: Option<Watcher>) -> Self {
        Self {
            ledger,
            watcher,
            open: HashMap::new(),
            lost: HashMap::new(),
            last: (0, GENESIS),
        }
    }

    /// Whether more than one run is at work.
    pub(super) fn is_crowded(&self) -> bool {
        self.open.len() > 1
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watcher.is_some()
    }

    /// Commits what waits, and tells who waits for it. While another process writes, a patient caller waits for it, and in the end tells
    /// all that it did not let go; an impatient one leaves them waiting.
    pub(super) fn commit(&mut self, waiting: &Mutex<VecDeque<Append>>, patient: bool) {
        let mut batch = Vec::new();
        let written = {
            let ledger = Arc::clone(&self.ledger);
            let mut ledger = lock(&ledger);
            self.write(&mut ledger, waiting, patient, &mut batch)
        };
        if let Err(failure) = &written {
            if batch.is_empty() && !patient && matches!(failure, StoreError::Busy { .. }) {
                return;
            }
            // The states have taken entries that are not there.
            self.open.clear();
            if batch.is_empty() {
                batch = take(waiting);
            }
            tracing::error!(error = %failure, "the journal could not be written");
        }
        if written.is_ok() {
            self.show(Moment::AfterCommit, &batch);
        }
        for append in batch {
            if let Some((run, error)) = append.answer(written.as_ref().err()) {
                self.lost.insert(run, error);
            }
        }
    }

    fn show(&self, moment: Moment, batch: &[Append]) {
        let Some(watcher) = &self.watcher else { return };
        for append in batch {
            if append.refused.is_none() {
                watcher(moment, &append.run, &append.stamped);
            }
        }
    }

    /// Takes what waits only when nothing but the disk can be in the way.
    fn write(
        &mut self,
        ledger: &mut Ledger,
        waiting: &Mutex<VecDeque<Append>>,
        patient: bool,
        batch: &mut Vec<Append>,
    ) -> Result<(), StoreError> {
        let path = ledger.path.clone();
        let sqlite = |error| StoreError::sqlite(&path, error);
        let transaction = ledger.begin(patient).map_err(sqlite)?;
        let head = read::head(&transaction).map_err(sqlite)?;
        if head.0 != self.last.0 {
            for open in self.open.values_mut() {
                open.doubtful = true;
            }
        }
        self.last = head;
        *batch = take(waiting);
        for append in batch.iter_mut() {
            self.append(&transaction, append, &sqlite)?;
            if let (Some(error), None) = (&append.refused, &append.reply) {
                self.lost.insert(append.run.clone(), error.clone());
            }
        }
        self.show(Moment::BeforeCommit, batch);
        transaction.commit().map_err(sqlite)?;
        self.open.retain(|_, open| open.state.is_live());
        Ok(())
    }

    fn append(
        &mut self,
        connection: &Connection,
        append: &mut Append,
        sqlite: &impl Fn(rusqlite::Error) -> StoreError,
    ) -> Result<(), StoreError> {
        let run = &append.run;
        if let Some(error) = self.lost.get(run) {
            append.refused = Some(error.clone());
            return Ok(());
        }
        let known = match self.open.get_mut(run) {
            Some(open) => open.is_current(connection).map_err(sqlite)?,
            None => false,
        };
        if !known {
            let open = match take_over(connection, run, sqlite) {
                Ok(open) => open,
                // A fault in this run's record is no reason to refuse the others in the batch.
                Err(
                    error @ (StoreError::UnknownKind { .. }
                    | StoreError::Undecodable { .. }
                    | StoreError::Broken { .. }),
                ) => {
                    append.refused = Some(error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            self.open.insert(run.clone(), open);
        }
        let Some(open) = self.open.get_mut(run) else {
            return Err(StoreError::Closed);
        };
        append.stamped.seq = open.state.entries();
        if let Err(source) = open.state.record(&append.stamped) {
            let run = run.clone();
            append.refused = Some(StoreError::Illegal { run, source });
            return Ok(());
        }
        let id = match open.id {
            Some(id) => id,
            None => begin_run(connection, run, &append.stamped.entry).map_err(sqlite)?,
        };
        open.id = Some(id);
        self.last = insert(connection, self.last, id, append).map_err(sqlite)?;
        Ok(())
    }
}

fn take(waiting: &Mutex<VecDeque<Append>>) -> Vec<Append> {
    let mut waiting = lock(waiting);
    let most = waiting.len().min(BATCH);
    waiting.drain(..most).collect()
}

/// The run as it is stored, so that it can be gone on with.
fn take_over(
    connection: &Connection,
    run: &RunId,
    sqlite: &impl Fn(rusqlite::Error) -> StoreError,
) -> Result<Open, StoreError> {
    let Some(id) = read::id_of(connection, run).map_err(sqlite)? else {
        return Ok(Open::default());
    };
    let state = read::fold(connection, id, run, sqlite)?;
    // A name that is only reserved has yet to be filled in.
    let id = (state.entries() > 0).then_some(id);
    Ok(Open {
        id,
        state,
        doubtful: false,
    })
}

fn begin_run(connection: &Connection, run: &RunId, first: &Entry) -> rusqlite::Result<i64> {
    let begin = if let Entry::Begin(begin) = first {
        Some((&begin.procedure, &begin.target))
    } else {
        None
    };
    connection
        .prepare_cached(
            "INSERT INTO run (name, procedure, target) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET procedure = ?2, target = ?3 RETURNING id",
        )?
        .query_row(
            params![run.0, begin.map(|b| b.0), begin.map(|b| b.1)],
            |row| row.get(0),
        )
}

/// Inserts the entry behind `last`, and answers its own place and hash.
fn insert(
    connection: &Connection,
    last: (i64, Hash),
    run: i64,
    append: &Append,
) -> rusqlite::Result<(i64, Hash)> {
    let Append {
        stamped: Stamped { seq, at, entry },
        body,
        ..
    } = append;
    let label = entry.label();
    let link = Link {
        run: &append.run.0,
        seq: *seq,
        at: at.0,
        label,
        body: body.stored(),
    };
    let (id, hash) = (last.0 + 1, link.hash(&last.1));
    let (text, digest) = match body {
        Body::Inline(text) => (Some(text), None),
        Body::Blob(blob) => {
            write::keep(connection, blob)?;
            (None, Some(blob.digest))
        }
    };
    connection
        .prepare_cached(
            "INSERT INTO entry (id, run, seq, at, kind, body, blob, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id,
            run,
            seq.cast_signed(),
            at.0.cast_signed(),
            label,
            text,
            digest,
            hash
        ])?;
    Ok((id, hash))
}
