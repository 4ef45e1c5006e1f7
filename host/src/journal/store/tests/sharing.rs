//! Several tasks, several processes, and a process that goes away.

use super::*;
use crate::journal::state::samples::{resumed, stopped};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_appenders_make_one_chain() {
    let dir = TempDir::new().unwrap();
    let seen: Arc<Mutex<HashSet<(RunId, u64)>>> = Arc::default();
    let watcher: Watcher = {
        let seen = Arc::clone(&seen);
        Arc::new(move |run, stamped| {
            assert!(seen.lock().unwrap().insert((run.clone(), stamped.seq)));
        })
    };
    let store = Store::open(dir.path(), Clock::system(), Some(watcher)).unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (store, seen) = (store.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let run = run(&format!("r{n}"));
                store.append(&run, begin()).await.unwrap();
                for seq in 1..=50 {
                    let receipt = store.append(&run, observed()).await.unwrap();
                    assert_eq!(receipt.stamped.seq, seq);
                    assert!(seen.lock().unwrap().contains(&(run.clone(), seq)));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(seen.lock().unwrap().len(), 16 * 51);
    let verified = store.verify(None).unwrap();
    assert_eq!((verified.entries, verified.runs), (16 * 51, 16));
}

#[tokio::test]
async fn two_processes_share_a_journal_and_hand_over_a_run() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (open(&dir), open(&dir));
    write(&one, "a", [begin(), tune(1), done(1, None), stopped()]).await;
    write(&two, "b", [begin()]).await;
    write(&two, "a", [resumed(), tune(2)]).await;
    // The first still remembers an older state; it must not go by it.
    let stale = one.append(&run("a"), tune(2)).await.unwrap_err();
    assert!(matches!(stale, StoreError::Illegal { .. }), "{stale:?}");
    write(&one, "a", [done(2, None)]).await;
    write(&two, "a", [end(Outcome::Succeeded)]).await;
    write(&one, "b", [end(Outcome::Succeeded)]).await;
    assert_eq!(one.verify(None).unwrap(), two.verify(None).unwrap());
    assert_eq!(
        one.state(&run("a")).unwrap().outcome(),
        Some(Outcome::Succeeded)
    );

    assert_eq!(one.cancel_requested(&run("a")).unwrap(), None);
    two.request_cancel(&run("a"), "bob").unwrap();
    two.request_cancel(&run("a"), "carol").unwrap();
    assert_eq!(
        one.cancel_requested(&run("a")).unwrap().as_deref(),
        Some("bob")
    );
}

#[test]
fn processes_may_make_the_journal_at_once() {
    let dir = TempDir::new().unwrap();
    let names = Mutex::new(HashSet::new());
    let turns = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = open(&dir);
                for _ in 0..20 {
                    let id = store.new_run_id(&Clock::system()).unwrap();
                    assert!(names.lock().unwrap().insert(id), "no name twice");
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(names.lock().unwrap().len(), turns.into_inner());
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let (dir, crashed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&dir);
    write(&store, "a", [begin(), tune(1)]).await;
    // What the disk holds at this moment, without the shared memory that a crash takes along.
    for name in ["journal.db", "journal.db-wal"] {
        std::fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    let after = open(&crashed);
    let state = after.state(&run("a")).unwrap();
    assert_eq!(state.open_effect().unwrap().number, 1);
    after.verify(None).unwrap();
}

#[tokio::test]
async fn a_store_can_be_dropped_by_its_own_watcher() {
    let held: Arc<Mutex<Option<Store>>> = Arc::default();
    let dir = TempDir::new().unwrap();
    let watcher: Watcher = {
        let held = Arc::clone(&held);
        Arc::new(move |_, _| drop(held.lock().unwrap().take()))
    };
    let store = Store::open(dir.path(), Clock::system(), Some(watcher)).unwrap();
    *held.lock().unwrap() = Some(store.clone());
    write(&store, "a", [begin()]).await;
    assert!(held.lock().unwrap().is_none());
}
