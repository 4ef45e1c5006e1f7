//! Components made by hand: what is accepted, and what each other one is refused for.

use super::manifest::tests::{TEXT, embed};
use super::{Component, ComponentError, SECTION};
use std::borrow::Cow;
use wasm_encoder::{CustomSection, Section};

/// A component that imports these interfaces with these functions, and exports the procedure in this version.
fn component(imports: &[(&str, &[&str])], version: &str) -> Vec<u8> {
    let import = |(name, functions): &(&str, &[&str])| {
        let exports = functions.iter().map(|f| format!("(export \"{f}\" (func))"));
        format!(
            "(import \"{name}\" (instance {}))",
            exports.collect::<Vec<_>>().join(" ")
        )
    };
    let imports = imports.iter().map(import).collect::<Vec<_>>().join("\n");
    let text = format!(
        r#"(component
        {imports}
        (core module $m (func (export "f")) (@custom "{SECTION}" "nested"))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $p (export "run" (func $f)) (export "parameters-schema" (func $f)))
        (export "windlass:procedure/procedure@{version}" (instance $p)))"#
    );
    wat::parse_str(&text).unwrap()
}

fn with_manifest(mut bytes: Vec<u8>, text: &str) -> Vec<u8> {
    let section = CustomSection {
        name: Cow::Borrowed(SECTION),
        data: Cow::Owned(embed(text)),
    };
    section.append_to(&mut bytes);
    bytes
}

const RUN: (&str, &[&str]) = ("windlass:procedure/run@0.1.0", &["log", "step"]);
const READ: (&str, &[&str]) = (
    "windlass:procedure/database-read@0.1.0",
    &["server", "tables"],
);
const MAINTAIN: (&str, &[&str]) = ("windlass:procedure/database-maintain@0.1.0", &["vacuum"]);

/// A component that maintains a database, for those who need no code in it.
pub(crate) fn maintaining() -> Component {
    let bytes = with_manifest(component(&[RUN, READ, MAINTAIN], "0.1.0"), TEXT);
    Component::from_bytes(bytes).unwrap()
}

