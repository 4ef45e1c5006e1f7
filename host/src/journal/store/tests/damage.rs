//! Tampering, damage, and disks that do not play along.
#![expect(
    clippy::disallowed_methods,
    reason = "damage is done behind the store's back"
)]

use super::*;
use rusqlite::params;
use std::path::PathBuf;

/// Changes the file behind the store's back.
fn tamper(dir: &TempDir, sql: &str) {
    let connection = Connection::open(dir.path().join("journal.db")).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
}

async fn two_runs(dir: &TempDir) {
    let store = open(dir);
    write(
        &store,
        "a",
        [begin(), tune(1), done(1, None), answer(&noise(20_000))],
    )
    .await;
    write(&store, "b", [begin(), observed(), end(Outcome::Succeeded)]).await;
}

#[tokio::test]
async fn tampering_is_found_where_it_is() {
    for (sql, run, seq) in [
        (
            "UPDATE entry SET body = replace(body, '86 MB', '87 MB') WHERE seq = 1 AND run = 1",
            "a",
            1,
        ),
        (
            "UPDATE entry SET at = at + 1 WHERE seq = 2 AND run = 1",
            "a",
            2,
        ),
        (
            "UPDATE entry SET kind = 'log' WHERE seq = 1 AND run = 2",
            "b",
            1,
        ),
        ("UPDATE entry SET hash = zeroblob(32) WHERE id = 2", "a", 1),
        ("DELETE FROM entry WHERE id = 2", "a", 2),
        ("UPDATE blob SET packed = zeroblob(100)", "a", 3),
        ("DELETE FROM blob", "a", 3),
        ("UPDATE run SET name = 'c' WHERE name = 'b'", "c", 0),
        ("UPDATE run SET target = 'other' WHERE name = 'b'", "b", 0),
        ("DELETE FROM run WHERE name = 'b'", "", 0),
    ] {
        let dir = TempDir::new().unwrap();
        two_runs(&dir).await;
        tamper(&dir, sql);
        let broken = open(&dir).verify(None).unwrap_err();
        let place = if let StoreError::Broken { run, seq, .. } = &broken {
            Some((run.0.as_str(), *seq))
        } else {
            None
        };
        assert_eq!(place, Some((run, seq)), "{sql}: {broken:?}");
    }
}

#[tokio::test]
async fn a_noted_head_proves_that_nothing_was_cut_off() {
    let dir = TempDir::new().unwrap();
    two_runs(&dir).await;
    let head = open(&dir).verify(None).unwrap().head;
    write(&open(&dir), "c", [begin()]).await;
    open(&dir).verify(Some(&head)).unwrap();
    tamper(&dir, "DELETE FROM entry WHERE id >= 7");
    let cut = open(&dir);
    let bare = cut.verify(None).unwrap_err();
    assert!(bare.to_string().contains("entries were removed"), "{bare}");
    tamper(&dir, "DELETE FROM run WHERE name = 'c'");
    cut.verify(None).unwrap();
    let lost = cut.verify(Some(&head)).unwrap_err();
    assert!(matches!(lost, StoreError::HeadLost { .. }), "{lost:?}");
}

#[tokio::test]
async fn newer_and_foreign_files_are_refused() {
    let dir = TempDir::new().unwrap();
    two_runs(&dir).await;
    tamper(&dir, "UPDATE meta SET value = '2' WHERE key = 'format'");
    for refused in [
        Store::open(dir.path(), Clock::system(), None).unwrap_err(),
        Store::open_read_only(dir.path()).unwrap_err(),
    ] {
        assert!(
            matches!(
                refused,
                StoreError::Newer {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{refused:?}"
        );
    }
    tamper(&dir, "UPDATE meta SET value = '1' WHERE key = 'format'");
    tamper(
        &dir,
        "UPDATE entry SET kind = 'teleported', body = '{\"kind\":\"teleported\"}' WHERE id = 2",
    );
    let store = open(&dir);
    let mut runs = store.runs().unwrap();
    let (_, unreadable) = runs.pop().unwrap();
    let (other, readable) = runs.pop().unwrap();
    assert_eq!(
        (other, readable.is_ok()),
        (run("b"), true),
        "one hides no other"
    );
    for unknown in [
        store.entries(&run("a")).unwrap_err(),
        unreadable.unwrap_err(),
        store.append(&run("a"), observed()).await.unwrap_err(),
    ] {
        assert_eq!(
            unknown.to_string(),
            "entry 1 of run `a` is of the unknown kind `teleported`"
        );
        assert!(unknown.hint().is_some());
    }
    write(&store, "d", [begin()]).await;

    let dir = TempDir::new().unwrap();
    let other = Connection::open(dir.path().join("journal.db")).unwrap();
    other.execute("CREATE TABLE t (x)", []).unwrap();
    let foreign = Store::open(dir.path(), Clock::system(), None).unwrap_err();
    assert!(matches!(foreign, StoreError::Foreign { .. }), "{foreign:?}");
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal.db");
    std::fs::write(&path, noise(10_000)).unwrap();
    let garbage = Store::open(dir.path(), Clock::system(), None).unwrap_err();
    assert!(matches!(&garbage, StoreError::Corrupt { path: p, .. } if *p == path));
    assert!(garbage.hint().unwrap().contains("windlass audit verify"));

    std::fs::remove_file(&path).unwrap();
    let store = open(&dir);
    write(&store, "a", [begin()]).await;
    for _ in 0..200 {
        write(&store, "a", [answer(&noise(2_000))]).await;
    }
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let store = open(&dir);
    let verified = store.verify(None).unwrap_err().to_string();
    assert!(
        verified.contains("intact are the first ") && verified.contains("of run `a`"),
        "{verified}"
    );
    for damaged in [
        store.verify(None).unwrap_err(),
        store.entries(&run("a")).unwrap_err(),
    ] {
        assert!(
            matches!(
                damaged,
                StoreError::Corrupt { .. } | StoreError::Damaged { .. }
            ),
            "{damaged:?}"
        );
        assert!(damaged.to_string().contains("journal.db"), "{damaged}");
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_can_be_gone_on_with() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, "a", [begin()]).await;
    let pages = |limit: i64| {
        let ledger = lock(&store.writer().unwrap().ledger);
        ledger
            .connection
            .pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))
            .unwrap();
    };
    pages(1);
    let full = loop {
        if let Err(error) = store.append(&run("a"), answer(&noise(5_000))).await {
            break error;
        }
    };
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    assert!(
        full.clone()
            .into_call_error()
            .message
            .contains("disk is full")
    );
    let entries = store.entries(&run("a")).unwrap().len() as u64;
    pages(1 << 20);
    let receipt = store.append(&run("a"), observed()).await.unwrap();
    assert_eq!(
        receipt.stamped().seq,
        entries,
        "the failed entry left no gap"
    );
    store.verify(None).unwrap();
}

