//! `windlass inspect`: one page made from the binary itself.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{Sheet, clean, table};
use crate::config::Config;
use crate::grant::{Budget, Pattern, Wanted, select, short};
use crate::plugin::{Component, Facts, NeedFacts, ParameterFacts};
use crate::text::duration;

/// What stands in a manifest for the target of a run.
const TARGET: &str = "{target}";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A built-in procedure by its name, any other by its path
    procedure: String,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let component = context.component(&args.procedure)?;
    let facts = component.facts();
    if context.printer.is_json() {
        context.printer.json("windlass.inspect/1", &facts)?;
        return Ok(Exit::Succeeded);
    }
    context
        .printer
        .text(page(&facts, context.printer.width()))?;
    if let Some(config) = context.config_if_any()? {
        context.printer.text(format_args!(
            "\n{}",
            granted(context, &config, &component, &args.procedure)?
        ))?;
    }
    Ok(Exit::Succeeded)
}

fn page(facts: &Facts, width: u16) -> String {
    let mut sheet = Sheet::default();
    sheet.row("danger", facts.danger.to_string());
    if facts.needs.is_empty() {
        sheet.row("needs", "nothing");
    }
    sheet.rows("needs", facts.needs.iter().map(need));
    sheet.rows("budget", budget(&facts.budget));
    let takes = facts.estimates.duration;
    sheet.rows(
        "takes",
        takes.map(|takes| format!("about {}, the author says", span(takes))),
    );
    let can = facts.can.join(", ");
    sheet.row(
        "can",
        if can.is_empty() {
            "do nothing outside"
        } else {
            &can
        },
    );
    let cannot = facts.cannot.iter();
    sheet.rows(
        "cannot",
        cannot.map(|cannot| format!("{}: {}", cannot.what, cannot.because)),
    );
    // A digest is for copying: it is not broken into lines.
    let head = format!(
        "{} {}, {} kB\n{}\n{}",
        facts.name,
        facts.version,
        facts.size.div_ceil(1024),
        facts.digest,
        clean(&facts.summary)
    );
    let mut parts = vec![head, sheet.fit(width)];
    if !facts.parameters.is_empty() {
        let rows = facts.parameters.iter().map(parameter).collect();
        parts.push(table(
            width,
            Some(["PARAMETER", "DEFAULT", "MEANING"]),
            rows,
        ));
    }
    parts.join("\n\n")
}

fn need(need: &NeedFacts) -> String {
    format!(
        "{}: {} on {}\n{}",
        need.interface,
        need.verbs.join(", "),
        place(&need.databases, &need.schemas, &need.tables).replace(TARGET, "the target"),
        need.reason
    )
}

fn parameter(parameter: &ParameterFacts) -> [String; 3] {
    let default = match parameter.default_text() {
        Some(default) => clean(&default),
        None if parameter.required => "must be set".into(),
        None => "–".into(),
    };
    [
        clean(&parameter.name),
        default,
        clean(&parameter.description),
    ]
}

/// Where a scope is about, in one line.
pub(super) fn place(databases: &[Pattern], schemas: &[Pattern], tables: &[Pattern]) -> String {
    let all = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.0 == "*");
    let place = list(databases);
    match (schemas, tables) {
        // Not about tables at all.
        ([], []) => place,
        (schemas, tables) if all(schemas) && all(tables) => format!("{place}, all tables"),
        (schemas, tables) if all(tables) => {
            format!("{place}, all tables in schema {}", list(schemas))
        }
        (schemas, tables) => {
            format!(
                "{place}, tables {} in schema {}",
                list(tables),
                list(schemas)
            )
        }
    }
}

/// Patterns in one line.
fn list(patterns: &[Pattern]) -> String {
    let names: Vec<_> = patterns.iter().map(|pattern| pattern.0.as_str()).collect();
    names.join(", ")
}

/// The bounds in one line, where there are any.
pub(super) fn budget(budget: &Budget) -> Option<String> {
    let parts = [
        budget.effects.map(|effects| format!("{effects} effects")),
        budget.calls.map(|calls| format!("{calls} calls")),
        budget.duration.map(span),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn span(span: jiff::SignedDuration) -> String {
    duration(span.unsigned_abs())
}

/// Where the component is granted, target by target.
fn granted(
    context: &Context,
    config: &Config,
    component: &Component,
    spec: &str,
) -> Result<String, Failure> {
    let files = context.grants(config)?;
    let now = context.clock.now();
    let mut lines = Vec::new();
    for target in config.databases.keys() {
        let wanted = Wanted {
            procedure: component.name(),
            digest: component.digest(),
            target,
        };
        lines.push(match select(files.clone(), wanted, now) {
            Ok(granted) => {
                let until = granted
                    .expires
                    .map(|at| at.timestamp().to_zoned(config.zone.clone()));
                let until = until.map(|at| at.strftime(", until %Y-%m-%d %H:%M %Z").to_string());
                format!("Granted on {target}{}.", until.unwrap_or_default())
            }
            Err(_) => format!("Granted on {target}: no.   windlass grant {spec} --target {target}"),
        });
    }
    if lines.is_empty() {
        lines.push(format!(
            "Granted: no target is configured for {}.",
            short(component.digest())
        ));
    }
    Ok(lines.join("\n"))
}
