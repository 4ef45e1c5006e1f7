#![expect(
    clippy::disallowed_methods,
    reason = "a test takes rights from its own folders"
)]
mod damage;
mod sharing;

use super::*;
use crate::clock::Millis;
use crate::contract::ErrorKind;
use crate::journal::Whose;
use crate::journal::entry::{Ask, Call, Outcome};
use crate::journal::golden;
use crate::journal::state::Fault;
use crate::journal::state::samples::{begin, done, end, observed, tune};
use crate::journal::state::tests::legal_runs;
use proptest::prelude::*;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn run(name: &str) -> RunId {
    RunId(name.into())
}

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), Clock::system(), None).unwrap()
}

/// Appends in order.
async fn write(store: &Store, name: &str, entries: impl IntoIterator<Item = Entry>) {
    for entry in entries {
        store.append(&run(name), entry).await.unwrap();
    }
}

fn answer(text: &str) -> Entry {
    Entry::Observed {
        call: Call::Ask(Ask::Recall { key: "k".into() }),
        answer: Ok(json!(text)),
    }
}

fn remember(key: &str, value: &str) -> Entry {
    Entry::Observed {
        call: Call::Ask(Ask::Remember {
            key: key.into(),
            value: value.into(),
        }),
        answer: Ok(json!(null)),
    }
}

/// Hard to compress.
fn noise(size: usize) -> String {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (seed >> 24) as u8 % 26)
    };
    (0..size).map(|_| next()).collect()
}

#[tokio::test]
async fn what_is_appended_is_read_back() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for (n, entries) in golden::runs().iter().enumerate() {
        for (seq, stamped) in entries.iter().enumerate() {
            let receipt = store
                .append(&golden::name(n), stamped.entry.clone())
                .await
                .unwrap();
            assert_eq!(receipt.stamped().seq, seq as u64);
            assert_eq!(receipt.stamped().entry, stamped.entry);
        }
    }
    let verified = store.verify(None).unwrap();
    drop(store);
    assert!(
        !dir.path().join("journal.db-wal").exists(),
        "closed in order"
    );

    let store = open(&dir);
    assert_eq!(store.verify(Some(&verified.head)).unwrap(), verified);
    let listed = store.runs().unwrap();
    assert_eq!(listed.len(), golden::runs().len());
    assert_eq!(listed.last().unwrap().0, golden::name(0), "newest first");
    for (n, entries) in golden::runs().iter().enumerate() {
        let stored = store.entries(&golden::name(n)).unwrap();
        let plain =
            |stamped: &[Stamped]| -> Vec<_> { stamped.iter().map(|s| s.entry.clone()).collect() };
        assert_eq!(plain(&stored), plain(entries));
        assert_eq!(
            store.entries_after(&golden::name(n), 1).unwrap(),
            stored[2..]
        );
        let state = State::fold(&stored).unwrap();
        assert_eq!(store.state(&golden::name(n)).unwrap(), state);
        let found = listed.iter().find(|(run, _)| *run == golden::name(n));
        assert_eq!(found.unwrap().1.as_ref().unwrap(), &state);
    }
}

/// What a commit is worth rests on these two.
#[test]
fn commits_wait_for_the_disk() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let ledger = lock(&store.writer().unwrap().ledger);
    let pragma = |name: &str| -> rusqlite::Result<rusqlite::types::Value> {
        ledger
            .connection
            .pragma_query_value(None, name, |row| row.get(0))
    };
    assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("synchronous").unwrap(), 2.into());
}

#[tokio::test]
async fn an_illegal_entry_is_not_stored() {
    let store = Store::in_memory(Clock::system()).unwrap();
    let a = run("a");
    let refused = store.append(&a, tune(1)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Illegal { source, .. } if source.fault == Fault::NotBegun),
        "{refused:?}"
    );
    assert_eq!(refused.into_call_error().kind, ErrorKind::Unavailable);
    assert!(store.runs().unwrap().is_empty());
    write(&store, "a", [begin(), tune(1)]).await;
    store.append(&a, tune(2)).await.unwrap_err();
    write(&store, "a", [done(1, None), tune(2)]).await;
    assert_eq!(store.entries(&a).unwrap().len(), 4);
    store.verify(None).unwrap();
}

