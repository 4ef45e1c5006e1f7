//! Asks a compiled procedure what parameters it takes.
//!
//! The core module is run once by an interpreter, with no host behind it: each import is a trap, so the answer can depend on nothing.

use serde_json::Value;
use wasmi::{Config, Engine, Extern, ExternType, Func, Linker, Memory, Module, Store, StoreLimits};

const EXPORT: &str = "windlass:procedure/procedure@0.1.0#parameters-schema";

/// A derived schema takes about a million instructions.
const FUEL: u64 = 20_000_000;
const MEMORY: usize = 64 << 20;
const LONGEST: usize = 1 << 20;

/// Why the schema is not known.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The module exports no `parameters-schema`, or not as the contract has it.
    #[error("the compiled crate exports no procedure")]
    NoProcedure,
    /// It called the host, ran too long, or trapped.
    #[error("the procedure could not be asked for its parameters")]
    Failed(#[source] wasmi::Error),
    /// The answer lies outside of its memory or is very long.
    #[error("the schema of the parameters is longer than 1 MiB or not in memory")]
    OutOfBounds,
    /// It answered something else.
    #[error("the schema of the parameters is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The parameters are not a struct.
    #[error("the parameters must be an object, but their schema says {0}")]
    NotAnObject(String),
}

impl SchemaError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoProcedure => Some("windlass_sdk::export!(YourProcedure); in lib.rs".to_owned()),
            Self::NotAnObject(_) => Some(
                "type Parameters = a struct with named fields; an empty one, `struct Parameters {}`, takes none".to_owned(),
            ),
            Self::Failed(_) | Self::OutOfBounds | Self::NotJson(_) => None,
        }
    }
}

/// The JSON Schema that the module answers.
pub(crate) fn of_module(core: &[u8]) -> Result<Value, SchemaError> {
    let text = ask(core)?;
    let schema: Value = serde_json::from_slice(&text).map_err(SchemaError::NotJson)?;
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "object" => Ok(schema),
        Some(other) => Err(SchemaError::NotAnObject(other.to_string())),
        None => Err(SchemaError::NotAnObject("nothing of its type".to_owned())),
    }
}

fn ask(core: &[u8]) -> Result<Vec<u8>, SchemaError> {
    let engine = Engine::new(Config::default().consume_fuel(true));
    let module = Module::new(&engine, core).map_err(SchemaError::Failed)?;
    let limits = wasmi::StoreLimitsBuilder::new().memory_size(MEMORY).build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    store.set_fuel(FUEL).map_err(SchemaError::Failed)?;
    let linker = without_host(&module, &mut store)?;
    let instance = linker
        .instantiate_and_start(&mut store, &module)
        .map_err(SchemaError::Failed)?;
    let answer = instance
        .get_typed_func::<(), u32>(&store, EXPORT)
        .map_err(|_| SchemaError::NoProcedure)?
        .call(&mut store, ())
        .map_err(SchemaError::Failed)?;
    match instance.get_export(&store, "memory") {
        Some(Extern::Memory(memory)) => string_at(&store, memory, answer),
        Some(_) | None => Err(SchemaError::NoProcedure),
    }
}

/// Each import exists, and traps when called.
fn without_host(
    module: &Module,
    store: &mut Store<StoreLimits>,
) -> Result<Linker<StoreLimits>, SchemaError> {
    let mut linker = Linker::new(module.engine());
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else {
            continue;
        };
        let called = format!("it called `{}` of `{}`", import.name(), import.module());
        let trap = Func::new(&mut *store, ty.clone(), move |_, _, _| {
            Err(wasmi::Error::new(called.clone()))
        });
        linker
            .define(import.module(), import.name(), trap)
            .map_err(|error| SchemaError::Failed(wasmi::Error::new(error.to_string())))?;
    }
    Ok(linker)
}

/// The canonical ABI answers a string as the address of its address and length.
fn string_at(
    store: &Store<StoreLimits>,
    memory: Memory,
    answer: u32,
) -> Result<Vec<u8>, SchemaError> {
    let data = memory.data(store);
    let word = |at: usize| -> Option<usize> {
        let bytes = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let text = || {
        let answer = usize::try_from(answer).ok()?;
        let (start, length) = (word(answer)?, word(answer.checked_add(4)?)?);
        let text = data.get(start..start.checked_add(length)?)?;
        (length <= LONGEST).then(|| text.to_vec())
    };
    text().ok_or(SchemaError::OutOfBounds)
}

#[cfg(test)]
mod tests {
    use super::{EXPORT, SchemaError, of_module};

    /// A module whose export runs `body` and whose memory holds `text` at 16, described at 0.
    fn module(text: &str, body: &str) -> Vec<u8> {
        let length = text.len();
        let escaped = text.replace('"', "\\22");
        let wat = format!(
            r#"(module
                (import "windlass:procedure/run@0.1.0" "now" (func $now (result i64)))
                (memory (export "memory") 1)
                (data (i32.const 0) "\10\00\00\00\{length:02x}\00\00\00")
                (data (i32.const 16) "{escaped}")
                (func (export "{EXPORT}") (result i32) {body}))"#
        );
        wat.into_bytes()
    }

    #[test]
    fn the_schema_is_read_from_memory() {
        let schema = of_module(&module(r#"{"type":"object"}"#, "i32.const 0")).unwrap();
        assert_eq!(schema, serde_json::json!({ "type": "object" }));
    }

    #[test]
    fn the_host_cannot_be_asked() {
        let error = of_module(&module("", "call $now drop i32.const 0")).unwrap_err();
        let SchemaError::Failed(cause) = error else {
            panic!("{error}")
        };
        assert!(cause.to_string().contains("it called `now`"), "{cause}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |text, body| of_module(&module(text, body)).unwrap_err();
        assert!(matches!(
            error("", "i32.const 70000"),
            SchemaError::OutOfBounds
        ));
        assert!(matches!(error("{", "i32.const 0"), SchemaError::NotJson(_)));
        assert!(matches!(
            error("{}", "i32.const 0"),
            SchemaError::NotAnObject(_)
        ));
        assert!(matches!(
            error(r#"{"type":"string"}"#, "i32.const 0"),
            SchemaError::NotAnObject(_)
        ));
        assert!(matches!(
            error("", "(loop br 0) i32.const 0"),
            SchemaError::Failed(_)
        ));
    }

    #[test]
    fn another_module_is_no_procedure() {
        let module = wasm_encoder::Module::new().finish();
        assert!(matches!(of_module(&module), Err(SchemaError::NoProcedure)));
    }
}
