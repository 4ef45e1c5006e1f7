//! A component as shipped: its bytes, its digest, its manifest, and the check that its imports and its manifest agree.

use super::builtin;
use super::facts::Facts;
use super::imports::{self, Import};
use super::manifest::Manifest;
use super::problem::{self, Problem};
use crate::folder::{self, FileError};
use crate::grant::Danger;
use crate::suggest::did_you_mean;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use thiserror::Error;

/// The largest component that is read.
const LIMIT: u64 = 128 << 20;

/// A component that was read and checked. It has not been compiled.
#[derive(Clone)]
pub struct Component {
    spec: String,
    bytes: Cow<'static, [u8]>,
    digest: String,
    manifest: Manifest,
    imports: Vec<Import>,
}

/// There is no usable component.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ComponentError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("there is no built-in procedure `{name}`")]
    NoBuiltin { name: String, hint: String },
    #[error("`{label}` cannot be used as a procedure")]
    Unusable {
        label: String,
        #[source]
        source: Box<ComponentError>,
    },
    #[error("it is not WebAssembly")]
    NotWasm,
    #[error("it is a core module, not a component")]
    CoreModule,
    #[error("it is not a valid component: {message} (at offset {offset:#x})")]
    Invalid { offset: usize, message: String },
    #[error("modules and components lie more than {limit} deep within it")]
    Nested { limit: usize },
    #[error("it is refused for {}", reasons(.0.len()))]
    Refused(Vec<Problem>),
}

fn reasons(count: usize) -> String {
    if count == 1 {
        "one reason".into()
    } else {
        format!("{count} reasons")
    }
}

impl ComponentError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBuiltin { hint, .. } => Some(hint.clone()),
            Self::Unusable { source, .. } => source.hint(),
            Self::CoreModule => {
                Some("build it with `windlass build`, which makes a component of it".into())
            }
            Self::Refused(problems) => problems.iter().find_map(Problem::hint),
            Self::File(_) | Self::NotWasm | Self::Nested { .. } | Self::Invalid { .. } => None,
        }
    }

    /// Every reason, where the component was read but refused.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Refused(problems) => problems,
            Self::Unusable { source, .. } => source.problems(),
            Self::File(_)
            | Self::NoBuiltin { .. }
            | Self::NotWasm
            | Self::CoreModule
            | Self::Nested { .. }
            | Self::Invalid { .. } => &[],
        }
    }
}

impl Component {
    /// Finds a procedure: a built-in one by its name, any other by its path, relative to `from`. A name has no `/` and does not end
    /// with `.wasm`.
    pub fn find(spec: &str, from: &Path) -> Result<Self, ComponentError> {
        let unusable = |source| ComponentError::Unusable {
            label: spec.to_owned(),
            source: Box::new(source),
        };
        let is_path =
            spec.contains(['/', '\\']) || Path::new(spec).extension().is_some_and(|e| e == "wasm");
        if is_path {
            let here = Path::new(spec);
            let bytes = folder::read(&from.join(here.strip_prefix(".").unwrap_or(here)), LIMIT)?;
            let component = Self::from_bytes(bytes).map_err(unusable)?;
            let spec = spec.to_owned();
            return Ok(Self { spec, ..component });
        }
        match builtin::find(spec) {
            Some(bytes) => Self::from_bytes(bytes).map_err(unusable),
            None => Err(ComponentError::NoBuiltin {
                name: spec.to_owned(),
                hint: hint(spec, from),
            }),
        }
    }

    /// Reads and checks a component. Everything that speaks against it is told at once.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, ComponentError> {
        let bytes = bytes.into();
        let shape = imports::read(&bytes)?;
        let mut problems = problem::interfaces(&shape);
        let manifest = match problem::manifest(&shape) {
            Ok(manifest) => {
                problems.extend(problem::agreement(&shape.imports, &manifest));
                Some(manifest)
            }
            Err(more) => {
                problems.extend(more);
                None
            }
        };
        let imports = shape.imports;
        match manifest {
            Some(manifest) if problems.is_empty() => Ok(Self {
                spec: manifest.name.clone(),
                digest: format!("sha256:{}", hex::encode(Sha256::digest(&bytes))),
                bytes,
                manifest,
                imports,
            }),
            Some(_) | None => Err(ComponentError::Refused(problems)),
        }
    }

    /// The name that people type.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What people are shown: its name, with its digest if the name is that of a built-in procedure and it is not that one.
    pub fn title(&self) -> String {
        builtin::title(self.name(), &self.digest)
    }

    /// Whether it has the name of a built-in procedure that it is not.
    pub fn borrows_its_name(&self) -> bool {
        builtin::borrows(self.name(), &self.digest)
    }

    /// What people type for it: its path, if it was found by one, else its name.
    pub fn spec(&self) -> &str {
        &self.spec
    }

    /// The procedure's version.
    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// `sha256:…` of the bytes: the name by which grants and journals know the component.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The component itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The interfaces that it imports, with the functions that it can call.
    pub fn imports(&self) -> &[Import] {
        &self.imports
    }

    /// Whether it imports an interface of windlass, such as `database-maintain`.
    pub fn imports_interface(&self, name: &str) -> bool {
        self.imports
            .iter()
            .any(|import| import.package == super::PACKAGE && import.interface == name)
    }

    /// Whether it was made for a language that needs a WASI. It gets an empty one.
    pub fn imports_wasi(&self) -> bool {
        self.imports.iter().any(Import::is_wasi)
    }

    /// Whether it can change a target at all.
    pub fn changes_something(&self) -> bool {
        self.manifest.danger >= Danger::Maintain
    }

    /// What a reviewer wants to know, from the bytes alone.
    pub fn facts(&self) -> Facts {
        Facts::of(self)
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Component({} {})", self.manifest.name, self.digest)
    }
}

fn hint(name: &str, from: &Path) -> String {
    if from.join(name).exists() {
        return format!("a file is named by a path: ./{name}");
    }
    did_you_mean(name, builtin::names()).unwrap_or_else(|| {
        let names: Vec<_> = builtin::names().collect();
        if names.is_empty() {
            "this windlass was built without procedures; run `cargo xtask setup`, then build it again".into()
        } else {
            format!("built in: {}; any other procedure is named by its path", names.join(", "))
        }
    })
}
