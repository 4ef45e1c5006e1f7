//! Procedures for measuring: each makes one call as often as its parameter `calls` says, and ends.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The call that a procedure makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `progress`: answered by the host, not recorded.
    Progress,
    /// `server`: a look at the target.
    Server,
    /// `analyze` of `public.accounts`: an effect whose end is waited for.
    Analyze,
    /// `drop-invalid-index` of `public.accounts`: an effect that leaves a trace, so that its end may ride with the next one's beginning.
    Drop,
    /// `sleep`, for a quarter of a minute.
    Sleep,
}

impl Call {
    /// The import and its use; a call that answers with an error leaves 1 behind at 1024.
    fn code(self) -> (&'static str, &'static str) {
        match self {
            Self::Progress => (
                r#"(import "windlass:procedure/run@0.1.0" "progress" (func $call (param i64 i64 i32 i32)))"#,
                "(call $call (local.get $left) (i64.const 0) (i32.const 0) (i32.const 6))",
            ),
            Self::Server => (
                r#"(import "windlass:procedure/database-read@0.1.0" "server" (func $call (param i32 i32 i32)))"#,
                "(call $call (i32.load (i32.const 520)) (i32.load (i32.const 524)) (i32.const 1024))",
            ),
            Self::Analyze => (
                r#"(import "windlass:procedure/database-maintain@0.1.0" "analyze" (func $call (param i32 i32 i32 i32 i32 i32 i32)))"#,
                "(call $call (i32.load (i32.const 520)) (i32.load (i32.const 524)) (i32.const 16) (i32.const 6) (i32.const 32) (i32.const 8) (i32.const 1024))",
            ),
            Self::Drop => (
                r#"(import "windlass:procedure/database-maintain@0.1.0" "drop-invalid-index" (func $call (param i32 i32 i32 i32 i32 i32 i32)))"#,
                "(call $call (i32.load (i32.const 520)) (i32.load (i32.const 524)) (i32.const 16) (i32.const 6) (i32.const 32) (i32.const 8) (i32.const 1024))",
            ),
            Self::Sleep => (
                r#"(import "windlass:procedure/run@0.1.0" "sleep" (func $call (param i64 i32)))"#,
                "(call $call (i64.const 15000) (i32.const 1024))",
            ),
        }
    }

    fn manifest(self) -> String {
        let (danger, verb) = match self {
            Self::Progress | Self::Sleep => ("read", None),
            Self::Server => ("read", Some("server")),
            Self::Analyze => ("maintain", Some("analyze")),
            Self::Drop => ("maintain", Some("drop-invalid-index")),
        };
        let head = format!(
            "[procedure]\nname = \"measured\"\nversion = \"1.0.0\"\nsummary = \"Makes one call many times.\"\ndanger = \"{danger}\"\n"
        );
        let need = verb.map(|verb| {
            format!(
                "[[needs.database]]\nreason = \"to be measured\"\ndatabases = [\"{{target}}\"]\nverbs = [\"{verb}\"]\nschemas = [\"*\"]\ntables = [\"*\"]\n"
            )
        });
        head + &need.unwrap_or_default()
    }

    /// The component that makes this call.
    pub(crate) fn component(self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
        let (package, _) = resolve.push_dir(wit).unwrap();
        let world = resolve
            .select_world(&[package], Some("everything"))
            .unwrap();
        let (import, call) = self.code();
        let text = GUEST.replace("{import}", import).replace("{call}", call);
        let mut module = wat::parse_str(text).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let mut encoder = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .unwrap();
        let parameters = serde_json::json!({
            "type": "object", "properties": { "calls": { "type": "integer", "minimum": 0, "default": 0 } }
        });
        windlass_build::embed(&encoder.encode().unwrap(), &self.manifest(), &parameters).unwrap()
    }
}

/// What the host allocates for an answer is forgotten before the next call. At 520 lies the target's name.
const GUEST: &str = r#"
(module
  (import "windlass:procedure/run@0.1.0" "parameters" (func $parameters (param i32)))
  (import "windlass:procedure/run@0.1.0" "target" (func $target (param i32)))
  {import}
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 4096))
  (data (i32.const 0) "moving")
  (data (i32.const 16) "public")
  (data (i32.const 32) "accounts")
  (data (i32.const 64) "{\"type\":\"object\",\"properties\":{\"calls\":{\"type\":\"integer\",\"minimum\":0,\"default\":0}}}")
  (data (i32.const 256) "a call failed")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $place i32)
    (local.set $place (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))
    (local.get $place))
  (func $calls (result i64)
    (local $at i32) (local $end i32) (local $calls i64) (local $digit i32)
    (call $parameters (i32.const 512))
    (local.set $at (i32.load (i32.const 512)))
    (local.set $end (i32.add (local.get $at) (i32.load (i32.const 516))))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (if (i32.lt_u (local.get $digit) (i32.const 10))
          (then
            (local.set $calls
              (i64.add (i64.mul (local.get $calls) (i64.const 10)) (i64.extend_i32_u (local.get $digit))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $more)))
    (local.get $calls))
  (func (export "windlass:procedure/procedure@0.1.0#parameters-schema") (result i32)
    (i32.store (i32.const 640) (i32.const 64))
    (i32.store (i32.const 644) (i32.const 83))
    (i32.const 640))
  (func (export "windlass:procedure/procedure@0.1.0#run") (result i32)
    (local $left i64) (local $forgotten i32)
    (local.set $left (call $calls))
    (call $target (i32.const 520))
    (local.set $forgotten (global.get $free))
    (i32.store (i32.const 644) (i32.const 256))
    (block $done
      (loop $more
        (br_if $done (i64.eqz (local.get $left)))
        (global.set $free (local.get $forgotten))
        (i32.store (i32.const 1024) (i32.const 0))
        {call}
        (if (i32.load8_u (i32.const 1024))
          (then
            (i32.store (i32.const 640) (i32.const 1))
            (i32.store (i32.const 648) (i32.const 13))
            (return (i32.const 640))))
        (local.set $left (i64.sub (local.get $left) (i64.const 1)))
        (br $more)))
    (i32.const 640)))
"#;
