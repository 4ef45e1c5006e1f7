//! `windlass selftest`: lets every hostile component that is built in try what it wants on this machine, and says whether the promises
//! of SECURITY.md hold. Changes nothing but a temporary folder, and with a target asks it for what it refuses.

mod case;
mod stage;
mod trial;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{clean, table};
use crate::text::{bytes, counted, milliseconds};
use case::Case;
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use trial::{Happened, Trial};

/// Cases at once. Most wait for a bound of time, whoever has the processor.
const AT_ONCE: usize = 4;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these cases
    cases: Vec<String>,
    /// Try what needs a database too, on this target
    #[arg(long)]
    target: Option<String>,
}

/// What became of a case.
#[derive(Debug, Serialize)]
struct Finding {
    case: &'static str,
    tries: String,
    lines: Vec<u8>,
    must: String,
    /// None if it was not run.
    happened: Option<Happened>,
    /// What should not have happened, or did not happen and should have.
    wrong: Vec<String>,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let chosen = chosen(&args.cases)?;
    let apart = trial(context, stage::NOWHERE, stage::without_target())?;
    let on_target = match &args.target {
        Some(name) => Some(trial(context, name, stage::with_target(context, name)?)?),
        None => None,
    };
    context.printer.note(format!(
        "Trying {}; each ends within seconds.",
        counted(chosen.len(), "hostile component")
    ));
    let (needy, others): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|case| case.needs_target);
    let findings = futures_util::stream::iter(others)
        .map(|case| finding(Some(&apart), case))
        .buffer_unordered(AT_ONCE);
    let mut findings: Vec<_> = findings.collect().await;
    // One after the other: a run has its target for itself.
    for case in needy {
        findings.push(finding(on_target.as_ref(), case).await);
    }
    let mut findings = findings.into_iter().collect::<Result<Vec<_>, _>>()?;
    findings.sort_by_key(|finding| (finding.lines[0], finding.case));
    report(context, &findings)
}

/// The component of a case.
#[cfg(feature = "testing")]
pub(super) fn component(case: &str) -> Option<&'static [u8]> {
    let cases = case::CASES.iter();
    cases
        .filter(|(name, ..)| *name == case)
        .map(|(.., component)| *component)
        .next()
}

fn chosen(names: &[String]) -> Result<Vec<Case>, Failure> {
    let all = Case::all().map_err(|error| Failure::of(Exit::Fault, &error))?;
    let known: Vec<_> = all.iter().map(|case| case.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = crate::suggest::did_you_mean(unknown, known.iter().copied());
        return Err(Failure::usage(format!("there is no case `{unknown}`")).hint_if(hint));
    }
    let wanted = |case: &Case| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(all.into_iter().filter(wanted).collect())
}

fn trial(context: &Context, target: &str, configuration: String) -> Result<Trial, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::usage("this program does not find itself").cause(crate::folder::reason(&error))
    })?;
    Ok(Trial {
        program,
        configuration,
        target: target.to_owned(),
        clock: context.clock.clone(),
    })
}

async fn finding(trial: Option<&Trial>, case: Case) -> Result<Finding, Failure> {
    let (happened, wrong) = match trial {
        Some(trial) => {
            let (happened, wrong) = trial.of(&case).await?;
            (Some(happened), wrong)
        }
        None => (None, Vec::new()),
    };
    Ok(Finding {
        case: case.name,
        must: case.must.text(),
        tries: case.tries,
        lines: case.lines,
        happened,
        wrong,
    })
}

fn report(context: &Context, findings: &[Finding]) -> Result<Exit, Failure> {
    let broken = findings.iter().filter(|f| !f.wrong.is_empty()).count();
    let left = findings.iter().filter(|f| f.happened.is_none()).count();
    if context.printer.is_json() {
        let document = json!({ "holds": broken == 0, "not-run": left, "cases": findings });
        context.printer.json("windlass.selftest/1", &document)?;
        return Ok(if broken == 0 {
            Exit::Succeeded
        } else {
            Exit::Fault
        });
    }
    let rows = findings.iter().map(row).collect();
    let head = ["CLASS", "CASE", "MUST", "TIME", "MEMORY", ""];
    context
        .printer
        .text(table(context.printer.width(), Some(head), rows))?;
    if left > 0 {
        context.printer.note(format!(
            "{} not run: windlass selftest --target TARGET",
            counted(left, "case")
        ));
    }
    if broken > 0 {
        return Err(Failure::fault(format!(
            "{} of {} ended otherwise than it must",
            broken,
            counted(findings.len() - left, "case")
        ))
        .hint("a promise of SECURITY.md does not hold here: report it"));
    }
    context.printer.note(format!(
        "All {} ended as they must.",
        counted(findings.len() - left, "case")
    ));
    Ok(Exit::Succeeded)
}

fn row(finding: &Finding) -> [String; 6] {
    let lines: Vec<_> = finding.lines.iter().map(ToString::to_string).collect();
    let (time, memory, verdict) = match &finding.happened {
        Some(happened) => (
            milliseconds(happened.milliseconds),
            bytes(happened.bytes),
            if finding.wrong.is_empty() {
                "✓".to_owned()
            } else {
                format!("✗ {}", finding.wrong.join("; "))
            },
        ),
        None => ("–".into(), "–".into(), "not run: needs --target".to_owned()),
    };
    [
        lines.join(" "),
        finding.case.to_owned(),
        clean(&finding.must),
        time,
        memory,
        clean(&verdict),
    ]
}
