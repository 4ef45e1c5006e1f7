//! Draining a node: which pods would go, what would hold them back, and whether they went.

use super::api::{Api, Failure};
use super::change::not_done;
use super::evict::{Leaving, drain};
use super::fleet;
use super::foresee::foresee;
use super::list::Listed;
use super::looked;
use super::nodes::{is_cordoned, touched};
use crate::call::{self, Applied, ApplyFailure, Confirmed, Prepared, Touch, Undo};
use crate::cluster::Effect;
use crate::cluster::drain::{Fate, Obstacle, Pod};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_nodes::{DrainOptions, Drained};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use crate::text::counted;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Names that one sentence has at most.
const NAMED: usize = 5;

/// What was there before.
#[derive(Serialize, Deserialize)]
struct Before {
    pods: Vec<Leaving>,
    left: u32,
    /// Of the list that the pods are from: a watch goes on from there.
    version: String,
}

/// The pods of a node by what becomes of them.
#[derive(Default)]
struct Sorted {
    evicted: Vec<Pod>,
    awaited: Vec<Pod>,
    left: u32,
    prevent: Vec<(Pod, Vec<Obstacle>)>,
}

/// Looks at the node's pods and says which would be evicted; refuses what kubectl refuses. In a plan the server rehearses the evictions.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
    options: DrainOptions,
) -> Result<Prepared, CallError> {
    let node = looked::node(api, permit, object).await?;
    let cordoned = is_cordoned(&node);
    let listed = on_node(api, permit, object).await?;
    let orphaned = orphaned(api, permit, &listed.items).await?;
    let sorted = sort(listed.items, options, &orphaned);
    let mut touches = touches(&effect.cluster, &sorted)?;
    touches.push(touched(effect, object, &node, Vec::new(), None));
    let mut details = Vec::new();
    if !cordoned {
        details.push("it is not cordoned now, and has to be by then".to_owned());
    }
    // What may not be touched is not told of either: the gate refuses it.
    if may(permit, effect, &touches) {
        // In a plan it is not yet.
        if !cordoned && !permit.is_plan() {
            let message = format!("{object} is not cordoned: cordon it first");
            return Err(CallError::new(ErrorKind::Conflict, message));
        }
        refuse(object, &sorted)?;
        if permit.is_plan() {
            details.extend(foresee(api, permit, &sorted.evicted).await?);
        }
    }
    let leaving = sorted.evicted.iter().chain(&sorted.awaited);
    let before = Before {
        pods: leaving.map(Leaving::of).collect(),
        left: sorted.left,
        version: listed.version,
    };
    Ok(Prepared {
        foreseen: super::value(&before.drained())?,
        undo: Undo::NotNeeded("controllers start replacements elsewhere".into()),
        touches,
        now: counted(before.pods.len() + before.left as usize, "pod"),
        after: counted(before.left as usize, "pod"),
        before: super::value(&before)?,
        details,
    })
}

/// All pods of a node.
pub(super) async fn on_node(
    api: &Api,
    permit: &Permit,
    node: &Object,
) -> Result<Listed<Pod>, Failure> {
    if let Some(known) = fleet::on_node(api, permit, node).await {
        return Ok(known);
    }
    let selector = format!("spec.nodeName={}", node.name);
    let mut query = vec![("fieldSelector", selector.as_str())];
    // As fresh as the first list of a plan is fresh enough: where much is written, a server takes a tenth of a second to be sure of more.
    let version = looked::seen(permit, api, |seen| seen.pods_version.clone()).flatten();
    if let Some(version) = &version {
        query.push(("resourceVersion", version));
        query.push(("resourceVersionMatch", "NotOlderThan"));
    }
    let read = |pod: Value| Some(Pod::of(&pod));
    let listed = api
        .list(permit.deadline(), Kind::Pod, None, &query, read)
        .await?;
    looked::seen(permit, api, |seen| {
        seen.pods_version.get_or_insert(listed.version.clone());
    });
    Ok(listed)
}

/// Namespaces and names of daemon sets that pods name and that are not there.
async fn orphaned(
    api: &Api,
    permit: &Permit,
    pods: &[Pod],
) -> Result<BTreeSet<(String, String)>, CallError> {
    let named = pods
        .iter()
        .filter_map(|pod| Some((pod.namespace.clone(), pod.daemon_set()?.to_owned())));
    let mut missing = BTreeSet::new();
    for (namespace, name) in named.collect::<BTreeSet<_>>() {
        let set = Object::new(Kind::DaemonSet, &namespace, &name)?;
        let key = (namespace, name);
        let known = looked::seen(permit, api, |seen| seen.daemon_sets.get(&key).copied());
        let is_there = match known.flatten() {
            Some(is_there) => is_there,
            None => api.find(permit.deadline(), &set).await?.is_some(),
        };
        looked::seen(permit, api, |seen| {
            seen.daemon_sets.insert(key.clone(), is_there)
        });
        if !is_there {
            missing.insert(key);
        }
    }
    Ok(missing)
}

