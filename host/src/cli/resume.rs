//! `windlass resume`: settles what is in doubt and goes on where a run ended.

use super::context::Context;
use super::decision::Decided;
use super::failure::{Exit, Failure};
use super::order;
use super::wait::Wait;
use super::watch::TAKING_BACK;
use super::work;
use crate::engine::{EngineError, component_of, plan_of};
use crate::grant::Effective;
use crate::journal::RunId;
use crate::plugin::Component;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its name
    run: String,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    decided: Decided,
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
    let by = context.environment.user();
    let decision = args.decided.by(by.clone(), &run, &state)?;
    if state.unwinding().is_some() || store.cancel_requested(&run)?.is_some() {
        // Taking back needs neither the procedure nor a grant.
        let engine = work::engine(context, &config, &begin.target, &Effective::nothing())?;
        let runs = work::runs(context, &engine, store.clone())?;
        let (seat, watching) = work::seat_for(context, &state, TAKING_BACK);
        let finished = runs.take_back(&run, &by, seat, decision.as_ref()).await;
        watching.finish().await;
        return work::finish(context, &store, finished, None);
    }
    let bytes = component_of(&store, &begin)?.ok_or_else(|| {
        Failure::usage(format!("the component of run {run} is no longer kept"))
            .cause(begin.digest.clone())
            .hint(format!("windlass undo {run}"))
    })?;
    let plan = plan_of(&store, &begin).map_err(|error| without_plan(&run, error))?;
    let plugin = Component::from_bytes(bytes)?;
    let (order, granted) = order::order(
        context,
        &config,
        plugin,
        &begin.target,
        begin.parameters.clone(),
        plan,
    )
    .map_err(|failure| {
        failure.note(format!(
            "taking it back needs neither grant nor plan: windlass undo {run}"
        ))
    })?;
    let engine = work::engine(context, &config, &order.target, &order.effective)?;
    let runs = work::runs(context, &engine, store.clone())?;
    let (seat, watching) = work::seat(context, &state);
    let resume = async || {
        let seat = seat.clone();
        runs.resume(&run, &order, seat, decision.as_ref()).await
    };
    let finished = args.wait.for_target(context, &seat.control, resume).await;
    drop(seat);
    watching.finish().await;
    work::finish(context, &store, finished, Some(&granted))
}

/// A run that was bound to a plan does nothing else, so without the plan it can only be taken back.
fn without_plan(run: &RunId, error: EngineError) -> Failure {
    match error {
        EngineError::Plan(error) => Failure::of(Exit::Refused, &error)
            .note(format!(
                "run {run} is bound to it and cannot go on without it"
            ))
            .note("nothing was changed")
            .hint(format!("windlass undo {run}")),
        error @ (EngineError::Lock(_)
        | EngineError::OutOfReach { .. }
        | EngineError::NotAsked { .. }
        | EngineError::Sandbox(_)
        | EngineError::Journal(_)
        | EngineError::Empty(_)
        | EngineError::Internal(_)) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_plan;
    use crate::engine::{EngineError, PlanError};
    use crate::journal::RunId;

    #[test]
    fn a_run_whose_plan_is_lost_can_be_taken_back() {
        let run = RunId("251121-k3f".into());
        let lost = EngineError::Plan(PlanError::Lost("sha256:00".into()));
        let failure = without_plan(&run, lost);
        assert_eq!(failure.error, "plan sha256:00 is no longer kept");
        assert_eq!(failure.hint.as_deref(), Some("windlass undo 251121-k3f"));
    }
}
