//! `windlass plan`: what a run would do, each change with its undo. Changes nothing but the plan's own file.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::planned;
use super::refusal;
use super::watch::PLANNING;
use super::work::{self, Choice};
use crate::contract::Verdict;
use crate::engine::Plan;
use crate::grant::Granted;
use crate::journal::State;
use crate::text::{counted, printable, wrap};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The target to work on
    #[arg(long)]
    target: String,
    #[command(flatten)]
    choice: Choice,
    /// Where the plan is written; one that is there is replaced
    #[arg(long, short, value_name = "FILE", default_value = "plan.json")]
    out: PathBuf,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let (order, granted) = args.choice.order(context, &config, &args.target, None)?;
    let engine = work::engine(context, &config, &order.target, &order.effective)?;
    // A first plan has no journal to remember from, and makes none.
    let memory = context.store_if_any()?;
    let (seat, watching) = work::seat_for(context, &State::default(), PLANNING);
    let planned = engine.plan(&order, memory, seat).await;
    let was_stopped = watching.finish().await;
    let plan = planned?;
    if was_stopped && !plan.is_complete() {
        return Err(stopped(&plan));
    }
    if !plan.is_complete() {
        return Err(incomplete(&plan, &granted));
    }
    let text =
        serde_json::to_string_pretty(&plan).map_err(|error| Failure::fault(error.to_string()))?;
    crate::folder::write(&context.here.join(&args.out), text.as_bytes(), true)?;
    if context.printer.is_json() {
        context.printer.json(&plan.schema, &plan)?;
    } else {
        context.printer.text(page(&plan, context.printer.width()))?;
        context.printer.note(format_args!(
            "\nNothing was changed.  Plan {} is in {}.\nwindlass run {} --target {} --plan {}",
            plan.name(),
            args.out.display(),
            args.choice.procedure,
            plan.target,
            args.out.display()
        ));
    }
    Ok(Exit::Succeeded)
}

/// What was seen until then is no plan; nothing is wrong either.
fn stopped(plan: &Plan) -> Failure {
    let what = format!(
        "the plan of {} on {} was stopped",
        plan.procedure, plan.target
    );
    Failure::new(Exit::Stopped, what).note("nothing was changed, and no plan was written")
}

/// A plan that met a refused or failed call is no plan.
fn incomplete(plan: &Plan, granted: &Granted) -> Failure {
    let code = if plan.refused {
        Exit::Refused
    } else {
        Exit::Failed
    };
    let mut failure = Failure::new(
        code,
        format!("{} on {} cannot be planned", plan.procedure, plan.target),
    );
    failure.causes.clone_from(&plan.problems);
    if !plan.refused {
        failure.hint = Some(format!("windlass doctor --target {}", plan.target));
    }
    for explained in refusal::explanations(granted, &plan.refusals) {
        failure.causes.push(explained.cause);
        failure = failure.hint_if(explained.hint);
    }
    failure.note("nothing was changed")
}

fn page(plan: &Plan, width: u16) -> String {
    let columns = usize::from(width);
    let messages = plan.effects.iter().filter(|e| e.message).count();
    let would = match (plan.effects.len() - messages, messages) {
        (0, 0) => "would change nothing".to_owned(),
        (0, messages) => format!(
            "would change nothing and send {}",
            counted(messages, "message")
        ),
        (effects, 0) => format!("would have {}", counted(effects, "effect")),
        (effects, messages) => format!(
            "would have {} and send {}",
            counted(effects, "effect"),
            counted(messages, "message")
        ),
    };
    let mut parts = vec![format!(
        "{}: {} {} {would}",
        plan.target, plan.procedure, plan.version
    )];
    if !plan.effects.is_empty() {
        parts.push(planned::table(&plan.effects, columns));
    }
    let findings: Vec<_> = plan
        .checks
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
        .collect();
    if !findings.is_empty() {
        let lines = findings
            .iter()
            .map(|check| format!("{}: {}", printable(&check.name), printable(&check.evidence)));
        parts.push(section("checks", lines, columns));
    }
    if !plan.remarks.is_empty() {
        parts.push(section(
            "look first",
            plan.remarks
                .iter()
                .map(|remark| printable(remark).to_string()),
            columns,
        ));
    }
    if !plan.assumed.is_empty() {
        let lines = plan.assumed.iter();
        parts.push(section(
            "assumed",
            lines.map(|line| printable(line).to_string()),
            columns,
        ));
    }
    if !plan.summary.is_empty() {
        let summary = std::iter::once(printable(&plan.summary).to_string());
        parts.push(section("foreseen", summary, columns));
    }
    parts.join("\n\n")
}

fn section(head: &str, lines: impl Iterator<Item = String>, columns: usize) -> String {
    let lines = lines.map(|line| format!("\n{}", wrap(&format!("  {line}"), columns, 6)));
    format!("{head}{}", lines.collect::<String>())
}
