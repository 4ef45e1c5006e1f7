//! Why a component is refused. Each check tells all that it finds.

use super::imports::{Import, Shape};
use super::manifest::{Manifest, ManifestError};
use super::{PACKAGE, PACKAGE_VERSION, SECTION};
use crate::call::Verb;
use std::collections::BTreeSet;
use thiserror::Error;

/// One reason to refuse a component.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("it has no section `{SECTION}`, so it says neither what it is nor what it needs")]
    NoManifest,
    #[error("it has {} sections `{SECTION}`, at offsets {}, and only one can be true", .0.len(), listed(.0))]
    Manifests(Vec<usize>),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(
        "it speaks `{interface}` in version {found}; this windlass speaks {PACKAGE_VERSION} only"
    )]
    Version { interface: String, found: String },
    #[error("it imports `{0}`, which windlass does not offer")]
    Interface(String),
    #[error("it imports `{function}` of `{interface}`, which windlass does not offer")]
    Function { interface: String, function: String },
    #[error("it does not export `{PACKAGE}/procedure@{PACKAGE_VERSION}`")]
    NoProcedure,
    #[error("it exports no function `{0}` of `procedure`")]
    NoExport(&'static str),
    #[error("it imports `{function}` of `{interface}`, but its manifest needs no verb \"{verb}\"")]
    NotNeeded {
        interface: String,
        function: String,
        verb: String,
    },
    #[error("its manifest needs the verb \"{0}\", but it imports no function that uses it")]
    NotImported(String),
}

impl Problem {
    /// What the author can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoManifest => {
                Some("build it with `windlass build`, which embeds plugin.toml".into())
            }
            Self::Manifest(ManifestError::Document(error)) => error.hint().map(str::to_owned),
            Self::Version { .. } => Some(format!(
                "build it again with the SDK for {PACKAGE}@{PACKAGE_VERSION}"
            )),
            Self::NotNeeded {
                interface, verb, ..
            } if interface.starts_with("database") => Some(format!(
                "add \"{verb}\" to the `verbs` of a [[needs.database]] in plugin.toml, or do not call it"
            )),
            Self::NotNeeded {
                interface, verb, ..
            } if interface.starts_with("cluster") => Some(format!(
                "add \"{verb}\" to the `verbs` of a [[needs.cluster]] in plugin.toml, or do not call it"
            )),
            Self::NotNeeded {
                interface, verb, ..
            } if interface.starts_with("probe") => Some(format!(
                "add \"{verb}\" to the `verbs` of a [[needs.probe]] in plugin.toml, or do not call it"
            )),
            Self::NotNeeded { .. } => Some(
                "add a [[needs.notify]] with its channels and events to plugin.toml, or do not call it".into(),
            ),
            Self::NotImported(verb) if verb == "send" => {
                Some("take [[needs.notify]] out of plugin.toml".into())
            }
            Self::NotImported(verb) => {
                Some(format!("take \"{verb}\" out of `verbs` in plugin.toml"))
            }
            Self::Manifests(_)
            | Self::Manifest(_)
            | Self::Interface(_)
            | Self::Function { .. }
            | Self::NoProcedure
            | Self::NoExport(_) => None,
        }
    }
}

fn listed(offsets: &[usize]) -> String {
    let texts: Vec<_> = offsets.iter().map(ToString::to_string).collect();
    texts.join(" and ")
}

/// Functions of `run`, which need no capability.
const RUN: &[&str] = &[
    "parameters",
    "target",
    "log",
    "step",
    "progress",
    "check",
    "sleep",
    "now",
    "random",
    "remember",
    "recall",
    "panicked",
];

