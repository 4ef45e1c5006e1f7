//! Settling and taking back, from the journal alone: no guest code runs here.

use super::EngineError;
use super::gate::Gate;
use super::halt::Halt;
use super::runs::Finished;
use super::settle::{self, Settled, Verdict};
use crate::call::Revert;
use crate::journal::{Entry, Outcome, State};
use crate::text::counted;
use std::time::Duration;

/// Time for one undo, whatever the run's own deadline was: taking back must not fail for being late.
const UNDO_DEADLINE: Duration = Duration::from_hours(1);

impl Gate {
    /// Asks the target about the effect whose end was not recorded, and clears away what broken-off effects left.
    /// Answers where the run stands if it cannot go on.
    pub(super) async fn settle_open(&mut self) -> Result<Option<Finished>, EngineError> {
        let open = self
            .ledger
            .state()
            .and_then(|state| state.open_effect().cloned());
        if let Some(open) = open {
            let permit = self.unwind_permit(UNDO_DEADLINE);
            let asked = self
                .rooms
                .confirm(&permit, &open.call, &open.prepared, open.note.as_ref());
            let asked = tokio::select! {
                asked = asked => asked,
                () = permit.stopped() => return Ok(Some(self.standing())),
            };
            let settled = Settled::from(open.number, asked);
            let unknown = matches!(settled.answer, Verdict::Unknown(_));
            self.ledger.append(settled.entry).await?;
            if unknown {
                return Ok(Some(self.standing()));
            }
        }
        self.sweep_all().await?;
        Ok(None)
    }

    /// Clears away what broken-off effects left. Answers what stays, and why.
    pub(super) async fn sweep_all(&mut self) -> Result<Option<String>, Halt> {
        let sweeps = self.ledger.state().map(State::to_sweep).unwrap_or_default();
        let mut stays = Vec::new();
        for (effect, revert) in sweeps {
            let what = revert.to_string();
            if let Err(why) = self.take_back(effect, revert).await? {
                stays.push(format!("effect {effect} left something ({what}): {why}"));
            }
        }
        let more = stays.len().saturating_sub(1);
        Ok(stays.into_iter().next().map(|first| match more {
            0 => first,
            more => format!(
                "{first}; and {} more left something",
                counted(more, "effect")
            ),
        }))
    }

    /// Takes back each effect that can be taken back, last first, and ends the run.
    pub(super) async fn unwind(
        mut self,
        outcome: Outcome,
        why: String,
    ) -> Result<Finished, EngineError> {
        self.ledger
            .append(Entry::Unwinding {
                outcome,
                why: why.clone(),
            })
            .await?;
        match self.take_back_all().await {
            Ok(None) => self.end(outcome, why).await,
            Ok(Some(stuck)) => {
                self.end(Outcome::Stuck, format!("{why}; then {stuck}"))
                    .await
            }
            Err(Halt::Left { .. }) => Ok(self.standing()),
            Err(halt) => Err(halt.into()),
        }
    }

    /// Stops at the first undo that fails: those before it may depend on it.
    async fn take_back_all(&mut self) -> Result<Option<String>, Halt> {
        if let Some(stays) = self.sweep_all().await? {
            return Ok(Some(stays));
        }
        let undos = self.ledger.state().map(State::to_undo).unwrap_or_default();
        for (effect, revert) in undos {
            if let Err(why) = self.take_back(effect, revert).await? {
                return Ok(Some(format!("effect {effect} could not be undone: {why}")));
            }
        }
        Ok(None)
    }

    /// The inner error says why it did not work.
    pub(super) async fn take_back(
        &mut self,
        effect: u64,
        revert: Revert,
    ) -> Result<Result<(), String>, Halt> {
        let permit = self.unwind_permit(UNDO_DEADLINE);
        settle::revert(&self.rooms, &mut self.ledger, permit, effect, revert).await
    }

    /// Whether the run was being taken back when its process went away, or shall be.
    pub(super) fn unwinding(&self) -> Result<Option<(Outcome, String)>, Halt> {
        let Some(state) = self.ledger.state() else {
            return Ok(None);
        };
        if let Some((outcome, why)) = state.unwinding() {
            return Ok(Some((outcome, why.to_owned())));
        }
        let requested = match state.cancel_requested_by() {
            Some(by) => Some(by.to_owned()),
            None => self.ledger.cancel_requested(&self.run)?,
        };
        Ok(requested.map(|by| (Outcome::CancelledAndUnwound, format!("cancelled by {by}"))))
    }

    pub(super) async fn end(
        mut self,
        outcome: Outcome,
        summary: String,
    ) -> Result<Finished, EngineError> {
        self.ledger.append(Entry::End { outcome, summary }).await?;
        Ok(self.standing())
    }

    pub(super) async fn stop(mut self, why: String) -> Result<Finished, EngineError> {
        self.ledger.append(Entry::Stopped { why }).await?;
        Ok(self.standing())
    }

    /// Where the run stands now.
    pub(super) fn standing(&self) -> Finished {
        let phase = self.ledger.state().map(State::phase).unwrap_or_default();
        Finished {
            run: self.run.clone(),
            phase,
        }
    }
}

impl From<Halt> for EngineError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Journal(error) => error.into(),
            Halt::Stopped
            | Halt::Left { .. }
            | Halt::Cancelled { .. }
            | Halt::InDoubt { .. }
            | Halt::Diverged { .. }
            | Halt::Refused(_)
            | Halt::Overtime(_)
            | Halt::Internal(_) => Self::Internal(halt.to_string()),
        }
    }
}
