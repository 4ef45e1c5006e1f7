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
    Stop(String),
    /// Leave it as it is: something is in doubt.
    Leave,
    Fail(EngineError),
}

impl Gate {
    /// Ends, unwinds, stops or leaves the run.
    pub(super) async fn conclude(mut self, ended: Ended) -> Result<Finished, EngineError> {
        match self.next(ended) {
            Next::End(outcome, summary) => match self.sweep_all().await? {
                None => self.end(outcome, summary).await,
                Some(stays) => {
                    self.end(Outcome::Stuck, format!("{summary}; but {stays}"))
                        .await
                }
            },
            Next::Unwind(outcome, why) => self.unwind(outcome, why).await,
            Next::Stop(why) => self.stop(why).await,
            Next::Leave => Ok(self.standing()),
            Next::Fail(error) => Err(error),
        }
    }

    fn next(&self, ended: Ended) -> Next {
        match ended {
            Ended::Returned(Ok(_)) if !self.replay.is_over() => {
                Next::Stop("the procedure ended before its recorded past did".into())
            }
            Ended::Returned(Ok(summary)) => self.judged(summary),
            Ended::Returned(Err(error)) => Next::Unwind(self.failure(), error),
            Ended::Limit(what) => Next::Unwind(
                Outcome::FailedAndUnwound,
                format!("limit: the procedure {what}"),
            ),
            Ended::Trapped(what) => {
                Next::Unwind(Outcome::FailedAndUnwound, format!("the procedure {what}"))
            }
            Ended::Halted(halt) => halted(halt),
        }
    }

    /// The worst of the checks decides.
    fn judged(&self, summary: String) -> Next {
        let checks = self.ledger.state().map(State::checks).unwrap_or_default();
        let first = |wanted| checks.iter().find(|check| check.verdict == wanted);
        if let Some(failed) = first(Verdict::Fail) {
            return Next::Unwind(
                Outcome::FailedAndUnwound,
                format!("check `{}` failed: {}", failed.name, failed.evidence),
            );
        }
        match first(Verdict::Inconclusive) {
            Some(_) => Next::End(Outcome::Inconclusive, summary),
            None => Next::End(Outcome::Succeeded, summary),
        }
    }

    /// A procedure that failed after a refusal was refused.
    fn failure(&self) -> Outcome {
        match self.ledger.state() {
            Some(state) if state.refusals() > 0 => Outcome::Refused,
            Some(_) | None => Outcome::FailedAndUnwound,
        }
    }
}

fn halted(halt: Halt) -> Next {
    match halt {
        Halt::Stopped => Next::Stop("an operator stopped it".into()),
        Halt::Diverged { .. } => Next::Stop(halt.to_string()),
        Halt::Left { .. } | Halt::InDoubt { .. } => Next::Leave,
        Halt::Cancelled { by } => {
            Next::Unwind(Outcome::CancelledAndUnwound, format!("cancelled by {by}"))
        }
        Halt::Overtime(_) | Halt::Refused(_) => {
            Next::Unwind(Outcome::FailedAndUnwound, halt.to_string())
        }
        Halt::Journal(error) => Next::Fail(error.into()),
        Halt::Internal(what) => Next::Fail(EngineError::Internal(what)),
    }
}
