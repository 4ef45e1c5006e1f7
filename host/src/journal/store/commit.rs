//! The one thread that records: it takes all that waits, commits it at once, and only then answers.

use super::super::entry::{Entry, RunId, Stamped};
use super::super::state::State;
use super::body::Body;
use super::chain::{GENESIS, Hash, Link};
use super::ledger::Ledger;
use super::{Receipt, StoreError, Watcher, lock, read, write};
use crate::clock::{Clock, Millis};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// The most requests in one commit; more wait for the next.
const BATCH: usize = 1024;

pub(super) type Reply = oneshot::Sender<Result<Receipt, StoreError>>;

/// An entry to append. Its place and time are filled in when it is written.
pub(super) struct Append {
    run: RunId,
    stamped: Stamped,
    body: Body,
    refused: Option<StoreError>,
    reply: Reply,
}

impl Append {
    pub(super) fn new(run: RunId, entry: Entry, body: Body, reply: Reply) -> Self {
        let (seq, at) = (0, Millis(0));
        let stamped = Stamped { seq, at, entry };
        Self {
            run,
            stamped,
            body,
            refused: None,
            reply,
        }
    }

    /// Tells who waits. Someone who no longer does is fine.
    fn answer(self, failure: Option<&StoreError>) {
        let stamped = self.stamped;
        let answer = match failure.cloned().or(self.refused) {
            Some(error) => Err(error),
            None => Ok(Receipt { stamped }),
        };
        let _ = self.reply.send(answer);
    }
}

/// A run that this process appends to.
#[derive(Default)]
struct Open {
    id: Option<i64>,
    state: State,
}

/// What the thread owns.
pub(super) struct Committer {
    ledger: Arc<Mutex<Ledger>>,
    clock: Clock,
    watcher: Option<Watcher>,
    open: HashMap<RunId, Open>,
    last: (i64, Hash),
}

impl Committer {
    pub(super) fn new(ledger: Arc<Mutex<Ledger>>, clock: Clock, watcher: Option<Watcher>) -> Self {
        Self {
            ledger,
            clock,
            watcher,
            open: HashMap::new(),
            last: (0, GENESIS),
        }
    }

    /// Writes until nobody can ask any more.
    pub(super) fn serve(mut self, requests: &Receiver<Append>) {
        while let Ok(first) = requests.recv() {
            let waiting = std::iter::once(first).chain(requests.try_iter());
            self.commit(waiting.take(BATCH).collect());
        }
    }

    fn commit(&mut self, mut batch: Vec<Append>) {
        let ledger = Arc::clone(&self.ledger);
        let written = self.write(&mut lock(&ledger), &mut batch);
        if let Err(failure) = &written {
            // The states have taken entries that are not there.
            self.open.clear();
            tracing::error!(error = %failure, "the journal could not be written");
        }
        for append in batch {
            if let (Some(watcher), Ok(()), None) = (&self.watcher, &written, &append.refused) {
                watcher(&append.run, &append.stamped);
            }
            append.answer(written.as_ref().err());
        }
    }

    fn write(&mut self, ledger: &mut Ledger, batch: &mut [Append]) -> Result<(), StoreError> {
        let path = &ledger.path;
        let sqlite = |error| StoreError::sqlite(path, error);
        let transaction = ledger
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        let head = read::head(&transaction).map_err(sqlite)?;
        if head.0 != self.last.0 {
            // Another process has written meanwhile, perhaps to a run that we know.
            self.open.clear();
        }
        self.last = head;
        for append in batch {
            self.append(&transaction, append, &sqlite)?;
        }
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
        if !self.open.contains_key(run) {
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
        append.stamped.at = self.clock.now();
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
    Ok(Open { id, state })
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
