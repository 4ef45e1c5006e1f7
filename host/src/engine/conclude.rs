//! What follows from how a guest ended.

use super::EngineError;
use super::gate::Gate;
use super::halt::Halt;
use super::runs::Finished;
use super::sandbox::Ended;
use crate::contract::Verdict;
use crate::journal::{Outcome, State};

/// What is to be done with the run.
enum Next {
    End(Outcome, String),
    Unwind(Outcome, String),
    /// Someone wants it so.
    Cancel(String),
    Stop(String),
    /// The guest did not repeat itself, so it cannot go on.
    Diverged(String),
    /// Leave it as it is: something is in doubt, for this reason if one is known.
    Leave(Option<String>),
    Fail(EngineError),
}

impl Gate {
    /// Ends, unwinds, stops or leaves the run.
    pub(super) async fn conclude(mut self, ended: Ended) -> Result<Finished, EngineError> {
        match self.next(ended)? {
            Next::End(outcome, summary) => match self.sweep_all().await {
                Ok(None) => self.end(outcome, summary).await,
                Ok(Some(stays)) => {
                    self.end(Outcome::Stuck, format!("{summary}; but {stays}"))
                        .await
                }
                Err(Halt::Left { .. } | Halt::Stopped) => Ok(self.standing()),
                Err(halt) => Err(halt.into()),
            },
            Next::Unwind(outcome, why) => self.unwind(outcome, why).await,
            Next::Cancel(by) => self.cancel(by).await,
            Next::Stop(why) => self.stop(why, false).await,
            Next::Diverged(why) => self.stop(why, true).await,
            Next::Leave(why) => Ok(Finished {
                left: why,
                ..self.standing()
            }),
            Next::Fail(error) => Err(error),
        }
    }

    fn next(&self, ended: Ended) -> Result<Next, Halt> {
        let failed = |why| Next::Unwind(Outcome::FailedAndUnwound, why);
        let next = match ended {
            Ended::Halted(halt) => return Ok(halted(halt)),
            Ended::Returned(_) | Ended::Limit(_) | Ended::Trapped(_) if !self.replay.is_over() => {
                Next::Diverged("the procedure ended before its recorded past did".into())
            }
            Ended::Returned(Ok(summary)) => self.judged(summary),
            Ended::Returned(Err(error)) => Next::Unwind(self.failure(), error),
            Ended::Limit(what) => failed(format!("limit: the procedure {what}")),
            Ended::Trapped(what) => failed(format!("the procedure {what}")),
        };
        // Someone may have asked after the last call, where nothing looks any more.
        match (next, self.cancelled_by()?) {
            (Next::End(..), Some(by)) => Ok(Next::Cancel(by)),
            (next, _) => Ok(next),
        }
    }

    /// The worst of the checks decides.
    fn judged(&self, summary: String) -> Next {
        if let Some(message) = self.ledger.state().and_then(State::panicked) {
            let why = format!("the procedure panicked: {message}");
            return Next::Unwind(Outcome::FailedAndUnwound, why);
        }
        let checks = self.ledger.state().map(State::checks).unwrap_or_default();
        let first = |wanted| checks.iter().find(|check| check.verdict == wanted);
        if let Some(failed) = first(Verdict::Fail) {
            return Next::Unwind(
                Outcome::FailedAndUnwound,
                format!("check `{}` failed: {}", failed.name, failed.evidence),
            );
        }
        if first(Verdict::Inconclusive).is_some() {
            return Next::End(Outcome::Inconclusive, summary);
        }
        // A run that was denied a call ends as *refused*, even if the guest ignored the error.
        match self.ledger.state().and_then(State::denied) {
            Some(why) => Next::Unwind(Outcome::Refused, why.to_owned()),
            None => self.green(summary),
        }
    }

    /// A run whose change the target itself denied did not do what it tried, even if the guest ignored the error.
    fn green(&self, summary: String) -> Next {
        match self.ledger.state().and_then(State::declined_by_target) {
            Some(why) => Next::End(
                Outcome::Inconclusive,
                format!("{summary}; but not all of it: {why}"),
            ),
            None => Next::End(Outcome::Succeeded, summary),
        }
    }

    /// A procedure that failed on a refusal was refused. One that got over it and failed later has failed.
    fn failure(&self) -> Outcome {
        match self.ledger.state() {
            Some(state) if state.was_refused_last() => Outcome::Refused,
            Some(_) | None => Outcome::FailedAndUnwound,
        }
    }
}

fn halted(halt: Halt) -> Next {
    match halt {
        Halt::Stopped => Next::Stop("an operator stopped it".into()),
        Halt::Diverged { .. } => Next::Diverged(halt.to_string()),
        Halt::Left { .. } => Next::Leave(None),
        Halt::InDoubt { .. } => Next::Leave(Some(halt.to_string())),
        Halt::Cancelled { by } => Next::Cancel(by),
        Halt::Overtime(_) | Halt::Refused(_) => {
            Next::Unwind(Outcome::FailedAndUnwound, halt.to_string())
        }
        Halt::Journal(error) => Next::Fail(error.into()),
        Halt::Internal(what) => Next::Fail(EngineError::Internal(what)),
    }
}
