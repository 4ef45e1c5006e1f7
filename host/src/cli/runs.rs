//! `windlass runs`: every run, where it stands, and what can be done about it.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::table;
use super::standing::{is_at_work, is_over, next};
use crate::clock::Millis;
use crate::journal::{RunId, State, StoreError};
use crate::plugin::builtin::title;
use crate::report::Standing;
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
    /// `unreadable` if its record is.
    state: &'static str,
    /// Who began it.
    by: String,
    began: Option<jiff::Timestamp>,
    /// When it came to stand there.
    since: Option<jiff::Timestamp>,
    next: String,
    #[serde(skip)]
    is_over: bool,
    #[serde(skip)]
    damage: Option<StoreError>,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let state_dir = context.state_dir()?;
    let runs = match context.store_if_any()? {
        Some(store) => store.runs()?,
        None => Vec::new(),
    };
    let mut rows: Vec<_> = runs
        .iter()
        .map(|(run, state)| match state {
            Ok(state) => row(&state_dir, run, state),
            Err(error) => unreadable(run, error),
        })
        .filter(|row| {
            let is_on = |target: &String| row.damage.is_some() || row.target == *target;
            args.target.as_ref().is_none_or(is_on)
        })
        .filter(|row| !args.open || !row.is_over)
        .take(args.limit)
        .collect();
    let damage = rows.iter_mut().find_map(|row| row.damage.take());
    if context.printer.is_json() {
        context
            .printer
            .json("windlass.runs/1", &json!({ "runs": rows }))?;
    } else if rows.is_empty() {
        context
            .printer
            .note(nothing(context, args, runs.is_empty())?);
    } else {
        let now = context.clock.now();
        let lines = rows.into_iter().map(|row| line(row, now)).collect();
        let head = ["RUN", "PROCEDURE", "TARGET", "STATE", "SINCE", "NEXT"];
        context
            .printer
            .text(table(context.printer.width(), Some(head), lines))?;
    }
    let Some(error) = damage else {
        return Ok(Exit::Succeeded);
    };
    let failure = Failure::from(error);
    context.printer.note(failure.to_string().trim_end());
    Ok(failure.code)
}

/// Why there is no row.
fn nothing(context: &Context, args: &Args, are_none: bool) -> Result<String, Failure> {
    if let (Some(target), Some(config)) = (&args.target, context.config_if_any()?) {
        config.target(target)?;
    }
    Ok(match (&args.target, args.open) {
        _ if are_none => "There are no runs here.".to_owned(),
        (Some(target), false) => format!("There is no run on {target} yet."),
        (Some(target), true) => format!("There is no run on {target} that is not over."),
        (None, _) => "There is no run that is not over.".to_owned(),
    })
}

/// What its record says is not known, so it may well be open, and on any target.
fn unreadable(run: &RunId, error: &StoreError) -> Row {
    Row {
        run: run.clone(),
        procedure: String::new(),
        version: String::new(),
        digest: String::new(),
        target: String::new(),
        state: "unreadable",
        by: String::new(),
        began: None,
        since: None,
        next: "windlass audit verify".into(),
        is_over: false,
        damage: Some(error.clone()),
    }
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
        by: of(|begin| &begin.by),
        began: state.began().map(Millis::timestamp),
        since: state.last().map(Millis::timestamp),
        next: next(standing, run),
        is_over: is_over(standing),
        damage: None,
    }
}

fn line(row: Row, now: Millis) -> [String; 6] {
    // The largest unit is enough here.
    let since = row
        .since
        .map(|at| duration(Duration::from_millis(now.since(at.into()))));
    // Beside the whole name the short one is enough to type.
    let next = row.next.replace(&row.run.0, row.run.without_day());
    let fields = [
        row.run.0,
        title(&row.procedure, &row.digest),
        row.target,
        row.state.to_owned(),
        first_unit(&since.unwrap_or_default()),
        next,
    ];
    fields.map(|field| printable(&field).into_owned())
}

fn first_unit(duration: &str) -> String {
    let words: Vec<_> = duration.split(' ').take(2).collect();
    words.join(" ")
}