#[tokio::test]
async fn a_locked_journal_is_busy() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let no_patience = std::time::Duration::ZERO;
    {
        let mut ledger = lock(&store.writer().unwrap().ledger);
        ledger.patience = no_patience;
        ledger.connection.busy_timeout(no_patience).unwrap();
    }
    let other = Connection::open(dir.path().join("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = store.append(&run("a"), begin()).await.unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy:?}");
    other.execute_batch("ROLLBACK").unwrap();
    write(&store, "a", [begin()]).await;
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let inside = file.path().join("state");
    let refused = Store::open(&inside, Clock::system(), None).unwrap_err();
    assert!(refused.to_string().contains("state"), "{refused}");
    assert!(
        matches!(refused, StoreError::Directory { .. }),
        "{refused:?}"
    );
}

/// Root writes where others cannot, so what is expected depends on who runs the test.
#[test]
fn a_directory_without_write_access_is_told_as_such() {
    let dir = TempDir::new().unwrap();
    for _ in ["without a journal", "with one"] {
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o500)).unwrap();
        let opened = Store::open(dir.path(), Clock::system(), None);
        if rustix::process::geteuid().is_root() {
            drop(opened.unwrap());
        } else {
            let refused = opened.unwrap_err();
            assert!(
                matches!(refused, StoreError::ReadOnly { .. }),
                "{refused:?}"
            );
            assert!(refused.hint().unwrap().contains("write access"));
        }
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
        drop(open(&dir));
    }
}

#[test]
fn what_sqlite_reports_is_told_in_our_words() {
    use rusqlite::ffi;
    let told = |code| {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        StoreError::sqlite(&PathBuf::from("journal.db"), error)
    };
    assert!(matches!(
        told(ffi::SQLITE_READONLY),
        StoreError::ReadOnly { .. }
    ));
    assert!(matches!(told(ffi::SQLITE_FULL), StoreError::Full { .. }));
    assert!(matches!(
        told(ffi::SQLITE_IOERR_WRITE),
        StoreError::Disk { .. }
    ));
    assert!(matches!(
        told(ffi::SQLITE_CORRUPT),
        StoreError::Corrupt { .. }
    ));
    assert!(matches!(
        told(ffi::SQLITE_NOTADB),
        StoreError::Corrupt { .. }
    ));
    assert!(matches!(told(ffi::SQLITE_BUSY), StoreError::Busy { .. }));
    assert!(matches!(
        told(ffi::SQLITE_PERM),
        StoreError::ReadOnly { .. }
    ));
}

#[tokio::test]
async fn integers_that_no_one_wrote_are_found() {
    let dir = TempDir::new().unwrap();
    two_runs(&dir).await;
    let connection = Connection::open(dir.path().join("journal.db")).unwrap();
    connection
        .execute("UPDATE entry SET at = ?1 WHERE id = 1", params![-1])
        .unwrap();
    drop(connection);
    let store = open(&dir);
    store.entries(&run("a")).unwrap();
    assert!(store.verify(None).is_err());
}

#[tokio::test]
async fn a_component_that_is_no_longer_kept_is_told() {
    let dir = TempDir::new().unwrap();
    let component = noise(3_000);
    let digest = format!(
        "sha256:{}",
        hex::encode(chain::digest(component.as_bytes()))
    );
    let Entry::Begin(mut begin) = begin() else {
        panic!("it begins")
    };
    begin.digest.clone_from(&digest);
    let store = open(&dir);
    store.keep(&digest, component.as_bytes()).unwrap();
    write(&store, "a", [Entry::Begin(begin)]).await;
    let verified = store.verify(None).unwrap();
    assert_eq!(verified.lost, []);
    assert_eq!(store.head_of(&run("a")).unwrap(), Some(verified.head));
    assert_eq!(store.head_of(&run("b")).unwrap(), None);
    tamper(&dir, "DELETE FROM blob");
    let lost = store.verify(None).unwrap().lost;
    assert_eq!(lost[0].digest, digest);
    assert_eq!((&lost[0].run, lost[0].what), (&run("a"), "component"));
}
