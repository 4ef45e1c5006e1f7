//! Settling and taking back, from the journal alone: no guest code runs here.

use super::EngineError;
use super::control::{Event, Progress, Stop};
use super::gate::{EFFECT_DEADLINE, Gate};
use super::halt::Halt;
use super::runs::Finished;
use super::settle::{self, NotAsked, Settled, Verdict};
use crate::call::{Applied, Revert};
use crate::contract::{CallError, ErrorKind};
use crate::journal::{EffectState, Entry, Outcome, State};
use crate::text::{counted, shortened};
use std::error::Error as _;
use std::time::Duration;

/// Time for one undo, whatever the run's own deadline was: taking back must not fail for being late.
const UNDO_DEADLINE: Duration = Duration::from_hours(1);

/// From one try of an undo to the next while its target does not answer; twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The most bytes of the sentence that a run ends with: procedures and targets have a say in it.
const SENTENCE_BYTES: usize = 4096;

/// What a person says of an effect that the target cannot tell about.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Number of the effect.
    pub effect: u64,
    /// Whether it happened.
    pub happened: bool,
    /// Who says so.
    pub by: String,
}

impl Gate {
    /// Asks the target about the effect whose end was not recorded, and clears away what broken-off effects left.
    /// Answers where the run stands if it cannot go on.
    /// A person is listened to only where the target cannot tell.
    pub(super) async fn settle_open(
        &mut self,
        decision: Option<&Decision>,
    ) -> Result<Option<Finished>, EngineError> {
        let open = self
            .ledger
            .state()
            .and_then(|state| state.open_effect().cloned());
        if let Some(open) = open {
            // What is still at work is waited for as long as it could have been when it was begun.
            let permit = self.unwind_permit(EFFECT_DEADLINE);
            let note = open.note.as_ref();
            let (call, prepared) = (&open.call, &open.prepared);
            let asked = settle::ask(&*self.rooms, &permit, call, prepared, open.number, note).await;
            let Some(asked) = asked else {
                return Ok(Some(self.standing()));
            };
            let settled = Settled::from(open.number, asked).map_err(|NotAsked(why)| {
                EngineError::NotAsked {
                    run: self.run.clone(),
                    effect: open.number,
                    target: open.call.target().to_owned(),
                    why,
                }
            })?;
            let unknown = matches!(settled.answer, Verdict::Unknown(_));
            self.ledger.append(settled.entry).await?;
            if unknown {
                let decided = decision.filter(|decision| decision.effect == open.number);
                let Some(decision) = decided else {
                    return Ok(Some(self.standing()));
                };
                self.ledger.append(decision.entry(&open)).await?;
            }
        }
        match self.sweep_all().await {
            Ok(_) => Ok(None),
            Err(Halt::Left { .. } | Halt::Stopped) => Ok(Some(self.standing())),
            Err(halt) => Err(halt.into()),
        }
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

    /// Ends the run as someone wants it, and keeps who that is.
    pub(super) async fn cancel(mut self, by: String) -> Result<Finished, EngineError> {
        let why = format!("cancelled by {by}");
        let known = self.ledger.state().and_then(State::cancel_requested_by);
        if known.is_none() {
            self.ledger.append(Entry::CancelRequested { by }).await?;
        }
        self.unwind(Outcome::CancelledAndUnwound, why).await
    }

    /// Takes back each effect that can be taken back, last first, and ends the run.
    pub(super) async fn unwind(
        mut self,
        outcome: Outcome,
        why: String,
    ) -> Result<Finished, EngineError> {
        let why = shortened(why, SENTENCE_BYTES);
        self.ledger
            .append(Entry::Unwinding {
                outcome,
                why: why.clone(),
            })
            .await?;
        match self.take_back_all().await {
            Ok(None) => match self.ledger.state().map(State::stays) {
                Some(stays) if !stays.is_empty() => {
                    let summary = format!("{why}; then {}", stays.join("; "));
                    self.end(Outcome::TakenBackInPart, summary).await
                }
                Some(_) | None => self.end(outcome, why).await,
            },
            Ok(Some(stuck)) => {
                self.end(Outcome::Stuck, format!("{why}; then {stuck}"))
                    .await
            }
            Err(Halt::Left { .. } | Halt::Stopped) => Ok(self.standing()),
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
            if self.control.level() >= Stop::AtSafePoint {
                return Err(Halt::Stopped);
            }
            if let Err(why) = self.take_back(effect, revert).await? {
                return Ok(Some(format!("effect {effect} could not be undone: {why}")));
            }
        }
        let held = self.ledger.state().and_then(State::held_by);
        Ok(held.map(|last| {
            format!(
                "what was done before effect {} stays: {}",
                last.number, last.prepared.undo
            )
        }))
    }

    /// Takes back one thing, and tries again until its deadline while the target does not answer: a revert may be repeated. The inner error
    /// says why it did not work.
    async fn take_back(&mut self, effect: u64, revert: Revert) -> Result<Result<(), String>, Halt> {
        let end = self.clock.instant() + UNDO_DEADLINE;
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = self.take_back_once(effect, revert.clone()).await? else {
                return Ok(Ok(()));
            };
            if !settle::may_pass(error.kind) || self.clock.instant() + pause >= end {
                return Ok(Err(error.message));
            }
            self.wait_for_target(&error.message, pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits before the next try, as long as the operator does.
    async fn wait_for_target(&mut self, why: &str, pause: Duration) -> Result<(), Halt> {
        self.audience.tell(Event::Effect(Progress {
            phase: format!("{why}; trying again"),
            done: 0,
            total: 0,
            notice: true,
        }));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.control.wanted() => Err(Halt::Stopped),
        }
    }

    /// The inner error says why it did not work.
    pub(super) async fn take_back_once(
        &mut self,
        effect: u64,
        revert: Revert,
    ) -> Result<Result<(), CallError>, Halt> {
        // A target that came back from a crash has forgotten whose it was; meanwhile it may have become another run's.
        if let Err(error) = self.locks.renew(&*self.rooms, &self.run).await {
            let why = error.source().map(|why| format!(": {why}"));
            let kind = if error.is_taken() {
                ErrorKind::Conflict
            } else {
                ErrorKind::Unavailable
            };
            let message = format!("{error}{}", why.unwrap_or_default());
            return Ok(Err(CallError::new(kind, message)));
        }
        let leave = (
            self.unwind_permit(UNDO_DEADLINE),
            self.locks.ownership(None, None),
        );
        settle::revert(&*self.rooms, &mut self.ledger, leave, effect, revert).await
    }

    /// How the run was being taken back when its process went away, or ended stuck.
    pub(super) fn unwinding(&self) -> Option<(Outcome, String)> {
        let (outcome, why) = self.ledger.state()?.unwinding()?;
        Some((outcome, why.to_owned()))
    }

    /// Who wants the run ended and taken back.
    pub(super) fn cancelled_by(&self) -> Result<Option<String>, Halt> {
        let recorded = self.ledger.state().and_then(State::cancel_requested_by);
        match recorded {
            Some(by) => Ok(Some(by.to_owned())),
            None => self.ledger.cancel_requested(&self.run),
        }
    }

    pub(super) async fn end(
        mut self,
        outcome: Outcome,
        summary: String,
    ) -> Result<Finished, EngineError> {
        let summary = shortened(summary, SENTENCE_BYTES);
        self.ledger.append(Entry::End { outcome, summary }).await?;
        Ok(self.standing())
    }

    pub(super) async fn stop(
        mut self,
        why: String,
        diverged: bool,
    ) -> Result<Finished, EngineError> {
        let why = shortened(why, SENTENCE_BYTES);
        self.ledger.append(Entry::Stopped { why, diverged }).await?;
        Ok(self.standing())
    }

    /// Whether the run has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ledger
            .state()
            .is_some_and(|state| state.outcome().is_some())
    }

    /// Where the run stands now.
    pub(super) fn standing(&self) -> Finished {
        let phase = self.ledger.state().map(State::phase).unwrap_or_default();
        Finished {
            run: self.run.clone(),
            phase,
            left: None,
        }
    }
}

impl Decision {
    /// The end of the effect that the person's word comes to.
    fn entry(&self, open: &EffectState) -> Entry {
        let effect = open.number;
        let by = &self.by;
        if self.happened {
            let applied = Applied {
                answer: open.prepared.foreseen.clone(),
                after: format!("done, says {by}"),
                sweep: None,
            };
            Entry::Done {
                effect,
                applied,
                confirmed: true,
            }
        } else {
            Entry::NotDone {
                effect,
                why: format!("{by} says so"),
                sweep: None,
            }
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
