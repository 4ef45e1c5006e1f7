//! The journal's file, and the entries in it.

use std::path::Path;
use std::sync::LazyLock;
use windlass::folder;
use windlass::journal::{RunId, Stamped, State, Store, StoreError};
use windlass::report::Report;

/// A journal as windlass left it. What the corpus and the fuzzer change most often is this one.
const WHOLE: &[u8] = include_bytes!("../corpus/journal/whole.db");

static NOTED: LazyLock<Noted> = LazyLock::new(|| {
    let place = tempfile::tempdir().expect("a folder can be made");
    let store = stored(place.path(), WHOLE).expect("the journal can be read");
    let head = store.verify(None).expect("the journal is whole").head;
    Noted {
        head,
        runs: read(&store).expect("the journal can be read"),
    }
});

/// What was read, and the head that was noted, before anything was changed.
struct Noted {
    head: String,
    runs: Vec<(RunId, Vec<Stamped>)>,
}

/// The bytes of a journal's file.
///
/// # Panics
///
/// If one that is found whole cannot be read; if one that still proves the head noted of the journal in the corpus reads otherwise.
pub fn journal(data: &[u8]) {
    let place = tempfile::tempdir().expect("a folder can be made");
    let Ok(store) = stored(place.path(), data) else {
        return;
    };
    let noted = &*NOTED;
    let proves = store.verify(Some(&noted.head)).is_ok();
    let whole = proves || store.verify(None).is_ok();
    match read(&store) {
        Ok(runs) => {
            if proves {
                assert_eq!(runs, noted.runs, "changed, and found whole");
            }
            for (run, entries) in &runs {
                // Damage in the middle of a run is told in its report.
                let _ = Report::from(run, entries, false).text();
            }
        }
        Err(error) => assert!(!whole, "found whole, and cannot be read: {error}"),
    }
}

fn stored(folder: &Path, data: &[u8]) -> Result<Store, StoreError> {
    folder::write(&folder.join("journal.db"), data, false).expect("a file can be written");
    Store::open_read_only(folder)
}

fn read(store: &Store) -> Result<Vec<(RunId, Vec<Stamped>)>, StoreError> {
    let runs = store.runs()?.into_iter();
    runs.map(|(run, _)| {
        let entries = store.entries(&run)?;
        Ok((run, entries))
    })
    .collect()
}

/// The entries of one run, each as a line of JSON.
///
/// # Panics
///
/// If an entry does not print and parse to the same; if an illegal one changes the state; if the report of any entries, in any order, is
/// not told.
pub fn entries(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut read = Vec::new();
    let mut state = State::default();
    for line in text.lines() {
        let Ok(stamped) = serde_json::from_str::<Stamped>(line) else {
            continue;
        };
        let written = serde_json::to_string(&stamped).expect("an entry can be written");
        let again: Stamped = serde_json::from_str(&written).expect("what was written can be read");
        assert_eq!(again, stamped);
        let before = state.clone();
        if state.record(&stamped).is_err() {
            assert_eq!(state, before, "an illegal entry was taken: {stamped:?}");
        }
        read.push(stamped);
    }
    let report = Report::from(&RunId("251121-k3f".into()), &read, false);
    assert!(!report.text().is_empty());
    assert!(serde_json::to_value(&report).is_ok());
}
