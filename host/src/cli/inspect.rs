//! `windlass inspect`: one page made from the binary itself.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{Sheet, clean, table};
use crate::clock::Millis;
use crate::config::Config;
use crate::grant::{Budget, Pattern, Purpose, Refusal, Wanted, select, short};
use crate::plugin::builtin::title;
use crate::plugin::{ClusterNeed, Component, Facts, Import, NeedFacts, ParameterFacts};
use crate::text::{duration, printable, wrap};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

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
    let config = context.config_if_any()?;
    let grants = config
        .as_ref()
        .map(|config| granted(context, config, &component))
        .transpose()?;
    if context.printer.is_json() {
        let document = Document {
            facts: &facts,
            granted: grants,
        };
        context.printer.json("windlass.inspect/1", &document)?;
        return Ok(Exit::Succeeded);
    }
    let width = context.printer.width();
    context.printer.text(page(&facts, width))?;
    if let (Some(config), Some(grants)) = (config, grants) {
        let told = told(&grants, component.digest(), &config.zone, width);
        context.printer.text(format_args!("\n{told}"))?;
    }
    Ok(Exit::Succeeded)
}

/// The component's facts, and what a configuration that is at hand allows it.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    facts: &'a Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<Vec<OnTarget>>,
}

/// Whether a run could begin on a target now.
#[derive(Serialize)]
struct OnTarget {
    target: String,
    granted: bool,
    /// When that ends.
    until: Option<Timestamp>,
    /// Why not.
    refusal: Option<String>,
    /// Each thing that is needed and not granted.
    missing: Vec<String>,
    /// What would allow it.
    hint: Option<String>,
    /// Whether there is nothing that a grant could lack: there is none.
    #[serde(skip)]
    is_bare: bool,
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
    sheet.rows("imports", facts.imports.iter().map(import));
    // A digest is for copying: it is not broken into lines.
    let head = format!(
        "{} {}, {} kB\n{}\n{}",
        title(&facts.name, &facts.digest),
        facts.version,
        facts.size.div_ceil(1024),
        facts.digest,
        wrap(&printable(&facts.summary), usize::from(width), 0)
    );
    let mut parts = vec![head, sheet.fit(width)];
    parts.extend(parameters(facts, width));
    parts.join("\n\n")
}

/// What an operator can choose, as a table; nothing if there is nothing.
pub(super) fn parameters(facts: &Facts, width: u16) -> Option<String> {
    let rows: Vec<_> = facts.parameters.iter().map(parameter).collect();
    let head = ["PARAMETER", "DEFAULT", "VALUES: WHAT THE AUTHOR SAYS"];
    (!rows.is_empty()).then(|| table(width, Some(head), rows))
}

pub(super) fn need(need: &NeedFacts) -> String {
    if !need.channels.is_empty() {
        return format!(
            "{}: {}\nthe author says: {}",
            need.interface,
            messages(&need.channels, &need.events),
            need.reason
        );
    }
    if !need.endpoints.is_empty() {
        return format!(
            "{}: {}\nthe author says: {}",
            need.interface,
            looks(&need.verbs, &need.endpoints),
            need.reason
        );
    }
    if let Some(cluster) = &need.cluster {
        return format!(
            "{}: {} on {}\nthe author says: {}",
            need.interface,
            need.verbs.join(", "),
            objects(cluster).replace(TARGET, "the target"),
            need.reason
        );
    }
    format!(
        "{}: {} on {}\nthe author says: {}",
        need.interface,
        need.verbs.join(", "),
        place(&need.databases, &need.schemas, &need.tables).replace(TARGET, "the target"),
        need.reason
    )
}

fn import(import: &Import) -> String {
    let name = import.name();
    if import.functions.is_empty() {
        name
    } else {
        format!("{name}\n{}", import.functions.join(", "))
    }
}

