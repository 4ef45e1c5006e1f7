//! `windlass cancel`: ends a run and takes it back; one that is at work does so itself, at its next safe point.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::work;
use crate::engine::{EngineError, LockError};
use crate::journal::RunId;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its name
    run: String,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    // Looked for first, so that a name that does not exist makes no journal.
    let run = context.store_to_read()?.find(&args.run)?;
    let store = work::store(context)?;
    let state = store.state(&run)?;
    if state.outcome().is_some() {
        let verb = if state.to_undo().is_empty() {
            "show"
        } else {
            "undo"
        };
        return Err(Failure::usage(format!("run {run} has ended"))
            .note("nothing was changed")
            .hint(format!("windlass {verb} {run}")));
    }
    let begin = state
        .begin()
        .ok_or_else(|| EngineError::Empty(run.clone()))?;
    let engine = work::engine(context, &config, &begin.target)?;
    let runs = work::runs(context, &engine, store.clone())?;
    let by = context.environment.user();
    // Whoever holds the run reads this at its next safe point; if nobody does, it is taken over here.
    store.request_cancel(&run, &by)?;
    let (seat, watching) = work::seat(context, &state);
    let finished = runs.cancel(&run, &by, seat).await;
    watching.finish().await;
    match finished {
        Err(EngineError::Lock(LockError::Taken { .. })) => asked(context, &run),
        finished => work::finish(context, &store, finished, None),
    }
}

fn asked(context: &Context, run: &RunId) -> Result<Exit, Failure> {
    if context.printer.is_json() {
        context.printer.json(
            "windlass.cancel/1",
            &json!({ "run": run, "requested": true }),
        )?;
    } else {
        context.printer.text(format_args!(
            "Run {run} is at work. It will stop at its next safe point and take back what it did."
        ))?;
    }
    context
        .printer
        .note(format_args!("windlass show {run} --follow"));
    Ok(Exit::Succeeded)
}
