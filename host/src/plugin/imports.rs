//! What a component's bytes say, before anything of it is compiled or runs. Pure.

use super::component::ComponentError;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{BinaryReaderError, Parser, Payload, Validator, WasmFeatures};

/// How deep modules and components may lie within each other. Real ones need three; the validator takes the square of it in time.
const DEPTH: usize = 50;

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Such as `windlass:procedure`.
    pub package: String,
    /// Such as `database-read`.
    pub interface: String,
    /// Such as `0.1.0`; empty if the name has none.
    pub version: String,
    /// Names of its functions that the component can call.
    pub functions: Vec<String>,
}

impl Import {
    fn new(name: &str, functions: Vec<String>) -> Self {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        Self {
            package: package.to_owned(),
            interface: interface.to_owned(),
            version: version.to_owned(),
            functions,
        }
    }

    /// `package/interface@version`, as the component spells it.
    pub fn name(&self) -> String {
        let mut name = self.package.clone();
        for (separator, part) in [("/", &self.interface), ("@", &self.version)] {
            if !part.is_empty() {
                name.push_str(separator);
                name.push_str(part);
            }
        }
        name
    }

    /// Whether it belongs to a WASI package.
    pub fn is_wasi(&self) -> bool {
        self.package.starts_with("wasi:")
    }
}

/// What is to be seen from outside.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub(super) imports: Vec<Import>,
    /// Functions by the name of the exported interface.
    pub(super) exports: BTreeMap<String, BTreeSet<String>>,
    /// Offset and content of each manifest section of the component itself; those of nested modules do not count.
    pub(super) manifests: Vec<(usize, &'a [u8])>,
}

/// Reads and validates the bytes.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's own enum; what is left out is inside"
)]
pub(super) fn read(bytes: &[u8]) -> Result<Shape<'_>, ComponentError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(ComponentError::NotWasm);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(ComponentError::CoreModule);
    }
    check_depth(bytes)?;
    let types = Validator::new_with_features(WasmFeatures::default())
        .validate_all(bytes)
        .map_err(|error| invalid(&error))?;
    let types = types.as_ref();
    let mut shape = Shape {
        imports: Vec::new(),
        exports: BTreeMap::new(),
        manifests: Vec::new(),
    };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| invalid(&error))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == super::SECTION => {
                shape
                    .manifests
                    .push((section.range().start, section.data()));
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.map_err(|error| invalid(&error))?.name.name;
                    let item = types.component_item_for_import(name);
                    let functions = item.map(|item| functions(types, name, item.ty));
                    let functions = functions.unwrap_or_default().into_iter().collect();
                    shape.imports.push(Import::new(name, functions));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.map_err(|error| invalid(&error))?.name.name;
                    let item = types.component_item_for_export(name);
                    let functions = item.map(|item| functions(types, name, item.ty));
                    shape
                        .exports
                        .insert(name.to_owned(), functions.unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    Ok(shape)
}

fn invalid(error: &BinaryReaderError) -> ComponentError {
    ComponentError::Invalid {
        offset: error.offset(),
        message: error.message().to_owned(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's own enum; only what opens and closes counts"
)]
fn check_depth(bytes: &[u8]) -> Result<(), ComponentError> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| invalid(&error))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Err(ComponentError::Nested { limit: DEPTH });
        }
    }
    Ok(())
}

/// Names of the functions of an instance; a bare function is its own.
fn functions(types: TypesRef<'_>, name: &str, entity: ComponentEntityType) -> BTreeSet<String> {
    match entity {
        ComponentEntityType::Instance(id) => types[id]
            .exports
            .iter()
            .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
            .map(|(name, _)| name.clone())
            .collect(),
        ComponentEntityType::Func(_) => BTreeSet::from([name.to_owned()]),
        ComponentEntityType::Module(_)
        | ComponentEntityType::Value(_)
        | ComponentEntityType::Type { .. }
        | ComponentEntityType::Component(_) => BTreeSet::new(),
    }
}
