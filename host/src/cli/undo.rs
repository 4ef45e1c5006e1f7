//! `windlass undo`: takes back what a run did, last first, from the journal alone.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::work;
use crate::engine::EngineError;

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
    let begin = state
        .begin()
        .ok_or_else(|| EngineError::Empty(run.clone()))?;
    let engine = work::engine(context, &config, &begin.target)?;
    let runs = work::runs(context, &engine, store.clone())?;
    let (seat, watching) = work::seat(context, &state);
    let finished = runs.undo(&run, &context.environment.user(), seat).await;
    watching.finish().await;
    work::finish(context, &store, finished, None)
}
