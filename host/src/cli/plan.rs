//! `windlass plan`: what a run would do, each change with its undo. Changes nothing but the plan's own file.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::many::meant;
use super::order::Choice;
use super::planned;
use super::refusal;
use super::watch::PLANNING;
use super::work;
use crate::config::Config;
use crate::contract::Verdict;
use crate::engine::{Foretold, Plan, PlannedCheck};
use crate::grant::Granted;
use crate::journal::State;
use crate::plugin::builtin::title;
use crate::text::{counted, printable, wrap};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The target to work on; may be repeated, and may end with `*`
    #[arg(long, required = true)]
    target: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    /// Where the plan is written; one that is there is replaced; - is stdout. Of several targets each has its own, such as plan.orders.json
    #[arg(long, short, value_name = "FILE", default_value = "plan.json")]
    out: PathBuf,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let targets = meant(&config, &args.target)?;
    if targets.len() > 1 && (context.printer.is_json() || is_stdout(&args.out)) {
        return Err(Failure::usage("several plans are no single document")
            .hint("name one target, or let the plans be written to files"));
    }
    let mut worst = Exit::Succeeded;
    for target in &targets {
        let out = match targets.len() {
            1 => args.out.clone(),
            _ => of_target(&args.out, target),
        };
        let ended = match one(context, &config, args, target, &out).await {
            Err(failure) if targets.len() > 1 => context.printer.failure(&failure),
            ended => ended?,
        };
        if ended.rank() > worst.rank() {
            worst = ended;
        }
        if ended == Exit::Stopped {
            break;
        }
    }
    Ok(worst)
}

fn is_stdout(out: &Path) -> bool {
    out.as_os_str() == "-"
}

/// `plan.json` as `plan.orders.json`.
fn of_target(out: &Path, target: &str) -> PathBuf {
    let extension = out.extension().unwrap_or_default().to_string_lossy();
    out.with_extension(format!("{target}.{extension}"))
}

async fn one(
    context: &Context,
    config: &Config,
    args: &Args,
    target: &str,
    out: &Path,
) -> Result<Exit, Failure> {
    let (order, granted) = args.choice.order_to_plan(context, config, target)?;
    let engine = work::planner(context, config, &order.target, &order.effective)?;
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
    if is_stdout(out) {
        context.printer.text(text)?;
    } else {
        crate::folder::write(&context.here.join(out), text.as_bytes(), true)?;
        tell(context, args, &plan, &granted, out)?;
    }
    Ok(match plan.foretold() {
        Foretold::Success => Exit::Succeeded,
        Foretold::Failure(_) | Foretold::Refusal(_) | Foretold::Doubt(_) => Exit::Foretold,
    })
}

fn tell(
    context: &Context,
    args: &Args,
    plan: &Plan,
    granted: &Granted,
    out: &Path,
) -> Result<(), Failure> {
    if context.printer.is_json() {
        return context.printer.json(&plan.schema, plan);
    }
    let page = page(plan, granted, context.printer.width());
    context.printer.text(page)?;
    let next = next(plan, granted, &args.choice.procedure, out);
    context.printer.note(next);
    Ok(())
}

/// Where the plan is, and the next command.
fn next(plan: &Plan, granted: &Granted, procedure: &str, out: &Path) -> String {
    let out = out.display();
    let there = format!("\nNothing was changed.  Plan {} is in {out}.", plan.name());
    let narrow = format!("windlass grant {procedure} --from {out} --force");
    if granted.is_draft {
        let files: Vec<_> = granted.names().collect();
        return format!(
            "{there}\nThe grant is a draft, which permits planning only. It holds when it says\napproved-by: {}\nA draft of what this plan has, and no more:\n{narrow}",
            files.join(", ")
        );
    }
    if let Foretold::Refusal(_) = plan.foretold() {
        return format!(
            "{there}\nA run of it would be refused until all of it is granted.\nA draft of what this plan has, and no more:\n{narrow}"
        );
    }
    format!(
        "{there}\nwindlass run {procedure} --target {} --plan {out}",
        plan.target
    )
}

/// What was seen until then is no plan; nothing is wrong either.
fn stopped(plan: &Plan) -> Failure {
    let what = format!(
        "the plan of {} on {} was stopped",
        title(&plan.procedure, &plan.component),
        plan.target
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
        format!(
            "{} on {} cannot be planned",
            title(&plan.procedure, &plan.component),
            plan.target
        ),
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

fn page(plan: &Plan, granted: &Granted, width: u16) -> String {
    let columns = usize::from(width);
    let mut parts = vec![wrap(&headline(plan), columns, 2)];
    if !plan.effects.is_empty() {
        parts.push(planned::table(&plan.effects, columns));
    }
    let told = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter();
        lines.map(|line| printable(line).into_owned()).collect()
    };
    let summary = Some(plan.summary.clone()).filter(|summary| !summary.is_empty());
    let sections = [
        ("checks", findings(plan)),
        ("not granted", not_granted(plan, granted)),
        ("look first", told(&plan.remarks)),
        ("assumed", told(&plan.assumed)),
        ("foreseen", told(summary.as_slice())),
    ];
    for (head, lines) in sections {
        if !lines.is_empty() {
            parts.push(section(head, lines.into_iter(), columns));
        }
    }
    parts.join("\n\n")
}

/// What a run would do, and how it would end.
fn headline(plan: &Plan) -> String {
    let messages = plan.effects.iter().filter(|e| e.message).count();
    let effects = plan.effects.len() - messages;
    let would = match (effects, messages) {
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
    let end = match plan.foretold() {
        Foretold::Success => String::new(),
        Foretold::Failure(check) if effects == 0 => {
            format!(", and would fail: check {}", printable(&check))
        }
        Foretold::Failure(check) => format!(
            ", and would fail: check {}; all is taken back",
            printable(&check)
        ),
        Foretold::Refusal(some) => format!(", of which {some} are not granted yet"),
        Foretold::Doubt(why) => format!(", and would need a person: {}", printable(&why)),
    };
    let title = title(&plan.procedure, &plan.component);
    format!("{}: {title} {} {would}{end}", plan.target, plan.version)
}

/// The checks that did not pass, each with its mark. What is assumed has neither passed nor failed.
fn findings(plan: &Plan) -> Vec<String> {
    let checks = plan.checks.iter();
    let findings = checks.filter(|check| check.verdict != Verdict::Pass);
    let line = |check: &PlannedCheck| {
        let mark = match check.verdict {
            _ if check.assumed => '·',
            Verdict::Pass => '✓',
            Verdict::Fail => '✗',
            Verdict::Inconclusive => '?',
        };
        let (name, evidence) = (printable(&check.name), printable(&check.evidence));
        format!("{mark} {name}: {evidence}")
    };
    findings.map(line).collect()
}

/// What a run would be refused, and the lines that would allow it.
fn not_granted(plan: &Plan, granted: &Granted) -> Vec<String> {
    let mut lines = Vec::new();
    for explained in refusal::explanations(granted, &plan.refusals) {
        for line in std::iter::once(explained.cause).chain(explained.hint) {
            let line = printable(&line).into_owned();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

fn section(head: &str, lines: impl Iterator<Item = String>, columns: usize) -> String {
    let lines = lines.map(|line| format!("\n{}", wrap(&format!("  {line}"), columns, 6)));
    format!("{head}{}", lines.collect::<String>())
}
