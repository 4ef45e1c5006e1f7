//! What was looked at for one plan, so that a fleet of nodes does not ask the server for the same again and again.

use super::alike::{NodeSort, PodSort, Rehearsed, common_labels};
use super::api::Api;
use super::fleet::Fleet;
use crate::cluster::drain::Budget;
use crate::cluster::object::Object;
use crate::contract::CallError;
use crate::engine::Permit;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a plan has seen, by the names of clusters.
#[derive(Debug, Default)]
pub struct Looked {
    seen: Mutex<BTreeMap<String, Seen>>,
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
    pub(super) evictions: BTreeMap<PodSort, Rehearsed>,
    /// Which change of which node was rehearsed, and what it would be.
    pub(super) rehearsed: BTreeMap<NodeSort, (Object, Vec<String>)>,
    /// Whether any node may be patched.
    pub(super) may_patch_nodes: Option<bool>,
    /// Labels that several nodes have, once that was counted.
    common: Option<BTreeSet<(String, String)>>,
}

impl Seen {
    /// Labels that several of the nodes have, as they were when this was asked first.
    pub(super) fn common_labels(&mut self) -> &BTreeSet<(String, String)> {
        let nodes = &self.nodes;
        self.common
            .get_or_insert_with(|| common_labels(nodes.values()))
    }
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
