//! `windlass runs`: every run, where it stands, and what can be done about it.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::table_with_whole;
use super::standing::{Standing, is_at_work};
use crate::clock::Millis;
use crate::journal::{RunId, State};
use crate::text::{duration, printable};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only runs on this target
    #[arg(long)]
    target: Option<String>,
    /// Only runs that are not over
    #[arg(long)]
    open: bool,
    /// The newest so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

#[derive(Serialize)]
struct Row {
    run: RunId,
    procedure: String,
    version: String,
    digest: String,
    target: String,
    state: &'static str,
    /// When it came to stand there.
    since: Option<jiff::Timestamp>,
    next: String,
    #[serde(skip)]
    is_over: bool,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let state_dir = context.state_dir()?;
    let runs = match context.store_if_any()? {
        Some(store) => store.runs()?,
        None => Vec::new(),
    };
    let rows: Vec<_> = runs
        .iter()
        .map(|(run, state)| row(&state_dir, run, state))
        .filter(|row| {
            args.target
                .as_ref()
                .is_none_or(|target| row.target == *target)
        })
        .filter(|row| !args.open || !row.is_over)
        .take(args.limit)
        .collect();
    if context.printer.is_json() {
        context
            .printer
            .json("windlass.runs/1", &json!({ "runs": rows }))?;
    } else if rows.is_empty() {
        context.printer.note(if runs.is_empty() {
            "There are no runs here."
        } else {
            "No run here is like that; windlass runs lists all."
        });
    } else {
        let now = context.clock.now();
        let lines = rows.into_iter().map(|row| line(row, now)).collect();
        let head = ["RUN", "PROCEDURE", "TARGET", "STATE", "SINCE", "NEXT"];
        context.printer.text(table_with_whole(
            context.printer.width(),
            Some(head),
            lines,
            &[0, 5],
        ))?;
    }
    Ok(Exit::Succeeded)
}

fn row(state_dir: &Path, run: &RunId, state: &State) -> Row {
    let standing = Standing::of(state, state.is_live() && is_at_work(state_dir, run, state));
    let begin = state.begin();
    let of =
        |part: fn(&crate::journal::Begin) -> &String| begin.map(part).cloned().unwrap_or_default();
    Row {
        run: run.clone(),
        procedure: of(|begin| &begin.procedure),
        version: of(|begin| &begin.version),
        digest: of(|begin| &begin.digest),
        target: of(|begin| &begin.target),
        state: standing.label(),
        since: state.last().map(Millis::timestamp),
        next: standing.next(run),
        is_over: matches!(standing, Standing::Ended(_)),
    }
}

fn line(row: Row, now: Millis) -> [String; 6] {
    // The largest unit is enough here.
    let since = row
        .since
        .map(|at| duration(Duration::from_millis(now.since(at.into()))));
    let fields = [
        row.run.0,
        row.procedure,
        row.target,
        row.state.to_owned(),
        first_unit(&since.unwrap_or_default()),
        row.next,
    ];
    fields.map(|field| printable(&field).into_owned())
}

fn first_unit(duration: &str) -> String {
    let words: Vec<_> = duration.split(' ').take(2).collect();
    words.join(" ")
}
