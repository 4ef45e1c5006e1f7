//! Files that are no procedures.

use crate::world::World;
use insta::assert_snapshot;
use regex_lite::Regex;
use serde_json::Value;
use std::fs;
use std::ops::Range;
use windlass::plugin::{Component, SECTION};
use xtask::postgres::NEWEST;

/// The bytes of a built-in procedure.
fn health() -> Vec<u8> {
    let component = Component::find("pg-health", "/".as_ref()).unwrap();
    component.bytes().to_vec()
}

/// A number as WebAssembly writes it, and what is after it.
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (value, &bytes[index + 1..]);
        }
    }
    panic!("the bytes end within a number");
}

fn written(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Where the section with the manifest is, and what is in it.
fn manifest(component: &[u8]) -> (Range<usize>, Value) {
    let mut rest = &component[8..];
    while let Some((&id, after)) = rest.split_first() {
        let start = component.len() - rest.len();
        let (size, body) = number(after);
        let (content, next) = body.split_at(size);
        if id == 0 {
            let (length, named) = number(content);
            if &named[..length] == SECTION.as_bytes() {
                let json = serde_json::from_slice(&named[length..]).unwrap();
                return (start..component.len() - next.len(), json);
            }
        }
        rest = next;
    }
    panic!("there is no manifest");
}

fn section(content: &Value) -> Vec<u8> {
    let mut body = written(SECTION.len());
    body.extend(SECTION.as_bytes());
    body.extend(content.to_string().into_bytes());
    [vec![0], written(body.len()), body].concat()
}

fn without(component: &[u8], part: Range<usize>) -> Vec<u8> {
    [&component[..part.start], &component[part.end..]].concat()
}

#[test]
fn a_file_that_is_no_component_is_refused_with_the_reason() {
    let world = World::on(NEWEST);
    let component = health();
    let (place, content) = manifest(&component);
    let bare = without(&component, place);
    let edited = |from: &str, to: &str| {
        let text = content["manifest"].as_str().unwrap();
        assert!(text.contains(from), "{text}");
        let mut content = content.clone();
        content["manifest"] = text.replace(from, to).into();
        [bare.clone(), section(&content)].concat()
    };
    let shown = |bytes: &[u8]| {
        fs::write(world.path().join("mine.wasm"), bytes).unwrap();
        let shown = world.snapshot(&["inspect", "./mine.wasm"]);
        // They differ from build to build.
        let offsets = Regex::new(r"0x[0-9a-f]+|\b\d{5,}\b").unwrap();
        offsets.replace_all(&shown, "[offset]").into_owned()
    };
    assert!(shown(&[bare.clone(), section(&content)].concat()).contains("exit code: 0"));
    assert_snapshot!(shown(b"a text"), @"
    $ windlass inspect ./mine.wasm
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: it is not WebAssembly
    ");
    assert_snapshot!(shown(b"\0asm\x01\0\0\0"), @"
    $ windlass inspect ./mine.wasm
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: it is a core module, not a component
      hint:  build it with `windlass build`, which makes a component of it
    ");
    assert_snapshot!(shown(&component[..component.len() / 2]), @"
    $ windlass inspect ./mine.wasm
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: it is not a valid component: unexpected end-of-file (at offset [offset])
    ");
    assert_snapshot!(shown(&bare), @"
    $ windlass inspect ./mine.wasm
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: it has no section `windlass:manifest`, so it says neither what it is nor what it needs
      hint:  build it with `windlass build`, which embeds plugin.toml
    ");
    assert_snapshot!(shown(&[component.clone(), section(&content)].concat()), @"
    $ windlass inspect ./mine.wasm
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: it has 2 sections `windlass:manifest`, at offsets [offset] and [offset], and only one can be true
    ");
    assert_snapshot!(shown(&edited("\"sessions\", ", "")), @r#"
    $ windlass inspect ./mine.wasm
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: it imports `sessions` of `database-read`, but its manifest needs no verb "sessions"
      cause: it imports `xmin-holders` of `database-read`, but its manifest needs no verb "sessions"
      hint:  add "sessions" to the `verbs` of a [[needs.database]] in plugin.toml, or do not call it
    "#);
    assert_snapshot!(shown(&edited("\"invariants\"", "\"vacuum\"")), @r#"
    $ windlass inspect ./mine.wasm
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: plugin.toml:5:10: `danger` is "send", but the need to vacuum makes it "maintain"
    "#);
    assert_snapshot!(shown(&edited("danger =", "dangr =")), @"
    $ windlass inspect ./mine.wasm
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: plugin.toml:5:1: unknown key `dangr` in [procedure]
      hint:  did you mean `danger`?
    ");
    assert_snapshot!(world.snapshot(&["inspect", "./nothing.wasm"]), @"
    $ windlass inspect ./nothing.wasm
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: cannot open `[project]/nothing.wasm`: it does not exist
    ");
    assert_snapshot!(world.snapshot(&["run", "./mine.wasm", "--target", "orders"]), @"
    $ windlass run ./mine.wasm --target orders
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `./mine.wasm` cannot be used as a procedure
      cause: plugin.toml:5:1: unknown key `dangr` in [procedure]
      hint:  did you mean `danger`?
    ");
}
