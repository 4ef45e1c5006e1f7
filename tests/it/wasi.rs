//! A component of a language that cannot do without a WASI: it gets an empty one, and a resumed run sees in it what it saw before.

use crate::world::World;
use windlass::journal::{Entry, Stamped, Store};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Logs what its clock says (seconds, nanoseconds) and a random number in hexadecimal, then ends with the latter.
const GUEST: &str = r#"
(module
  (import "wasi:clocks/wall-clock@0.2.6" "now" (func $now (param i32)))
  (import "wasi:random/random@0.2.6" "get-random-u64" (func $random (result i64)))
  (import "windlass:procedure/run@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 4096))
  (data (i32.const 0) "0123456789abcdef")
  (data (i32.const 64) "{\"type\":\"object\"}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $place i32)
    (local.set $place (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))
    (local.get $place))
  (func $say (param $number i64)
    (local $digit i32)
    (loop $more
      (i32.store8
        (i32.add (i32.const 256) (local.get $digit))
        (i32.load8_u (i32.wrap_i64 (i64.shr_u (local.get $number) (i64.const 60)))))
      (local.set $number (i64.shl (local.get $number) (i64.const 4)))
      (local.set $digit (i32.add (local.get $digit) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $digit) (i32.const 16))))
    (call $log (i32.const 1) (i32.const 256) (i32.const 16)))
  (func (export "windlass:procedure/procedure@0.1.0#parameters-schema") (result i32)
    (i32.store (i32.const 128) (i32.const 64))
    (i32.store (i32.const 132) (i32.const 17))
    (i32.const 128))
  (func (export "windlass:procedure/procedure@0.1.0#run") (result i32)
    (call $now (i32.const 512))
    (call $say (i64.load (i32.const 512)))
    (call $say (i64.extend_i32_u (i32.load (i32.const 520))))
    (call $say (call $random))
    (i32.store (i32.const 640) (i32.const 0))
    (i32.store (i32.const 644) (i32.const 256))
    (i32.store (i32.const 648) (i32.const 16))
    (i32.const 640)))
"#;

const WORLD: &str = r"
package test:guest;

world guest {
    include windlass:procedure/everything@0.1.0;
    import wasi:clocks/wall-clock@0.2.6;
    import wasi:random/random@0.2.6;
}

package wasi:clocks@0.2.6 {
    interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
    }
}

package wasi:random@0.2.6 {
    interface random {
        get-random-u64: func() -> u64;
    }
}
";

const MANIFEST: &str = r#"
[procedure]
name = "guest"
version = "1.0.0"
summary = "Looks at its clock and at a random number."
danger = "read"
"#;

fn component() -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve
        .push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"))
        .unwrap();
    let package = resolve.push_str("guest.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(GUEST).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap();
    let component = encoder.encode().unwrap();
    let parameters = serde_json::json!({ "type": "object", "properties": {} });
    windlass_build::embed(&component, MANIFEST, &parameters).unwrap()
}

fn logged(world: &World) -> (Vec<Stamped>, Vec<String>) {
    let store = Store::open_read_only(&world.state()).unwrap();
    let (run, _) = store.runs().unwrap().remove(0);
    let entries = store.entries(&run).unwrap();
    let lines = entries.iter().filter_map(|stamped| {
        let Entry::Log { message, .. } = &stamped.entry else {
            return None;
        };
        Some(message.clone())
    });
    let lines = lines.collect();
    (entries, lines)
}

#[test]
fn a_language_that_needs_a_wasi_gets_an_empty_one_that_a_resumed_run_sees_again() {
    let world = World::new();
    std::fs::write(world.path().join("guest.wasm"), component()).unwrap();
    let inspected = world.windlass(&["inspect", "./guest.wasm"]).expect(0);
    assert!(inspected.stdout.contains("WASI"), "{inspected}");
    world.grant("./guest.wasm", "orders");
    let typed = ["run", "./guest.wasm", "--target", "orders"];
    // Killed after all lines: what a clock that moves or real randomness said would not be said again.
    world
        .windlass_with(&[("WINDLASS_TEST_KILL_AT", "log:3")], &typed)
        .expect(128 + 9);
    let (entries, before) = logged(&world);
    assert_eq!(before.len(), 3);
    let run = world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json();
    let run = run["runs"][0]["run"].as_str().unwrap().to_owned();
    world.windlass(&["resume", &run]).expect(0);
    assert_eq!(logged(&world).1, before);
    // The clock stands where the run began.
    let [seconds, nanoseconds] = [0, 1].map(|line| u64::from_str_radix(&before[line], 16).unwrap());
    assert_eq!(seconds * 1000 + nanoseconds / 1_000_000, entries[0].at.0);
}
