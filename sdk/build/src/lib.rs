//! Builds a windlass procedure: compile, componentize, embed the manifest.
//!
//! The same code makes the built-in procedures and those of `windlass build`. What it makes does not depend on the machine or the
//! folder: the same sources, lock file and compiler give the same digest, so a reviewer can build a component again and compare. The
//! exceptions are a path dependency outside of the workspace, whose absolute path cargo hashes into the names of its symbols, and a
//! profile of single packages (`profile.release.package`) in the configuration of whoever builds.
#![forbid(unsafe_code)]

mod compile;
mod files;
mod manifest;
mod schema;
mod section;
pub mod toolchain;

pub use compile::CompileError;
pub use files::FileError;
pub use manifest::{ManifestError, Procedure};
pub use schema::SchemaError;
pub use section::{EmbedError, FORMAT, SECTION, embed};
pub use toolchain::{Toolchain, ToolchainError};

use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// What is built and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The folder of the procedure, with its `Cargo.toml` and `plugin.toml`.
    pub dir: PathBuf,
    /// Where the compiler keeps its work. Give it a folder of its own: a build from within a build would wait for itself.
    pub target_dir: PathBuf,
    /// Fetch nothing.
    pub offline: bool,
    /// Fail if `Cargo.lock` would have to change.
    pub locked: bool,
    /// Pass what the compiler says to standard error while it works. Otherwise it is part of the error.
    pub show_compiler: bool,
}

impl Request {
    /// As most want it: what the lock file lacks is added to it, what is missing is fetched, the compiler is heard.
    pub fn new(dir: impl Into<PathBuf>, target_dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            target_dir: target_dir.into(),
            offline: false,
            locked: false,
            show_compiler: true,
        }
    }
}

/// A procedure, ready to be shipped.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// By its manifest.
    pub name: String,
    /// By its manifest.
    pub version: String,
    /// The component with the manifest and the parameters' schema inside.
    pub component: Vec<u8>,
    /// Of the component, as `sha256:…`.
    pub digest: String,
}

/// Why no component came out.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each says only which part failed; the part's own error is documented"
)]
pub enum BuildError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
}

impl BuildError {
    /// The next command, or the line to add, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(_) | Self::Embed(_) => None,
            Self::Manifest(error) => error.hint(),
            Self::Toolchain(error) => error.hint(),
            Self::Compile(error) => error.hint(),
            Self::Schema(error) => error.hint(),
        }
    }
}

/// Compiles the procedure, makes it a component and embeds its manifest and the schema of its parameters.
///
/// Starts `cargo` and `rustc`, which write to the target directory; nothing else is written. Takes seconds when something changed,
/// a few hundred milliseconds otherwise.
pub fn build(request: &Request) -> Result<Built, BuildError> {
    let text = files::text(&request.dir.join("plugin.toml"))?;
    let procedure = Procedure::of(&request.dir.join("plugin.toml"), &text)?;
    let toolchain = toolchain::find(&request.dir)?;
    let core = compile::compile(request, &toolchain, &procedure)?;
    let parameters = schema::of_module(&core)?;
    let component = embed(&compile::componentize(&core)?, &text, &parameters)?;
    Ok(Built {
        name: procedure.name,
        version: procedure.version,
        digest: digest(&component),
        component,
    })
}

/// The name by which grants and journals know these bytes: `sha256:…`.
pub fn digest(component: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(component)))
}
