//! Nodes: what they are, and how one is cordoned, labelled and let work again.

use super::api::Api;
use super::change::{self, Wanted};
use super::lock::{self, Lock, LockError, Releasing};
use super::looked;
use super::wait::{self, Step};
use crate::call::{Applied, ApplyFailure, Prepared, Touch, Undo};
use crate::cluster::Effect;
use crate::cluster::call::{Change, Look, is_mark, is_of_kubernetes};
use crate::cluster::field::{FieldChange, MARK, Path, shown};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::NodeFacts;
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use serde_json::{Value, json};
use std::time::Duration;

/// Namespace and name of the lease under which nodes are counted and cordoned: one for the whole cluster, in a namespace that each has.
const TURN: (&str, &str) = ("default", "windlass-nodes");
/// The annotation of a node that windlass cordoned; its value is the run.
const CORDONED: &str = "windlass.dev/cordoned";
/// The label of a node of the control plane, and the key of its taint.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// The nodes that a selector means and that may be shown.
pub(super) async fn list(
    api: &Api,
    permit: &Permit,
    selector: &str,
    shows: &(dyn Fn(&Object) -> bool + Sync),
) -> Result<Value, CallError> {
    let query = [("labelSelector", selector)];
    let keep = |node: Value| {
        let object = Object::node(node.pointer("/metadata/name")?.as_str()?).ok()?;
        if !shows(&object) {
            return None;
        }
        looked::keep_node(permit, api, &node);
        Some(facts(&node))
    };
    let listed = api
        .list(permit.deadline(), Kind::Node, None, &query, keep)
        .await?;
    super::value(&listed.items)
}

