//! `windlass grant`: write a grant for a component on a target, check one, or carry it over to another version.

use super::context::Context;
use super::draft;
use super::failure::{Exit, Failure};
use super::inspect::{budget, looks, messages, objects, place};
use super::output::Sheet;
use super::renew;
use crate::call::Verb;
use crate::cluster;
use crate::config::Config;
use crate::database::Scope;
use crate::grant::{GrantFile, Purpose, Refusal, Wanted, differences, short};
use crate::plugin::builtin::title;
use crate::plugin::{ClusterNeed, Component, verb_name};
use clap::Subcommand;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    write: Option<draft::Write>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare a grant file with its procedure
    Check {
        /// The grant file
        file: PathBuf,
        /// The procedure, if it is not the built-in one that the file names
        procedure: Option<String>,
    },
    /// Carry a grant over to another version of its procedure
    Renew {
        /// The grant file
        file: PathBuf,
        /// The procedure, if it is not the built-in one that the file names
        procedure: Option<String>,
    },
}

pub(super) fn execute(context: &Context, args: Args) -> Result<Exit, Failure> {
    match (args.command, args.write) {
        (Some(Command::Check { file, procedure }), _) => {
            check(context, &file, procedure.as_deref())
        }
        (Some(Command::Renew { file, procedure }), _) => {
            renew::execute(context, &file, procedure.as_deref())
        }
        (None, Some(write)) => draft::execute(context, &write),
        (None, None) => Err(Failure::usage("which procedure?").hint("windlass grant --help")),
    }
}

/// What the file allows, for people.
pub(super) fn describe(file: &GrantFile, config: &Config, context: &Context) -> String {
    let mut sheet = Sheet::default();
    let version = file.version.as_deref().unwrap_or_default();
    let title = title(&file.procedure, &file.digest);
    sheet.row("procedure", format!("{title} {version}"));
    sheet.row("digest", short(&file.digest));
    sheet.row(
        "target",
        file.target.as_deref().unwrap_or("any that its scopes name"),
    );
    let clusters = file.clusters.iter().map(|(_, scope)| in_cluster(scope));
    let databases = file.scopes.iter().map(|(_, scope)| allowed(scope));
    sheet.rows("allows", databases.chain(clusters));
    sheet.rows(
        "sends",
        file.channels
            .iter()
            .map(|(_, scope)| messages(&scope.channels, &scope.events)),
    );
    let endpoints = file.endpoints.iter().map(|(_, scope)| {
        let verbs = scope.verbs.iter();
        let verbs: Vec<_> = verbs.map(|verb| verb_name(Verb::Probe(*verb))).collect();
        looks(&verbs, &scope.endpoints)
    });
    sheet.rows("looks at", endpoints);
    sheet.rows("budget", budget(&file.budget));
    let until = file.expires.timestamp().to_zoned(config.zone.clone());
    sheet.row("until", until.strftime("%Y-%m-%d %H:%M %Z").to_string());
    let approved = match &file.approved_by {
        Some(name) => format!("by {name}: {}", file.reason),
        None => format!("not yet, so it permits planning only: {}", file.reason),
    };
    sheet.row("approved", approved);
    sheet.fit(context.printer.width())
}

fn allowed(scope: &Scope) -> String {
    let verbs: Vec<_> = scope
        .verbs
        .iter()
        .map(|verb| verb_name(Verb::Database(*verb)))
        .collect();
    format!(
        "{} on {}",
        verbs.join(", "),
        place(&scope.databases, &scope.schemas, &scope.tables)
    )
}

fn in_cluster(scope: &cluster::Scope) -> String {
    let verbs = scope.verbs.iter();
    let verbs: Vec<_> = verbs.map(|verb| verb_name(Verb::Cluster(*verb))).collect();
    let place = objects(&ClusterNeed::from(scope));
    format!("{} on {place}", verbs.join(", "))
}

