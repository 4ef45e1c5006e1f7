//! `windlass procedures`: what can be run, and with which values.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::inspect::parameters;
use crate::plugin::{Component, Facts, builtin};
use crate::text::{printable, wrap};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these: a built-in procedure by its name, any other by its path
    procedures: Vec<String>,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let specs: Vec<_> = if args.procedures.is_empty() {
        builtin::names().collect()
    } else {
        args.procedures.iter().map(String::as_str).collect()
    };
    let components: Vec<_> = specs
        .into_iter()
        .map(|name| context.component(name))
        .collect::<Result<_, _>>()?;
    let facts: Vec<_> = components.iter().map(Component::facts).collect();
    if context.printer.is_json() {
        let document = json!({ "procedures": facts });
        context.printer.json("windlass.procedures/1", &document)?;
        return Ok(Exit::Succeeded);
    }
    let width = context.printer.width();
    let pages = components.iter().zip(&facts);
    let pages: Vec<_> = pages
        .map(|(component, facts)| page(component, facts, width))
        .collect();
    context.printer.text(pages.join("\n\n"))?;
    context.printer.note("\nwindlass inspect PROCEDURE");
    Ok(Exit::Succeeded)
}

fn page(component: &Component, facts: &Facts, width: u16) -> String {
    let manifest = component.manifest();
    let needs = manifest.written_needs();
    let on = match (needs.database.is_empty(), needs.cluster.is_empty()) {
        (false, false) => "databases and clusters",
        (false, true) => "databases",
        (true, false) => "clusters",
        (true, true) => "any target",
    };
    let head = format!(
        "{} {}, {}, on {on}: {}",
        component.title(),
        facts.version,
        facts.danger,
        printable(&facts.summary)
    );
    let mut lines = vec![wrap(&head, usize::from(width), 2)];
    lines.extend(parameters(facts, width));
    lines.join("\n")
}
