//! What would hold back the pods of a drain: in a plan the server rehearses evictions, and budgets are named.

use super::alike::{PodSort, Rehearsed};
use super::api::Api;
use super::drain::named;
use super::evict::{AT_ONCE, Leaving, Refusal, evict};
use super::looked::seen;
use crate::cluster::drain::{Budget, Pod};
use crate::cluster::object::Kind;
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A line for each budget that does not let all of them go at once, and for each pod that it would hold back now.
pub(super) async fn foresee(
    api: &Api,
    permit: &Permit,
    pods: &[Pod],
) -> Result<Vec<String>, CallError> {
    let namespaces: BTreeSet<_> = pods.iter().map(|pod| pod.namespace.as_str()).collect();
    let (mut budgets, mut lines) = (Vec::new(), Vec::new());
    for namespace in namespaces {
        let (found, unknown) = budgets_of(api, permit, namespace).await?;
        budgets.push(found);
        lines.extend(unknown);
    }
    let budgets: Vec<_> = budgets.iter().flat_map(|found| found.iter()).collect();
    for budget in &budgets {
        let meant = pods.iter().filter(|pod| budget.means(pod)).count();
        lines.extend(budget.says(meant).filter(|_| meant > 0));
    }
    let alike: Vec<_> = pods.iter().map(|pod| PodSort::of(pod, &budgets)).collect();
    let rehearsed = rehearse(api, permit, pods.iter().zip(&alike)).await?;
    for (pod, alike) in pods.iter().zip(&alike) {
        let name = Leaving::of(pod).text();
        lines.extend(match rehearsed.get(alike) {
            Some(Rehearsed::Held { pod, why }) if alike.is_told_of(pod, &name) => {
                Some(format!("{name} would be held back: {why}"))
            }
            None | Some(Rehearsed::Goes | Rehearsed::Held { .. }) => None,
            Some(Rehearsed::SeveralBudgets) => Some(format!(
                "{name} cannot be evicted: more than one budget is about it: {}",
                named(alike.guards())
            )),
        });
    }
    Ok(lines)
}

/// The budgets of a namespace, or a line that says why they are not known.
async fn budgets_of(
    api: &Api,
    permit: &Permit,
    namespace: &str,
) -> Result<(Arc<Vec<Budget>>, Option<String>), CallError> {
    let known = seen(permit, api, |seen| seen.budgets.get(namespace).cloned());
    if let Some(known) = known.flatten() {
        return Ok(known);
    }
    let read = |budget: Value| Some(Budget::of(&budget));
    let kind = Kind::PodDisruptionBudget;
    let listed = api.list(permit.deadline(), kind, Some(namespace), &[], read);
    let found = match listed.await {
        Ok(listed) => (Arc::new(listed.items), None),
        // Evicting does not need it.
        Err(failure) if failure.error.kind == ErrorKind::Denied => {
            let why = failure.error.message;
            let line = format!("budgets of {namespace} are not known: {why}");
            (Arc::default(), Some(line))
        }
        Err(failure) => return Err(failure.into()),
    };
    seen(permit, api, |seen| {
        seen.budgets.insert(namespace.to_owned(), found.clone())
    });
    Ok(found)
}

/// How evictions end, by what pods have in common. One of each is rehearsed, once in a plan: of thousands of pods the server would say the
/// same thousands of times.
async fn rehearse(
    api: &Api,
    permit: &Permit,
    pods: impl Iterator<Item = (&Pod, &PodSort)>,
) -> Result<BTreeMap<PodSort, Rehearsed>, CallError> {
    let mut all = BTreeMap::new();
    let mut new: BTreeMap<PodSort, Leaving> = BTreeMap::new();
    for (pod, alike) in pods {
        match seen(permit, api, |seen| seen.evictions.get(alike).cloned()).flatten() {
            Some(known) => drop(all.insert(alike.clone(), known)),
            None => drop(new.entry(alike.clone()).or_insert_with(|| Leaving::of(pod))),
        }
    }
    let asked = stream::iter(new)
        .map(|(alike, pod)| rehearse_one(api, permit, alike, pod))
        .buffered(AT_ONCE);
    let asked: Vec<_> = asked.try_collect().await?;
    seen(permit, api, |seen| seen.evictions.extend(asked.clone()));
    all.extend(asked);
    Ok(all)
}

async fn rehearse_one(
    api: &Api,
    permit: &Permit,
    alike: PodSort,
    pod: Leaving,
) -> Result<(PodSort, Rehearsed), CallError> {
    let refusal = evict(api, permit.deadline(), &pod, true).await.err();
    let ended = match refusal.map(Refusal::of) {
        None | Some(Refusal::Gone) => Rehearsed::Goes,
        Some(Refusal::Held { why, .. }) => Rehearsed::Held {
            pod: pod.text(),
            why,
        },
        Some(Refusal::SeveralBudgets) => Rehearsed::SeveralBudgets,
        Some(Refusal::Failed(error)) => return Err(error),
    };
    Ok((alike, ended))
}
