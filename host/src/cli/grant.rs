//! `windlass grant`: write a grant for a component on a target, or check one.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::inspect::{budget, looks, messages, objects, place};
use super::output::Sheet;
use crate::call::Verb;
use crate::cluster;
use crate::config::Config;
use crate::database::Scope;
use crate::folder::Folder;
use crate::grant::{Draft, GrantFile, Refusal, Wanted, differences, short};
use crate::plugin::{ClusterNeed, Component, verb_name};
use clap::Subcommand;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    check: Option<Check>,
    #[command(flatten)]
    write: Option<Write>,
}

#[derive(Debug, Subcommand)]
enum Check {
    /// Compare a grant file with its procedure
    Check {
        /// The grant file
        file: PathBuf,
        /// The procedure, if it is not the built-in one that the file names
        procedure: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Write {
    /// A built-in procedure by its name, any other by its path
    procedure: String,
    /// The target that it may work on
    #[arg(long, required = true)]
    target: String,
    /// Grant only this schema; may be repeated
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,
    /// Let it write to this channel only; may be repeated
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// When the grant ends: after a time such as 90d, or at a date
    #[arg(long, default_value = "90d", value_name = "WHEN")]
    expires: String,
    /// Why it is granted, instead of what the procedure is for
    #[arg(long)]
    reason: Option<String>,
    /// Who grants it, instead of you
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,
    /// Replace the grant that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn execute(context: &Context, args: Args) -> Result<Exit, Failure> {
    match (args.check, args.write) {
        (Some(Check::Check { file, procedure }), _) => check(context, &file, procedure.as_deref()),
        (None, Some(write)) => write_grant(context, &write),
        (None, None) => Err(Failure::usage("which procedure?").hint("windlass grant --help")),
    }
}

fn write_grant(context: &Context, args: &Write) -> Result<Exit, Failure> {
    let config = context.config()?;
    config.target(&args.target)?;
    for channel in &args.channels {
        config.channel(channel)?;
    }
    let component = context.component(&args.procedure)?;
    let manifest = component.manifest();
    let draft = Draft {
        procedure: component.name(),
        version: component.version(),
        digest: component.digest(),
        target: &args.target,
        needs: manifest.widest_needs(&args.target)?,
        budget: &manifest.budget,
        schemas: &args.schemas,
        channels: &args.channels,
        approved_by: &args
            .approved_by
            .clone()
            .unwrap_or_else(|| context.environment.user()),
        reason: args.reason.as_ref().unwrap_or(&manifest.summary),
        expires: expiry(&args.expires, context.clock.now().timestamp(), &config.zone)?,
    };
    let text = draft.text()?;
    let name = format!("{}.{}.toml", component.name(), args.target);
    let path = config.grants.join(&name);
    let shown = context.shown(&path);
    // What is written is what will be read.
    let file =
        GrantFile::parse(&shown, &text).map_err(|error| Failure::fault(error.to_string()))?;
    let written = Folder::create(&config.grants)?.write(&name, text.as_bytes(), args.force);
    written.map_err(|error| {
        if error.is_in_the_way() {
            Failure::usage(format!("`{shown}` is already there; it was left as it is"))
                .hint(format!("windlass grant check {shown}, or --force"))
        } else {
            error.into()
        }
    })?;
    if context.printer.is_json() {
        context.printer.json(
            "windlass.grant/1",
            &json!({ "file": path.to_string_lossy(), "grant": summary(&file) }),
        )?;
    } else {
        context.printer.text(format_args!(
            "{}\n\nWrote {shown}.",
            describe(&file, &config, context)
        ))?;
    }
    context.printer.note(format_args!(
        "It holds from now on; have it reviewed.\nwindlass plan {} --target {}",
        args.procedure, args.target
    ));
    Ok(Exit::Succeeded)
}

/// After a time span, at a date (its midnight in the zone), or at an instant.
fn expiry(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let instant = || text.parse::<Timestamp>().ok();
    let after = || {
        now.to_zoned(zone.clone())
            .checked_add(text.parse::<Span>().ok()?)
            .ok()
    };
    let at_date = || text.parse::<Date>().ok()?.to_zoned(zone.clone()).ok();
    let zoned = || after().or_else(at_date).map(|at| at.timestamp());
    match instant().or_else(zoned) {
        Some(at) if at > now => Ok(at),
        Some(_) => Err(Failure::usage(format!("`--expires {text}` is in the past"))),
        None => Err(Failure::usage(format!("`--expires {text}` is no time")).hint(
            "write a span such as 90d, a date such as 2027-02-01, or an instant such as 2027-02-01T00:00:00Z",
        )),
    }
}

/// What the file allows, for people.
fn describe(file: &GrantFile, config: &Config, context: &Context) -> String {
    let mut sheet = Sheet::default();
    let version = file.version.as_deref().unwrap_or_default();
    sheet.row("procedure", format!("{} {version}", file.procedure));
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
    sheet.row(
        "approved",
        format!("by {}: {}", file.approved_by, file.reason),
    );
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

fn summary(file: &GrantFile) -> serde_json::Value {
    json!({
        "procedure": file.procedure,
        "version": file.version,
        "digest": file.digest,
        "target": file.target,
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
    let component = context
        .component(procedure.unwrap_or(&file.procedure))
        .map_err(|failure| match procedure {
            Some(_) => failure,
            None => failure.hint(format!(
                "name it: windlass grant check {} PATH",
                path.display()
            )),
        })?;
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
            "{} lets {} {} run on {}.",
            path.display(),
            component.name(),
            component.version(),
            targets.join(", ")
        ))?;
    }
    Ok(Exit::Succeeded)
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

#[cfg(test)]
mod tests {
    use super::expiry;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn expires(text: &str) -> Result<String, String> {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        expiry(text, now, &zone)
            .map(|at| at.to_string())
            .map_err(|failure| failure.error)
    }

    #[test]
    fn a_grant_ends_after_a_span_at_a_date_or_at_an_instant() {
        assert_eq!(expires("90d").unwrap(), "2027-03-01T12:00:00Z");
        assert_eq!(expires("2 weeks").unwrap(), "2026-12-15T12:00:00Z");
        assert_eq!(expires("2027-02-01").unwrap(), "2027-01-31T23:00:00Z");
        assert_eq!(
            expires("2027-02-01T00:00:00Z").unwrap(),
            "2027-02-01T00:00:00Z"
        );
        assert_eq!(
            expires("2020-01-01").unwrap_err(),
            "`--expires 2020-01-01` is in the past"
        );
        assert_eq!(
            expires("-1d").unwrap_err(),
            "`--expires -1d` is in the past"
        );
        assert_eq!(expires("soon").unwrap_err(), "`--expires soon` is no time");
    }
}
