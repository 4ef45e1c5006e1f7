//! Builds a real procedure: what comes out is a component with its manifest, imports only the contract, and is the same everywhere.
#![expect(
    clippy::disallowed_methods,
    reason = "makes folders with crates to build"
)]

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

/// `interface#function` of each function that the component imports; other packages' interfaces in full.
fn imports(component: &[u8]) -> BTreeSet<String> {
    let mut imports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ComponentImportSection(section) => {
                imports.extend(
                    section
                        .into_iter()
                        .map(|import| import.unwrap().name.name.to_owned()),
                );
            }
            // The core module inside names each function that is really called.
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    imports.insert(format!("{}#{}", import.module, import.name));
                }
            }
            _ => {}
        }
    }
    imports
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
    let interfaces: BTreeSet<String> = imports(&builtin("pg-health").component)
        .into_iter()
        .filter(|name| name.starts_with("windlass:") && !name.contains('#'))
        .collect();
    let expected = ["database-read", "database-types", "run", "types"];
    assert_eq!(
        interfaces,
        expected
            .map(|name| format!("windlass:procedure/{name}@0.1.0"))
            .into()
    );
}
