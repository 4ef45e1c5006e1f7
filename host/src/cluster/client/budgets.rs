//! Disruption budgets: what they are, and how one is waited for.

use super::api::{Api, Outcome};
use super::wait::{self, Step};
use super::workloads::selector;
use crate::cluster::drain::is_counted;
use crate::cluster::object::{Kind, Object};
use crate::contract::CallError;
use crate::contract::cluster_types::{DisruptionBudget, Namespaced};
use crate::engine::Permit;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Those of a namespace that may be shown.
pub(super) async fn list(
    api: &Api,
    permit: &Permit,
    namespace: &str,
) -> Result<Vec<DisruptionBudget>, CallError> {
    let kind = Kind::PodDisruptionBudget;
    let keep = |budget: Value| facts(&budget);
    let listed = api
        .list(permit.deadline(), kind, Some(namespace), &[], keep)
        .await?;
    Ok(listed.items)
}

/// The facts of one.
fn facts(budget: &Value) -> Option<DisruptionBudget> {
    let text = |name: &str| budget["metadata"][name].as_str().map(str::to_owned);
    let count = |name: &str| {
        let count = budget["status"][name].as_u64().unwrap_or_default();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    Some(DisruptionBudget {
        name: Namespaced {
            namespace: text("namespace")?,
            name: text("name")?,
        },
        allowed: count("disruptionsAllowed"),
        healthy: count("currentHealthy"),
        desired_healthy: count("desiredHealthy"),
        selector: selector(&budget["spec"]["selector"]),
    })
}

/// The names of those of a namespace that have as many healthy pods as they want, as far as their controller has counted.
pub(super) async fn met(api: &Api, permit: &Permit, namespace: &str) -> Outcome<BTreeSet<Object>> {
    let kind = Kind::PodDisruptionBudget;
    let keep = |budget: Value| {
        let facts = facts(&budget).filter(|_| is_counted(&budget))?;
        let is_met = facts.healthy >= facts.desired_healthy;
        let object = Object::new(Kind::PodDisruptionBudget, namespace, &facts.name.name);
        object.ok().filter(|_| is_met)
    };
    let listed = api
        .list(permit.deadline(), kind, Some(namespace), &[], keep)
        .await?;
    Ok(listed.items.into_iter().collect())
}

/// Until it has as many healthy pods as it wants, as far as its controller has counted.
pub(super) async fn healthy(
    api: &Api,
    permit: &Permit,
    budget: &Object,
    within: Duration,
) -> Result<DisruptionBudget, CallError> {
    wait::object(api, permit, budget, within, |value| {
        Ok(match facts(value).filter(|_| is_counted(value)) {
            Some(facts) if facts.healthy >= facts.desired_healthy => Step::Done(facts),
            Some(facts) => Step::Waiting(format!(
                "{} of {} pods that it wants are healthy",
                facts.healthy, facts.desired_healthy
            )),
            None => Step::Waiting("its controller has not counted yet".into()),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{facts, is_counted};
    use serde_json::json;

    #[test]
    fn a_budget_counts_once_its_controller_saw_it() {
        let mut budget = json!({"metadata": {"namespace": "shop", "name": "web", "generation": 2}});
        assert!(!is_counted(&budget));
        budget["status"] =
            json!({"observedGeneration": 1, "currentHealthy": 3, "desiredHealthy": 2});
        assert!(!is_counted(&budget));
        budget["status"]["observedGeneration"] = json!(2);
        let facts = facts(&budget).unwrap();
        assert!(is_counted(&budget) && facts.healthy == 3 && facts.desired_healthy == 2);
    }
}
