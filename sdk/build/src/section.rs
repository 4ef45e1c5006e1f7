//! The one custom section that makes a component a plugin.

use serde_json::{Value, json};
use wasm_encoder::{CustomSection, Section};
use wasmparser::{Encoding, Parser, Payload};

/// Its name.
pub const SECTION: &str = "windlass:manifest";

/// The version of what is in it: `{"format":1,"manifest":"<plugin.toml>","parameters":<JSON Schema>}`.
pub const FORMAT: u32 = 1;

/// Why a manifest was not embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The bytes are no WebAssembly, or broken.
    #[error("not a WebAssembly component")]
    Malformed(#[source] wasmparser::BinaryReaderError),
    /// WebAssembly, but the core kind.
    #[error("a core WebAssembly module, not a component")]
    NotAComponent,
    /// It was done before. A second manifest would make it unclear which one holds.
    #[error("the component already has a section `windlass:manifest`, at byte {0}")]
    AlreadyThere(usize),
}

/// Adds the text of a manifest and the JSON Schema of the parameters to a component of any language.
pub fn embed(component: &[u8], manifest: &str, parameters: &Value) -> Result<Vec<u8>, EmbedError> {
    check(component)?;
    let content = json!({ "format": FORMAT, "manifest": manifest, "parameters": parameters });
    let section = CustomSection {
        name: SECTION.into(),
        data: content.to_string().into_bytes().into(),
    };
    let mut plugin = component.to_vec();
    section.append_to(&mut plugin);
    Ok(plugin)
}

fn check(component: &[u8]) -> Result<(), EmbedError> {
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(EmbedError::Malformed)?;
        if let Payload::Version { encoding, .. } = payload {
            depth += 1;
            if depth == 1 && encoding != Encoding::Component {
                return Err(EmbedError::NotAComponent);
            }
        }
        // Sections of nested modules count too: the host accepts none there.
        if let Payload::CustomSection(section) = payload
            && section.name() == SECTION
        {
            return Err(EmbedError::AlreadyThere(section.range().start));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{EmbedError, SECTION, embed};
    use serde_json::{Value, json};
    use wasm_encoder::{Component, ModuleSection};
    use wasmparser::{Parser, Payload};

    fn sections(component: &[u8]) -> Vec<Value> {
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(component) {
            if let Payload::CustomSection(section) = payload.unwrap()
                && section.name() == SECTION
            {
                found.push(serde_json::from_slice(section.data()).unwrap());
            }
        }
        found
    }

    #[test]
    fn one_section_with_everything() {
        let plugin = embed(
            &Component::new().finish(),
            "[procedure]\n",
            &json!({ "type": "object" }),
        )
        .unwrap();
        let expected =
            json!({ "format": 1, "manifest": "[procedure]\n", "parameters": { "type": "object" } });
        assert_eq!(sections(&plugin), [expected]);
        wasmparser::Validator::new().validate_all(&plugin).unwrap();
    }

    #[test]
    fn a_second_manifest_is_refused() {
        let plugin = embed(&Component::new().finish(), "", &json!({})).unwrap();
        assert!(matches!(
            embed(&plugin, "", &json!({})),
            Err(EmbedError::AlreadyThere(_))
        ));
    }

    #[test]
    fn a_manifest_inside_a_nested_module_is_refused() {
        let mut module = wasm_encoder::Module::new();
        module.section(&wasm_encoder::CustomSection {
            name: SECTION.into(),
            data: b"{}".into(),
        });
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        let result = embed(&component.finish(), "", &json!({}));
        assert!(matches!(result, Err(EmbedError::AlreadyThere(_))));
    }

    #[test]
    fn only_components_are_taken() {
        let module = wasm_encoder::Module::new().finish();
        assert!(matches!(
            embed(&module, "", &json!({})),
            Err(EmbedError::NotAComponent)
        ));
        assert!(matches!(
            embed(b"no wasm at all", "", &json!({})),
            Err(EmbedError::Malformed(_))
        ));
    }
}
