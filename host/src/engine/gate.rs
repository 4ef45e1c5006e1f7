//! The one gate: every call of a guest passes here, and nothing else makes a [`Permit`] for one.
//!
//! The order of the checks is the order of `Gate::effect`: well-formed, policy, capabilities, budget, lock, plan, prepare, what preparing
//! found, journal, apply, journal.

use super::bound::Bound;
use super::control::{Audience, Control, Event};
use super::halt::Halt;
use super::hooks::Hooks;
use super::ledger::Ledger;
use super::lock::Locks;
use super::measure::Counted;
use super::patience::{Waited, wait};
use super::permit::{ChangePermit, Ownership, StillGranted};
use super::refusal::{refused, unmeant};
use super::remarks::Remarks;
use super::replay::{Answer, Replay};
use super::rooms::Targets;
use super::settle;
use super::turn::Turn;
use super::watch::Watches;
use crate::call::{Applied, ApplyFailure, Effect, Prepared, Read};
use crate::clock::{Clock, Millis};
use crate::contract::{CallError, ErrorKind};
use crate::grant::Effective;
use crate::journal::{Call, Entry, RunId};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a look may take, whatever the run's own deadline is.
const READ_DEADLINE: Duration = Duration::from_mins(5);
/// How long one effect may take, whatever the run's own deadline is.
pub(super) const EFFECT_DEADLINE: Duration = Duration::from_hours(12);
/// Bytes of JSON that one answer has at most.
const ANSWER_BYTES: u64 = 8 << 20;
/// How often it is looked, in a long wait, whether somebody cancelled the run.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// How often a guest's own progress is shown at most.
const SHOWN_EVERY: Duration = Duration::from_millis(50);

/// What one run's calls pass through.
pub(crate) struct Gate {
    pub(super) run: RunId,
    pub(super) rooms: Arc<dyn Targets>,
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
    pub(super) worked: Duration,
    pub(super) looked_for_cancel: Option<Instant>,
    pub(super) calls: u64,
    pub(super) live_calls: u64,
    pub(super) effects: u64,
    pub(super) messages: u64,
    pub(super) remarks: Remarks,
    pub(super) shown: Option<Instant>,
    pub(super) turn: Turn,
    pub(super) watches: Watches,
}

/// What a guest is told of a target.
enum Heard {
    /// It is in the record.
    Recorded(Answer),
    /// It is still to be recorded, as the answer to this call.
    New(Call, Counted),
}

impl Gate {
    /// Looks at a target, or answers from the past.
    pub(crate) async fn read<T: DeserializeOwned>(
        &mut self,
        read: Read,
    ) -> wasmtime::Result<Result<T, CallError>> {
        let _turn = self.turn.take().await;
        match self.read_value(read).await? {
            Heard::Recorded(answer) => decode(&answer),
            Heard::New(call, answer) => {
                let told = decode(&answer.answer);
                self.ledger.observe(call, answer).await?;
                told
            }
        }
    }

    /// Changes a target, or foresees the change in a plan, or answers from the past.
    pub(crate) async fn effect<T: DeserializeOwned>(
        &mut self,
        effect: Effect,
    ) -> wasmtime::Result<Result<T, CallError>> {
        let _turn = self.turn.take().await;
        let answer = self.effect_value(effect).await?;
        decode(&answer)
    }

    async fn read_value(&mut self, read: Read) -> Result<Heard, Halt> {
        let call = Call::Read(read.clone());
        self.calls += 1;
        if let Some(answer) = self.replay.call(&call)? {
            if answer.is_ok() {
                self.watch(&read);
            }
            return Ok(Heard::Recorded(answer));
        }
        self.safe_point()?;
        self.let_grants_end();
        let words = || (read.to_string(), format!("on {}", read.target()));
        let refused = unmeant(read.check())
            .or_else(|| self.may_not(self.effective.refuses_read(&read), words));
        if let Some((side, error)) = refused {
            let line = read.to_string();
            let refused = self.refuse(line, &call, side, error, None).await?;
            return Ok(Heard::Recorded(refused));
        }
        let answer = match self.injected() {
            Some(error) => Err(error),
            None if read.waits().is_some() => self.await_others(&read).await?,
            None => self.look(&read).await?,
        };
        if answer.is_ok() {
            self.watch(&read);
        }
        Ok(Heard::New(call, capped(answer)))
    }

    async fn look(&self, read: &Read) -> Result<Answer, Halt> {
        let permit = self.permit(READ_DEADLINE);
        match wait(&permit, self.rooms.read(&permit, read)).await {
            Waited::Answered(answer) => Ok(answer),
            Waited::Late => Ok(Err(late(&read.to_string()))),
            Waited::Stopped => Err(Halt::Stopped),
        }
    }

