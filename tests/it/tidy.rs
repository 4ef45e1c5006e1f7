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

/// Lines of `folder` (from the root) that contain one of the words in their code.
fn mentions(folder: &str, words: &[&str], except: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources(folder) {
        if except.iter().any(|exception| name.contains(exception)) {
            continue;
        }
        for (number, line) in code_of(&text).lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

/// A source without its comments and without what its strings say, line for line.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = string_at(rest) {
            length
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        rest = &rest[skipped..];
    }
    code
}

/// The length of the string or the character that the text begins with, if it does.
fn string_at(text: &str) -> Option<usize> {
    let hashes = text
        .strip_prefix('r')
        .map(|raw| raw.len() - raw.trim_start_matches('#').len());
    if let Some(hashes) = hashes
        && text[1 + hashes..].starts_with('"')
    {
        let start = 2 + hashes;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = text[start..].find(&end).map_or(text.len(), |at| start + at);
        return Some((length + end.len()).min(text.len()));
    }
    for character in ["'\"'", "'\\\"'", "'\\''"] {
        if text.starts_with(character) {
            return Some(character.len());
        }
    }
    let body = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = body.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(text.len(), |at| at + 2))
}

#[test]
fn comments_and_strings_are_no_code() {
    let text = "a(\"// b \\\" c\", r#\"d\"e\"#, '\"', f); // g\n/* h\n*/ i \"j";
    assert_eq!(code_of(text), "a(, , , f); \n\n i ");
}

/// The folders of rooms.
fn rooms() -> Vec<String> {
    let folders = fs::read_dir(root().join("host/src")).unwrap();
    let rooms = folders.map(|entry| entry.unwrap().path());
    rooms
        .filter(|path| path.join("scope.rs").exists() && path.join("wit.rs").exists())
        .map(|path| format!("host/src/{}", path.file_name().unwrap().to_string_lossy()))
        .collect()
}

/// What the code takes from the engine, by name; `engine` itself where it takes that.
fn taken_from_the_engine(code: &str) -> Vec<String> {
    let mut taken = Vec::new();
    for after in code.split("engine").skip(1) {
        let Some(after) = after.strip_prefix("::") else {
            let whole = after.trim_start();
            if whole.starts_with(';') || whole.starts_with("as ") || whole.starts_with(',') {
                taken.push("engine".to_owned());
            }
            continue;
        };
        let names = if let Some(list) = after.strip_prefix('{') {
            list.split('}').next().unwrap()
        } else {
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*');
            &after[..end.unwrap_or(after.len())]
        };
        let names = names.split(',').map(str::trim);
        taken.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    taken
}

#[test]
fn what_is_taken_from_the_engine_is_seen() {
    let code = "use crate::engine::{Permit,\n Gate};\nuse crate::engine;\nengine::gate::x(); use crate::engine::*;";
    assert_eq!(
        taken_from_the_engine(code),
        ["Permit", "Gate", "engine", "gate", "*"]
    );
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
    let rooms = rooms();
    assert!(rooms.contains(&"host/src/database".to_owned()), "{rooms:?}");
    for (name, text) in rooms.iter().flat_map(|room| sources(room)) {
        // Tests may do more.
        if name.contains("tests") {
            continue;
        }
        for taken in taken_from_the_engine(&code_of(&text)) {
            assert!(known.contains(&taken.as_str()), "{name} takes {taken}");
        }
    }
}

#[test]
fn the_engine_knows_no_protocol() {
    let found = mentions(
        "host/src/engine",
        &["tokio_postgres", "kube", "reqwest", "lettre"],
        &[],
    );
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_the_clients_of_rooms_open_secrets() {
    let clients = [
        "host/src/cluster/client",
        "host/src/database/client",
        "host/src/notify/client",
        "host/src/probe/client",
    ];
    let found = mentions("host/src", &[".expose()"], &clients);
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
        "crate::folder",
    ];
    let pure = [
        "host/src/grant/",
        "host/src/journal/state",
        "host/src/report",
        "scope.rs",
        "call.rs",
        "note.rs",
        "host/src/text",
    ];
    // A grant is read from a file in one place.
    let found: Vec<_> = mentions("host/src", &io, &["tests", "host/src/grant/file.rs"])
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
            code.contains(&format!("fn {name}(")) || code.contains(&format!("fn {name}<"))
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
