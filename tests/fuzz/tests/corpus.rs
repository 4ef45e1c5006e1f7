//! The corpus as it is, and a fixed budget of changed inputs: the same ones in each run, until someone chooses another seed.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it tests: it reads the corpus, prints its seed, and fails by panicking"
)]

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::fs;
use std::path::{Path, PathBuf};
use windlass::config::Config;
use windlass::engine::Plan;
use windlass::grant::GrantFile;
use windlass::journal::Store;
use windlass::plugin::{Component, Manifest};
use windlass_fuzz::{TARGETS, Target};

/// Chooses the changes. `WINDLASS_FUZZ_SEED` is used instead where it is set.
const SEED: u64 = 1;
/// Changed inputs for each target. `WINDLASS_FUZZ_INPUTS` is used instead where it is set.
const INPUTS: u32 = 1_500;
/// What changes parsers most: their own words, and numbers at their borders.
const WORDS: &[&str] = &[
    "",
    "*",
    "{target}",
    "{params.schemas}",
    "[",
    "]]",
    "{",
    "}",
    "\"",
    "'''",
    "\\u202e",
    "\u{1b}[2J",
    "\n",
    "\r\n",
    "\0",
    "#",
    "=",
    ",",
    ".",
    "0",
    "-1",
    "4294967296",
    "18446744073709551615",
    "1e400",
    "null",
    "true",
    "sha256:",
    "vacuum",
    "reindex",
    "public",
    "9999-12-31T23:59:60Z",
    "format",
    "digest",
    "kind",
    "effect",
    "seq",
    "SQLite format 3\0",
    "\0asm\u{d}\0\u{1}\0",
    "windlass:manifest",
];

/// One change of an input. Places are fractions of its length, so that a change fits whatever came before it.
#[derive(Clone, Debug)]
enum Change {
    Flip {
        at: f64,
        bit: u8,
    },
    Set {
        at: f64,
        byte: u8,
    },
    Insert {
        at: f64,
        word: usize,
    },
    Remove {
        at: f64,
        length: usize,
    },
    Repeat {
        at: f64,
        length: usize,
        times: usize,
    },
    /// The end of the input is replaced with the end of another one.
    Join {
        at: f64,
        with: usize,
        from: f64,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0.0..1.0;
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set { at, byte }),
        3 => (at(), 0..WORDS.len()).prop_map(|(at, word)| Change::Insert { at, word }),
        2 => (at(), 1..40_usize).prop_map(|(at, length)| Change::Remove { at, length }),
        1 => (at(), 1..40_usize, 1..20_usize).prop_map(|(at, length, times)| Change::Repeat { at, length, times }),
        1 => (at(), any::<usize>(), at()).prop_map(|(at, with, from)| Change::Join { at, with, from }),
    ]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place in a file of a few kilobytes"
)]
fn place(bytes: &[u8], at: f64) -> usize {
    (bytes.len() as f64 * at) as usize
}

fn apply(bytes: &mut Vec<u8>, change: &Change, corpus: &[Vec<u8>]) {
    match *change {
        Change::Flip { at, bit } => {
            let at = place(bytes, at);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Change::Set { at, byte } => {
            let at = place(bytes, at);
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        Change::Insert { at, word } => {
            let at = place(bytes, at);
            bytes.splice(at..at, WORDS[word].bytes());
        }
        Change::Remove { at, length } => {
            let at = place(bytes, at);
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Change::Repeat { at, length, times } => {
            let at = place(bytes, at);
            let again = bytes[at..(at + length).min(bytes.len())].repeat(times);
            bytes.splice(at..at, again);
        }
        Change::Join { at, with, from } => {
            let other = &corpus[with % corpus.len()];
            bytes.truncate(place(bytes, at));
            bytes.extend(&other[place(other, from)..]);
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder().join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn chosen<T: std::str::FromStr>(variable: &str, otherwise: T) -> T {
    let given = std::env::var(variable).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

fn run(name: &str, target: Target) {
    let corpus = corpus(name);
    assert!(corpus.len() > 1, "the corpus of {name} is gone");
    for input in &corpus {
        target(input);
    }
    let seed = chosen("WINDLASS_FUZZ_SEED", SEED);
    let cases = chosen("WINDLASS_FUZZ_INPUTS", INPUTS);
    println!(
        "{name}: {} inputs, {cases} changed ones from seed {seed}",
        corpus.len()
    );
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let inputs = (0..corpus.len(), prop::collection::vec(change(), 1..5));
    let outcome = TestRunner::new_with_rng(config, rng).run(&inputs, |(start, changes)| {
        let mut input = corpus[start].clone();
        for change in &changes {
            apply(&mut input, change, &corpus);
        }
        let caught = std::panic::catch_unwind(|| target(&input));
        caught.map_err(|_| TestCaseError::fail(format!("{name}: {}", input.escape_ascii())))
    });
    if let Err(error) = outcome {
        panic!("{name}, seed {seed}: {error}");
    }
}

#[test]
fn each_target_holds_on_its_corpus_and_on_what_is_near_it() {
    for (name, target) in TARGETS {
        run(name, target);
    }
}

#[test]
fn a_journal_with_any_flipped_byte_is_reported_or_reads_the_same() {
    let whole = file("journal/whole.db");
    // A prime, so that the places are spread over every page and every structure in it.
    for at in (0..whole.len()).step_by(101) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        windlass_fuzz::journal(&changed);
    }
}

/// Otherwise the properties of what is accepted would hold of nothing.
#[test]
fn what_is_right_in_the_corpus_is_accepted() {
    let text = |name| String::from_utf8(file(name)).unwrap();
    Component::from_bytes(file("component/seed.wasm")).unwrap();
    Manifest::parse(&file("manifest/pg-optimize.json")).unwrap();
    GrantFile::parse("grant.toml", &text("grant/pg-optimize.toml")).unwrap();
    Plan::parse(&text("plan/sealed.json")).unwrap();
    let config = folder().join("config/full.toml");
    Config::find(Some(&config), &folder()).unwrap();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("journal.db"), file("journal/whole.db")).unwrap();
    let store = Store::open_read_only(place.path()).unwrap();
    assert_eq!(store.verify(None).unwrap().entries, 11);
}
