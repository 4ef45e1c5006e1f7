//! What binds a run to a plan: it must be for just this run, and then lets its effects through, each as often as it has them. Pure.

use super::plan::{Plan, PlanError};
use crate::call::Effect;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Who and what a plan is for.
pub(super) struct Subject {
    pub(super) procedure: String,
    pub(super) version: String,
    pub(super) component: String,
    pub(super) target: String,
    pub(super) parameters: Value,
}

impl Plan {
    /// What a bound run may do, if this is a plan for just this run.
    pub(super) fn bind(&self, subject: &Subject) -> Result<Bound, PlanError> {
        if let Some(problem) = self.problems.first() {
            return Err(PlanError::Incomplete(problem.clone()));
        }
        if self.component != subject.component {
            let plain = |procedure: &str, version: &str| format!("{procedure} {version}");
            let planned = plain(&self.procedure, &self.version);
            let given = plain(&subject.procedure, &subject.version);
            return Err(PlanError::Other(if planned == given {
                format!("another component, {}", self.component)
            } else {
                format!("{planned}, and this is {given}")
            }));
        }
        if self.target != subject.target {
            return Err(PlanError::Other(format!("target `{}`", self.target)));
        }
        if self.parameters != subject.parameters {
            let differing = differing(&self.parameters, &subject.parameters);
            return Err(PlanError::Parameters(differing));
        }
        let mut keys = BTreeMap::new();
        for effect in &self.effects {
            *keys.entry(effect.key.clone()).or_insert(0) += 1;
        }
        Ok(Bound {
            name: self.name().to_owned(),
            keys,
        })
    }
}

/// The effects that a bound run may still apply, by plan key, whatever their order.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    name: String,
    keys: BTreeMap<String, u64>,
}

impl Bound {
    /// Whether a planned effect of this key is left.
    pub(super) fn contains(&self, effect: &Effect) -> bool {
        self.keys
            .get(&effect.plan_key())
            .is_some_and(|left| *left > 0)
    }

    /// Uses up one planned effect of this key, if there is one.
    pub(super) fn take(&mut self, effect: &Effect) {
        if let Some(left) = self.keys.get_mut(&effect.plan_key()) {
            *left = left.saturating_sub(1);
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Each parameter that is another one, as it is now and as it is in the plan.
fn differing(planned: &Value, given: &Value) -> String {
    let none = serde_json::Map::new();
    let (planned, given) = (
        planned.as_object().unwrap_or(&none),
        given.as_object().unwrap_or(&none),
    );
    let names: BTreeSet<_> = planned.keys().chain(given.keys()).collect();
    let value = |parameters: &serde_json::Map<String, Value>, name: &str| {
        let found = parameters.get(name).filter(|value| !value.is_null());
        found.map_or_else(|| "not set".to_owned(), ToString::to_string)
    };
    let differing = names
        .into_iter()
        .filter(|name| planned.get(*name) != given.get(*name));
    let told: Vec<_> = differing
        .map(|name| {
            let (now, then) = (value(given, name), value(planned, name));
            format!("`{name}` is {now}, and {then} in the plan")
        })
        .collect();
    told.join("; ")
}
