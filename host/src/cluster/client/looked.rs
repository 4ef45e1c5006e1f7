//! What was looked at for one plan, so that a fleet of nodes does not ask the server for the same again and again.

use super::api::Api;
use super::fleet::Fleet;
use super::rehearse::{Lines, Rehearsal, Rehearsals};
use crate::cluster::call::Change;
use crate::cluster::drain::{Budget, Condition};
use crate::cluster::object::Object;
use crate::cluster::{Effect, Verb};
use crate::contract::CallError;
use crate::engine::Permit;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a plan has seen, by the names of clusters, and what it still asks.
#[derive(Debug, Default)]
pub struct Looked {
    seen: Mutex<BTreeMap<String, Seen>>,
    rehearsals: Rehearsals,
}

impl Looked {
    /// Waits for what servers still rehearse. Answers what they said of each effect, by its plan key.
    pub async fn rehearsed(&self) -> Vec<(String, Lines)> {
        self.rehearsals.ended().await
    }
}

/// Of one cluster.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Answers to the procedure, by what it asked.
    pub(super) answers: BTreeMap<String, Value>,
    /// By name, without their status: a server tells much there that no plan asks for.
    pub(super) nodes: BTreeMap<String, Value>,
    pub(super) fleet: Fleet,
    /// Of the first list of pods.
    pub(super) pods_version: Option<String>,
    /// Whether a daemon set is there, by namespace and name.
    pub(super) daemon_sets: BTreeMap<(String, String), bool>,
    /// Of a namespace, and what there is to say where they cannot be known.
    pub(super) budgets: BTreeMap<String, (Arc<Vec<Budget>>, Option<String>)>,
    /// How evictions were rehearsed.
    pub(super) evictions: BTreeMap<Alike, Rehearsed>,
    /// Whether one change of nodes of this sort was rehearsed.
    rehearsed: BTreeSet<Verb>,
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
    let mut all: MutexGuard<'_, _> = looked.seen.lock().unwrap_or_else(PoisonError::into_inner);
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
            // A list does not say of each what it is one of.
            let kept = json!({
                "apiVersion": "v1", "kind": "Node", "metadata": node["metadata"], "spec": node["spec"],
            });
            seen.nodes.insert(name.to_owned(), kept);
        }
    });
}

/// What the server would make of a change. Of changes of nodes, of which there may be hundreds, only the first of a sort is waited for: what keeps
/// one node from being changed mostly keeps all of them. The others are rehearsed beside what the plan goes on with.
pub(super) async fn rehearse(
    permit: &Permit,
    api: &Api,
    effect: &Effect,
    rehearsal: Rehearsal,
) -> Lines {
    let of_node = matches!(effect.change, Change::Cordon { .. } | Change::Label { .. });
    let is_first = seen(permit, api, |seen| seen.rehearsed.insert(effect.verb()));
    match permit.looked() {
        Some(looked) if of_node && is_first == Some(false) => {
            let rehearsals = &looked.cluster.rehearsals;
            rehearsals.begin(effect.plan_key(), rehearsal);
            Ok(Vec::new())
        }
        Some(_) | None => rehearsal.lines().await,
    }
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
