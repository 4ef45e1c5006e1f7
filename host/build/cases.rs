//! Makes a component of each folder in `tests/hostile/`; see the README there.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use wasm_encoder::{Component, CustomSection, InstanceSection, Module, ModuleSection, RawSection};
use wasm_encoder::{ComponentSection as _, Section as _};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Puts every component into `out`, and `cases.rs` beside them: name, `case.toml` and component of each.
pub(crate) fn build(workspace: &Path, out: &Path) -> Result<()> {
    let suite = workspace.join("tests/hostile");
    let mut list = String::from("pub(super) const CASES: &[(&str, &str, &[u8])] = &[\n");
    for folder in folders(&suite)? {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let component = Case::read(&suite, &folder)
            .and_then(|case| case.component(workspace))
            .map_err(|error| format!("tests/hostile/{name}: {error:#}"))?;
        let file = format!("hostile-{name}");
        std::fs::write(out.join(format!("{file}.wasm")), component)?;
        std::fs::copy(folder.join("case.toml"), out.join(format!("{file}.toml")))?;
        let included = |include: &str, extension: &str| {
            format!("{include}!(concat!(env!(\"OUT_DIR\"), \"/{file}.{extension}\"))")
        };
        let (text, bytes) = (
            included("include_str", "toml"),
            included("include_bytes", "wasm"),
        );
        writeln!(list, "    ({name:?}, {text}, {bytes}),")?;
    }
    list.push_str("];\n");
    std::fs::write(out.join("cases.rs"), list)?;
    Ok(())
}

/// In the order of their names.
fn folders(suite: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in suite.read_dir()? {
        let path = entry?.path();
        if path.join("case.toml").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The texts of one case.
struct Case {
    guest: String,
    preamble: String,
    manifest: String,
    world: Option<String>,
    /// The section `[component]` of its `case.toml`.
    made: toml::Table,
}

impl Case {
    fn read(suite: &Path, folder: &Path) -> Result<Self> {
        let text = |path: PathBuf| {
            std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let own_or_shared = |name: &str| {
            let own = folder.join(name);
            text(if own.exists() { own } else { suite.join(name) })
        };
        let case: toml::Table = text(folder.join("case.toml"))?.parse()?;
        let made = case.get("component").and_then(toml::Value::as_table);
        let world = folder.join("world.wit");
        Ok(Self {
            guest: text(folder.join("guest.wat"))?,
            preamble: text(suite.join("preamble.wat"))?,
            manifest: own_or_shared("plugin.toml")?,
            world: world.exists().then(|| text(world)).transpose()?,
            made: made.cloned().unwrap_or_default(),
        })
    }

    fn component(&self, workspace: &Path) -> Result<Vec<u8>> {
        let mut module = wat::parse_str(format!("(module\n{}\n{}\n)", self.guest, self.preamble))?;
        if self.is("core") {
            return Ok(module);
        }
        let (resolve, package) = self.resolve(&workspace.join("wit"))?;
        let world = resolve.select_world(&[package], None)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        let encoder = ComponentEncoder::default().validate(true).module(&module);
        let mut component = encoder?.encode()?;
        add_instances(&mut component, self.number("instances").unwrap_or(0))?;
        for _ in 0..self.number("manifests").unwrap_or(1) {
            add_manifest(&mut component, &self.manifest);
        }
        for _ in 0..self.number("nested").unwrap_or(0) {
            component = nested(&component);
        }
        component.truncate(self.number("cut").unwrap_or(usize::MAX));
        Ok(component)
    }

    /// The interfaces that the guest imports and exports: the contract's, and what `world.wit` adds to them, unless it is the contract.
    fn resolve(&self, contract: &Path) -> Result<(Resolve, PackageId)> {
        let mut resolve = Resolve::default();
        let own = self.world.as_deref();
        if own.is_some_and(|text| text.starts_with("package windlass:procedure@")) {
            let package = resolve.push_str("world.wit", own.unwrap_or_default())?;
            return Ok((resolve, package));
        }
        let (package, _) = resolve.push_dir(contract)?;
        match own {
            Some(text) => {
                let package = resolve.push_str("world.wit", text)?;
                Ok((resolve, package))
            }
            None => Ok((resolve, package)),
        }
    }

    fn is(&self, key: &str) -> bool {
        self.made.get(key).and_then(toml::Value::as_bool) == Some(true)
    }

    fn number(&self, key: &str) -> Option<usize> {
        let number = self.made.get(key)?.as_integer()?;
        usize::try_from(number).ok()
    }
}

fn add_manifest(component: &mut Vec<u8>, manifest: &str) {
    let parameters = serde_json::json!({ "type": "object" });
    let content =
        serde_json::json!({ "format": 1, "manifest": manifest, "parameters": parameters });
    let section = CustomSection {
        name: windlass_build::SECTION.into(),
        data: content.to_string().into_bytes().into(),
    };
    section.append_to(component);
}

/// Instances of a module without anything in it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's own enum; only what opens and closes counts"
)]
fn add_instances(component: &mut Vec<u8>, count: usize) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut depth = 0;
    let mut modules = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } => {
                modules += u32::from(depth == 0);
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    ModuleSection(&Module::new()).append_to_component(component);
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        instances.instantiate::<_, &str>(modules, []);
    }
    instances.append_to_component(component);
    Ok(())
}

/// A component with nothing in it but this one.
fn nested(component: &[u8]) -> Vec<u8> {
    let mut outer = Component::new();
    outer.section(&RawSection {
        id: wasm_encoder::ComponentSectionId::Component as u8,
        data: component,
    });
    outer.finish()
}
