//! `windlass inspect`: one page made from the binary itself.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::table;
use crate::config::Config;
use crate::grant::{Budget, Pattern, Wanted, select, short};
use crate::plugin::{Component, Facts};
use crate::text::printable;

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
    let mut rows = Vec::new();
    let mut row = |label: &str, text: String| rows.push([label.to_owned(), text]);
    row("digest", facts.digest.clone());
    row("danger", facts.danger.to_string());
    for (index, need) in facts.needs.iter().enumerate() {
        let label = if index == 0 { "needs" } else { "" };
        row(
            label,
            format!(
                "{}: {} on {}\n{}",
                need.interface,
                need.verbs.join(", "),
                place(need),
                need.reason
            ),
        );
    }
    if facts.needs.is_empty() {
        row("needs", "nothing".into());
    }
    if let Some(budget) = budget(&facts.budget) {
        row("budget", budget);
    }
    if let Some(duration) = facts.estimates.duration {
        row("takes", format!("about {duration:#}, the author says"));
    }
    row(
        "can",
        if facts.can.is_empty() {
            "nothing outside".into()
        } else {
            facts.can.join(", ")
        },
    );
    for (index, cannot) in facts.cannot.iter().enumerate() {
        let label = if index == 0 { "cannot" } else { "" };
        row(label, format!("{}: {}", cannot.what, cannot.because));
    }
    for (index, parameter) in facts.parameters.iter().enumerate() {
        let label = if index == 0 { "parameters" } else { "" };
        let default = match parameter.default_text() {
            Some(default) => format!(", {default} if not set"),
            None if parameter.required => ", must be set".into(),
            None => String::new(),
        };
        row(
            label,
            format!(
                "{} ({}{default})\n{}",
                parameter.name, parameter.kind, parameter.description
            ),
        );
    }
    let clean = |text: &str| -> String {
        let lines = text
            .trim_end()
            .lines()
            .map(|line| printable(line).to_string());
        lines.collect::<Vec<_>>().join("\n")
    };
    let rows = rows
        .into_iter()
        .map(|[label, text]| [label, clean(&text)])
        .collect();
    let head = format!(
        "{} {}  {} kB\n{}",
        facts.name,
        facts.version,
        facts.size.div_ceil(1024),
        clean(&facts.summary)
    );
    format!("{head}\n\n{}", table(width, None::<[&str; 2]>, rows))
}

fn place(need: &crate::plugin::NeedFacts) -> String {
    let list = |patterns: &[Pattern]| {
        let names: Vec<_> = patterns.iter().map(|pattern| pattern.0.as_str()).collect();
        names.join(", ")
    };
    let all = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.0 == "*");
    let mut place = list(&need.databases);
    if !need.schemas.is_empty() && !all(&need.schemas) {
        place.push_str(&format!(", schemas {}", list(&need.schemas)));
    }
    if !need.tables.is_empty() && !all(&need.tables) {
        place.push_str(&format!(", tables {}", list(&need.tables)));
    }
    place
}

/// The bounds in one line, where there are any.
pub(super) fn budget(budget: &Budget) -> Option<String> {
    let parts = [
        budget.effects.map(|effects| format!("{effects} effects")),
        budget.calls.map(|calls| format!("{calls} calls")),
        budget.duration.map(|duration| format!("{duration:#}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
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
