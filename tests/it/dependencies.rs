//! What is built in: held to `deny.toml`, with what cargo itself says of the packages. cargo-deny reads the same file, where it is
//! installed, and takes minutes to install where it is not.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// Packages that are built on this machine, for this machine.
static PACKAGES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let target = said("rustc", &["--version", "--verbose"]);
    let target = target
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let metadata = said(
        env!("CARGO"),
        &[
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            target,
        ],
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let built: BTreeSet<&str> = array(&metadata["resolve"]["nodes"])
        .map(|node| text(&node["id"]))
        .collect();
    let packages = array(&metadata["packages"]);
    packages
        .filter(|package| built.contains(text(&package["id"])))
        .cloned()
        .collect()
});

static RULES: LazyLock<toml::Table> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deny.toml");
    std::fs::read_to_string(file).unwrap().parse().unwrap()
});

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn name(package: &Value) -> &str {
    text(&package["name"])
}

/// Crates of a list in `[bans]`; each must have its reason.
fn listed(list: &str) -> Vec<String> {
    let entries = RULES["bans"][list].as_array().unwrap().iter();
    let crates = entries.map(|entry| {
        assert!(
            entry
                .get("reason")
                .is_some_and(|reason| !reason.as_str().unwrap().is_empty()),
            "{entry} has no reason"
        );
        entry["crate"].as_str().unwrap().to_owned()
    });
    crates.collect()
}

/// Whether an SPDX expression can be met with allowed licences alone. `AND` binds closer than `OR`, as SPDX has it.
fn meets(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_of(&mut words, allowed);
    assert_eq!(words.next(), None, "{expression}");
    met
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let word = words.next().unwrap();
    if word == "(" {
        let met = any_of(words, allowed);
        assert_eq!(words.next(), Some(")"));
        return met;
    }
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next().unwrap();
        return allowed.contains(format!("{word} WITH {exception}").as_str());
    }
    allowed.contains(word)
}

#[test]
fn licences_are_allowed_ones() {
    let list = RULES["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<&str> = list.iter().map(|name| name.as_str().unwrap()).collect();
    let others: Vec<_> = PACKAGES
        .iter()
        .filter(|package| {
            !package["license"]
                .as_str()
                .is_some_and(|license| meets(license, &allowed))
        })
        .map(|package| format!("{}: {}", name(package), package["license"]))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn packages_come_from_one_registry_or_from_here() {
    let sources: BTreeSet<&str> = PACKAGES
        .iter()
        .filter_map(|package| package["source"].as_str())
        .collect();
    assert!(
        sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+")),
        "{sources:?}"
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for package in PACKAGES
        .iter()
        .filter(|package| package["source"].is_null())
    {
        assert!(
            Path::new(text(&package["manifest_path"])).starts_with(root),
            "{}",
            name(package)
        );
    }
}

#[test]
fn nothing_banned_is_built_in() {
    let banned = listed("deny");
    let found: Vec<_> = PACKAGES
        .iter()
        .map(name)
        .filter(|name| banned.iter().any(|banned| banned == name))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_crate_is_built_in_twice_only_for_a_reason() {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in PACKAGES.iter() {
        versions
            .entry(name(package))
            .or_default()
            .insert(text(&package["version"]));
    }
    let mut unused = BTreeSet::new();
    for skipped in listed("skip") {
        let (name, version) = skipped.split_once('@').unwrap();
        let dotted = format!("{version}.");
        let known = versions.get_mut(name).filter(|known| known.len() > 1);
        let found = known.is_some_and(|known| {
            let before = known.len();
            known.retain(|version| !version.starts_with(&dotted));
            known.len() < before
        });
        if !found {
            unused.insert(skipped);
        }
    }
    assert!(
        unused.is_empty(),
        "skipped in deny.toml and not there twice: {unused:#?}"
    );
    versions.retain(|_, known| known.len() > 1);
    assert!(versions.is_empty(), "missing in deny.toml: {versions:#?}");
}

#[test]
fn licences_are_read_as_spdx_has_them() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0 WITH LLVM-exception"]);
    for (expression, met) in [
        ("MIT", true),
        ("Apache-2.0/MIT", true),
        ("Apache-2.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("(GPL-3.0 OR MIT) AND ISC", false),
        ("GPL-3.0 AND ISC OR MIT", true),
    ] {
        assert_eq!(meets(expression, &allowed), met, "{expression}");
    }
}