pub(super) fn summary(file: &GrantFile) -> serde_json::Value {
    json!({
        "procedure": file.procedure,
        "version": file.version,
        "digest": file.digest,
        "target": file.target,
        "formerly": file.formerly,
        "draft": file.is_draft(),
        "approved-by": file.approved_by,
        "reason": file.reason,
        "expires": file.expires.timestamp(),
        "allows": file.capabilities(),
        "budget": file.budget,
    })
}

fn check(
    context: &Context,
    path: &std::path::Path,
    procedure: Option<&str>,
) -> Result<Exit, Failure> {
    let file = GrantFile::read(path)?;
    let component = component_of(context, &file, procedure, "check")?;
    let config = context.config_if_any()?;
    let targets = targets(&file, config.as_ref());
    if targets.is_empty() {
        return Err(about_nothing(&file, config.is_some()));
    }
    let differences = targets
        .iter()
        .flat_map(|target| differing(context, &file, &component, target));
    if let Some(failure) = joined(differences.map(Failure::from)) {
        return Err(failure);
    }
    if context.printer.is_json() {
        let document = json!({ "file": path.to_string_lossy(), "covers": true, "targets": targets, "grant": summary(&file) });
        context.printer.json("windlass.grant-check/1", &document)?;
    } else {
        if let Some(config) = &config {
            context.printer.text(describe(&file, config, context))?;
        }
        context.printer.text(format_args!(
            "{} lets {} {} {} on {}.",
            path.display(),
            component.name(),
            component.version(),
            if file.is_draft() { "be planned" } else { "run" },
            targets.join(", ")
        ))?;
    }
    Ok(Exit::Succeeded)
}

/// The procedure of a grant file: the one that is named, else the built-in one of its name.
pub(super) fn component_of(
    context: &Context,
    file: &GrantFile,
    procedure: Option<&str>,
    command: &str,
) -> Result<Component, Failure> {
    let found = context.component(procedure.unwrap_or(&file.procedure));
    found.map_err(|failure| match procedure {
        Some(_) => failure,
        None => failure.hint(format!(
            "name it: windlass grant {command} {} PATH",
            file.name
        )),
    })
}

/// The targets that a file is about: the one that it names, or those that its scopes name in full or mean by a pattern.
pub(super) fn targets(file: &GrantFile, config: Option<&Config>) -> Vec<String> {
    if let Some(target) = &file.target {
        return vec![target.clone()];
    }
    let databases = file.scopes.iter().flat_map(|(_, scope)| &scope.databases);
    let clusters = file.clusters.iter().flat_map(|(_, scope)| &scope.clusters);
    let patterns = databases.chain(clusters);
    let mut names = BTreeSet::new();
    for pattern in patterns {
        if !pattern.0.ends_with('*') {
            names.insert(pattern.0.clone());
        }
        let configured = config
            .into_iter()
            .flat_map(super::super::config::Config::targets);
        names.extend(configured.filter(|name| pattern.matches(name)).cloned());
    }
    names.into_iter().collect()
}

fn about_nothing(file: &GrantFile, is_configured: bool) -> Failure {
    let failure = Failure::refused(format!("`{}` is for no target that is known", file.name));
    if is_configured {
        failure.hint("name one in windlass.toml, or in the `databases` of a scope: windlass doctor")
    } else {
        failure.hint("its scopes name patterns only: check it where windlass.toml is")
    }
}

fn differing(
    context: &Context,
    file: &GrantFile,
    component: &Component,
    target: &str,
) -> Vec<Refusal> {
    let wanted = Wanted {
        procedure: component.name(),
        spec: component.spec(),
        digest: component.digest(),
        target,
        purpose: Purpose::Run,
    };
    // A pattern that cannot be filled in was refused when the component was read.
    let needs = component
        .manifest()
        .widest_needs(target)
        .unwrap_or_default();
    differences(file, wanted, &needs, context.clock.now())
}

/// One failure that tells of all of them.
fn joined(mut failures: impl Iterator<Item = Failure>) -> Option<Failure> {
    let mut first = failures.next()?;
    for other in failures {
        first.causes.push(other.error);
        first.causes.extend(other.causes);
    }
    Some(first)
}