    /// Waits for what others do. Its end is recorded when it begins, so that after a crash only the rest is waited. A stop or a cancellation
    /// ends the wait at once; in a plan it is assumed that it came about.
    async fn await_others(&mut self, read: &Read) -> Result<Answer, Halt> {
        if self.ledger.is_plan() {
            return Ok(Ok(read.assumed().unwrap_or_default()));
        }
        let within = read.waits().unwrap_or_default();
        let at_most = if let Some(until) = self.replay.take_wait() {
            let rest = Duration::from_millis(until.since(self.clock.now()));
            // Long enough to see that it came about meanwhile.
            rest.max(read.waits_at_least().min(within))
        } else {
            let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
            let until = Millis(self.clock.now().0.saturating_add(millis));
            self.ledger.append(Entry::Waiting { until }).await?;
            within.saturating_add(READ_DEADLINE)
        };
        let permit = self.permit(at_most);
        let rooms = Arc::clone(&self.rooms);
        let mut waiting = std::pin::pin!(wait(&permit, rooms.read(&permit, read)));
        loop {
            tokio::select! {
                waited = &mut waiting => return match waited {
                    Waited::Answered(answer) => Ok(answer),
                    Waited::Late => Ok(Err(late(&read.to_string()))),
                    Waited::Stopped => Err(Halt::Stopped),
                },
                () = self.control.wanted() => {}
                () = tokio::time::sleep(LOOKED_EVERY) => {}
            }
            self.ledger.catch_up()?;
            self.safe_point()?;
        }
    }

    async fn effect_value(&mut self, effect: Effect) -> Result<Answer, Halt> {
        self.calls += 1;
        if let Some(past) = self.replay.effect(&effect)? {
            if past.intended {
                self.count(&effect);
                self.use_up(&effect, past.answer.is_ok());
            }
            return Ok(past.answer);
        }
        self.safe_point()?;
        self.let_grants_end();
        if effect.changes_target() {
            self.locks.keep().await;
        }
        let mut lacks = None;
        match self.refusal(&effect) {
            Some((side, error)) if self.only_marks(side) => lacks = Some((side, error, None)),
            Some((side, error)) => {
                let line = effect.to_string();
                return self.refuse(line, &effect, side, error, None).await;
            }
            None => {}
        }
        let prepared = match self.prepare(&effect).await? {
            Ok(prepared) => prepared,
            Err(error) => return self.declined(effect, error).await,
        };
        for touch in &prepared.touches {
            let Some((side, error)) = self.refuses_touch(&effect, touch) else {
                continue;
            };
            let touch = Some(touch.clone());
            if self.only_marks(side) {
                lacks.get_or_insert((side, error, touch));
                continue;
            }
            let line = effect.to_string();
            return self.refuse(line, &effect, side, error, touch).await;
        }
        self.count(&effect);
        if self.ledger.is_plan() {
            let answer = prepared.foreseen.clone();
            let lacks = lacks.map(|(side, error, touch)| {
                refused(effect.to_string(), &effect, side, error, touch)
            });
            self.ledger.foresee(&effect, prepared, lacks.transpose()?);
            return Ok(Ok(answer));
        }
        self.change(effect, prepared).await
    }

    /// Whether the files of the grants still cover the change, for as long as it is under way.
    fn still_granted(&self, call: &Effect) -> StillGranted {
        let (kept, call) = (self.effective.kept.clone(), call.clone());
        StillGranted(Arc::new(move || kept.covers(&call)))
    }

    /// An effect of the plan that is begun is used up; one that failed left the target as it was and may be tried again.
    fn use_up(&mut self, effect: &Effect, happened: bool) {
        if let Some(bound) = &mut self.bound
            && happened
        {
            bound.take(effect);
        }
    }