/// The facts of one.
fn facts(node: &Value) -> NodeFacts {
    let text = |pointer: &str| {
        let found = node.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let labels = node["metadata"]["labels"].as_object();
    let labels = labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    NodeFacts {
        name: text("/metadata/name"),
        uid: text("/metadata/uid"),
        ready: is_ready(node),
        cordoned: is_cordoned(node),
        cordoned_by_windlass: is_cordoned_by_windlass(node),
        control_plane: is_control_plane(node),
        kubelet_version: text("/status/nodeInfo/kubeletVersion"),
        os_image: text("/status/nodeInfo/osImage"),
        boot_id: text("/status/nodeInfo/bootID"),
        labels: labels.collect(),
    }
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether new pods are kept away from it.
pub(super) fn is_cordoned(node: &Value) -> bool {
    node["spec"]["unschedulable"] == true
}

/// A node that another hand let work again is not cordoned by windlass any more, though its annotation may be left.
fn is_cordoned_by_windlass(node: &Value) -> bool {
    is_cordoned(node) && Path::annotation(CORDONED).get(node).is_some()
}

fn is_cordoned_by_another(node: &Value) -> bool {
    is_cordoned(node) && !is_cordoned_by_windlass(node)
}

fn is_control_plane(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    let mut taints = taints.into_iter().flatten();
    node["metadata"]["labels"].get(CONTROL_PLANE).is_some()
        || taints.any(|taint| taint["key"] == CONTROL_PLANE)
}

/// Until a node is ready and its boot or its kubelet's version is another than this; where neither is given, until it is ready.
pub(super) async fn awaited(
    api: &Api,
    permit: &Permit,
    node: &Object,
    look: &Look,
    within: Duration,
) -> Result<Value, CallError> {
    let Look::AwaitNode { boot, version, .. } = look else {
        let message = format!("nothing about {node} is waited for");
        return Err(CallError::new(ErrorKind::Invalid, message));
    };
    let look = |node: &Value| Ok(returned(node, boot, version));
    super::value(&wait::object(api, permit, node, within, look).await?)
}

/// Whether the node is back: ready, and where a boot or a version is given, with another of one of them.
fn returned(node: &Value, boot: &str, version: &str) -> Step<NodeFacts> {
    let facts = facts(node);
    let another = |before: &str, now: &str| !before.is_empty() && before != now;
    let changed = another(boot, &facts.boot_id) || another(version, &facts.kubelet_version);
    if !(changed || boot.is_empty() && version.is_empty()) {
        let what = "it still has the boot and the kubelet that it had";
        return Step::Waiting(what.into());
    }
    if !facts.ready {
        return Step::Waiting("it is not ready".into());
    }
    Step::Done(facts)
}

/// What cordoning, uncordoning and labelling want of a node's fields.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
) -> Result<Prepared, CallError> {
    let node = looked::node(api, permit, object).await?;
    let mut touches = Vec::new();
    let wanted = if let Change::Label { labels, .. } = &effect.change {
        let names = labels.iter().map(|(name, _)| name.clone());
        let own = names.filter(|name| is_of_kubernetes(name)).collect();
        touches.push(touched(effect, object, &node, own, None));
        labelled(&node, labels)
    } else if matches!(effect.change, Change::Cordon { .. }) {
        let others = if is_cordoned(&node) {
            None
        } else {
            others_cordoned(api, permit, effect, object).await?
        };
        touches.push(touched(effect, object, &node, Vec::new(), others));
        cordoned(permit, &node)
    } else {
        uncordoned(permit, object, &node)?
    };
    let ends_own = wanted.changes.iter().any(is_mark);
    let mut prepared = change::prepare(api, permit, effect, object, &node, wanted).await?;
    prepared.touches.extend(touches);
    if ends_own {
        prepared.undo = Undo::NotNeeded("this run cordoned it".into());
    }
    Ok(prepared)
}

fn labelled(node: &Value, labels: &[(String, Option<String>)]) -> Wanted {
    let change = |(name, value): &(String, Option<String>)| {
        Path::of(&["metadata", "labels", name]).change(node, value.clone().map(Value::String))
    };
    let changes: Vec<_> = labels.iter().map(change).collect();
    let all = |pick: fn(&FieldChange) -> &Option<Value>| {
        let values = changes.iter().map(|change| shown(pick(change).as_ref()));
        values.collect::<Vec<_>>().join(", ")
    };
    Wanted {
        now: all(|change| &change.before),
        after: all(|change| &change.set),
        answer: Value::Null,
        part: "",
        changes,
    }
}

fn cordoned(permit: &Permit, node: &Value) -> Wanted {
    let was = is_cordoned(node);
    let run = json!(permit.run().to_string());
    let changes = [
        unschedulable().change(node, Some(json!(true))),
        Path::annotation(CORDONED).change(node, Some(run)),
    ];
    Wanted {
        // Whoever cordoned it keeps it so.
        changes: changes.into_iter().filter(|_| !was).collect(),
        answer: json!(was),
        now: state(node).into(),
        after: "cordoned".into(),
        part: "",
    }
}

/// A run that lets go of the node that it cordoned leaves nothing of itself there, so that taking the run back has nothing to do with it.
fn uncordoned(permit: &Permit, object: &Object, node: &Value) -> Result<Wanted, CallError> {
    if is_cordoned_by_another(node) {
        let message = format!(
            "{object} was cordoned by another hand; whoever did so can let it work again: kubectl uncordon {}",
            object.name
        );
        return Err(CallError::new(ErrorKind::Conflict, message));
    }
    let by = Path::annotation(CORDONED).change(node, None);
    let is_own = by.before == Some(json!(permit.run().to_string()));
    let mark = is_own.then(|| Path::annotation(MARK).change(node, None));
    let changes = [Some(unschedulable().change(node, None)), Some(by), mark];
    Ok(Wanted {
        changes: changes.into_iter().flatten().collect(),
        answer: Value::Null,
        now: state(node).into(),
        after: "schedulable".into(),
        part: "",
    })
}

fn unschedulable() -> Path {
    Path::of(&["spec", "unschedulable"])
}

/// Why a cordon is not taken back, or put back: somebody else cordoned the node meanwhile, and the field alone does not tell whose it is.
pub(super) fn not_ours(object: &Object, node: &Value, changes: &[FieldChange]) -> Option<String> {
    let cordon = changes.iter().any(|change| change.path == unschedulable());
    (cordon && is_cordoned_by_another(node))
        .then(|| format!("{object} is cordoned by another hand by now"))
}

fn state(node: &Value) -> &'static str {
    if is_cordoned(node) {
        "cordoned"
    } else {
        "schedulable"
    }
}

/// What of the node a grant has rules on; the gate decides by it.
pub(super) fn touched(
    effect: &Effect,
    object: &Object,
    node: &Value,
    labels: Vec<String>,
    cordoned: Option<Vec<String>>,
) -> Touch {
    Touch::Node {
        cluster: effect.cluster.clone(),
        node: object.clone(),
        control_plane: is_control_plane(node),
        labels,
        cordoned,
    }
}

/// The other nodes that windlass has cordoned. Asks the server only where a scope bounds their number.
async fn others_cordoned(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
) -> Result<Option<Vec<String>>, CallError> {
    if permit
        .effective()
        .nodes_at_once(&effect.cluster, object)
        .is_none()
    {
        return Ok(None);
    }
    let keep = |node: Value| {
        let name = node["metadata"]["name"].as_str()?;
        (is_cordoned_by_windlass(&node) && name != object.name).then(|| name.to_owned())
    };
    let listed = api
        .list(permit.deadline(), Kind::Node, None, &[], keep)
        .await?;
    Ok(Some(listed.items))
}