fn parameter(parameter: &ParameterFacts) -> [String; 3] {
    let default = match parameter.default_text() {
        Some(default) => printable(&default).into_owned(),
        None if parameter.required => "must be set".into(),
        None => "–".into(),
    };
    [
        printable(&parameter.name).into_owned(),
        default,
        clean(&format!("{}: {}", parameter.kind, parameter.description)),
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

/// What a scope of a cluster is about, in one line.
pub(super) fn objects(need: &ClusterNeed) -> String {
    let mut text = list(&need.clusters);
    let parts = [
        ("namespace", &need.namespaces),
        ("kind", &need.kinds),
        ("name", &need.names),
        ("node", &need.nodes),
        ("label", &need.labels),
    ];
    for (what, patterns) in parts
        .into_iter()
        .filter(|(_, patterns)| !patterns.is_empty())
    {
        let any = patterns.iter().any(|pattern| pattern.0 == "*");
        let which = if any {
            format!("any {what}")
        } else {
            format!("{what} {}", list(patterns))
        };
        text.push_str(", ");
        text.push_str(&which);
    }
    text
}

/// Which messages a scope is about, in one line. What an operator chooses is told as such.
pub(super) fn messages(channels: &[Pattern], events: &[Pattern]) -> String {
    let channel = |pattern: &Pattern| match pattern.0.strip_prefix("{params.") {
        Some(parameter) => format!("the channel of `{}`", parameter.trim_end_matches('}')),
        None if pattern.0 == "*" => "any channel".into(),
        None => pattern.0.clone(),
    };
    let channels: Vec<_> = channels.iter().map(channel).collect();
    format!("{} to {}", list(events), channels.join(", "))
}

/// Which looks at endpoints a scope is about, in one line. What an operator chooses is told as such.
pub(super) fn looks(verbs: &[String], endpoints: &[Pattern]) -> String {
    let endpoint = |pattern: &Pattern| match pattern.0.strip_prefix("{params.") {
        Some(parameter) => format!("the endpoint of `{}`", parameter.trim_end_matches('}')),
        None if pattern.0 == "*" => "any endpoint".into(),
        None => pattern.0.clone(),
    };
    let endpoints: Vec<_> = endpoints.iter().map(endpoint).collect();
    format!("{} at {}", verbs.join(", "), endpoints.join(", "))
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

fn span(span: crate::clock::Span) -> String {
    duration(span.0)
}

/// Where the component is granted, target by target: as a run would find it.
fn granted(
    context: &Context,
    config: &Config,
    component: &Component,
) -> Result<Vec<OnTarget>, Failure> {
    let files = context.grants(config);
    let now = context.clock.now();
    let on_target = |target: &String| {
        let wanted = Wanted {
            procedure: component.name(),
            spec: component.spec(),
            digest: component.digest(),
            target,
            purpose: Purpose::Run,
        };
        let manifest = component.manifest();
        let needs = manifest.widest_needs(target)?;
        let effective = select(files.clone(), wanted, now)
            .and_then(|granted| granted.effective(wanted, needs, &manifest.budget));
        Ok(match effective {
            Ok(effective) => OnTarget {
                target: target.clone(),
                granted: true,
                until: effective.expires.map(Millis::timestamp),
                refusal: None,
                missing: Vec::new(),
                hint: None,
                is_bare: false,
            },
            Err(refusal) => OnTarget {
                is_bare: matches!(refusal, Refusal::None(_)),
                target: target.clone(),
                granted: false,
                until: None,
                missing: refusal.missing().iter().map(ToString::to_string).collect(),
                hint: Some(refusal.hint()),
                refusal: Some(refusal.to_string()),
            },
        })
    };
    config.targets().map(on_target).collect()
}

fn told(grants: &[OnTarget], digest: &str, zone: &TimeZone, width: u16) -> String {
    if grants.is_empty() {
        return format!("Granted: no target is configured for {}.", short(digest));
    }
    let mut lines = Vec::new();
    for on in grants {
        let target = &on.target;
        if on.granted {
            let until = on.until.map(|at| at.to_zoned(zone.clone()));
            let until = until.map(|at| at.strftime(", until %Y-%m-%d %H:%M %Z").to_string());
            lines.push(format!("Granted on {target}{}.", until.unwrap_or_default()));
            continue;
        }
        if on.is_bare {
            let hint = on.hint.as_deref().unwrap_or_default();
            lines.push(format!("Granted on {target}: no.   {hint}"));
            continue;
        }
        lines.push(format!("Granted on {target}: no."));
        let below = on.refusal.iter().chain(&on.missing).chain(&on.hint);
        lines.extend(below.map(|line| {
            let line = format!("  {}", printable(line));
            wrap(&line, usize::from(width), 4)
        }));
    }
    lines.join("\n")
}
