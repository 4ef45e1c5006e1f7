//! Waiting for many at once: one look at each namespace, and a watch of what is not as wanted by then.

use super::api::{Api, Outcome};
use super::{budgets as budget, wait};
use crate::cluster::object::{Kind, Object};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How many pods each workload has ready that has as many as it wants.
type Met = BTreeMap<Object, u32>;

/// Until each workload has as many pods ready as it wants. Answers how many those are in all.
pub(super) async fn pods(
    api: &Api,
    permit: &Permit,
    workloads: &[Object],
    within: Duration,
) -> Result<u32, CallError> {
    let end = permit.clock().instant() + within;
    let mut met = Met::new();
    for (namespace, of_it) in several(workloads) {
        met.extend(seen(with_all_pods(api, permit, namespace, &of_it).await)?);
    }
    let mut ready = 0;
    for workload in workloads {
        ready += match met.get(workload) {
            Some(ready) => *ready,
            None => wait::all_pods(api, permit, workload, rest(permit, end)).await?,
        };
    }
    Ok(ready)
}

/// Until each budget has as many healthy pods as it wants.
pub(super) async fn budgets(
    api: &Api,
    permit: &Permit,
    budgets: &[Object],
    within: Duration,
) -> Result<(), CallError> {
    let end = permit.clock().instant() + within;
    let mut met = BTreeSet::new();
    for (namespace, _) in several(budgets) {
        met.extend(seen(budget::met(api, permit, namespace).await)?);
    }
    for budget in budgets {
        if !met.contains(budget) {
            budget::healthy(api, permit, budget, rest(permit, end)).await?;
        }
    }
    Ok(())
}

/// Namespaces of which several are waited for, and these. One alone is looked at by its name.
fn several(objects: &[Object]) -> impl Iterator<Item = (&str, Vec<&Object>)> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for object in objects {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        all.entry(namespace).or_default().push(object);
    }
    all.into_iter().filter(|(_, of_it)| of_it.len() > 1)
}

/// Each that was not seen as wanted is waited for by itself, also where its server cannot be reached now.
fn seen<M: Default>(looked: Outcome<M>) -> Result<M, CallError> {
    match looked {
        Err(failure) if failure.error.kind == ErrorKind::Unavailable => Ok(M::default()),
        looked => Ok(looked?),
    }
}

fn rest(permit: &Permit, end: Instant) -> Duration {
    end.saturating_duration_since(permit.clock().instant())
}

/// Those of these workloads of a namespace that have as many pods ready as they want.
async fn with_all_pods(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    workloads: &[&Object],
) -> Outcome<Met> {
    let mut counted = Vec::new();
    let kinds: BTreeSet<_> = workloads.iter().map(|workload| &workload.kind).collect();
    for kind in kinds {
        let keep = |found: Value| {
            let name = found.pointer("/metadata/name")?.as_str()?;
            let is_it = |workload: &&&Object| workload.kind == *kind && workload.name == name;
            let workload = *workloads.iter().find(is_it)?;
            // A count that is not known yet is waited for.
            let wanted = wait::desired(kind, &found)?;
            let owner = wait::Owner::of(workload, &found);
            Some((workload, wanted, owner, 0))
        };
        let listed = api
            .list(permit.deadline(), kind.clone(), Some(namespace), &[], keep)
            .await?;
        counted.extend(listed.items);
    }
    let count = |pod: wait::Pod| {
        for (.., owner, ready) in &mut counted {
            if pod.is_ready() && owner.counts(&pod) {
                *ready += 1;
            }
        }
        None::<()>
    };
    api.list(permit.deadline(), Kind::Pod, Some(namespace), &[], count)
        .await?;
    let met = counted
        .into_iter()
        .filter(|(_, wanted, _, ready)| ready >= wanted);
    Ok(met
        .map(|(workload, .., ready)| (workload.clone(), ready))
        .collect())
}
