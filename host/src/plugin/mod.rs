//! Plugins: a component, the manifest in it, and what the two prove together.

pub(crate) mod builtin;
pub mod compiled;
mod component;
mod facts;
mod imports;
mod manifest;
mod parameters;
mod problem;
mod schema;
mod template;

pub use component::{Component, ComponentError};
pub use facts::{Cannot, ClusterNeed, Facts, NeedFacts};
pub use imports::Import;
pub use manifest::{Estimates, Manifest, ManifestError};
pub use parameters::{ParameterError, ParameterFacts, Parameters};
pub use problem::Problem;
pub(crate) use problem::verb_name;
pub use template::TemplateError;

/// The package of interfaces that windlass offers, and its one supported version.
pub const PACKAGE: &str = "windlass:procedure";
/// See [`PACKAGE`].
pub const PACKAGE_VERSION: &str = "0.1.0";
/// The custom section that carries the manifest.
pub const SECTION: &str = "windlass:manifest";

/// Whether the text can name a procedure, a target, a channel, an event or an invariant: `[a-z][a-z0-9-]{0,62}`.
pub fn is_name(text: &str) -> bool {
    let mut letters = text.bytes();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && text.len() <= 63
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
pub(crate) mod tests;
