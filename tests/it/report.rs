//! A run and its report, as tests of the procedures read it.

use crate::world::{Project, World};
use serde_json::Value;

/// What a run reported.
#[derive(Debug)]
pub(crate) struct Report {
    /// The exit code.
    pub(crate) code: i32,
    document: Value,
}

/// Runs a procedure on the target `orders` with these parameters, each `name=value`.
pub(crate) fn run(world: &World, procedure: &str, parameters: &[&str]) -> Report {
    run_with(world, &[], procedure, parameters)
}

/// The same with these variables set.
pub(crate) fn run_with(
    world: &World,
    variables: &[(&str, &str)],
    procedure: &str,
    parameters: &[&str],
) -> Report {
    run_on(world, "orders", variables, procedure, parameters)
}

/// The same in any project, on any target.
pub(crate) fn run_on(
    project: &Project,
    target: &str,
    variables: &[(&str, &str)],
    procedure: &str,
    parameters: &[&str],
) -> Report {
    let mut words = vec!["run", procedure, "--target", target, "--output", "json"];
    words.extend(parameters.iter().flat_map(|set| ["--set", set]));
    let output = project.windlass_with(variables, &words);
    Report {
        code: output.code,
        document: output.json(),
    }
}

/// The usual parameters, each `name=value`, with these in the place of those of the same name.
pub(crate) fn with<'a>(usual: &[&'a str], others: &[&'a str]) -> Vec<&'a str> {
    let name = |set: &str| set.split('=').next().unwrap_or_default().to_owned();
    let is_other = |set: &&&str| others.iter().any(|other| name(other) == name(set));
    let kept = usual.iter().filter(|set| !is_other(set));
    kept.chain(others).copied().collect()
}

impl Report {
    /// Fails the test unless the run ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert!(
            self.code == code,
            "code {code} was expected, not {}:\n{:#}",
            self.code,
            self.document
        );
        self
    }

    /// The sentence it ended with.
    pub(crate) fn summary(&self) -> &str {
        self.document["summary"].as_str().unwrap_or_default()
    }

    /// Effects that happened, first to last: `reindex public.accounts_pkey`.
    pub(crate) fn done(&self) -> Vec<String> {
        let effects = self.document["effects"].as_array().unwrap().iter();
        effects
            .filter(|effect| effect["status"] == "done")
            .map(|effect| format!("{} {}", text(effect, "action"), text(effect, "object")))
            .collect()
    }

    /// The verdict of a check and its evidence: `fail: none is connected`.
    #[track_caller]
    pub(crate) fn check(&self, name: &str) -> String {
        let mut checks = self.document["checks"].as_array().unwrap().iter();
        match checks.find(|check| check["name"] == name) {
            Some(check) => format!("{}: {}", text(check, "verdict"), text(check, "evidence")),
            None => panic!("there is no check `{name}`:\n{:#}", self.document),
        }
    }

    /// Names of the checks that did not pass.
    pub(crate) fn not_passed(&self) -> Vec<&str> {
        let checks = self.document["checks"].as_array().unwrap().iter();
        checks
            .filter(|check| check["verdict"] != "pass")
            .map(|check| text(check, "name"))
            .collect()
    }

    /// Fails the test unless the run said something that contains this, at this level.
    #[track_caller]
    pub(crate) fn said(&self, level: &str, part: &str) {
        let lines = self.lines(level);
        assert!(
            lines.iter().any(|line| line.contains(part)),
            "no {level} contains `{part}`:\n{:#}",
            self.document
        );
    }

    /// What it said at this level.
    pub(crate) fn lines(&self, level: &str) -> Vec<&str> {
        let messages = self.document["messages"].as_array().unwrap().iter();
        messages
            .filter(|message| message["level"] == level)
            .map(|message| text(message, "message"))
            .collect()
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}
