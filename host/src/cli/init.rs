//! `windlass init`: a commented `windlass.toml` to begin with.

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::config::FILE;
use crate::folder::Folder;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

const TEXT: &str = include_str!("init.toml");

pub(super) fn execute(context: &Context, _args: &Args) -> Result<Exit, Failure> {
    let folder = Folder::open(&context.here)?;
    folder
        .write(FILE, TEXT.as_bytes(), false)
        .map_err(|error| {
            if error.is_in_the_way() {
                Failure::usage(format!("`{FILE}` is already here; it was left as it is"))
                    .hint("windlass doctor")
            } else {
                error.into()
            }
        })?;
    Folder::create(&context.here.join("grants"))?;
    if context.printer.is_json() {
        let written = json!({ "file": context.here.join(FILE).to_string_lossy(), "grants": context.here.join("grants").to_string_lossy() });
        context.printer.json("windlass.init/1", &written)?;
    } else {
        context
            .printer
            .text(format_args!("Wrote {FILE} and the folder grants."))?;
    }
    context.printer.note(
        "Keep both in version control, but not .windlass, where runs are recorded.\n\
         Next: name a database in windlass.toml, then: windlass doctor",
    );
    Ok(Exit::Succeeded)
}

#[cfg(test)]
mod tests {
    use super::TEXT;
    use crate::config::Config;

    /// A comment that is an example begins without a blank.
    fn with_examples() -> String {
        let lines = TEXT.lines().map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with([' ', '#']) => example,
            Some(_) | None => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn parsed(text: &str) -> Config {
        let place = tempfile::tempdir().unwrap();
        crate::folder::write(&place.path().join("windlass.toml"), text.as_bytes(), false).unwrap();
        Config::find(None, place.path()).unwrap()
    }

    #[test]
    fn the_file_is_valid_with_and_without_its_examples() {
        assert!(parsed(TEXT).databases.is_empty());
        let config = parsed(&with_examples());
        let orders = config.database("orders").unwrap();
        assert_eq!(orders.expected_standbys, Some(1));
        assert_eq!(orders.invariants.len(), 1);
        assert_eq!(config.clusters.len(), 1);
        assert_eq!(config.channels.len(), 3);
    }
}
