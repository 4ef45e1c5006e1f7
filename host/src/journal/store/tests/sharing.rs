//! Several tasks, several processes, and a process that goes away.

use super::*;
use crate::journal::state::samples::{resumed, stopped};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_appenders_make_one_chain() {
    let dir = TempDir::new().unwrap();
    let seen: Arc<Mutex<HashSet<(Moment, RunId, u64)>>> = Arc::default();
    let watcher: Watcher = {
        let seen = Arc::clone(&seen);
        Arc::new(move |moment, run, stamped| {
            let key = (moment, run.clone(), stamped.seq);
            assert!(seen.lock().unwrap().insert(key));
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
                    assert_eq!(receipt.stamped().seq, seq);
                    for moment in [Moment::BeforeCommit, Moment::AfterCommit] {
                        let key = (moment, run.clone(), seq);
                        assert!(seen.lock().unwrap().contains(&key));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(seen.lock().unwrap().len(), 2 * 16 * 51);
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
        Arc::new(move |_, _, _| drop(held.lock().unwrap().take()))
    };
    let store = Store::open(dir.path(), Clock::system(), Some(watcher)).unwrap();
    *held.lock().unwrap() = Some(store.clone());
    write(&store, "a", [begin()]).await;
    assert!(held.lock().unwrap().is_none());
}

#[tokio::test]
async fn what_nobody_waits_for_rides_with_the_next_entry() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, "a", [begin()]).await;
    let at = store.append_soon(&run("a"), observed()).unwrap();
    write(&store, "a", [tune(1)]).await;
    let entries = Store::open_read_only(dir.path())
        .unwrap()
        .entries(&run("a"));
    let entries = entries.unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!((&entries[1].entry, entries[1].at), (&observed(), at));
}

#[test]
fn what_nobody_waits_for_is_committed_all_the_same() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.append_soon(&run("a"), begin()).unwrap();
    let begun = Clock::system().instant();
    while store.entries(&run("a")).unwrap_or_default().is_empty() {
        assert!(begun.elapsed().as_secs() < 60, "nobody commits it");
        thread::yield_now();
    }
    store.append_soon(&run("a"), observed()).unwrap();
    drop(store);
    let store = Store::open_read_only(dir.path()).unwrap();
    assert_eq!(store.entries(&run("a")).unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_follows_an_entry_that_was_lost() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, "a", [begin()]).await;
    // May not stand there, and nobody waits to hear it.
    store.append_soon(&run("a"), done(1, None)).unwrap();
    let refused = store.append(&run("a"), tune(1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Illegal { .. }), "{refused:?}");
    let refused = store.append(&run("a"), tune(1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Illegal { .. }), "{refused:?}");
    assert_eq!(store.entries(&run("a")).unwrap().len(), 1);
    write(&store, "b", [begin(), tune(1)]).await;
}

#[test]
fn two_processes_share_the_pace_of_a_channel() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (open(&dir), open(&dir));
    let reserve = |store: &Store, channel: &str, now: u64, latest: u64| {
        let turn = store.reserve_time(channel, 1_000, Millis(now), Millis(latest));
        turn.unwrap().map(|at| at.0)
    };
    assert_eq!(reserve(&one, "ops", 5_000, 5_000), Some(5_000));
    assert_eq!(reserve(&two, "ops", 5_100, 9_000), Some(6_000));
    assert_eq!(reserve(&one, "ops", 5_200, 6_999), None);
    assert_eq!(reserve(&one, "ops", 5_200, 7_000), Some(7_000));
    assert_eq!(reserve(&two, "page", 5_200, 5_200), Some(5_200));
    assert_eq!(reserve(&two, "ops", 60_000, 60_000), Some(60_000));
}

#[test]
fn a_journal_from_before_there_were_channels_is_given_what_they_need() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let file = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    file.execute_batch("DROP TABLE pace").unwrap();
    drop(file);
    let turn = open(&dir).reserve_time("ops", 0, Millis(1), Millis(1));
    assert_eq!(turn.unwrap(), Some(Millis(1)));
}
