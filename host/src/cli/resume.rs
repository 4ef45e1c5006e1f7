//! `windlass resume`: settles what is in doubt and goes on where a run ended.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::work;
use crate::engine::EngineError;
use crate::plugin::Component;

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
        context.printer.note(format_args!(
            "run {run} has ended; there is nothing to resume"
        ));
        return work::finish(context, &store, Ok(work::standing(&run, &state)), None);
    }
    let begin = state
        .begin()
        .cloned()
        .ok_or_else(|| EngineError::Empty(run.clone()))?;
    let engine = work::engine(context, &config, &begin.target)?;
    let runs = work::runs(context, &engine, store.clone())?;
    let bytes = runs.component_of(&begin)?.ok_or_else(|| {
        Failure::usage(format!("the component of run {run} is no longer kept"))
            .cause(begin.digest.clone())
    })?;
    let plan = runs.plan_of(&begin)?;
    let plugin = Component::from_bytes(bytes)?;
    let (order, granted) = work::order(
        context,
        &config,
        plugin,
        &begin.target,
        begin.parameters.clone(),
        plan,
    )?;
    let (seat, watching) = work::seat(context, &state);
    let finished = runs.resume(&run, &order, seat).await;
    watching.finish().await;
    work::finish(context, &store, finished, Some(&granted))
}
