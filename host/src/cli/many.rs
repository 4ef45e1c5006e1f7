//! `windlass run` on many targets at once: one process, one compiled component, a run and a journal's record for each target, one table at
//! the end. Only for procedures that look.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::order::{self, Choice};
use super::output::table;
use super::standing;
use super::watch;
use super::work::{self, Workshop};
use crate::config::Config;
use crate::contract::Verdict;
use crate::engine::{Audience, Control, Order, Seat};
use crate::grant::Pattern;
use crate::journal::{Finding, RunId, Store};
use crate::plugin::Component;
use crate::report::Standing;
use crate::text::printable;
use cap_std::fs::Dir;
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Runs the procedure on every target that is meant. All grants are looked at before the first run begins; from then on each target is on
/// its own, and the worst end is the end of the process.
pub(super) async fn execute(
    context: &Context,
    config: &Config,
    choice: &Choice,
    targets: &[String],
    at_once: u16,
) -> Result<Exit, Failure> {
    let plugin = context.component(&choice.procedure)?;
    if plugin.changes_something() {
        return Err(one_at_a_time(&plugin));
    }
    let targets = meant(config, targets)?;
    let orders = orders(context, config, choice, &plugin, &targets)?;
    let (control, listening) = watch::control(context.printer);
    let place = Place {
        context,
        config,
        workshop: Workshop::new(context)?,
        store: work::store(context)?,
        state_dir: work::state_dir(context)?,
        control,
    };
    let mut rows = place.run(orders, usize::from(at_once)).await;
    listening.abort();
    rows.sort_by(|one, other| one.target.cmp(&other.target));
    tell(context, &plugin, &rows)
}

fn one_at_a_time(plugin: &Component) -> Failure {
    Failure::usage(format!(
        "`{}` changes its target, so it runs on one at a time",
        plugin.name()
    ))
    .note("nothing was changed")
    .hint(format!(
        "windlass plan {} --target TARGET, for each of them",
        plugin.name()
    ))
}

/// The configured targets that are named, or meant by a pattern. Each pattern must mean one at least.
pub(super) fn meant(config: &Config, typed: &[String]) -> Result<BTreeSet<String>, Failure> {
    let mut targets = BTreeSet::new();
    for text in typed {
        if !text.ends_with('*') {
            config.target(text)?;
            targets.insert(text.clone());
            continue;
        }
        let pattern = Pattern(text.clone());
        let names = config.targets();
        let matching: Vec<_> = names.filter(|name| pattern.matches(name)).collect();
        if matching.is_empty() {
            let known: Vec<_> = config.targets().map(String::as_str).collect();
            return Err(Failure::usage(format!("no target is meant by `{text}`"))
                .hint(format!("targets here: {}", known.join(", "))));
        }
        targets.extend(matching.into_iter().cloned());
    }
    Ok(targets)
}

fn orders(
    context: &Context,
    config: &Config,
    choice: &Choice,
    plugin: &Component,
    targets: &BTreeSet<String>,
) -> Result<Vec<Order>, Failure> {
    let grants = context.grants(config);
    let parameters = choice.complete(context, plugin)?;
    let order = |target: &String| {
        let (grants, plugin) = (grants.clone(), plugin.clone());
        let order = order::order_under(context, grants, plugin, target, parameters.clone(), None)?;
        Ok(order.0)
    };
    let (mut orders, mut failures) = (Vec::new(), Vec::new());
    for target in targets {
        match order(target) {
            Ok(order) => orders.push(order),
            Err(failure) => failures.push(failure),
        }
    }
    refused(failures).map_or(Ok(orders), Err)
}

/// One failure that tells of all targets on which no run may begin, with what to do about each.
fn refused(mut failures: Vec<Failure>) -> Option<Failure> {
    if failures.len() < 2 {
        return failures.pop();
    }
    let worst = failures.iter().max_by_key(|failure| failure.code.rank())?;
    let count = failures.len();
    let mut all = Failure::new(worst.code, format!("{count} targets cannot be worked on"));
    for failure in &failures {
        all.causes.push(failure.error.clone());
        all.causes.extend(failure.causes.iter().cloned());
    }
    let hints: Vec<_> = failures
        .into_iter()
        .filter_map(|failure| failure.hint)
        .collect();
    Some(
        all.note("nothing was begun")
            .hint(hints.join("\n         ")),
    )
}

/// What all runs share.
struct Place<'a> {
    context: &'a Context,
    config: &'a Config,
    workshop: Workshop,
    store: Store,
    state_dir: Dir,
    control: Control,
}

