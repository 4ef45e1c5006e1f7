//! What was looked at for one plan, so that a fleet of nodes does not ask the server for the same again and again.

use super::api::Api;
use crate::cluster::drain::{Budget, Condition};
use crate::cluster::object::Object;
use crate::contract::CallError;
use crate::engine::Permit;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// By the names of clusters.
#[derive(Debug, Default)]
pub struct Looked(Mutex<BTreeMap<String, Seen>>);

/// Of one cluster.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Answers to the procedure, by what it asked.
    pub(super) answers: BTreeMap<String, Value>,
    /// By name, without their status: a server tells much there that no plan asks for.
    nodes: BTreeMap<String, Value>,
    /// Of the first list of pods.
    pub(super) pods_version: Option<String>,
    /// Whether a daemon set is there, by namespace and name.
    pub(super) daemon_sets: BTreeMap<(String, String), bool>,
    /// Of a namespace, and what there is to say where they cannot be known.
    pub(super) budgets: BTreeMap<String, (Arc<Vec<Budget>>, Option<String>)>,
    /// How evictions were rehearsed.
    pub(super) evictions: BTreeMap<Alike, Rehearsed>,
}

/// Pods of which the server says the same when one of them is to be evicted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    pub(super) namespace: String,
    /// Names of the budgets that are about them.
    pub(super) budgets: Vec<String>,
    pub(super) condition: Condition,
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rehearsed {
    Goes,
    Held(String),
    SeveralBudgets,
}

/// What a plan has seen of the cluster; nothing outside of a plan.
pub(super) fn seen<R>(permit: &Permit, api: &Api, with: impl FnOnce(&mut Seen) -> R) -> Option<R> {
    let looked = &permit.looked()?.cluster;
    let mut all: MutexGuard<'_, _> = looked.0.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = match all.get_mut(api.name()) {
        Some(seen) => seen,
        None => all.entry(api.name().to_owned()).or_default(),
    };
    Some(with(seen))
}

/// Keeps a node for the plan.
pub(super) fn keep_node(permit: &Permit, api: &Api, node: &Value) {
    seen(permit, api, |seen| {
        if let Some(name) = node["metadata"]["name"].as_str() {
            let kept = json!({"metadata": node["metadata"], "spec": node["spec"]});
            seen.nodes.insert(name.to_owned(), kept);
        }
    });
}

/// A node as the plan has seen it; outside of a plan as it is.
pub(super) async fn node(api: &Api, permit: &Permit, object: &Object) -> Result<Value, CallError> {
    let known = seen(permit, api, |seen| seen.nodes.get(&object.name).cloned());
    if let Some(node) = known.flatten() {
        return Ok(node);
    }
    let node = api.get(permit.deadline(), object).await?;
    keep_node(permit, api, &node);
    Ok(node)
}