/// Cordons a node. Where a scope bounds how many are cordoned at once, they are counted once more under a lease of the whole cluster: the
/// lock of a target does not keep runs on other targets of the cluster from cordoning in the same moment.
pub(super) async fn cordon(
    api: &Api,
    permit: &ChangePermit,
    effect: &Effect,
    object: &Object,
    prepared: &Prepared,
    releasing: &Releasing,
) -> Result<Applied, ApplyFailure> {
    let most = permit.effective().nodes_at_once(&effect.cluster, object);
    let Some(most) = most else {
        return change::apply(api, permit, object, prepared).await;
    };
    // Held until the node is cordoned.
    let _turn = turn(api, permit, &effect.cluster, releasing)
        .await
        .map_err(change::not_done)?;
    refuse_too_many(api, permit, effect, object, most)
        .await
        .map_err(change::not_done)?;
    change::apply(api, permit, object, prepared).await
}

/// The lease under which nodes of the cluster are counted and cordoned. Another run has it for as long as that takes.
async fn turn(
    api: &Api,
    permit: &Permit,
    cluster: &str,
    releasing: &Releasing,
) -> Result<Lock, CallError> {
    loop {
        match lock::take(api, cluster, TURN, permit.run(), releasing).await {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held { .. }) if permit.clock().instant() < permit.deadline() => {}
            Err(LockError::Unavailable { why, .. }) => return Err(why),
            Err(held @ LockError::Held { .. }) => {
                return Err(CallError::new(ErrorKind::Limit, held.to_string()));
            }
        }
    }
}

/// Counts again what the gate was told of: runs on other targets of the cluster may have cordoned since.
async fn refuse_too_many(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
    most: u32,
) -> Result<(), CallError> {
    if is_cordoned(&api.get(permit.deadline(), object).await?) {
        return Ok(());
    }
    let others = others_cordoned(api, permit, effect, object).await?;
    let others = others.unwrap_or_default();
    if others.len() < usize::try_from(most).unwrap_or(usize::MAX) {
        return Ok(());
    }
    let message = format!(
        "{object} would be one too many: at most {} may be cordoned by windlass at once, and these are by now: {}",
        crate::text::counted(most as usize, "node"),
        super::drain::named(&others)
    );
    Err(CallError::new(ErrorKind::Limit, message))
}

#[cfg(test)]
mod tests {
    use super::{Step, facts, returned};
    use serde_json::{Value, json};

    fn node(ready: &str, boot: &str, version: &str) -> Value {
        json!({"metadata": {"name": "n"}, "status": {
            "conditions": [{"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": ready}],
            "nodeInfo": {"bootID": boot, "kubeletVersion": version},
        }})
    }

    #[test]
    fn a_node_is_back_when_it_is_ready_and_another() {
        let back = |ready: &str, before: (&str, &str)| {
            let node = node(ready, "b", "v");
            matches!(returned(&node, before.0, before.1), Step::Done(_))
        };
        assert!(back("True", ("", "")) && !back("Unknown", ("", "")));
        assert!(back("True", ("a", "v")) && back("True", ("b", "u")) && back("True", ("a", "")));
        assert!(!back("True", ("b", "v")) && !back("True", ("b", "")) && !back("True", ("", "v")));
        assert!(!back("False", ("a", "u")));
    }

    #[test]
    fn a_control_plane_is_known_by_its_label_or_its_taint() {
        let key = "node-role.kubernetes.io/control-plane";
        let mut found = node("True", "b", "v");
        assert!(!facts(&found).control_plane);
        found["metadata"]["labels"] = json!({key: ""});
        assert!(facts(&found).control_plane);
        let mut found = node("True", "b", "v");
        found["spec"]["taints"] = json!([{"key": key, "effect": "NoSchedule"}]);
        assert!(facts(&found).control_plane);
    }

    #[test]
    fn a_cordon_is_ours_as_long_as_it_holds() {
        let mut found = node("True", "b", "v");
        found["metadata"]["annotations"] = json!({"windlass.dev/cordoned": "r"});
        assert!(!facts(&found).cordoned_by_windlass);
        found["spec"]["unschedulable"] = json!(true);
        assert!(facts(&found).cordoned && facts(&found).cordoned_by_windlass);
        found["metadata"]["annotations"] = Value::Null;
        assert!(facts(&found).cordoned && !facts(&found).cordoned_by_windlass);
    }
}