/// How it ended on one target.
#[derive(Debug, Serialize)]
struct Row {
    target: String,
    run: Option<RunId>,
    state: &'static str,
    summary: String,
    checks: Vec<Found>,
    code: Exit,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Found {
    name: String,
    /// `pass`, `fail` or `inconclusive`.
    verdict: &'static str,
    evidence: String,
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Self {
            name: finding.name.clone(),
            verdict: match finding.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "fail",
                Verdict::Inconclusive => "inconclusive",
            },
            evidence: finding.evidence.clone(),
        }
    }
}

impl Place<'_> {
    async fn run(&self, orders: Vec<Order>, at_once: usize) -> Vec<Row> {
        let mut running = futures_util::stream::iter(orders)
            .map(|order| self.row(order))
            .buffer_unordered(at_once);
        let mut rows = Vec::new();
        while let Some(row) = running.next().await {
            self.context.printer.note(format_args!(
                "{}: {}, {}",
                row.target,
                row.state,
                printable(&row.summary)
            ));
            rows.push(row);
        }
        rows
    }

    /// A target that cannot be worked on is a row like any other.
    async fn row(&self, order: Order) -> Row {
        let target = order.target.clone();
        match Box::pin(self.one(order)).await {
            Ok(row) => row,
            Err(failure) => {
                let because = failure.causes.iter().map(String::as_str);
                let words: Vec<_> = std::iter::once(failure.error.as_str())
                    .chain(because)
                    .collect();
                Row {
                    target,
                    run: None,
                    state: "not run",
                    summary: words.join(": "),
                    checks: Vec::new(),
                    code: failure.code,
                }
            }
        }
    }

    async fn one(&self, order: Order) -> Result<Row, Failure> {
        if self.control.is_wanted() {
            return Err(Failure::new(Exit::Stopped, "stopped before it began"));
        }
        let engine =
            self.workshop
                .engine(self.context, self.config, &order.target, &order.effective)?;
        let dir = self.state_dir.try_clone().map_err(|error| {
            Failure::usage("the state directory cannot be used")
                .cause(crate::folder::reason(&error))
        })?;
        let runs = crate::engine::Runs::new(&engine, self.store.clone(), dir);
        let seat = Seat {
            control: self.control.clone(),
            audience: Audience::default(),
        };
        let finished = runs.start(&order, seat).await?;
        let state = self.store.state(&finished.run)?;
        let standing = Standing::of(&state, false);
        Ok(Row {
            target: order.target,
            state: standing.label(),
            summary: state.summary().unwrap_or_default().to_owned(),
            checks: state.checks().iter().map(Found::from).collect(),
            code: standing::exit(standing),
            run: Some(finished.run),
        })
    }
}

/// One table, or one document.
fn tell(context: &Context, plugin: &Component, rows: &[Row]) -> Result<Exit, Failure> {
    let worst = rows
        .iter()
        .map(|row| row.code)
        .max_by_key(|code| code.rank());
    let worst = worst.unwrap_or(Exit::Succeeded);
    let mut counts = BTreeMap::<&str, usize>::new();
    for row in rows {
        *counts.entry(row.state).or_default() += 1;
    }
    if context.printer.is_json() {
        let document = json!({
            "procedure": plugin.name(), "version": plugin.version(), "digest": plugin.digest(),
            "code": worst, "counts": counts, "targets": rows,
        });
        context.printer.json("windlass.targets/1", &document)?;
        return Ok(worst);
    }
    let lines = rows.iter().map(line).collect();
    let head = ["TARGET", "STATE", "RUN", "SUMMARY"];
    context
        .printer
        .text(table(context.printer.width(), Some(head), lines))?;
    let counted: Vec<_> = counts
        .iter()
        .map(|(state, n)| format!("{n} {state}"))
        .collect();
    let targets = crate::text::counted(rows.len(), "target");
    context
        .printer
        .note(format_args!("{targets}: {}", counted.join(", ")));
    let unwell = rows.iter().filter(|row| row.code != Exit::Succeeded);
    let shown = unwell.filter(|row| row.run.is_some());
    // The first of the worst.
    if let Some(run) = shown
        .rev()
        .max_by_key(|row| row.code.rank())
        .and_then(|row| row.run.as_ref())
    {
        context.printer.note(format_args!("windlass show {run}"));
    }
    Ok(worst)
}

fn line(row: &Row) -> [String; 4] {
    let run = row
        .run
        .as_ref()
        .map(|run| run.0.clone())
        .unwrap_or_default();
    [
        row.target.clone(),
        row.state.to_owned(),
        run,
        printable(&row.summary).into_owned(),
    ]
}
