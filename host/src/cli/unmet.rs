//! What a run that was bound to a plan did not do of it.

use super::failure::Failure;
use crate::engine::plan_of;
use crate::journal::{State, Store};
use crate::text::{counted, printable};
use std::fmt;

/// Planned effects that a run did not do.
pub(super) struct Unmet {
    planned: usize,
    /// A line for each.
    pub(super) not_done: Vec<String>,
}

/// Nothing where the run is not over, is bound to no plan, or did all of it.
pub(super) fn unmet(store: &Store, state: &State) -> Result<Option<Unmet>, Failure> {
    let begin = state.begin().filter(|_| !state.is_live());
    let Some(plan) = begin
        .map(|begin| plan_of(store, begin))
        .transpose()?
        .flatten()
    else {
        return Ok(None);
    };
    let mut done: Vec<_> = state
        .effects()
        .iter()
        .map(|effect| effect.call.plan_key())
        .collect();
    let mut not_done = Vec::new();
    for effect in &plan.effects {
        match done.iter().position(|key| *key == effect.key) {
            Some(at) => drop(done.swap_remove(at)),
            None => not_done.push(format!("{} {}", effect.action, effect.object)),
        }
    }
    let planned = plan.effects.len();
    let unmet = (!not_done.is_empty()).then_some(Unmet { planned, not_done });
    Ok(unmet)
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.planned - self.not_done.len();
        let planned = counted(self.planned, "planned effect");
        write!(f, "not done of its plan, {done} of {planned} begun")?;
        for line in &self.not_done {
            write!(f, "\n  {}", printable(line))?;
        }
        Ok(())
    }
}
