//! The table in SECURITY.md: every class of attack has its row, and what a row names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Classes of attack.
const CLASSES: u8 = 47;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every case of the suite, with the classes that it stands for.
pub(super) fn cases() -> BTreeMap<String, Vec<u8>> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(root().join("tests/hostile")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(path.join("case.toml")) else {
            continue;
        };
        let case: toml::Table = text.parse().unwrap();
        let lines = case["lines"].as_array().unwrap();
        let lines = lines
            .iter()
            .map(|line| u8::try_from(line.as_integer().unwrap()).unwrap());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        cases.insert(name, lines.collect());
    }
    cases
}

/// The rows: number, and the names that the row puts in backticks.
fn rows() -> Vec<(u8, String)> {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, table) = text.split_once("## What attackers try").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("| ")?.split_once(" |")?;
        Some((number.parse().ok()?, rest.to_owned()))
    });
    rows.collect()
}

fn named(row: &str) -> impl Iterator<Item = &str> {
    row.split('`').skip(1).step_by(2)
}

/// The whole suite's and the host's own code.
fn code() -> String {
    let mut code = String::new();
    let mut folders = vec![root().join("tests/it"), root().join("host/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    code
}

#[test]
fn every_class_of_attack_has_one_row() {
    let numbers: Vec<_> = rows().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=CLASSES).collect::<Vec<_>>());
    for (number, row) in rows() {
        let holds = row.contains("| holds |") && named(&row).next().is_some();
        assert!(
            holds || row.contains("| not yet |"),
            "{number}: neither tried nor said what would bring it"
        );
    }
}

#[test]
fn what_a_row_names_exists() {
    let (cases, code) = (cases(), code());
    for (number, row) in rows() {
        for name in named(&row) {
            let exists = cases.contains_key(name)
                || code.contains(&format!("fn {name}("))
                || code.contains(&format!("fn {name}<"))
                || code.contains(&format!("mod {name};"));
            assert!(exists, "row {number} names `{name}`, which does not exist");
        }
    }
}

#[test]
fn every_case_is_in_the_rows_of_its_classes() {
    let rows: BTreeMap<_, _> = rows().into_iter().collect();
    for (case, lines) in cases() {
        for line in lines {
            let listed: BTreeSet<_> = named(&rows[&line]).collect();
            assert!(
                listed.contains(case.as_str()),
                "row {line} does not name `{case}`"
            );
        }
    }
}
