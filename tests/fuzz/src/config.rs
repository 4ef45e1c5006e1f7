//! `windlass.toml`.

use std::path::Path;
use windlass::config::{Config, ConfigError};
use windlass::{folder, plugin};

/// The file's text.
///
/// # Panics
///
/// If an error does not tell a place in the text; if a target is accepted that has no usable name or cannot be found by it.
pub fn config(data: &[u8]) {
    let place = tempfile::tempdir().expect("a folder can be made");
    let path = place.path().join("windlass.toml");
    folder::write(&path, data, false).expect("a file can be written");
    match Config::find(Some(&path), place.path()) {
        Ok(config) => names_lead_to_targets(&config, place.path()),
        Err(ConfigError::Document(error)) => {
            let text = std::str::from_utf8(data).expect("it was read as text");
            crate::place::is_in(&error.to_string(), "windlass.toml", text);
        }
        // Not text at all.
        Err(ConfigError::File(_)) => assert!(std::str::from_utf8(data).is_err()),
        Err(error) => panic!("reading a file cannot end so: {error}"),
    }
}

fn names_lead_to_targets(config: &Config, folder: &Path) {
    assert!(config.grants.is_absolute() && config.state.is_absolute());
    assert!(config.file.starts_with(folder));
    for name in config.databases.keys() {
        assert!(plugin::is_name(name), "{name}");
        let found = config.database(name).expect("it is listed");
        assert_eq!(found.name, *name);
        assert!(found.invariants.keys().all(|name| plugin::is_name(name)));
    }
}
