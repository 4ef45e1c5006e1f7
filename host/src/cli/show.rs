//! `windlass show`: the report of a run, or the run as it goes.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::narrate::Narrator;
use super::output::ERROR;
use super::standing::is_at_work;
use crate::journal::{RunId, Store};
use crate::report::{Report, SCHEMA, Standing};
use clap::ValueEnum;
use std::time::Duration;

/// How often a followed run is looked at. What is shown comes from its record, so nothing is missed in between.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its name
    run: String,
    /// Print what happens until the run ends or stops, then its report
    #[arg(long, short)]
    follow: bool,
    /// The report as text, as markdown (a change log) or as json
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// A change log
    Markdown,
    /// For programs
    Json,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let store = context.store_to_read()?;
    let run = store.find(&args.run)?;
    let format = if context.printer.is_json() {
        Format::Json
    } else {
        args.format
    };
    if args.follow && format == Format::Json {
        // Who reads lines gets lines, to the last one.
        if let Err(failure) = lines(context, &store, &run).await {
            context.printer.json_line(ERROR, &failure)?;
            return Ok(failure.code);
        }
        return Ok(Exit::Succeeded);
    }
    if args.follow {
        follow(context, &store, &run, format).await?;
    }
    report(context, &store, &run, format)?;
    Ok(Exit::Succeeded)
}

async fn lines(context: &Context, store: &Store, run: &RunId) -> Result<(), Failure> {
    follow(context, store, run, Format::Json).await?;
    context
        .printer
        .json_line(SCHEMA, &read(context, store, run)?)
}

fn report(context: &Context, store: &Store, run: &RunId, format: Format) -> Result<(), Failure> {
    let report = read(context, store, run)?;
    match format {
        Format::Text => context.printer.text(report.text()),
        Format::Markdown => context.printer.text(report.markdown()),
        Format::Json => context.printer.json(SCHEMA, &report),
    }
}

fn read(context: &Context, store: &Store, run: &RunId) -> Result<Report, Failure> {
    // A record that makes no sense from somewhere on is shown up to there.
    let state = store.state(run).unwrap_or_default();
    // Asked before the record is read: what a process writes last is then not missed.
    let at_work = is_at_work(&context.state_dir()?, run, &state);
    let report = Report::from(run, &store.entries(run)?, at_work);
    Ok(report.anchored(store.head_of(run)?).in_zone(context.zone()))
}

async fn follow(
    context: &Context,
    store: &Store,
    run: &RunId,
    format: Format,
) -> Result<(), Failure> {
    let state_dir = context.state_dir()?;
    let mut narrator = Narrator::default();
    let mut interval = tokio::time::interval(LOOK);
    loop {
        interval.tick().await;
        // Asked before the record is read: what a process writes last is then not missed.
        let at_work = is_at_work(&state_dir, run, narrator.state());
        let seen = narrator.state().entries();
        let entries = match seen.checked_sub(1) {
            None => store.entries(run)?,
            Some(last) => store.entries_after(run, last)?,
        };
        for stamped in &entries {
            let line = narrator.tell(stamped);
            match format {
                Format::Json => context.printer.json_line("windlass.entry/1", stamped)?,
                Format::Text => line.map_or(Ok(()), |line| context.printer.text(line))?,
                // The change log alone is the result.
                Format::Markdown => line.into_iter().for_each(|line| context.printer.note(line)),
            }
        }
        let standing = Standing::of(narrator.state(), at_work);
        let goes_on = matches!(standing, Standing::Running | Standing::Unwinding);
        if !goes_on && seen > 0 {
            return Ok(());
        }
    }
}