/// WASI that an empty context can answer: nothing in it reaches the outside.
const HARMLESS: &[(&str, &[&str])] = &[
    ("wasi:io", &["error", "poll", "streams"]),
    (
        "wasi:cli",
        &[
            "stdin",
            "stdout",
            "stderr",
            "exit",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
];

/// Finds the one manifest.
pub(super) fn manifest(shape: &Shape<'_>) -> Result<Manifest, Vec<Problem>> {
    match &shape.manifests[..] {
        [] => Err(vec![Problem::NoManifest]),
        [(_, section)] => {
            Manifest::parse(section).map_err(|errors| errors.into_iter().map(Into::into).collect())
        }
        many => {
            let offsets = many.iter().map(|(offset, _)| *offset).collect();
            Err(vec![Problem::Manifests(offsets)])
        }
    }
}

/// What windlass does not offer, among the imports and exports.
pub(super) fn interfaces(shape: &Shape<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for import in &shape.imports {
        if import.package == PACKAGE {
            own_interface(import, &mut problems);
        } else if !is_harmless(import) {
            problems.push(Problem::Interface(import.name()));
        }
    }
    match shape
        .exports
        .get(&format!("{PACKAGE}/procedure@{PACKAGE_VERSION}"))
    {
        Some(functions) => {
            let missing = ["parameters-schema", "run"]
                .into_iter()
                .filter(|name| !functions.contains(*name));
            problems.extend(missing.map(Problem::NoExport));
        }
        None => problems.push(other_procedure(shape)),
    }
    problems
}

fn own_interface(import: &Import, problems: &mut Vec<Problem>) {
    if import.version != PACKAGE_VERSION {
        problems.push(Problem::Version {
            interface: format!("{PACKAGE}/{}", import.interface),
            found: import.version.clone(),
        });
        return;
    }
    let offers = |function: &str| match import.interface.as_str() {
        "run" => RUN.contains(&function),
        interface => Verb::of_function(interface, function).is_some(),
    };
    match import.interface.as_str() {
        "types"
        | "database-types"
        | "notify-types"
        | "run"
        | "database-read"
        | "database-maintain"
        | "notify-send"
        | "probe-types"
        | "probe-read"
        | "cluster-types"
        | "cluster-read"
        | "cluster-workloads"
        | "cluster-nodes"
        | "cluster-jobs"
        | "cluster-routes"
        | "cluster-certificates"
        | "cluster-config" => {
            for function in import.functions.iter().filter(|function| !offers(function)) {
                problems.push(Problem::Function {
                    interface: import.interface.clone(),
                    function: function.clone(),
                });
            }
        }
        _ => problems.push(Problem::Interface(import.name())),
    }
}

fn is_harmless(import: &Import) -> bool {
    let known = HARMLESS
        .iter()
        .find(|(package, _)| *package == import.package);
    import.version.starts_with("0.2.")
        && known.is_some_and(|(_, interfaces)| interfaces.contains(&import.interface.as_str()))
}

fn other_procedure(shape: &Shape<'_>) -> Problem {
    let prefix = format!("{PACKAGE}/procedure@");
    match shape
        .exports
        .keys()
        .find_map(|name| name.strip_prefix(&prefix))
    {
        Some(found) => Problem::Version {
            interface: format!("{PACKAGE}/procedure"),
            found: found.to_owned(),
        },
        None => Problem::NoProcedure,
    }
}

/// Where imports and needs do not agree, in either direction.
pub(super) fn agreement(imports: &[Import], manifest: &Manifest) -> Vec<Problem> {
    let needed = manifest.verbs();
    let mut imported = BTreeSet::new();
    let mut problems = Vec::new();
    for import in imports.iter().filter(|import| import.package == PACKAGE) {
        for function in &import.functions {
            let Some(verb) = Verb::of_function(&import.interface, function) else {
                continue;
            };
            imported.insert(verb);
            if !needed.contains(&verb) {
                problems.push(Problem::NotNeeded {
                    interface: import.interface.clone(),
                    function: function.clone(),
                    verb: verb_name(verb),
                });
            }
        }
    }
    let unused = needed.difference(&imported);
    problems.extend(unused.map(|verb| Problem::NotImported(verb_name(*verb))));
    problems
}

/// The verb as manifests and grants spell it.
pub(crate) fn verb_name(verb: Verb) -> String {
    let value = match verb {
        Verb::Database(verb) => serde_json::to_value(verb),
        Verb::Cluster(verb) => serde_json::to_value(verb),
        Verb::Notify(verb) => serde_json::to_value(verb),
        Verb::Probe(verb) => serde_json::to_value(verb),
    };
    match value {
        Ok(serde_json::Value::String(name)) => name,
        _ => verb.to_string(),
    }
}
