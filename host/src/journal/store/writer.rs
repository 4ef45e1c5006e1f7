//! Who commits. A run that is alone does it on the spot: to wake a thread and be woken by it takes as long as half a commit. Where several
//! are at work, or another process is, one thread commits all that has piled up at once. What nobody waits for rides with the next entry that somebody
//! does wait for, or goes a few milliseconds later by itself.

use super::commit::{Append, Committer};
use super::ledger::Ledger;
use super::{Receipt, StoreError, lock};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// The side of a store that records.
pub(super) struct Writer {
    pub(super) ledger: Arc<Mutex<Ledger>>,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    watched: bool,
}

/// What waits, and who may commit it.
struct Desk {
    waiting: Mutex<VecDeque<Append>>,
    committer: Mutex<Committer>,
    /// Several runs are at work, so that it pays to let their entries pile up.
    crowded: AtomicBool,
    /// Bytes of entries that were added without waiting since the last commit.
    held: AtomicUsize,
    /// The thread knows that something waits for which nobody waits.
    dawdling: AtomicBool,
    closed: AtomicBool,
}

/// Maximum bytes of entries that wait for company. The caller that adds more commits them, so memory is bounded on a busy machine too.
const HELD: usize = 8 << 20;

/// How long an entry that nobody waits for may wait for company.
const COMPANY: Duration = Duration::from_millis(5);

impl Writer {
    pub(super) fn start(ledger: Arc<Mutex<Ledger>>, committer: Committer) -> io::Result<Self> {
        let watched = committer.is_watched();
        let desk = Arc::new(Desk::new(committer));
        let served = Arc::clone(&desk);
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || served.serve())?;
        Ok(Self {
            ledger,
            desk,
            thread: Some(thread),
            watched,
        })
    }

    /// One that has no thread: whoever appends commits.
    #[cfg(test)]
    pub(super) fn on_the_spot(ledger: Arc<Mutex<Ledger>>, committer: Committer) -> Self {
        Self {
            ledger,
            watched: committer.is_watched(),
            desk: Arc::new(Desk::new(committer)),
            thread: None,
        }
    }

    /// Answers when the entry is durable. It will be even if nobody waits for the answer any more.
    pub(super) async fn append(
        &self,
        append: Append,
        answer: oneshot::Receiver<Result<Receipt, StoreError>>,
    ) -> Result<Receipt, StoreError> {
        lock(&self.desk.waiting).push_back(append);
        if self.thread.is_some() && self.desk.crowded.load(Ordering::Acquire) {
            drop(Look(self));
        } else {
            let _look = Look(self);
            self.desk.commit_if_free();
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Writer {
    /// Takes an entry that nobody waits for. In a watched store it has no company: whoever watches sees every state that a crash can leave.
    pub(super) fn append_soon(&self, append: Append) {
        let length = append.length();
        let held = self.desk.held.fetch_add(length, Ordering::AcqRel) + length;
        lock(&self.desk.waiting).push_back(append);
        if self.watched || held > HELD {
            self.desk.commit(&mut lock(&self.desk.committer), true);
            return;
        }
        if !self.desk.dawdling.swap(true, Ordering::AcqRel)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }
}

/// Whoever was at it looks once more when he lets go, even if a watcher made him panic: nothing is left lying.
struct Look<'a>(&'a Writer);

impl Drop for Look<'_> {
    fn drop(&mut self) {
        if let Some(thread) = &self.0.thread
            && self.0.desk.is_waited_for()
        {
            thread.thread().unpark();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.desk.closed.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            thread.thread().unpark();
            // It does not panic: what a watcher does is caught.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn new(committer: Committer) -> Self {
        Self {
            waiting: Mutex::default(),
            committer: Mutex::new(committer),
            crowded: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            dawdling: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Commits what waits unless someone else is at it, and does not wait for another process.
    fn commit_if_free(&self) {
        let free = match self.committer.try_lock() {
            Ok(committer) => Some(committer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut committer) = free {
            self.commit(&mut committer, false);
        }
    }

    fn commit(&self, committer: &mut Committer, patient: bool) {
        self.held.store(0, Ordering::Release);
        committer.commit(&self.waiting, patient);
        self.crowded
            .store(committer.is_crowded(), Ordering::Release);
    }

    fn has_work(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    fn is_waited_for(&self) -> bool {
        lock(&self.waiting).iter().any(Append::is_waited_for)
    }

    /// Commits until nobody can ask any more.
    fn serve(&self) {
        loop {
            if self.dawdling.load(Ordering::Acquire) && !self.is_waited_for() {
                thread::park_timeout(COMPANY);
            }
            self.dawdling.store(false, Ordering::Release);
            while self.has_work() {
                // A watcher that panics has been shown entries that are committed: whoever waits learns that the journal let go of him.
                let commit = || self.commit(&mut lock(&self.committer), true);
                let _ = catch_unwind(AssertUnwindSafe(commit));
            }
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;
    use crate::contract::Level;
    use crate::journal::store::body::Body;
    use crate::journal::{Entry, RunId};

    /// The journal's thread can get no processor time for seconds on a busy machine.
    #[test]
    fn entries_that_wait_for_company_are_committed_before_they_take_much_memory() {
        let ledger = Arc::new(Mutex::new(Ledger::memory().unwrap()));
        let committer = Committer::new(Arc::clone(&ledger), None);
        let writer = Writer::on_the_spot(ledger, committer);
        let entry = Entry::Log {
            level: Level::Info,
            message: "x".repeat(1 << 20),
        };
        let run = RunId("251121-k3f".into());
        for _ in 0..100 {
            let body = Body::encode(&run, &entry).unwrap();
            let append = Append::new(run.clone(), (Millis(0), entry.clone()), body, None);
            writer.append_soon(append);
            let waiting = lock(&writer.desk.waiting);
            let bytes: usize = waiting.iter().map(Append::length).sum();
            assert!(bytes <= HELD, "{bytes}");
        }
    }
}
