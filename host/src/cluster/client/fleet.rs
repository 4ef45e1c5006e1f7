//! The pods of a fleet, for a plan that asks about many of its nodes: one list of all pods instead of one for each node.

use super::api::Api;
use super::list::Listed;
use super::looked::seen;
use crate::cluster::drain::Pod;
use crate::cluster::object::{Kind, Object};
use crate::engine::Permit;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Nodes that a plan asks about one by one before it asks how many pods there are at all.
const ONE_BY_ONE: usize = 8;
/// With more pods than these all of them are never listed: a plan would have to keep them.
const MOST: usize = 50_000;

/// What a plan knows of pods, and how it came to know.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// Nodes that were asked about.
    asked: usize,
    /// Requests that a list of all pods takes, once that is known.
    pages: Option<usize>,
    /// By the names of their nodes.
    pods: Option<BTreeMap<String, Vec<Pod>>>,
}

impl Fleet {
    /// Listing all is worth it when the plan has asked as often as that takes: then it takes at most twice of what would have been enough.
    fn is_worth_it(&self) -> bool {
        self.pages.is_some_and(|pages| self.asked > pages)
    }

    fn of(&self, node: &str) -> Option<Listed<Pod>> {
        let items = self.pods.as_ref()?.get(node)?.clone();
        // No plan watches.
        let version = String::new();
        Some(Listed { items, version })
    }
}

/// The pods of a node, where the plan knows those of all its nodes, or asks for them now. None where one list of this node's is the better way,
/// or the only one: whatever keeps the server from listing all is met, and told of, there.
pub(super) async fn on_node(api: &Api, permit: &Permit, node: &Object) -> Option<Listed<Pod>> {
    let counted = seen(permit, api, |seen| {
        seen.fleet.asked += 1;
        seen.fleet.pages.is_some() || seen.fleet.asked <= ONE_BY_ONE
    })?;
    if !counted {
        let count = api.count(permit.deadline(), &Kind::Pod).await;
        let known = count.ok().flatten().filter(|count| *count <= MOST);
        let pages = known.map_or(usize::MAX, |count| count.div_ceil(super::list::PAGE));
        seen(permit, api, |seen| seen.fleet.pages = Some(pages));
    }
    let (listed, worth_it) = seen(permit, api, |seen| {
        (seen.fleet.pods.is_some(), seen.fleet.is_worth_it())
    })?;
    if !listed && worth_it {
        let all = list(api, permit).await;
        seen(permit, api, |seen| match all {
            Some(all) => seen.fleet.pods = Some(all),
            None => seen.fleet.pages = Some(usize::MAX),
        });
    }
    seen(permit, api, |seen| seen.fleet.of(&node.name)).flatten()
}

/// All pods of nodes that the plan has seen.
async fn list(api: &Api, permit: &Permit) -> Option<BTreeMap<String, Vec<Pod>>> {
    let nodes: BTreeSet<String> = seen(permit, api, |seen| seen.nodes.keys().cloned().collect())?;
    let mut all: BTreeMap<_, _> = nodes.into_iter().map(|node| (node, Vec::new())).collect();
    let sort = |pod: Value| {
        let of_node = all.get_mut(pod["spec"]["nodeName"].as_str()?)?;
        of_node.push(Pod::of(&pod));
        None::<()>
    };
    let listed = api.list(permit.deadline(), Kind::Pod, None, &[], sort);
    listed.await.ok()?;
    Some(all)
}
