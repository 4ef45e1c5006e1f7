//! `windlass undo`: takes back what a run did, last first, from the journal alone.

use super::context::Context;
use super::decision::Decided;
use super::failure::{Exit, Failure};
use super::watch::TAKING_BACK;
use super::work;
use crate::engine::EngineError;
use crate::grant::Effective;
use crate::journal::{EffectState, Outcome, State};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, or the beginning of its name
    run: String,
    #[command(flatten)]
    decided: Decided,
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
    if is_taken_back(&state) {
        context.printer.note(format_args!(
            "run {run} is taken back; there is nothing more to undo"
        ));
        let code = work::finish(context, &store, Ok(work::standing(&run, &state)), None)?;
        return Ok(as_asked(code));
    }
    if let Some(last) = holds_everything(&state) {
        let error = format!(
            "run {run} cannot be taken back: what was done before effect {} stays",
            last.number
        );
        let cause = format!("its undo is {}", last.prepared.undo);
        let failure = Failure::new(Exit::Refused, error);
        return Err(failure.cause(cause));
    }
    let by = context.environment.user();
    let decision = args.decided.by(by.clone(), &run, &state)?;
    let engine = work::engine(context, &config, &begin.target, &Effective::nothing())?;
    let runs = work::runs(context, &engine, store.clone())?;
    let (seat, watching) = work::seat_for(context, &state, TAKING_BACK);
    let finished = runs.undo(&run, &by, seat, decision.as_ref()).await;
    watching.finish().await;
    work::finish(context, &store, finished, None)
}

/// A run that failed, was cancelled or was refused is taken back, which is what was asked for.
fn as_asked(exit: Exit) -> Exit {
    match exit {
        Exit::Failed | Exit::Refused => Exit::Succeeded,
        Exit::Succeeded
        | Exit::Usage
        | Exit::NeedsPerson
        | Exit::Stopped
        | Exit::Busy
        | Exit::Foretold
        | Exit::Fault => exit,
    }
}

/// The effect because of which nothing of the run can be taken back.
fn holds_everything(state: &State) -> Option<&EffectState> {
    let nothing = state.to_undo().is_empty() && state.to_sweep().is_empty();
    state
        .held_by()
        .filter(|_| nothing && state.open_effect().is_none())
}

/// Whether the run was taken back when it ended, as far as that goes.
fn is_taken_back(state: &State) -> bool {
    let was = match state.outcome() {
        Some(
            Outcome::FailedAndUnwound
            | Outcome::CancelledAndUnwound
            | Outcome::Refused
            | Outcome::Undone
            | Outcome::TakenBackInPart,
        ) => true,
        Some(Outcome::Succeeded | Outcome::Inconclusive | Outcome::Stuck) | None => false,
    };
    was && state.to_undo().is_empty() && state.to_sweep().is_empty()
}
