//! What a reader may rely on: sizes, and which part of the host knows of which.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every Rust file below the folder, by its path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

/// Lines of `folder` (from the root) that contain one of the words, outside comments.
fn mentions(folder: &str, words: &[&str], except: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources(folder) {
        if except.iter().any(|exception| name.contains(exception)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn files_are_short() {
    let long: Vec<_> = ["host/src", "sdk", "plugins", "xtask", "tests"]
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| text.lines().count() > LINES)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {LINES} lines: {long:#?}");
}

#[test]
fn rooms_know_of_the_engine_only_the_permit() {
    let known = ["Permit", "ChangePermit", "Progress", "Guest"];
    let more: Vec<_> = mentions("host/src/database", &["engine::"], &["tests"])
        .into_iter()
        .filter(|line| !known.iter().any(|name| line.contains(name)))
        .collect();
    assert!(more.is_empty(), "{more:#?}");
}

#[test]
fn the_engine_knows_no_protocol() {
    let found = mentions(
        "host/src/engine",
        &["tokio_postgres", "kube", "reqwest"],
        &[],
    );
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_the_command_line_knows_clap() {
    let found = mentions("host/src", &["clap"], &["host/src/cli/"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn pure_parts_do_no_io() {
    let io = [
        "std::fs",
        "std::io",
        "cap_std",
        "rusqlite",
        "tokio",
        "std::process",
        "std::env",
    ];
    let pure = [
        "host/src/grant/mod.rs",
        "host/src/journal/state",
        "host/src/report",
        "scope.rs",
        "call.rs",
        "host/src/text",
    ];
    let found: Vec<_> = mentions("host/src", &io, &["tests"])
        .into_iter()
        .filter(|line| {
            pure.iter()
                .any(|part| line.split(':').next().unwrap().contains(part))
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_is_ignored_or_left_to_do() {
    let words = [
        concat!("#[ign", "ore"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
    ];
    for folder in ["host", "sdk", "plugins", "xtask", "tests"] {
        let found = mentions(folder, &words, &[]);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn every_built_in_procedure_has_its_laws() {
    for entry in fs::read_dir(root().join("plugins")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let listed = crate::laws::PROCEDURES.contains(&name.as_str());
        assert!(listed, "plugins/{name} is missing in tests/it/laws");
    }
}

#[test]
fn the_invariants_name_what_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, invariants) = text.split_once("## Invariants").unwrap();
    let code: String = ["host/src", "tests"]
        .into_iter()
        .flat_map(sources)
        .map(|(_, text)| text)
        .collect();
    let mut named = 0;
    for name in invariants.split('`').skip(1).step_by(2) {
        let exists = if name.contains('/') {
            root().join("host/src").join(name).exists()
        } else if name.contains('_') {
            code.contains(&format!("fn {name}("))
        } else {
            continue;
        };
        assert!(
            exists,
            "ARCHITECTURE.md names `{name}`, which does not exist"
        );
        named += 1;
    }
    assert!(named >= 20, "only {named} names were looked at");
}
