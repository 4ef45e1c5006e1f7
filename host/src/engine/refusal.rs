//! What the gate refuses, and how it is recorded: there is one way to be refused.

use super::gate::Gate;
use super::halt::Halt;
use super::replay::Answer;
use crate::call::{Effect, Touch};
use crate::contract::{CallError, Denial};
use crate::grant::Side;
use crate::journal::Entry;
use serde::Serialize;
use std::sync::Arc;

impl Gate {
    /// Everything that can be refused without looking at the target, in the gate's order.
    pub(super) fn refusal(&self, effect: &Effect) -> Option<(Side, CallError)> {
        if let Some(refused) = unmeant(effect.check()) {
            return Some(refused);
        }
        let side = self.effective.refuses_effect(effect);
        let words = || (effect.to_string(), effect.place());
        if let Some(refused) = self.may_not(side, words) {
            return Some(refused);
        }
        if effect.changes_target() && !self.ledger.is_plan() && !self.effective.kept.covers(effect)
        {
            let (line, place) = words();
            let message =
                format!("may not {line} {place}: its grant was taken back since the run began");
            let error = CallError::denied(Denial::GrantEnded, message);
            return Some((Side::GrantEnded, error));
        }
        if let Some(error) = self.effects_refuse(effect) {
            return Some((Side::Budget, error));
        }
        let must_hold = effect.changes_target() && !self.ledger.is_plan();
        if must_hold && !self.locks.are_held(effect.target()) {
            let message = format!("{effect}: the lock on `{}` was lost", effect.target());
            return Some((Side::Lock, CallError::denied(Denial::Lock, message)));
        }
        if let Some(bound) = &self.bound
            && !bound.contains(effect)
        {
            let message = format!("{effect} is not in plan {}", bound.name());
            return Some((Side::Plan, CallError::denied(Denial::Plan, message)));
        }
        None
    }

    /// What was found while preparing may be more than the capabilities cover, or against a rule that they state.
    pub(super) fn refuses_touch(
        &self,
        effect: &Effect,
        touch: &Touch,
    ) -> Option<(Side, CallError)> {
        if let Some(side) = self.effective.refuses_touch(effect, touch) {
            let error = denied(side, &effect.to_string(), &effect.place());
            return Some((side, error));
        }
        let (side, rule) = self.effective.breaks_rule(effect, touch)?;
        Some((side, CallError::denied(side.denial(), rule.to_string())))
    }

    /// Grants that have ended allow nothing more; the others still do.
    pub(super) fn let_grants_end(&mut self) {
        if let Some(effective) = self.effective.at(self.clock.now()) {
            self.effective = Arc::new(effective);
        }
    }

    /// What can be refused of any call: capabilities, then the budget of calls.
    /// Its line and its place are put into words only where they are needed.
    pub(super) fn may_not(
        &self,
        side: Option<Side>,
        words: impl Fn() -> (String, String),
    ) -> Option<(Side, CallError)> {
        if let Some(side) = side {
            let (line, place) = words();
            return Some((side, denied(side, &line, &place)));
        }
        self.budget_refuses(|| words().0)
            .map(|error| (Side::Budget, error))
    }

    /// Records a refusal, so that it stays known even if the guest swallows it.
    pub(super) async fn refuse<T: Serialize>(
        &mut self,
        call: String,
        value: &T,
        side: Side,
        error: CallError,
        touch: Option<Touch>,
    ) -> Result<Answer, Halt> {
        let entry = refused(call, value, side, error.clone(), touch)?;
        self.ledger.append(entry).await?;
        Ok(Err(error))
    }

    /// A plan goes on where the grant would refuse the effect, and marks it: looking comes before granting. A budget refuses as in a run, so
    /// that a procedure which does less then is planned so.
    pub(super) fn only_marks(&self, side: Side) -> bool {
        match side {
            Side::Grant => self.ledger.is_plan(),
            Side::Policy
            | Side::Needs
            | Side::Budget
            | Side::Plan
            | Side::Lock
            | Side::GrantEnded => false,
        }
    }
}

/// A refusal as it is recorded.
pub(super) fn refused<T: Serialize>(
    call: String,
    value: &T,
    side: Side,
    error: CallError,
    touch: Option<Touch>,
) -> Result<Entry, Halt> {
    let value = serde_json::to_value(value).map_err(|e| Halt::Internal(e.to_string()))?;
    Ok(Entry::Refused {
        call,
        value,
        side,
        error,
        touch,
    })
}

fn denied(side: Side, line: &str, place: &str) -> CallError {
    let who = match side {
        Side::Needs => "its own manifest does not ask for it",
        Side::Policy | Side::Grant | Side::Budget | Side::Plan | Side::Lock => "no grant covers it",
        Side::GrantEnded => "the grant has ended",
    };
    CallError::denied(side.denial(), format!("may not {line} {place}: {who}"))
}

/// What no grant can allow: a name that nothing can have, a privileged pod.
pub(super) fn unmeant(checked: Result<(), CallError>) -> Option<(Side, CallError)> {
    let error = checked.err()?;
    Some((Side::Policy, error.because(Denial::Policy)))
}
