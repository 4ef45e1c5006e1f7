//! A journal that cannot be written, or was damaged.

use super::{error_of, granted, objects, runs, typed};
use crate::world::{Output, Running, World};
use insta::assert_snapshot;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use windlass::journal::Store;

const BINARY: &str = env!("CARGO_BIN_EXE_windlass-under-test");
/// A user without any rights: nobody.
const NOBODY: u32 = 65_534;

fn journal(world: &World) -> PathBuf {
    world.state().join("journal.db")
}

/// windlass with no file of it growing beyond so many blocks of 512 bytes.
fn with_room(world: &World, blocks: u32, arguments: &[&str]) -> Output {
    let mut command = world.command("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, BINARY]).args(arguments);
    Running::start(command).wait()
}

/// A world in which `pg-optimize` has run once and left the indexes alone: its component is kept already.
fn prepared() -> World {
    let world = granted();
    let words = [
        "run",
        "pg-optimize",
        "--target",
        "orders",
        "--set",
        "min-size=1GB",
    ];
    let idle = [
        &words[..],
        &[
            "--set",
            "min-dead-rows=1000000",
            "--set",
            "min-modified-rows=1000000",
        ],
    ]
    .concat();
    world.windlass(&idle).expect(0);
    world
}

#[test]
fn a_journal_without_room_stops_the_run_and_loses_nothing() {
    // As much room as another run had used up early on: one that is watched commits each entry by itself, which takes more.
    let other = prepared();
    let killed = other.windlass_with(&[("WINDLASS_TEST_KILL_AT", "done")], &typed("run"));
    assert_eq!(killed.code, 128 + 9);
    let used = fs::metadata(other.state().join("journal.db-wal"))
        .unwrap()
        .len();
    other.windlass(&["resume", &runs(&other)[0]]).expect(0);

    let world = prepared();
    let before = work(&world).len();
    let blocks = u32::try_from(used / 512).unwrap();
    let ended = with_room(&world, blocks, &typed("run")).expect(4);
    assert_snapshot!(error_of(&world, &ended.stderr), @"
    error: the journal could not be used
      cause: the disk of the journal `[project]/.windlass/journal.db` does not read or write
      cause: disk I/O error
      nothing further was done after the journal failed
      hint:  mend or free the disk; what was recorded is safe, and `windlass runs` shows how it stands
    ");

    world.windlass(&["audit", "verify"]).expect(0);
    let run = &runs(&world)[0];
    let store = Store::open_read_only(&world.state()).unwrap();
    let recorded = store.state(&windlass::journal::RunId(run.clone())).unwrap();
    assert!(
        !recorded.effects().is_empty(),
        "it ended before its first effect: {ended}"
    );
    let sent = work(&world).len() - before;
    assert!(
        sent <= recorded.effects().len(),
        "{sent} statements were sent, and fewer recorded: {ended}"
    );
    world.windlass(&["resume", run]).expect(0);
    assert_eq!(work(&world), work(&other));
}

/// What changed the database.
fn work(world: &World) -> Vec<String> {
    let verbs = ["VACUUM", "REINDEX", "DROP INDEX"];
    let sent = world
        .statements()
        .into_iter()
        .map(|statement| statement.text);
    sent.filter(|text| verbs.iter().any(|verb| text.trim_start().starts_with(verb)))
        .collect()
}

#[test]
fn a_state_directory_that_cannot_be_made() {
    let world = granted();
    let before = objects(&world);
    let words = [&["--state", "windlass.toml/state"], &typed("run")[..]].concat();
    assert_snapshot!(world.snapshot(&words), @"
    $ windlass --state windlass.toml/state run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: the state directory `[project]/windlass.toml/state` cannot be used
      cause: Not a directory (os error 20)
    ");
    assert_eq!(objects(&world), before);
}

#[test]
fn a_state_directory_that_is_read_only_can_be_read_and_nothing_runs() {
    let world = granted();
    world.windlass(&typed("run")).expect(0);
    let before = objects(&world);
    let [run] = &runs(&world)[..] else {
        panic!("one run")
    };
    let allow =
        |path: PathBuf, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // A program where whoever runs it may enter.
    let binary = world.path().join("windlass");
    fs::copy(BINARY, &binary).unwrap();
    allow(world.path().to_owned(), 0o755);
    for file in fs::read_dir(world.state()).unwrap() {
        let path = file.unwrap().path();
        let mode = if path.is_dir() { 0o555 } else { 0o444 };
        allow(path, mode);
    }
    allow(world.state(), 0o555);
    let shown = |words: &[&str]| {
        let mut command = world.command(&binary);
        command.args(words);
        // Permissions do not bind root.
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = Running::start(command).wait();
        world.redact(&format!("$ windlass {}\n{output}", words.join(" ")))
    };
    assert!(shown(&["doctor"]).contains("✗  state  .windlass cannot be written"));
    assert_snapshot!(shown(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: the journal `[project]/.windlass/journal.db` cannot be written: it or its directory is read-only
      hint:  give this user write access to [project]/.windlass, or set another state directory
    ");
    assert_snapshot!(shown(&["undo", run]), @"
    $ windlass undo [run]
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: the journal `[project]/.windlass/journal.db` cannot be written: it or its directory is read-only
      hint:  give this user write access to [project]/.windlass, or set another state directory
    ");
    assert_snapshot!(shown(&["runs"]), @"
    $ windlass runs
    exit code: 0
    ----- stdout -----
    RUN  PROCEDURE  TARGET  STATE  SINCE  NEXT
    [run]  pg-optimize  orders  succeeded  [span]  windlass show [run]
    ----- stderr -----
    ");
    assert_snapshot!(shown(&["audit", "verify"]), @"
    $ windlass audit verify
    exit code: 0
    ----- stdout -----
    The record is whole up to this head: 53 entries of 1 run.
    head [digest]
    ----- stderr -----
    Note the head where windlass cannot write, and pass it back later with --head.
    ");
    allow(world.state(), 0o755);
    assert_eq!(objects(&world), before);
}

/// Writes over a page of the journal, from 1.
fn damage(world: &World, page: u64) {
    let file = OpenOptions::new().write(true).open(journal(world)).unwrap();
    file.write_all_at(&[0xa5; 4096], (page - 1) * 4096).unwrap();
}

/// The first page of a table.
fn root_page(world: &World, table: &str) -> u64 {
    let connection = rusqlite::Connection::open(journal(world)).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = connection
        .query_row(sql, [table], |row| row.get(0))
        .unwrap();
    u64::try_from(page).unwrap()
}

#[test]
fn a_damaged_record_is_told_as_such() {
    let world = granted();
    world.windlass(&typed("run")).expect(0);
    let [run] = &runs(&world)[..] else {
        panic!("one run")
    };
    let entries = root_page(&world, "entry");
    damage(&world, entries);
    let before = objects(&world);
    assert_snapshot!(world.snapshot(&["runs"]), @"
    $ windlass runs
    exit code: 4
    ----- stdout -----
    RUN  PROCEDURE  TARGET  STATE  SINCE  NEXT
    [run]  unreadable  windlass audit verify
    ----- stderr -----
    error: the journal `[project]/.windlass/journal.db` is damaged
      cause: database disk image is malformed
      hint:  `windlass audit verify` tells how far the record is intact
    ");
    assert_snapshot!(world.snapshot(&["show", run]), @"
    $ windlass show [run]
    exit code: 4
    ----- stdout -----
    ----- stderr -----
    error: the journal `[project]/.windlass/journal.db` is damaged
      cause: database disk image is malformed
      hint:  `windlass audit verify` tells how far the record is intact
    ");
    assert_snapshot!(world.snapshot(&["audit", "verify"]), @"
    $ windlass audit verify
    exit code: 4
    ----- stdout -----
    ----- stderr -----
    error: the journal `[project]/.windlass/journal.db` is damaged: no entry can be read (Tree 7 page 7: btreeInitPage() returns error code 11)
      hint:  keep a copy of the file as evidence, and compare it with your last backup
    ");
    let doctor = world.windlass(&["doctor"]).expect(2);
    // Lines are folded to the width.
    let words: Vec<_> = doctor.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains("is damaged"), "{doctor}");
    assert_snapshot!(world.snapshot(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 4
    ----- stdout -----
    ----- stderr -----
    error: the journal could not be used
      cause: the journal `[project]/.windlass/journal.db` is damaged
      cause: database disk image is malformed
      nothing further was done after the journal failed
      hint:  `windlass audit verify` tells how far the record is intact
    ");
    assert_eq!(objects(&world), before);
}

#[test]
fn damage_in_the_middle_is_found_by_the_audit() {
    let world = granted();
    world.windlass(&typed("run")).expect(0);
    let pages = fs::metadata(journal(&world)).unwrap().len() / 4096;
    damage(&world, pages / 2);
    let verified = world.windlass(&["audit", "verify"]).expect(4);
    assert!(
        verified.stderr.contains("journal.db` is damaged"),
        "{verified}"
    );
}

#[test]
fn a_record_that_another_hand_changed_is_told_as_such() {
    let world = granted();
    world.windlass(&typed("run")).expect(0);
    let [run] = &runs(&world)[..] else {
        panic!("one run")
    };
    let connection = rusqlite::Connection::open(journal(&world)).unwrap();
    let changed = connection.execute(
        "UPDATE entry SET body = replace(body, 'tester', 'nobody') WHERE seq = 0",
        [],
    );
    assert_eq!(changed, Ok(1));
    drop(connection);
    assert_snapshot!(world.snapshot(&["audit", "verify"]).replace(run, "[run]"), @"
    $ windlass audit verify
    exit code: 4
    ----- stdout -----
    ----- stderr -----
    error: the record is broken at entry 0 of run `[run]`: it, or an entry before it, was changed or removed
      hint:  keep a copy of the file as evidence, and compare it with your last backup
    ");
}
