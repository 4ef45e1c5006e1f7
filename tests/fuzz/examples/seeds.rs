//! Writes the part of the corpus that nobody writes by hand: a component, a journal, a plan.
//!
//! `cargo run -p windlass-fuzz --example seeds`
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "it is run by hand, in the checkout"
)]

use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;
use windlass::clock::Clock;
use windlass::journal::{Entry, RunId, Store};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const GUEST: &str = r#"
(module
  (import "windlass:procedure/run@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "{\"type\":\"object\"}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "windlass:procedure/procedure@0.1.0#parameters-schema") (result i32)
    (i32.store (i32.const 128) (i32.const 64))
    (i32.store (i32.const 132) (i32.const 17))
    (i32.const 128))
  (func (export "windlass:procedure/procedure@0.1.0#run") (result i32)
    (call $log (i32.const 1) (i32.const 64) (i32.const 17))
    (i32.const 160)))
"#;

const MANIFEST: &str = r#"[procedure]
name = "seed"
version = "1.0.0"
summary = "Says one line."
danger = "read"
"#;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    std::fs::write(corpus.join("component/seed.wasm"), component()?)?;
    std::fs::write(corpus.join("plan/sealed.json"), plan()?)?;
    journal(&corpus.join("journal/whole.db"))
}

fn component() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (package, _) = resolve.push_dir(wit)?;
    let world = resolve.select_world(&[package], Some("everything"))?;
    let mut module = wat::parse_str(GUEST)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()?;
    let parameters = json!({ "type": "object", "properties": {} });
    Ok(windlass_build::embed(&component, MANIFEST, &parameters)?)
}

/// The target that it is for seals it: what it refuses as changed it seals anew.
fn plan() -> Result<String, Box<dyn Error>> {
    let mut plan: windlass::engine::Plan = serde_json::from_value(json!({
        "schema": "windlass.plan/1", "digest": "", "at": 1_763_726_400_000_u64,
        "procedure": "pg-optimize", "version": "0.1.0", "component": format!("sha256:{}", "3f".repeat(32)),
        "target": "orders", "parameters": { "max-objects": 200, "min-size": "10 MB" },
        "effects": [
            { "number": 1, "key": "reindex public.a", "action": "reindex", "object": "public.a", "now": "86 MB", "after": "~31 MB",
              "undo": "not needed: same index, rebuilt", "reversible": true },
        ],
        "checks": [{ "name": "room", "verdict": "Pass", "evidence": "41 GB free" }],
        "remarks": ["session 4711 keeps dead rows"], "assumed": [], "problems": [], "refused": false, "summary": "1 index to rebuild",
    }))?;
    plan.digest = windlass_fuzz::plan_digest(&plan);
    Ok(serde_json::to_string_pretty(&plan)?)
}

/// A run that ended and one that broke off, with content that is kept beside its entry.
fn journal(path: &Path) -> Outcome {
    let place = tempfile::tempdir()?;
    let store = Store::open(place.path(), Clock::system(), None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (run, entries) in [("251121-k3f", whole()), ("251121-m2d", broken_off())] {
        for entry in entries {
            let entry: Entry = serde_json::from_value(entry)?;
            runtime.block_on(store.append(&RunId(run.into()), entry))?;
        }
    }
    drop(store);
    std::fs::copy(place.path().join("journal.db"), path)?;
    Ok(())
}

fn begin() -> Value {
    json!({
        "kind": "begin", "format": 1, "procedure": "pg-optimize", "version": "0.1.0", "digest": format!("sha256:{}", "3f".repeat(32)),
        "target": "orders", "parameters": {}, "grants": [], "plan": null, "by": "ana", "host": "0.1.0"
    })
}

fn intended(effect: u64) -> Value {
    let call = json!({ "room": "database", "effect": "analyze", "database": "orders", "table": { "schema": "public", "name": "a" } });
    let prepared = json!({
        "before": {}, "foreseen": null, "undo": { "not-needed": "statistics follow the rows" }, "touches": [], "now": "old", "after": "new"
    });
    json!({ "kind": "intended", "effect": effect, "call": call, "prepared": prepared })
}

fn whole() -> Vec<Value> {
    let done = json!({ "kind": "done", "effect": 1, "applied": { "answer": null, "after": "new" }, "confirmed": false });
    vec![
        begin(),
        json!({ "kind": "step", "name": "look" }),
        json!({ "kind": "observed", "call": { "ask": { "ask": "now" } }, "answer": { "Ok": 1_763_726_400_100_u64 } }),
        intended(1),
        json!({ "kind": "noted", "effect": 1, "note": { "pid": 4711 } }),
        done,
        json!({ "kind": "check", "name": "fresh", "verdict": "Pass", "evidence": "analyzed" }),
        json!({ "kind": "end", "outcome": "succeeded", "summary": "1 table analyzed" }),
    ]
}

fn broken_off() -> Vec<Value> {
    let large: Vec<_> = (0..400_u32)
        .map(|n| json!({ "table": n, "bytes": n * 7919 }))
        .collect();
    let call = json!({ "read": { "room": "database", "read": "tables", "database": "orders" } });
    vec![
        begin(),
        json!({ "kind": "observed", "call": call, "answer": { "Ok": large } }),
        intended(1),
    ]
}
