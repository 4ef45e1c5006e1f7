//! Grant files.

use windlass::grant::GrantFile;

/// A grant file's text.
///
/// # Panics
///
/// If an error does not tell a place in the text; if what is accepted does not print and parse to the same, grants an empty scope, or
/// has a scope whose line is not in the file.
pub fn grant(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match GrantFile::parse("grant.toml", &text) {
        Ok(grant) => {
            crate::manifest::prints_and_parses(&grant.capabilities());
            let lines = text.split('\n').count();
            for (line, scope) in &grant.scopes {
                assert!((1..=lines).contains(line), "line {line} of {lines}");
                assert!(!scope.verbs.is_empty() && !scope.databases.is_empty());
            }
        }
        Err(error) => crate::place::is_in(&error.to_string(), "grant.toml", &text),
    }
}