#[tokio::test]
async fn large_bodies_are_stored_once_and_checked() {
    let store = Store::in_memory(Clock::system()).unwrap();
    let text = noise(100_000);
    write(&store, "a", [begin(), answer(&text), answer(&text)]).await;
    let count = |sql: &str| -> i64 {
        let ledger = lock(&store.inner.reader);
        ledger
            .connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM blob"), 1);
    assert_eq!(count("SELECT count(*) FROM entry WHERE body IS NULL"), 2);
    assert_eq!(store.entries(&run("a")).unwrap()[2].entry, answer(&text));
    store.verify(None).unwrap();

    let huge = store
        .append(&run("a"), answer(&"x".repeat(17 * 1024 * 1024)))
        .await
        .unwrap_err();
    assert!(matches!(huge, StoreError::TooLarge { .. }), "{huge:?}");
    assert_eq!(huge.into_call_error().kind, ErrorKind::Limit);
    assert_eq!(store.entries(&run("a")).unwrap().len(), 3);
}

#[tokio::test]
async fn content_is_kept_under_its_digest() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let bytes = noise(5_000).into_bytes();
    let digest = format!("sha256:{}", hex::encode(chain::digest(&bytes)));
    assert_eq!(store.kept(&digest).unwrap(), None);
    store.keep(&digest, &bytes).unwrap();
    store.keep(&digest, &bytes).unwrap();
    assert_eq!(store.kept(&digest).unwrap(), Some(bytes.clone()));
    let other = store.keep(&digest, b"other").unwrap_err();
    assert!(matches!(other, StoreError::Digest { .. }), "{other:?}");
    assert!(store.kept("md5:00").is_err());
    lock(&store.writer().unwrap().ledger)
        .connection
        .execute("UPDATE blob SET packed = x'00'", [])
        .unwrap();
    assert!(store.kept(&digest).is_err());
    assert!(store.verify(None).is_err());
}

#[tokio::test]
async fn runs_are_found_by_what_people_type() {
    let store = Store::in_memory(Clock::system()).unwrap();
    for name in ["251121-k3f", "251121-k40", "251122-k41"] {
        write(&store, name, [begin()]).await;
    }
    for typed in ["251121-k3f", "k3f", "K3", "251121-k3"] {
        assert_eq!(store.find(typed).unwrap(), run("251121-k3f"));
    }
    let many = store.find("k4").unwrap_err();
    assert_eq!(
        many.to_string(),
        "`k4` may be any of `251122-k41`, `251121-k40`"
    );
    for typed in ["x", ""] {
        let none = store.find(typed).unwrap_err();
        assert!(matches!(none, StoreError::NoRun { .. }), "{none:?}");
        assert!(none.hint().unwrap().contains("windlass runs"));
    }
    let reserved = store.new_run_id(&Clock::system()).unwrap();
    assert!(store.find(&reserved.0).is_err(), "only reserved, not begun");
    write(&store, &reserved.0, [begin()]).await;
    assert_eq!(store.find(&reserved.0).unwrap(), reserved);
}

