//! The part of `plugin.toml` that the builder itself needs. The host reads all of it, and strictly.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Who the procedure says it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Procedure {
    /// Such as `pg-optimize`.
    pub name: String,
    /// The same as in `Cargo.toml`.
    pub version: String,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {reason}", path.display())]
pub struct ManifestError {
    path: PathBuf,
    line: usize,
    reason: String,
}

#[derive(Deserialize)]
struct Manifest {
    procedure: Procedure,
}

impl Procedure {
    /// Reads it from the text of a manifest; the path is for messages.
    pub fn of(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| ManifestError {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            reason: error.message().trim().to_owned(),
        })?;
        Ok(manifest.procedure)
    }
}

impl ManifestError {
    pub(crate) fn hint(&self) -> Option<String> {
        self.reason.contains("missing field").then(|| {
            "a manifest begins with [procedure], name, version, summary and danger".to_owned()
        })
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::Procedure;
    use std::path::Path;

    #[test]
    fn a_bad_manifest_is_named_with_its_line() {
        let of = |text| Procedure::of(Path::new("plugin.toml"), text).map_err(|e| e.to_string());
        let good = of("[procedure]\nname = \"a\"\nversion = \"1\"\nsummary = \"\"\n").unwrap();
        assert_eq!((good.name.as_str(), good.version.as_str()), ("a", "1"));
        let error = of("[procedure]\nname = \"a\"\nversion = 1\n").unwrap_err();
        assert!(error.starts_with("plugin.toml:3: invalid type"), "{error}");
        let error = of("[procedure]\nname = \"a\"\n").unwrap_err();
        assert_eq!(error, "plugin.toml:1: missing field `version`");
    }
}
