//! A case of the hostile suite: a component, what it tries, and what must happen. Built from `tests/hostile/`. Pure.

use crate::document::{Document, DocumentError};
use crate::journal::Outcome;
use serde::Deserialize;

// `CASES`: name, `case.toml` and component of each, built by `build/cases.rs`.
include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// One component and what is expected of windlass when it meets it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) component: &'static [u8],
    pub(super) tries: String,
    /// The classes of attack that it stands for, as SECURITY.md numbers them.
    pub(super) lines: Vec<u8>,
    pub(super) command: Command,
    pub(super) needs_target: bool,
    /// Zeros after the component, as a section of it.
    pub(super) padding: u32,
    pub(super) must: Must,
}

/// Which command meets the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Command {
    Inspect,
    Plan,
    Run,
}

/// What must happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Must {
    /// The exit code.
    pub(super) code: i32,
    /// How the run is recorded to have ended; none where there must be no run.
    pub(super) outcome: Option<Outcome>,
    /// Pieces of what must be said.
    pub(super) says: Vec<String>,
    /// The most memory, in 10^6 bytes.
    #[serde(default = "megabytes")]
    pub(super) megabytes: u64,
    /// The longest time, in seconds.
    #[serde(default = "seconds")]
    pub(super) seconds: u64,
}

/// A windlass that loads and runs a harmless component takes about a third.
fn megabytes() -> u64 {
    250
}

fn seconds() -> u64 {
    30
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    tries: String,
    lines: Vec<u8>,
    #[serde(rename = "do")]
    command: Command,
    #[serde(default)]
    needs_target: bool,
    #[serde(default)]
    component: Made,
    must: Must,
}

/// How the component is made. All but the padding is done when windlass is built.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(
    dead_code,
    reason = "read by the build script; here the keys are checked"
)]
struct Made {
    core: Option<bool>,
    instances: Option<u32>,
    manifests: Option<u32>,
    nested: Option<u32>,
    cut: Option<u32>,
    padding_megabytes: Option<u32>,
}

impl Case {
    /// Every case, in the order of the names.
    pub(super) fn all() -> Result<Vec<Self>, DocumentError> {
        CASES
            .iter()
            .map(|(name, text, component)| Self::parse(name, text, component))
            .collect()
    }

    fn parse(
        name: &'static str,
        text: &str,
        component: &'static [u8],
    ) -> Result<Self, DocumentError> {
        let file = format!("tests/hostile/{name}/case.toml");
        let raw: Raw = Document::new(&file, text).parse()?;
        Ok(Self {
            name,
            component,
            tries: raw.tries,
            lines: raw.lines,
            command: raw.command,
            needs_target: raw.needs_target,
            padding: raw.component.padding_megabytes.unwrap_or(0) * 1_000_000,
            must: raw.must,
        })
    }
}

impl Must {
    /// In one line, for people.
    pub(super) fn text(&self) -> String {
        let said = self.says.join(" … ");
        match said.as_str() {
            "" => format!("exit {}", self.code),
            said => format!("exit {}: {said}", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Case;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_can_be_read_and_says_something_of_its_own() {
        let cases = Case::all().unwrap();
        assert!(cases.len() >= 50, "{} cases", cases.len());
        let tries: BTreeSet<_> = cases.iter().map(|case| &case.tries).collect();
        assert_eq!(tries.len(), cases.len());
        for case in cases {
            let of_hostile = |line: &u8| (1..=47).contains(line);
            assert!(
                !case.lines.is_empty() && case.lines.iter().all(of_hostile),
                "{}",
                case.name
            );
        }
    }
}