#[tokio::test]
async fn what_the_newest_run_that_counts_remembered_is_recalled() {
    let store = Store::in_memory(Clock::system()).unwrap();
    let own = [format!("sha256:{}", "3f".repeat(32))];
    let whose = |digests, target| Whose {
        procedure: "pg-optimize",
        digests,
        target,
    };
    let recall = |key| store.latest_remembered(whose(&own, "orders"), key).unwrap();
    assert_eq!(recall("k"), None);
    let good = end(Outcome::Succeeded);
    write(
        &store,
        "a",
        [
            begin(),
            remember("k", "1"),
            remember("k", "2"),
            remember("j", "3"),
            good.clone(),
        ],
    )
    .await;
    write(
        &store,
        "b",
        [begin(), remember("k", "4"), end(Outcome::Inconclusive)],
    )
    .await;
    write(&store, "c", [begin(), remember("k", "5")]).await;
    assert_eq!(recall("k").as_deref(), Some("4"), "it came to its end");
    assert_eq!(recall("j").as_deref(), Some("3"), "nobody kept another");
    assert_eq!(
        store.latest_remembered(whose(&own, "other"), "k").unwrap(),
        None
    );
    let other = [format!("sha256:{}", "00".repeat(32))];
    let foreign = store.latest_remembered(whose(&other, "orders"), "k");
    assert_eq!(foreign.unwrap(), None, "a name is no identity");
    write(&store, "c", [good]).await;
    assert_eq!(recall("k").as_deref(), Some("5"));
    let taken_back = [
        Outcome::FailedAndUnwound,
        Outcome::Refused,
        Outcome::CancelledAndUnwound,
    ];
    for (run, outcome) in ["d", "e", "f"].into_iter().zip(taken_back) {
        let unwinding = Entry::Unwinding {
            outcome,
            why: "it had to be".into(),
        };
        let entries = [begin(), remember("k", "6"), unwinding, end(outcome)];
        write(&store, run, entries).await;
    }
    assert_eq!(recall("k").as_deref(), Some("5"), "nothing of it is left");
}

#[test]
fn only_this_user_can_read_it() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("deep/state");
    let store = Store::open(&state, Clock::system(), None).unwrap();
    store.new_run_id(&Clock::system()).unwrap();
    let mode = |name: &str| state.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_store_for_reading_reads_only() {
    let dir = TempDir::new().unwrap();
    let missing = Store::open_read_only(dir.path()).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing:?}");
    let store = open(&dir);
    write(&store, "a", [begin()]).await;
    let reader = Store::open_read_only(dir.path()).unwrap();
    assert_eq!(reader.runs().unwrap().len(), 1);
    write(&store, "a", [observed()]).await;
    assert_eq!(reader.entries_after(&run("a"), 0).unwrap().len(), 1);
    let refused = reader.append(&run("a"), observed()).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::ReadOnly { .. }),
        "{refused:?}"
    );
    // Whoever closes last leaves no log behind only if it can write.
    drop(reader);
    drop(store);

    let closed = Ledger::read_closed(&dir.path().join("journal.db")).unwrap();
    assert_eq!(read::names(&closed.connection).unwrap().len(), 1);
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o500)).unwrap();
    let reader = Store::open_read_only(dir.path()).unwrap();
    assert_eq!(reader.verify(None).unwrap().entries, 2);
}

#[tokio::test]
async fn a_crashed_journal_is_read_where_nothing_can_be_written() {
    let (dir, crashed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&dir);
    write(&store, "a", [begin(), observed()]).await;
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        std::fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    std::fs::set_permissions(crashed.path(), PermissionsExt::from_mode(0o500)).unwrap();
    let reader = Store::open_read_only(crashed.path()).unwrap();
    assert_eq!(reader.verify(None).unwrap().entries, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn stored_runs_fold_as_in_memory(runs in prop::collection::vec(legal_runs(), 1..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Store::in_memory(Clock::system()).unwrap();
        let mut longest = 0;
        for (n, entries) in runs.iter().enumerate() {
            runtime.block_on(write(&store, &format!("r{n}"), entries.clone()));
            longest = longest.max(entries.len());
        }
        for (n, entries) in runs.iter().enumerate() {
            let stored = store.entries(&run(&format!("r{n}"))).unwrap();
            prop_assert_eq!(stored.len(), entries.len());
            let state = State::fold(&stored).unwrap();
            prop_assert_eq!(&store.state(&run(&format!("r{n}"))).unwrap(), &state);
            let mut untimed = State::default();
            for entry in entries {
                untimed.apply(entry).unwrap();
            }
            prop_assert_eq!(untimed.phase(), state.phase());
            prop_assert_eq!(untimed.to_undo(), state.to_undo());
        }
        store.verify(None).unwrap();
    }
}

#[test]
fn times_are_whole() {
    // A stored time that is negative or beyond the calendar must not bring the host down.
    assert_eq!(Millis(u64::MAX).timestamp(), jiff::Timestamp::MAX);
}
