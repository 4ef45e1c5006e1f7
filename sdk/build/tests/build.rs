//! Builds a real procedure: what comes out is a component with its manifest, imports only the contract, and is the same everywhere.
#![expect(
    clippy::disallowed_methods,
    reason = "makes folders with crates to build"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most parts of a component do not matter here"
)]
#![expect(clippy::unwrap_used, reason = "a test, its helpers included")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use wasmparser::{Parser, Payload};
use windlass_build::{Built, Request, SECTION, build};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn request(dir: PathBuf, target_dir: &Path) -> Request {
    Request {
        show_compiler: false,
        ..Request::new(dir, target_dir)
    }
}

fn builtin(name: &str) -> Built {
    let dir = workspace().join("plugins").join(name);
    build(&request(dir, &workspace().join("target/plugins"))).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A workspace with the SDK and one procedure, as a reviewer might check it out.
fn checkout(to: &Path, procedure: &str) -> PathBuf {
    let from = workspace();
    for part in ["wit", "sdk/src", &format!("plugins/{procedure}")] {
        copy(&from.join(part), &to.join(part));
    }
    for file in ["sdk/Cargo.toml", "Cargo.lock"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let manifest = fs::read_to_string(from.join("Cargo.toml")).unwrap();
    let lines = manifest.lines().map(|line| {
        if line.starts_with("members = ") {
            r#"members = ["sdk", "plugins/*"]"#
        } else if line.starts_with("default-members = ") {
            ""
        } else {
            line
        }
    });
    fs::write(to.join("Cargo.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    to.join("plugins").join(procedure)
}

/// Names of the interfaces that the component imports.
fn interfaces(component: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                let imports = section.into_iter().map(Result::unwrap);
                names.extend(imports.map(|import| import.name.name.to_owned()));
            }
            _ => {}
        }
    }
    names
}

/// Functions of an interface that the core module inside really calls.
fn functions(component: &[u8], interface: &str) -> BTreeSet<String> {
    let module = format!("windlass:procedure/{interface}@0.1.0");
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::ImportSection(section) = payload.unwrap() {
            let imports = section.into_imports().map(Result::unwrap);
            let of_module = imports.filter(|import| import.module == module);
            names.extend(of_module.map(|import| import.name.to_owned()));
        }
    }
    names
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn contract<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names
        .map(|name| format!("windlass:procedure/{name}@0.1.0"))
        .into()
}

#[test]
fn the_same_sources_give_the_same_digest_in_another_folder() {
    let here = builtin("pg-health");
    let elsewhere = tempfile::tempdir().unwrap();
    let dir = checkout(
        &elsewhere.path().join("a checkout with spaces"),
        "pg-health",
    );
    let there = build(&request(dir, &elsewhere.path().join("target"))).unwrap();
    assert_eq!(here.digest, there.digest);
    assert_eq!(here.component, there.component);
}

#[test]
fn a_reader_does_not_import_what_changes_something() {
    let component = builtin("pg-health").component;
    let expected = contract([
        "database-read",
        "database-types",
        "notify-send",
        "notify-types",
        "run",
        "types",
    ]);
    assert_eq!(interfaces(&component), expected);
}

#[test]
fn only_what_is_called_is_imported() {
    let component = builtin("pg-optimize").component;
    let expected = contract([
        "database-maintain",
        "database-read",
        "database-types",
        "notify-send",
        "notify-types",
        "run",
        "types",
    ]);
    assert_eq!(interfaces(&component), expected);
    let read = set([
        "coverage",
        "server",
        "tables",
        "indexes",
        "xmin-holders",
        "sessions",
        "replication",
    ]);
    assert_eq!(functions(&component, "database-read"), read);
    let maintain = set([
        "vacuum",
        "analyze",
        "reindex",
        "drop-invalid-index",
        "cancel-backend",
        "set-parameters",
    ]);
    assert_eq!(functions(&component, "database-maintain"), maintain);
}

#[test]
fn the_manifest_and_the_schema_are_inside() {
    let built = builtin("pg-optimize");
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(&built.component) {
        if let Payload::CustomSection(section) = payload.unwrap()
            && section.name() == SECTION
        {
            sections.push(serde_json::from_slice::<Value>(section.data()).unwrap());
        }
    }
    let [section] = sections.as_slice() else {
        panic!("{} sections", sections.len())
    };
    let text = fs::read_to_string(workspace().join("plugins/pg-optimize/plugin.toml")).unwrap();
    assert_eq!(section["manifest"], text);
    let minimum = &section["parameters"]["properties"]["min-size"];
    assert_eq!(minimum["default"], "10 MB");
    assert_eq!(minimum["type"], "string");
    assert_eq!(section["parameters"]["additionalProperties"], false);
}

#[test]
fn nothing_tells_where_it_was_built() {
    let component = builtin("pg-optimize").component;
    let text = String::from_utf8_lossy(&component);
    let workspace = workspace();
    let home = std::env::home_dir().unwrap();
    for place in [workspace, home] {
        assert!(
            !text.contains(place.to_str().unwrap()),
            "{}",
            place.display()
        );
    }
}

#[test]
fn two_files_of_one_author_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    let dir = checkout(folder.path(), "pg-health");
    let manifest = fs::read_to_string(dir.join("plugin.toml")).unwrap();
    fs::write(
        dir.join("plugin.toml"),
        manifest.replace("\"0.1.0\"", "\"0.2.0\""),
    )
    .unwrap();
    let error = build(&request(dir, &folder.path().join("target"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin.toml says version 0.2.0, Cargo.toml says 0.1.0"
    );
}

#[test]
fn a_crate_that_does_not_compile_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let dir = checkout(folder.path(), "pg-health");
    fs::write(
        dir.join("Cargo.toml"),
        "[package]\nname = \"pg-health\"\nversion = \"0.1.0\"\n",
    )
    .unwrap();
    fs::write(dir.join("src/lib.rs"), "fn broken( {}").unwrap();
    let error = build(&request(dir, &folder.path().join("target")))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("`cargo build (in "), "{error}");
    assert!(error.contains("unclosed delimiter"), "{error}");
}

#[test]
fn a_workspace_is_no_crate() {
    let folder = tempfile::tempdir().unwrap();
    let dir = checkout(folder.path(), "pg-health");
    let root = folder.path().to_owned();
    fs::copy(dir.join("plugin.toml"), root.join("plugin.toml")).unwrap();
    let error = build(&request(root, &folder.path().join("target"))).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is of a workspace, and of no crate"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("the procedure's own Cargo.toml")
    );
}

#[test]
fn a_crate_without_a_module_is_told_what_to_add() {
    let folder = tempfile::tempdir().unwrap();
    let dir = checkout(folder.path(), "pg-health");
    fs::write(
        dir.join("Cargo.toml"),
        "[package]\nname = \"pg-health\"\nversion = \"0.1.0\"\n",
    )
    .unwrap();
    fs::write(dir.join("src/lib.rs"), "//! Nothing.\n").unwrap();
    let error = build(&request(dir, &folder.path().join("target"))).unwrap_err();
    assert_eq!(error.hint().unwrap(), "[lib]\ncrate-type = [\"cdylib\"]");
}
