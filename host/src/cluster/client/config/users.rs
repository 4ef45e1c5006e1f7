//! What still takes from an object that is to be deleted: pods that run, and what makes pods of a revision that is kept.

use super::super::api::Api;
use super::super::list::Listed;
use super::consumers::takes_from;
use crate::cluster::object::resource::Resource;
use crate::cluster::object::{Kind, Object};
use crate::contract::CallError;
use crate::engine::Permit;
use serde_json::Value;

/// Kinds that have the specification of a pod: group, version, kind, plural, where it is.
const HOLDERS: &[(&str, &str, &str, &str, &str)] = &[
    ("", "v1", "Pod", "pods", "/spec"),
    (
        "apps",
        "v1",
        "ReplicaSet",
        "replicasets",
        "/spec/template/spec",
    ),
    (
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        "/data/spec/template/spec",
    ),
    (
        "batch",
        "v1",
        "CronJob",
        "cronjobs",
        "/spec/jobTemplate/spec/template/spec",
    ),
];

/// What takes from the object, a line for each kind of it. Where that cannot be looked at, that is a line too: what is not known is not deleted.
pub(super) async fn of(
    api: &Api,
    permit: &Permit,
    object: &Object,
) -> Result<Vec<String>, CallError> {
    let of = object.kind.in_scope();
    let (Some(namespace), true) = (
        object.namespace.as_deref(),
        matches!(of.as_str(), "v1/ConfigMap" | "v1/ServiceAccount"),
    ) else {
        return Ok(Vec::new());
    };
    let kind_of_it = of.trim_start_matches("v1/").to_owned();
    let names = [object.name.clone()];
    let mut lines = Vec::new();
    for (group, version, kind, plural, spec) in HOLDERS {
        let holder = Kind::of(Resource::new(group, version, kind, plural)?);
        let keep = |found: Value| {
            let takes = takes_from(found.pointer(spec)?, &kind_of_it, &names);
            (takes && !is_over(&found)).then(|| name(&found))
        };
        let listed: Result<Listed<String>, _> = api
            .list(permit.deadline(), holder, Some(namespace), &[], keep)
            .await;
        match listed {
            Ok(listed) if listed.items.is_empty() => {}
            Ok(listed) => lines.push(format!(
                "{kind} {} takes from it",
                super::super::drain::named(&listed.items)
            )),
            Err(failure) if failure.status == Some(403) => lines.push(format!(
                "whether a {kind} takes from it is not known: no right to list {plural}"
            )),
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(lines)
}

fn name(object: &Value) -> String {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    name.unwrap_or_default().to_owned()
}

/// Whether it takes nothing any more: a pod that has come to its end.
fn is_over(object: &Value) -> bool {
    let phase = object.pointer("/status/phase").and_then(Value::as_str);
    matches!(phase, Some("Succeeded" | "Failed"))
}