    async fn prepare(&mut self, effect: &Effect) -> Result<Result<Prepared, CallError>, Halt> {
        if let Some(error) = self.injected() {
            return Ok(Err(error));
        }
        let permit = self.permit(READ_DEADLINE);
        match wait(&permit, self.rooms.prepare(&permit, effect)).await {
            Waited::Answered(prepared) => Ok(prepared),
            Waited::Late => Ok(Err(late(&effect.to_string()))),
            Waited::Stopped => Err(Halt::Stopped),
        }
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
        let announced = self.ledger.announce(intended).await?;
        let ownership = if call.changes_target() {
            self.locks.ownership(
                self.effective.covers_until(&call),
                Some(self.still_granted(&call)),
            )
        } else {
            Ownership::default()
        };
        let change = ChangePermit::new(permit.clone(), announced, ownership);
        let applied = wait(&permit, self.apply(number, &change, &call, &prepared)).await;
        let (answer, sweep) = match applied {
            Waited::Stopped => return Err(Halt::Left { effect: number }),
            Waited::Answered(Ok(applied)) => {
                let answer = applied.answer.clone();
                let sweep = applied.sweep.clone();
                let done = Entry::Done {
                    effect: number,
                    applied,
                    confirmed: false,
                };
                self.ledger.append(done).await?;
                self.use_up(&call, true);
                (Ok(answer), sweep)
            }
            Waited::Answered(Err(failure)) if !failure.in_doubt => {
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
            Waited::Answered(Err(_)) | Waited::Late => {
                return self.settle(number, call, prepared).await;
            }
        };
        if let Some(sweep) = sweep {
            self.sweep(number, sweep).await?;
        }
        Ok(answer)
    }

    async fn apply(
        &self,
        number: u64,
        change: &ChangePermit,
        effect: &Effect,
        prepared: &Prepared,
    ) -> Result<Applied, ApplyFailure> {
        match self.injected_at_apply(number) {
            Some(error) => Err(ApplyFailure {
                error,
                in_doubt: false,
                sweep: None,
            }),
            None => self.rooms.apply(change, effect, prepared).await,
        }
    }

    /// The connection broke, so ask the target what happened.
    async fn settle(
        &mut self,
        number: u64,
        call: Effect,
        prepared: Prepared,
    ) -> Result<Answer, Halt> {
        let note = self.ledger.note_of(number)?;
        // Being late is no reason not to ask.
        let rest = self
            .must_end_at()
            .saturating_duration_since(self.clock.instant());
        let permit = self.unwind_permit(rest.clamp(READ_DEADLINE, EFFECT_DEADLINE));
        let asked = settle::ask(
            &*self.rooms,
            &permit,
            &call,
            &prepared,
            number,
            note.as_ref(),
        )
        .await;
        let Some(asked) = asked else {
            return Err(Halt::Left { effect: number });
        };
        let settled = match settle::Settled::live(number, asked) {
            Ok(settled) => settled,
            Err(settle::NotAsked(why)) => {
                return Err(Halt::InDoubt {
                    effect: number,
                    why: format!("{} could not be asked: {why}", call.target()),
                });
            }
        };
        self.ledger.append(settled.entry).await?;
        if let Some(sweep) = settled.sweep {
            self.sweep(number, sweep).await?;
        }
        match settled.answer {
            settle::Verdict::Happened(answer) => {
                self.use_up(&call, true);
                Ok(Ok(answer))
            }
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
        self.take_back_once(effect, revert).await.map(drop)
    }

    /// A fault that the suite injects in the place of the target's answer.
    pub(super) fn injected(&mut self) -> Option<CallError> {
        self.live_calls += 1;
        self.hooks
            .on_call
            .as_ref()
            .and_then(|hook| hook(self.live_calls))
    }

    /// A fault that the suite injects in the place of an effect.
    fn injected_at_apply(&self, number: u64) -> Option<CallError> {
        self.hooks.on_apply.as_ref().and_then(|hook| hook(number))
    }

    /// Tells those who watch how far the procedure says it is.
    pub(super) fn show_step(&mut self, progress: super::control::Progress) {
        let now = self.clock.instant();
        // Those who watch can fall behind, and what they have not seen yet is kept in memory.
        if self.shown.is_some_and(|at| now - at < SHOWN_EVERY) {
            return;
        }
        self.shown = Some(now);
        self.audience.tell(Event::Step(progress));
    }
}

/// A target may have more to tell than anybody wants to keep.
fn capped(answer: Answer) -> Counted {
    let counted = Counted::new(answer);
    if counted.bytes <= ANSWER_BYTES {
        return counted;
    }
    let had = crate::text::bytes(counted.bytes);
    let most = crate::text::bytes(ANSWER_BYTES);
    let message = format!("the answer has {had}; at most {most} are handed on");
    Counted::new(Err(CallError::new(ErrorKind::Limit, message)))
}

fn decode<T: DeserializeOwned>(answer: &Answer) -> wasmtime::Result<Result<T, CallError>> {
    match answer {
        Ok(value) => match T::deserialize(value) {
            Ok(value) => Ok(Ok(value)),
            Err(error) => Err(Halt::Internal(error.to_string()).into()),
        },
        Err(error) => Ok(Err(error.clone())),
    }
}

fn late(line: &str) -> CallError {
    CallError::new(
        ErrorKind::Limit,
        format!("{line}: no answer within its deadline"),
    )
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_BYTES, capped};

    #[test]
    fn an_answer_is_handed_on_whole_or_not_at_all() {
        let of = |bytes: u64| Ok("x".repeat(usize::try_from(bytes).unwrap()).into());
        // In JSON there are two quotes, and the name of the variant.
        let fits = of(ANSWER_BYTES - 20);
        assert_eq!(capped(fits.clone()).answer, fits);
        let error = capped(of(ANSWER_BYTES)).answer.unwrap_err();
        assert_eq!(error.kind, crate::contract::ErrorKind::Limit);
    }
}
