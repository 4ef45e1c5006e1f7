//! The one gate: every call of a guest passes here, and nothing else makes a [`Permit`] for one.
//!
//! The order of the checks is the order of `Gate::effect`: capabilities, budget, lock, plan, prepare, what preparing
//! found, journal, apply, journal.

use super::control::{Audience, Control, Event, Stop};
use super::halt::Halt;
use super::hooks::Hooks;
use super::ledger::Ledger;
use super::lock::Locks;
use super::permit::{ChangePermit, Permit};
use super::plan::{Bound, Foreseen};
use super::replay::{Answer, Replay};
use super::rooms::Rooms;
use super::settle;
use crate::call::{Effect, Prepared, Read};
use crate::clock::Clock;
use crate::contract::{CallError, ErrorKind};
use crate::grant::{Effective, Side};
use crate::journal::{Call, Entry, RunId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a look may take, whatever the run's own deadline is.
const READ_DEADLINE: Duration = Duration::from_mins(5);
/// How long one effect may take, whatever the run's own deadline is.
const EFFECT_DEADLINE: Duration = Duration::from_hours(12);
/// How long a run may take when nobody said.
const RUN_DEADLINE: Duration = Duration::from_hours(24);
/// Time for a room to notice its deadline by itself before the gate gives up on it.
const GRACE: Duration = Duration::from_secs(30);

/// What one run's calls pass through.
pub(crate) struct Gate {
    pub(super) run: RunId,
    pub(super) rooms: Arc<Rooms>,
    pub(super) effective: Arc<Effective>,
    pub(super) clock: Clock,
    pub(super) hooks: Hooks,
    pub(super) control: Control,
    pub(super) audience: Audience,
    pub(super) ledger: Ledger,
    pub(super) replay: Replay,
    pub(super) locks: Locks,
    pub(super) bound: Option<Bound>,
    pub(super) started: Instant,
    pub(super) calls: u64,
    pub(super) live_calls: u64,
    pub(super) effects: u64,
    pub(super) remarks: u64,
}

impl Gate {
    /// Looks at a target, or answers from the past.
    pub(crate) async fn read<T: DeserializeOwned>(
        &mut self,
        read: Read,
    ) -> wasmtime::Result<Result<T, CallError>> {
        let answer = self.read_value(read).await?;
        decode(answer)
    }

    /// Changes a target, or foresees the change in a plan, or answers from the past.
    pub(crate) async fn effect<T: DeserializeOwned>(
        &mut self,
        effect: Effect,
    ) -> wasmtime::Result<Result<T, CallError>> {
        let answer = self.effect_value(effect).await?;
        decode(answer)
    }

    async fn read_value(&mut self, read: Read) -> Result<Answer, Halt> {
        let call = Call::Read(read.clone());
        self.calls += 1;
        if let Some(answer) = self.replay.call(&call)? {
            return Ok(answer);
        }
        self.safe_point()?;
        if let Some(refused) = self.budget_refuses(&read.to_string()) {
            return self
                .refuse(read.to_string(), &call, Side::Budget, refused)
                .await;
        }
        if let Some(side) = self.effective.refuses_read(&read) {
            let error = denied(side, &read.to_string(), read.target());
            return self.refuse(read.to_string(), &call, side, error).await;
        }
        let answer = match self.injected() {
            Some(error) => Err(error),
            None => self.look(&read).await,
        };
        self.ledger
            .append(Entry::Observed {
                call,
                answer: answer.clone(),
            })
            .await?;
        Ok(answer)
    }

    async fn look(&self, read: &Read) -> Answer {
        let permit = self.permit(READ_DEADLINE);
        let answer = tokio::time::timeout(READ_DEADLINE + GRACE, self.rooms.read(&permit, read));
        answer
            .await
            .unwrap_or_else(|_| Err(late(&read.to_string())))
    }

    async fn effect_value(&mut self, effect: Effect) -> Result<Answer, Halt> {
        self.calls += 1;
        if let Some(answer) = self.replay.effect(&effect)? {
            self.effects += 1;
            if let Some(bound) = &mut self.bound {
                bound.take(&effect);
            }
            return Ok(answer);
        }
        self.safe_point()?;
        if let Some((side, error)) = self.refusal(&effect) {
            return self.refuse(effect.to_string(), &effect, side, error).await;
        }
        let prepared = match self.prepare(&effect).await {
            Ok(prepared) => prepared,
            Err(error) => return self.declined(effect, error).await,
        };
        for touch in &prepared.touches {
            if let Some(side) = self.effective.refuses_touch(&effect, touch) {
                let error = denied(side, &effect.to_string(), effect.target());
                return self.refuse(effect.to_string(), &effect, side, error).await;
            }
        }
        self.effects += 1;
        if self.ledger.is_plan() {
            let answer = prepared.foreseen.clone();
            self.ledger.foresee(Foreseen { effect, prepared });
            return Ok(Ok(answer));
        }
        self.change(effect, prepared).await
    }

    /// Everything that can be refused without looking at the target, in the gate's order.
    fn refusal(&mut self, effect: &Effect) -> Option<(Side, CallError)> {
        let line = effect.to_string();
        if let Some(side) = self.effective.refuses_effect(effect) {
            return Some((side, denied(side, &line, effect.target())));
        }
        if self
            .effective
            .expires
            .is_some_and(|end| end <= self.clock.now())
        {
            let message = format!("may not {line} on {}: the grant has ended", effect.target());
            return Some((Side::Grant, CallError::new(ErrorKind::Denied, message)));
        }
        if let Some(error) = self
            .budget_refuses(&line)
            .or_else(|| self.effects_refuse(&line))
        {
            return Some((Side::Budget, error));
        }
        if !self.ledger.is_plan() && !self.locks.are_held(effect.target()) {
            let message = format!("{line}: the lock on `{}` was lost", effect.target());
            return Some((Side::Lock, CallError::new(ErrorKind::Denied, message)));
        }
        if let Some(bound) = &mut self.bound
            && !bound.take(effect)
        {
            let message = format!("{line} is not in plan {}", bound.name());
            return Some((Side::Plan, CallError::new(ErrorKind::Denied, message)));
        }
        None
    }

    async fn prepare(&mut self, effect: &Effect) -> Result<Prepared, CallError> {
        if let Some(error) = self.injected() {
            return Err(error);
        }
        let permit = self.permit(READ_DEADLINE);
        let prepared =
            tokio::time::timeout(READ_DEADLINE + GRACE, self.rooms.prepare(&permit, effect));
        prepared
            .await
            .unwrap_or_else(|_| Err(late(&effect.to_string())))
    }

    /// The room found that the effect cannot be done; nothing was sent.
    async fn declined(&mut self, effect: Effect, error: CallError) -> Result<Answer, Halt> {
        let call = Call::Effect(effect);
        let answer = Err(error);
        self.ledger
            .append(Entry::Observed {
                call,
                answer: answer.clone(),
            })
            .await?;
        Ok(answer)
    }

    /// Journal, apply, journal.
    async fn change(&mut self, call: Effect, prepared: Prepared) -> Result<Answer, Halt> {
        let number = self.ledger.next_effect();
        let permit = self.permit(EFFECT_DEADLINE);
        let intended = Entry::Intended {
            effect: number,
            call: call.clone(),
            prepared: prepared.clone(),
        };
        let announced = self.ledger.announce(number, intended).await?;
        let change = ChangePermit::new(permit.clone(), announced);
        let deadline = permit.deadline() + GRACE;
        let applied = tokio::select! {
            applied = self.rooms.apply(&change, &call, &prepared) => Some(applied),
            () = permit.stopped() => return Err(Halt::Left { effect: number }),
            () = tokio::time::sleep_until(deadline.into()) => None,
        };
        let (answer, sweep) = match applied {
            Some(Ok(applied)) => {
                let answer = applied.answer.clone();
                let sweep = applied.sweep.clone();
                let done = Entry::Done {
                    effect: number,
                    applied,
                    confirmed: false,
                };
                self.ledger.append(done).await?;
                (Ok(answer), sweep)
            }
            Some(Err(failure)) if !failure.in_doubt => {
                let error = failure.error;
                let sweep = failure.sweep;
                let failed = Entry::Failed {
                    effect: number,
                    error: error.clone(),
                    sweep: sweep.clone(),
                };
                self.ledger.append(failed).await?;
                (Err(error), sweep)
            }
            Some(Err(_)) | None => return self.settle(number, call, prepared).await,
        };
        if let Some(sweep) = sweep {
            self.sweep(number, sweep).await?;
        }
        Ok(answer)
    }

    /// The connection broke, so ask the target what happened.
    async fn settle(
        &mut self,
        number: u64,
        call: Effect,
        prepared: Prepared,
    ) -> Result<Answer, Halt> {
        let note = self.ledger.note_of(number)?;
        let permit = self.permit(EFFECT_DEADLINE);
        let asked = self
            .rooms
            .confirm(&permit, &call, &prepared, note.as_ref())
            .await;
        let settled = settle::Settled::from(number, asked);
        self.ledger.append(settled.entry).await?;
        if let Some(sweep) = settled.sweep {
            self.sweep(number, sweep).await?;
        }
        match settled.answer {
            settle::Verdict::Happened(answer) => Ok(Ok(answer)),
            // Live, nobody asks again by himself: the guest is told, and decides.
            settle::Verdict::DidNot(why) => Ok(Err(CallError::new(ErrorKind::Unavailable, why))),
            settle::Verdict::Unknown(why) => Err(Halt::InDoubt {
                effect: number,
                why,
            }),
        }
    }

    /// Clears away what a broken-off effect left. What cannot be cleared away now is tried again before the run ends.
    async fn sweep(&mut self, effect: u64, revert: crate::call::Revert) -> Result<(), Halt> {
        self.take_back(effect, revert).await.map(drop)
    }

    /// Records a refusal, so that it stays known even if the guest swallows it.
    async fn refuse<T: Serialize>(
        &mut self,
        call: String,
        value: &T,
        side: Side,
        error: CallError,
    ) -> Result<Answer, Halt> {
        let value = serde_json::to_value(value).map_err(|e| Halt::Internal(e.to_string()))?;
        self.ledger
            .append(Entry::Refused {
                call,
                value,
                side,
                error: error.clone(),
            })
            .await?;
        Ok(Err(error))
    }

    /// Between two calls nothing is half done: here a run may stop.
    pub(super) fn safe_point(&mut self) -> Result<(), Halt> {
        if self.control.level() >= Stop::AtSafePoint {
            return Err(Halt::Stopped);
        }
        if let Some(by) = self.ledger.cancel_requested(&self.run)? {
            return Err(Halt::Cancelled { by });
        }
        let limit = self.run_deadline();
        if self.clock.instant().duration_since(self.started) > limit {
            return Err(Halt::Overtime(crate::text::duration(limit)));
        }
        Ok(())
    }

    fn run_deadline(&self) -> Duration {
        let declared = self
            .effective
            .budget
            .duration
            .and_then(|d| Duration::try_from(d).ok());
        declared.unwrap_or(RUN_DEADLINE)
    }

    /// When the run has to be over.
    fn must_end_at(&self) -> Instant {
        self.started + self.run_deadline()
    }

    pub(super) fn permit(&self, at_most: Duration) -> Permit {
        self.permit_until((self.clock.instant() + at_most).min(self.must_end_at()))
    }

    fn permit_until(&self, deadline: Instant) -> Permit {
        Permit::new(
            self.run.clone(),
            Arc::clone(&self.effective),
            deadline,
            self.control.now(),
            self.audience.effect_progress(),
            self.clock.clone(),
        )
    }

    /// For taking back: being late is no reason to leave things half undone.
    pub(super) fn unwind_permit(&self, at_most: Duration) -> Permit {
        self.permit_until(self.clock.instant() + at_most)
    }

    /// A fault that the suite injects in the place of the target's answer.
    pub(super) fn injected(&mut self) -> Option<CallError> {
        self.live_calls += 1;
        self.hooks
            .on_call
            .as_ref()
            .and_then(|hook| hook(self.live_calls))
    }

    pub(super) fn budget_refuses(&self, line: &str) -> Option<CallError> {
        let most = self.effective.budget.calls?;
        let message = || format!("{line}: the budget of {most} calls is used up");
        (self.calls > most).then(|| CallError::new(ErrorKind::Limit, message()))
    }

    fn effects_refuse(&self, line: &str) -> Option<CallError> {
        let most = self.effective.budget.effects?;
        let message = || format!("{line}: the budget of {most} effects is used up");
        (self.effects >= most).then(|| CallError::new(ErrorKind::Limit, message()))
    }

    /// Tells those who watch how far the procedure says it is.
    pub(super) fn show_step(&self, progress: super::control::Progress) {
        self.audience.tell(Event::Step(progress));
    }
}

fn decode<T: DeserializeOwned>(answer: Answer) -> wasmtime::Result<Result<T, CallError>> {
    match answer {
        Ok(value) => match serde_json::from_value(value) {
            Ok(value) => Ok(Ok(value)),
            Err(error) => Err(Halt::Internal(error.to_string()).into()),
        },
        Err(error) => Ok(Err(error)),
    }
}

fn denied(side: Side, line: &str, target: &str) -> CallError {
    let who = match side {
        Side::Needs => "its own manifest does not ask for it",
        Side::Grant => "no grant covers it",
        Side::Budget | Side::Plan | Side::Lock => "it is not allowed",
    };
    CallError::new(
        ErrorKind::Denied,
        format!("may not {line} on {target}: {who}"),
    )
}

fn late(line: &str) -> CallError {
    CallError::new(
        ErrorKind::Limit,
        format!("{line}: no answer within its deadline"),
    )
}
