//! Where runs are recorded: one SQLite file, one writer at a time, a hash chain over all entries.
//!
//! Several processes may share the file. What is committed survives the loss of power; what is answered was committed.

mod body;
mod chain;
mod commit;
mod error;
mod ledger;
mod name;
mod read;
mod verify;
mod write;
mod writer;

#[cfg(test)]
mod tests;

use super::entry::{Entry, RunId, Stamped};
use super::state::State;
use crate::clock::{Clock, Millis};
use body::{Blob, Body};
use commit::{Append, Committer};
use ledger::Ledger;
use rusqlite::Connection;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use writer::Writer;

pub use error::StoreError;
pub use read::Whose;
pub use verify::{Lost, Verified};

/// When a [`Watcher`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The entry is written, and the next thing is to make it durable.
    BeforeCommit,
    /// It is durable, and whoever appended it does not know yet.
    AfterCommit,
}

/// Is shown each entry before and after its commit, on the thread that commits. It must not block.
pub type Watcher = Arc<dyn Fn(Moment, &RunId, &Stamped) + Send + Sync>;

/// Where runs are recorded. Cheap to clone; the last clone closes the file.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// In this order they are dropped: whoever closes the file last must be able to write it, to leave it without a log.
struct Inner {
    clock: Clock,
    reader: Arc<Mutex<Ledger>>,
    /// Absent in a store that only reads.
    writer: Option<Writer>,
}

/// What is left of a journal in memory when the process that wrote it is gone.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Disk(Arc<Mutex<Ledger>>);

#[cfg(test)]
impl Disk {
    /// An empty one, which refuses each commit before which this answers yes.
    pub(crate) fn new(refuses: impl FnMut() -> bool + Send + 'static) -> Result<Self, StoreError> {
        let mut ledger = Ledger::memory()?;
        let hooked = ledger.connection.commit_hook(Some(refuses));
        hooked.map_err(|error| ledger.fail(error))?;
        Ok(Self(Arc::new(Mutex::new(ledger))))
    }
}

/// A run with its state, or why that cannot be read.
pub type Listed = (RunId, Result<State, StoreError>);

/// Proof that an entry is durable. Only the store makes one.
#[derive(Debug)]
pub struct Receipt {
    stamped: Stamped,
}

impl Receipt {
    /// The stored entry.
    pub fn stamped(&self) -> &Stamped {
        &self.stamped
    }

    /// The stored entry, for whoever keeps it.
    pub fn into_stamped(self) -> Stamped {
        self.stamped
    }

