//! The custom section that makes a component a plugin.

use serde::Deserialize;
use windlass::grant::Capabilities;
use windlass::plugin::{Manifest, ManifestError, is_name};

#[derive(Deserialize)]
struct Embedded {
    manifest: String,
}

/// The content of a manifest section.
///
/// # Panics
///
/// If an error in the embedded `plugin.toml` does not tell a place in it; if what is accepted has an unusable name, or needs that do not
/// print and parse to the same; if a run's needs go beyond the widest that reviewers are shown.
pub fn manifest(data: &[u8]) {
    match Manifest::parse(data) {
        Ok(manifest) => {
            assert!(is_name(&manifest.name), "{}", manifest.name);
            prints_and_parses(manifest.written_needs());
            fits_the_widest(&manifest);
        }
        Err(errors) => tells_the_place(data, &errors),
    }
}

/// Capabilities are one type in manifests and grants: as text they are the same again.
pub(crate) fn prints_and_parses(capabilities: &Capabilities) {
    let text = toml::to_string(capabilities).expect("capabilities can be written");
    let again: Capabilities = toml::from_str(&text).expect("what was written can be read");
    assert_eq!(again, *capabilities, "{text}");
}

fn fits_the_widest(manifest: &Manifest) {
    let Ok(parameters) = manifest.parameters_check(serde_json::Map::new()) else {
        return;
    };
    let (Ok(needs), Ok(widest)) = (
        manifest.needs("orders", &parameters),
        manifest.widest_needs("orders"),
    ) else {
        return;
    };
    for (need, wide) in needs.database.iter().zip(&widest.database) {
        assert_eq!(need.verbs, wide.verbs);
        for (narrow, wide) in [
            (&need.databases, &wide.databases),
            (&need.schemas, &wide.schemas),
            (&need.tables, &wide.tables),
        ] {
            for pattern in narrow {
                let covered = wide.iter().any(|wide| wide.covers(pattern));
                assert!(covered, "{pattern:?} is beyond {wide:?}");
            }
        }
    }
}

fn tells_the_place(data: &[u8], errors: &[ManifestError]) {
    assert!(!errors.is_empty(), "refused without a reason");
    for error in errors {
        if let ManifestError::Document(error) = error {
            let embedded: Embedded =
                serde_json::from_slice(data).expect("its document was found in it");
            crate::place::is_in(&error.to_string(), "plugin.toml", &embedded.manifest);
        }
    }
}
