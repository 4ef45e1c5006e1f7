//! `windlass cancel`: ends a run and takes it back; one that is at work does so itself, at its next safe point.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::watch::TAKING_BACK;
use super::work;
use crate::engine::{EngineError, LockError};
use crate::grant::Effective;
use crate::journal::{RunId, Store};
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
    let engine = work::engine(context, &config, &begin.target, &Effective::nothing())?;
    let runs = work::runs(context, &engine, store.clone())?;
    let by = context.environment.user();
    // Whoever holds the run reads this at its next safe point; if nobody does, it is taken over here.
    store.request_cancel(&run, &by)?;
    let (seat, watching) = work::seat_for(context, &state, TAKING_BACK);
    let finished = runs.cancel(&run, &by, seat).await;
    watching.finish().await;
    match finished {
        Err(EngineError::Lock(lock)) if is_at_work(&lock, &run) => asked(context, &run),
        Err(error) => Err(stands(&run, error)),
        Ok(finished) if !was_cancelled(&store, &run)? => {
            context.printer.note(format_args!(
                "run {run} ended before it could be cancelled; nothing was changed"
            ));
            work::finish(context, &store, Ok(finished), None)
        }
        finished => work::finish(context, &store, finished, None).map(as_asked),
    }
}

/// Whether the run met the wish to cancel it before its end.
fn was_cancelled(store: &Store, run: &RunId) -> Result<bool, Failure> {
    Ok(store.state(run)?.cancel_requested_by().is_some())
}

/// Whether another process works on the very run.
fn is_at_work(lock: &LockError, run: &RunId) -> bool {
    match lock {
        LockError::AtWork(_) => true,
        LockError::Taken { holder, .. } => *holder == run.0,
        LockError::Target { .. }
        | LockError::Reserved { .. }
        | LockError::GivenUp(_)
        | LockError::File { .. } => false,
    }
}

/// A run that is cancelled and taken back is what was asked for.
fn as_asked(exit: Exit) -> Exit {
    match exit {
        Exit::Failed => Exit::Succeeded,
        Exit::Succeeded
        | Exit::Usage
        | Exit::Refused
        | Exit::NeedsPerson
        | Exit::Stopped
        | Exit::Busy
        | Exit::Foretold
        | Exit::Fault => exit,
    }
}

/// Nobody could cancel it now; whoever goes on with it will.
fn stands(run: &RunId, error: EngineError) -> Failure {
    Failure::from(error)
        .note("the request to cancel it is kept: whoever resumes the run takes it back")
        .hint(format!("windlass resume {run}, once that is possible"))
}

fn asked(context: &Context, run: &RunId) -> Result<Exit, Failure> {
    if context.printer.is_json() {
        context.printer.json(
            "windlass.cancel/1",
            &json!({ "run": run, "requested": true, "at-work": true }),
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

#[cfg(test)]
mod tests {
    use super::{is_at_work, stands};
    use crate::engine::{EngineError, LockError};
    use crate::journal::RunId;

    #[test]
    fn only_whoever_works_on_the_run_will_stop_it() {
        let run = RunId("251121-k3f".into());
        let taken = |holder: &str| LockError::Taken {
            target: "orders".into(),
            holder: holder.into(),
        };
        assert!(is_at_work(&LockError::AtWork(run.clone()), &run));
        assert!(is_at_work(&taken("251121-k3f"), &run));
        assert!(!is_at_work(&taken("251121-zzz"), &run));
        let failure = stands(&run, EngineError::Lock(taken("251121-zzz")));
        assert_eq!(failure.error, "run 251121-zzz already works on `orders`");
        assert!(
            failure.notes.iter().any(|note| note.contains("is kept")),
            "{failure:?}"
        );
        assert!(failure.hint.unwrap().contains("resume 251121-k3f"));
    }
}
