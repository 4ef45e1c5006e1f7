//! How much and how long: the bounds that the gate keeps, and when a run may stop.

use super::control::Stop;
use super::gate::Gate;
use super::halt::Halt;
use super::permit::Permit;
use crate::call::Effect;
use crate::contract::{CallError, Denial, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a wish to cancel may go unseen between two calls.
const LOOK: Duration = Duration::from_millis(10);
/// How long a run may take when nobody said.
const RUN_DEADLINE: Duration = Duration::from_hours(24);
/// Messages of one run.
const MESSAGES: u64 = 100;
/// How many calls a run may make when nobody said.
const CALLS: u64 = 100_000;
/// Calls beyond its budget that a guest may still make to come to an end by itself.
const CALLS_BEYOND: u64 = 100;
/// Bytes that one process records of a run's calls and answers.
const RECORDED_BYTES: u64 = 256 << 20;

impl Gate {
    /// Between two calls nothing is half done: here a run may stop.
    pub(super) fn safe_point(&mut self) -> Result<(), Halt> {
        if self.control.level() >= Stop::AtSafePoint {
            return Err(Halt::Stopped);
        }
        if self.is_time_to_look()
            && let Some(by) = self.ledger.cancel_requested(&self.run)?
        {
            return Err(Halt::Cancelled { by });
        }
        if self.clock.instant() > self.must_end_at() {
            let limit = crate::text::duration(self.run_deadline());
            return Err(Halt::Overtime(limit));
        }
        self.no_flood()
    }

    /// A budget answers the guest; one that does not care is ended.
    fn no_flood(&self) -> Result<(), Halt> {
        let most = self.most_calls();
        if self.calls > most.saturating_add(CALLS_BEYOND) {
            return Err(Halt::Refused(format!(
                "the procedure went on after its budget of {most} calls"
            )));
        }
        if self.ledger.recorded_bytes() > RECORDED_BYTES {
            let most = crate::text::bytes(RECORDED_BYTES);
            return Err(Halt::Refused(format!(
                "what the procedure asked and was told is more than {most}"
            )));
        }
        Ok(())
    }

    /// Someone's wish to cancel is in the journal: often enough to follow it at once, seldom enough to cost nothing.
    fn is_time_to_look(&mut self) -> bool {
        let now = self.clock.instant();
        let due = self
            .looked_for_cancel
            .is_none_or(|last| now.saturating_duration_since(last) >= LOOK);
        if due {
            self.looked_for_cancel = Some(now);
        }
        due
    }

    fn most_calls(&self) -> u64 {
        self.effective.budget.calls.unwrap_or(CALLS)
    }

    pub(super) fn run_deadline(&self) -> Duration {
        self.effective
            .budget
            .duration
            .map_or(RUN_DEADLINE, |span| span.0)
    }

    /// When the run has to be over. What it worked before it was resumed counts; the time in between does not.
    pub(super) fn must_end_at(&self) -> Instant {
        self.started + self.run_deadline().saturating_sub(self.worked)
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
            (
                self.audience.effect_progress(),
                self.audience.sees_progress(),
            ),
            self.clock.clone(),
        )
        .of_plan(self.ledger.looked().cloned())
    }

    /// For taking back: being late is no reason to leave things half undone.
    pub(super) fn unwind_permit(&self, at_most: Duration) -> Permit {
        self.permit_until(self.clock.instant() + at_most)
    }

    pub(super) fn budget_refuses(&self, line: impl FnOnce() -> String) -> Option<CallError> {
        let most = self.most_calls();
        let message = || format!("{}: the budget of {most} calls is used up", line());
        (self.calls > most).then(|| used_up(message()))
    }

    /// Changes of a target have a budget that author and operator set, messages one that is always the same.
    pub(super) fn effects_refuse(&self, effect: &Effect) -> Option<CallError> {
        let (used, most, what) = if effect.changes_target() {
            (self.effects, self.effective.budget.effects?, "effects")
        } else {
            (self.messages, MESSAGES, "messages")
        };
        let message = || format!("{effect}: the budget of {most} {what} is used up");
        (used >= most).then(|| used_up(message()))
    }

    pub(super) fn count(&mut self, effect: &Effect) {
        if effect.changes_target() {
            self.effects += 1;
        } else {
            self.messages += 1;
        }
    }
}

fn used_up(message: String) -> CallError {
    CallError::new(ErrorKind::Limit, message).because(Denial::Budget)
}