    /// Number of the effect whose change, or whose taking back, the entry announces; none for any other entry.
    pub fn announces(&self) -> Option<u64> {
        if let Entry::Intended { effect, .. } | Entry::Undoing { effect, .. } = &self.stamped.entry
        {
            Some(*effect)
        } else {
            None
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = lock(&self.inner.reader).path.clone();
        f.debug_tuple("Store").field(&path).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic between two statements leaves no transaction open: they roll back when dropped.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the journal of a state directory for reading and writing; makes both, for this user only, where they are not there.
    pub fn open(dir: &Path, clock: Clock, watcher: Option<Watcher>) -> Result<Self, StoreError> {
        let writer = Ledger::create(dir)?;
        let reader = Arc::new(Mutex::new(Ledger::beside(&writer.path)?));
        Self::start(Arc::new(Mutex::new(writer)), reader, clock, watcher)
    }

    /// Opens the journal of a state directory for reading. Works in a directory that cannot be written; appending fails.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        let inner = Inner {
            clock: Clock::system(),
            reader: Arc::new(Mutex::new(Ledger::read(dir)?)),
            writer: None,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// A journal in memory, for tests. Nothing of it lasts.
    pub fn in_memory(clock: Clock) -> Result<Self, StoreError> {
        let ledger = Arc::new(Mutex::new(Ledger::memory()?));
        Self::start(Arc::clone(&ledger), ledger, clock, None)
    }

    /// A journal on a disk of a test. It has no thread: what nobody waits for is shown and committed at once.
    #[cfg(test)]
    pub(crate) fn on(disk: &Disk, clock: Clock, watcher: Watcher) -> Self {
        let (reader, ledger) = (Arc::clone(&disk.0), Arc::clone(&disk.0));
        let committer = Committer::new(Arc::clone(&ledger), Some(watcher));
        let inner = Inner {
            clock,
            reader,
            writer: Some(Writer::on_the_spot(ledger, committer)),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn start(
        writer: Arc<Mutex<Ledger>>,
        reader: Arc<Mutex<Ledger>>,
        clock: Clock,
        watcher: Option<Watcher>,
    ) -> Result<Self, StoreError> {
        let path = lock(&reader).path.clone();
        let committer = Committer::new(Arc::clone(&writer), watcher);
        let writer = Writer::start(writer, committer)
            .map_err(|error| StoreError::directory(&path, error))?;
        let writer = Some(writer);
        let inner = Inner {
            clock,
            reader,
            writer,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Appends durably: once it answers well, the entry survives a crash. The order of a run's entries is checked first, and nothing is
    /// stored of one that may not stand there. Dropping the future does not take the entry back.
    pub async fn append(&self, run: &RunId, entry: Entry) -> Result<Receipt, StoreError> {
        let body = Body::encode(run, &entry)?;
        let (reply, answer) = oneshot::channel();
        let now = (self.inner.clock.now(), entry);
        let append = Append::new(run.clone(), now, body, Some(reply));
        self.writer()?.append(append, answer).await
    }

    /// Appends without waiting: the entry becomes durable before any that is appended after it, and within some milliseconds anyway.
    /// If that fails, or the entry may not stand there, every later one of this run is refused with that error. Answers the time that it
    /// is recorded under.
    pub fn append_soon(&self, run: &RunId, entry: Entry) -> Result<Millis, StoreError> {
        let body = Body::encode(run, &entry)?;
        let at = self.inner.clock.now();
        let append = Append::new(run.clone(), (at, entry), body, None);
        self.writer()?.append_soon(append);
        Ok(at)
    }

    /// Reserves a name for a run that begins now, such as `251121-k3f`. Names sort by time and no two runs get the same.
    pub fn new_run_id(&self, clock: &Clock) -> Result<RunId, StoreError> {
        let now = clock.now();
        self.write(|connection| write::reserve(connection, now))?
            .ok_or(StoreError::Closed)
    }

    /// Keeps content under its `sha256:…` digest: a run's component and plan, so that it can be resumed when their files have changed.
    /// Keeping it again does nothing.
    pub fn keep(&self, digest: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let named = parse(digest)?;
        if named != chain::digest(bytes) {
            let digest = digest.to_owned();
            return Err(StoreError::Digest { digest });
        }
        {
            let ledger = lock(&self.inner.reader);
            if read::has_blob(&ledger.connection, &named).map_err(|error| ledger.fail(error))? {
                return Ok(());
            }
        }
        let blob = Blob::pack(bytes);
        self.write(|connection| write::keep(connection, &blob))
    }

    /// Asks the process that works on the run, wherever it is, to end it and take it back. The first to ask is remembered.
    pub fn request_cancel(&self, run: &RunId, by: &str) -> Result<(), StoreError> {
        self.write(|connection| write::request_cancel(connection, run, by))
    }

    /// Reserves the next time at which a channel may be sent something: now, or as soon as `apart` milliseconds have passed since the time
    /// that was reserved before, by whichever process. None if that is later than `latest`; nothing is reserved then.
    pub fn reserve_time(
        &self,
        channel: &str,
        apart: u64,
        now: Millis,
        latest: Millis,
    ) -> Result<Option<Millis>, StoreError> {
        self.write(|connection| write::reserve_time(connection, channel, apart, (now, latest)))
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.inner.writer.as_ref().ok_or_else(|| {
            let path = lock(&self.inner.reader).path.clone();
            StoreError::ReadOnly { path }
        })
    }

    /// One durable write beside the entries.
    fn write<T>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let ledger = lock(&self.writer()?.ledger);
        write(&ledger.connection).map_err(|error| ledger.fail(error))
    }

    /// Who asked for the run to be cancelled. Cheap enough to ask several times a second.
    pub fn cancel_requested(&self, run: &RunId) -> Result<Option<String>, StoreError> {
        let ledger = lock(&self.inner.reader);
        read::cancel_requested(&ledger.connection, run).map_err(|error| ledger.fail(error))
    }

    /// All entries of a run, first to last.
    pub fn entries(&self, run: &RunId) -> Result<Vec<Stamped>, StoreError> {
        self.entries_from(run, 0)
    }

    /// The entries of a run behind this position, for those who follow it.
    pub fn entries_after(&self, run: &RunId, seq: u64) -> Result<Vec<Stamped>, StoreError> {
        self.entries_from(run, seq.saturating_add(1))
    }

    fn entries_from(&self, run: &RunId, from: u64) -> Result<Vec<Stamped>, StoreError> {
        let ledger = lock(&self.inner.reader);
        read::entries(&ledger.connection, run, from, &|error| ledger.fail(error))
    }

    /// The state of a run, without reading what it observed.
    pub fn state(&self, run: &RunId) -> Result<State, StoreError> {
        let ledger = lock(&self.inner.reader);
        let sqlite = |error| ledger.fail(error);
        let prefix = || run.0.clone();
        let id = read::id_of(&ledger.connection, run)
            .map_err(sqlite)?
            .ok_or_else(|| StoreError::NoRun { prefix: prefix() })?;
        read::fold(&ledger.connection, id, run, &sqlite)
    }

    /// All runs that have begun and their states, newest first; one that cannot be read hides no other.
    pub fn runs(&self) -> Result<Vec<Listed>, StoreError> {
        let ledger = lock(&self.inner.reader);
        let sqlite = |error| ledger.fail(error);
        let names = read::names(&ledger.connection).map_err(sqlite)?;
        let fold = |(id, run): (i64, RunId)| {
            let state = read::fold(&ledger.connection, id, &run, &sqlite);
            (run, state)
        };
        Ok(names.into_iter().map(fold).collect())
    }

    /// The runs on this target that have begun and not ended, oldest first. It says nothing about their processes.
    pub fn live_on(&self, target: &str) -> Result<Vec<RunId>, StoreError> {
        let ledger = lock(&self.inner.reader);
        read::live_on(&ledger.connection, target).map_err(|error| ledger.fail(error))
    }

    /// The runs with an entry since then of which it is not known that everybody was told how they stand, oldest first.
    pub fn untold(&self, since: Millis) -> Result<Vec<RunId>, StoreError> {
        let ledger = lock(&self.inner.reader);
        read::untold(&ledger.connection, since).map_err(|error| ledger.fail(error))
    }

    /// How many entries the run had when the channel was told how it stands; the channel without a name stands for all of them.
    pub fn told(&self, run: &RunId, channel: &str) -> Result<Option<u64>, StoreError> {
        let ledger = lock(&self.inner.reader);
        read::told(&ledger.connection, run, channel).map_err(|error| ledger.fail(error))
    }

    /// Remembers that the channel was told how the run stands with so many entries.
    pub fn tell(&self, run: &RunId, channel: &str, entries: u64) -> Result<(), StoreError> {
        self.write(|connection| write::tell(connection, run, channel, entries))
    }

    /// The run that is meant by the beginning of its name, or of the part after the day.
    pub fn find(&self, prefix: &str) -> Result<RunId, StoreError> {
        let ledger = lock(&self.inner.reader);
        let names = read::names(&ledger.connection).map_err(|error| ledger.fail(error))?;
        read::find(names, prefix)
    }

    /// What the newest run of these components on the target that succeeded, and was not undone, remembered under the key.
    pub fn latest_remembered(
        &self,
        whose: Whose<'_>,
        key: &str,
    ) -> Result<Option<String>, StoreError> {
        let ledger = lock(&self.inner.reader);
        let sqlite = |error| ledger.fail(error);
        read::remembered(&ledger.connection, whose, key, &sqlite)
    }

    /// Content that was kept under this digest, checked against it.
    pub fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let ledger = lock(&self.inner.reader);
        let blob =
            read::blob(&ledger.connection, &parse(digest)?).map_err(|error| ledger.fail(error))?;
        blob.map(|blob| blob.unpack())
            .transpose()
            .map_err(|what| StoreError::Damaged {
                path: ledger.path.clone(),
                what: format!("content {digest}: {what}"),
            })
    }

    /// Hash of the last entry of a run, in hex; none if it has no entries. Noted elsewhere, it proves later that nothing up to there was
    /// cut off or rewritten.
    pub fn head_of(&self, run: &RunId) -> Result<Option<String>, StoreError> {
        let ledger = lock(&self.inner.reader);
        verify::head_of(&ledger.connection, run).map_err(|error| ledger.fail(error))
    }

    /// Proves that the record is whole, or tells where it is not. With a head that was noted earlier also that nothing up to it was cut
    /// off or rewritten since. Reads everything.
    pub fn verify(&self, noted: Option<&str>) -> Result<Verified, StoreError> {
        verify::verify(&lock(&self.inner.reader), noted)
    }
}

/// `sha256:` and 64 hex digits.
fn parse(digest: &str) -> Result<chain::Hash, StoreError> {
    let mut hash = [0; 32];
    digest
        .strip_prefix("sha256:")
        .filter(|digits| hex::decode_to_slice(digits, &mut hash).is_ok())
        .map(|_| hash)
        .ok_or_else(|| StoreError::Digest {
            digest: digest.to_owned(),
        })
}