fn sort(pods: Vec<Pod>, options: DrainOptions, orphaned: &BTreeSet<(String, String)>) -> Sorted {
    let mut sorted = Sorted::default();
    for pod in pods {
        let set = pod
            .daemon_set()
            .map(|set| (pod.namespace.clone(), set.to_owned()));
        let is_orphan = set.is_some_and(|set| orphaned.contains(&set));
        match pod.fate(options, is_orphan) {
            Fate::Evicted => sorted.evicted.push(pod),
            Fate::Awaited => sorted.awaited.push(pod),
            Fate::Stays => sorted.left += 1,
            Fate::Prevents(obstacles) => sorted.prevent.push((pod, obstacles)),
        }
    }
    sorted
}

/// One pod of each namespace that the drain reaches into: the gate asks for the namespace.
fn touches(cluster: &str, sorted: &Sorted) -> Result<Vec<Touch>, CallError> {
    let prevent = sorted.prevent.iter().map(|(pod, _)| pod);
    let mut seen = BTreeSet::new();
    let first = sorted
        .evicted
        .iter()
        .chain(prevent)
        .filter(|pod| seen.insert(pod.namespace.as_str()));
    let touch = |pod: &Pod| {
        Ok(Touch::Object {
            cluster: cluster.to_owned(),
            object: Object::new(Kind::Pod, &pod.namespace, &pod.name)?,
        })
    };
    first.map(touch).collect()
}

fn may(permit: &Permit, effect: &Effect, touches: &[Touch]) -> bool {
    let effect = call::Effect::Cluster(effect.clone());
    let may = permit.effective();
    touches.iter().all(|touch| {
        may.refuses_touch(&effect, touch).is_none() && may.breaks_rule(&effect, touch).is_none()
    })
}

fn refuse(object: &Object, sorted: &Sorted) -> Result<(), CallError> {
    let mut by_obstacle: BTreeMap<Obstacle, Vec<String>> = BTreeMap::new();
    for (pod, obstacles) in &sorted.prevent {
        for obstacle in obstacles {
            let names = by_obstacle.entry(*obstacle).or_default();
            names.push(format!("{}/{}", pod.namespace, pod.name));
        }
    }
    if by_obstacle.is_empty() {
        return Ok(());
    }
    let parts = by_obstacle.iter().map(|(obstacle, names)| {
        let (trouble, option) = obstacle.words();
        let pods = named(names);
        format!("{pods} {trouble} (the option `{option}` evicts such pods too)")
    });
    let parts: Vec<_> = parts.collect();
    let message = format!("{object} is not drained: {}", parts.join("; "));
    Err(CallError::new(ErrorKind::Conflict, message))
}

/// The first names of some, and how many more there are.
pub(super) fn named(names: &[String]) -> String {
    let first = names.iter().take(NAMED).map(String::as_str);
    let text = first.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

impl Before {
    fn drained(&self) -> Drained {
        let evicted = self.pods.iter().filter(|pod| !pod.ending);
        Drained {
            evicted: evicted.map(Leaving::text).collect(),
            left: self.left,
        }
    }

    fn applied(&self) -> Result<Applied, CallError> {
        Ok(Applied {
            answer: super::value(&self.drained())?,
            after: counted(self.left as usize, "pod"),
            sweep: None,
        })
    }

    fn of(prepared: &Prepared) -> Result<Self, CallError> {
        serde_json::from_value(prepared.before.clone()).map_err(|error| {
            let message = format!("what was prepared cannot be read: {error}");
            CallError::new(ErrorKind::Invalid, message)
        })
    }
}

/// Evicts the pods that were recorded, and no others, and waits until they are gone. Asking a pod to go that ends already changes nothing,
/// so nothing of this is ever in doubt for longer than it takes to look.
pub(super) async fn apply(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    options: DrainOptions,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let before = Before::of(prepared).map_err(not_done)?;
    let within = Duration::from_millis(options.within);
    drain(api, permit, object, &before.pods, &before.version, within)
        .await
        .map_err(not_done)?;
    before.applied().map_err(not_done)
}

/// Asks which of the pods are still there.
pub(super) async fn confirm(
    api: &Api,
    permit: &Permit,
    object: &Object,
    prepared: &Prepared,
) -> Result<Confirmed, CallError> {
    let before = Before::of(prepared)?;
    let listed = on_node(api, permit, object).await?;
    let there: BTreeSet<_> = listed.items.iter().map(|pod| pod.uid.as_str()).collect();
    let left = before.pods.iter();
    let left: Vec<_> = left
        .filter(|pod| there.contains(pod.uid.as_str()))
        .map(Leaving::text)
        .collect();
    if left.is_empty() {
        return before.applied().map(Confirmed::Done);
    }
    let (some, all) = (left.len(), counted(before.pods.len(), "pod"));
    let why = format!("{some} of {all} are still on {object}: {}", named(&left));
    Ok(Confirmed::NotDone { why, sweep: None })
}
