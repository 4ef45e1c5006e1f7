//! Templates that were rolled out before: what keeps them, and going back to one.

use super::api::Api;
use super::change::Wanted;
use super::workloads::{REVISION, instant, refuse_paused, selector};
use crate::cluster::field::Path;
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::Revision;
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::Value;

/// Templates that are kept of a workload, newest first: its ReplicaSets, or its ControllerRevisions.
pub(super) async fn list(
    api: &Api,
    permit: &Permit,
    object: &Object,
) -> Result<Vec<Revision>, CallError> {
    let workload = api.get(permit.deadline(), object).await?;
    let current = if object.kind == Kind::Deployment {
        workload["metadata"]["annotations"][REVISION]
            .as_str()
            .and_then(|text| text.parse::<u64>().ok())
    } else {
        None
    };
    let current_name = workload["status"]["updateRevision"]
        .as_str()
        .map(str::to_owned);
    let mut found: Vec<Revision> = kept(api, permit, object, &workload)
        .await?
        .into_iter()
        .filter_map(|(number, keeper, template)| {
            let name = keeper.pointer("/metadata/name").and_then(Value::as_str);
            Some(Revision {
                number,
                uid: keeper.pointer("/metadata/uid")?.as_str()?.to_owned(),
                images: images(&template),
                created: keeper
                    .pointer("/metadata/creationTimestamp")
                    .and_then(instant),
                current: current == Some(number)
                    || (name.is_some() && name == current_name.as_deref()),
            })
        })
        .collect();
    found.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    if current.is_none()
        && current_name.is_none()
        && let Some(newest) = found.first_mut()
    {
        // A daemon set does not say which one it rolls out: it is the newest.
        newest.current = true;
    }
    Ok(found)
}

/// Number, keeper and pod template of each revision.
async fn kept(
    api: &Api,
    permit: &Permit,
    object: &Object,
    workload: &Value,
) -> Result<Vec<(u64, Value, Value)>, CallError> {
    let uid = workload
        .pointer("/metadata/uid")
        .cloned()
        .unwrap_or_default();
    let selector = selector(&workload["spec"]["selector"]);
    let kind = if object.kind == Kind::Deployment {
        Kind::ReplicaSet
    } else {
        Kind::ControllerRevision
    };
    let keep = |keeper: Value| {
        let owners = keeper["metadata"]["ownerReferences"].as_array()?;
        if !owners.iter().any(|owner| owner["uid"] == uid) {
            return None;
        }
        let (number, template) = if kind == Kind::ReplicaSet {
            (
                keeper["metadata"]["annotations"][REVISION]
                    .as_str()?
                    .parse()
                    .ok()?,
                keeper["spec"]["template"].clone(),
            )
        } else {
            (
                keeper["revision"].as_u64()?,
                keeper["data"]["spec"]["template"].clone(),
            )
        };
        Some((number, keeper, template))
    };
    let query = [("labelSelector", selector.as_str())];
    let listed = api
        .list(
            permit.deadline(),
            kind.clone(),
            object.namespace.as_deref(),
            &query,
            keep,
        )
        .await?;
    Ok(listed.items)
}

fn images(template: &Value) -> Vec<String> {
    let containers = template["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten();
    containers
        .filter_map(|container| container["image"].as_str())
        .map(str::to_owned)
        .collect()
}

/// What going back to a revision wants of the fields.
pub(super) async fn roll_back(
    api: &Api,
    permit: &Permit,
    object: &Object,
    workload: &Value,
    uid: &str,
) -> Result<Wanted, CallError> {
    refuse_paused(object, workload)?;
    let kept = kept(api, permit, object, workload).await?;
    let Some((number, _, mut template)) = kept.into_iter().find(|(_, keeper, _)| {
        keeper.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid)
    }) else {
        let message =
            format!("{object} has no revision {uid}; revisions beyond its history are not kept");
        return Err(CallError::new(ErrorKind::NotFound, message));
    };
    if let Some(labels) = template
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.remove("pod-template-hash");
    }
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    let path = Path::of(&["spec", "template"]);
    let now = images(&workload["spec"]["template"]).join(", ");
    let after = format!("revision {number}: {}", images(&template).join(", "));
    Ok(Wanted {
        changes: vec![path.change(workload, Some(template))],
        answer: Value::Null,
        now,
        after,
        part: "",
    })
}