fn problems(bytes: Vec<u8>) -> Vec<String> {
    let error = Component::from_bytes(bytes).unwrap_err();
    assert!(!error.problems().is_empty(), "{error}");
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn a_component_whose_imports_and_needs_agree_is_accepted() {
    let bytes = with_manifest(component(&[RUN, READ, MAINTAIN], "0.1.0"), TEXT);
    let component = Component::from_bytes(bytes.clone()).unwrap();
    assert!(component.digest().starts_with("sha256:"));
    assert_eq!(component.bytes(), bytes);
    assert_eq!(component.imports()[1].name(), READ.0);
    let facts = component.facts();
    assert_eq!(
        facts.can,
        ["read server facts", "read table sizes", "vacuum"]
    );
    assert_eq!(facts.needs[1].interface, "database-maintain");
    let cannot: Vec<_> = facts.cannot.iter().map(|cannot| cannot.what).collect();
    assert_eq!(
        cannot,
        [
            "reach a cluster",
            "send a message",
            "look at an endpoint",
            "read, write or delete rows",
            "see a connection string, a password or where a channel or an endpoint leads",
            "open files or sockets, or read the environment"
        ]
    );
}

#[test]
fn what_it_imports_and_does_not_need_is_refused_and_the_reverse() {
    let maintain: (&str, &[&str]) = (MAINTAIN.0, &["analyze", "reindex"]);
    assert_eq!(
        problems(with_manifest(
            component(&[RUN, READ, maintain], "0.1.0"),
            TEXT
        )),
        [
            "it imports `analyze` of `database-maintain`, but its manifest needs no verb \"analyze\"",
            "it imports `reindex` of `database-maintain`, but its manifest needs no verb \"reindex\"",
            "its manifest needs the verb \"vacuum\", but it imports no function that uses it",
        ]
    );
}

#[test]
fn what_windlass_does_not_offer_is_refused_all_at_once() {
    let imports: [(&str, &[&str]); 8] = [
        ("windlass:procedure/run@0.1.0", &["log", "format-disk"]),
        ("windlass:procedure/database-write@0.1.0", &["insert"]),
        ("windlass:procedure/database-read@0.2.0", &["server"]),
        ("wasi:sockets/tcp@0.2.0", &["connect"]),
        ("wasi:filesystem/types@0.2.0", &[]),
        ("wasi:cli/environment@0.2.0", &["get-environment"]),
        ("wasi:cli/stdout@0.2.0", &["get-stdout"]),
        ("wasi:clocks/wall-clock@0.3.0", &["now"]),
    ];
    let text = TEXT.replace("danger = \"maintain\"", "danger = \"read\"");
    let text = text.split("[[needs").next().unwrap();
    assert_eq!(
        problems(with_manifest(component(&imports, "0.2.0"), text)),
        [
            "it imports `format-disk` of `run`, which windlass does not offer",
            "it imports `windlass:procedure/database-write@0.1.0`, which windlass does not offer",
            "it speaks `windlass:procedure/database-read` in version 0.2.0; this windlass speaks 0.1.0 only",
            "it imports `wasi:sockets/tcp@0.2.0`, which windlass does not offer",
            "it imports `wasi:filesystem/types@0.2.0`, which windlass does not offer",
            "it imports `wasi:cli/environment@0.2.0`, which windlass does not offer",
            "it imports `wasi:clocks/wall-clock@0.3.0`, which windlass does not offer",
            "it speaks `windlass:procedure/procedure` in version 0.2.0; this windlass speaks 0.1.0 only",
            "it imports `server` of `database-read`, but its manifest needs no verb \"server\"",
        ]
    );
}

#[test]
fn there_is_exactly_one_manifest_and_that_of_a_nested_module_is_none() {
    let bytes = component(&[RUN, READ, MAINTAIN], "0.1.0");
    assert_eq!(
        problems(bytes.clone()),
        ["it has no section `windlass:manifest`, so it says neither what it is nor what it needs"]
    );
    let once = with_manifest(bytes, TEXT);
    let first = once.len();
    let found = problems(with_manifest(once, TEXT));
    assert!(
        found[0].starts_with("it has 2 sections `windlass:manifest`, at offsets "),
        "{found:?}"
    );
    let second = found[0]
        .split([' ', ','])
        .filter_map(|word| word.parse::<usize>().ok())
        .max();
    assert!(second.is_some_and(|second| second > first), "{found:?}");
}

#[test]
fn what_is_no_component_is_said_to_be_none() {
    let error = |bytes: Vec<u8>| Component::from_bytes(bytes).unwrap_err();
    assert!(matches!(
        error(b"#!/bin/sh".to_vec()),
        ComponentError::NotWasm
    ));
    assert!(matches!(error(Vec::new()), ComponentError::NotWasm));
    assert!(matches!(
        error(wat::parse_str("(module)").unwrap()),
        ComponentError::CoreModule
    ));
    let mut broken = with_manifest(component(&[RUN], "0.1.0"), TEXT);
    broken.truncate(broken.len() - 3);
    assert!(matches!(error(broken), ComponentError::Invalid { .. }));
    assert_eq!(problems(wat::parse_str("(component)").unwrap()).len(), 2);
}

#[test]
fn a_procedure_is_found_by_path_and_a_missing_one_is_explained() {
    let place = tempfile::tempdir().unwrap();
    let bytes = with_manifest(component(&[RUN, READ, MAINTAIN], "0.1.0"), TEXT);
    crate::folder::write(&place.path().join("tidy.wasm"), &bytes, false).unwrap();
    crate::folder::write(&place.path().join("tidy"), b"text", false).unwrap();
    assert!(Component::find("tidy.wasm", place.path()).is_ok());
    assert!(Component::find("./tidy.wasm", place.path()).is_ok());
    let error = Component::find("tidy", place.path()).unwrap_err();
    assert_eq!(error.to_string(), "there is no built-in procedure `tidy`");
    assert_eq!(
        error.hint().as_deref(),
        Some("a file is named by a path: ./tidy")
    );
    let error = Component::find("./tidy", place.path()).unwrap_err();
    assert_eq!(error.to_string(), "`./tidy` cannot be used as a procedure");
    let error = Component::find("none.wasm", place.path()).unwrap_err();
    assert!(
        error.to_string().ends_with("none.wasm`: it does not exist"),
        "{error}"
    );
}

#[test]
fn damaged_bytes_are_refused_or_read_and_never_break_the_reader() {
    let whole = with_manifest(component(&[RUN, READ, MAINTAIN], "0.1.0"), TEXT);
    for at in 0..whole.len() {
        assert!(
            Component::from_bytes(whole[..at].to_vec()).is_err(),
            "cut at {at}"
        );
        for bit in [0x01, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= bit;
            // A flipped letter of a reason is still a component, but another one.
            if let Ok(other) = Component::from_bytes(damaged) {
                assert_ne!(
                    other.digest(),
                    Component::from_bytes(whole.clone()).unwrap().digest()
                );
            }
        }
    }
}
