//! Other hands on an object: who else writes the fields that windlass could change, and who of them puts them back. Pure.

use crate::cluster::field::{FieldChange, Path, Step};
use crate::cluster::object::Object;
use crate::contract::cluster_types::{Manager, ManagerKind};
use crate::contract::{CallError, ErrorKind};
use serde_json::Value;

/// Labels and annotations by which others say that an object is theirs.
const SIGNS: &[(&str, &str, ManagerKind, bool)] = &[
    (
        "annotations",
        "argocd.argoproj.io/tracking-id",
        ManagerKind::ArgoCd,
        true,
    ),
    (
        "labels",
        "argocd.argoproj.io/instance",
        ManagerKind::ArgoCd,
        true,
    ),
    (
        "labels",
        "kustomize.toolkit.fluxcd.io/name",
        ManagerKind::Flux,
        true,
    ),
    (
        "labels",
        "helm.toolkit.fluxcd.io/name",
        ManagerKind::Flux,
        true,
    ),
    (
        "annotations",
        "meta.helm.sh/release-name",
        ManagerKind::Helm,
        false,
    ),
];

/// Who else is at work on the object.
pub(super) fn managers(object: &Value) -> Vec<Manager> {
    let mut found: Vec<Manager> = Vec::new();
    for (place, sign, kind, insists) in SIGNS {
        if let Some(name) = object["metadata"][place][sign].as_str()
            && !found.iter().any(|manager| manager.kind == *kind)
        {
            found.push(Manager {
                kind: *kind,
                name: name.to_owned(),
                insists: *insists,
            });
        }
    }
    if is_scaled_by_controller(object) {
        found.push(Manager {
            kind: ManagerKind::Autoscaler,
            name: "the autoscaler that last set its replicas".into(),
            insists: true,
        });
    }
    found
}

/// `conflict` where another controller would put any change back, or make the object again. Autoscalers are asked about by themselves.
pub(super) fn refuse_managed(object: &Object, found: &Value) -> Result<(), CallError> {
    let Some(manager) = who_insists(found) else {
        return Ok(());
    };
    let name = manager.name;
    let who = match manager.kind {
        ManagerKind::ArgoCd => format!("Argo CD (`{name}`)"),
        ManagerKind::Flux => format!("Flux (`{name}`)"),
        ManagerKind::Helm => format!("Helm (`{name}`)"),
        ManagerKind::Autoscaler | ManagerKind::Other => name,
    };
    Err(conflict(object, &who))
}

/// What is said where somebody else would put a change back.
pub(super) fn conflict(object: &Object, who: &str) -> CallError {
    let message = format!(
        "{object} is managed by {who}, which would put it back; change it there, or pause that first"
    );
    CallError::new(ErrorKind::Conflict, message)
}

fn who_insists(object: &Value) -> Option<Manager> {
    managers(object)
        .into_iter()
        .find(|manager| manager.insists && manager.kind != ManagerKind::Autoscaler)
}

/// The controller of autoscalers writes replicas through the subresource `scale`; people who scale by hand do so under other names.
pub(super) fn is_scaled_by_controller(object: &Value) -> bool {
    let Some(entries) = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
    else {
        return false;
    };
    let replicas = |entry: &Value| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some();
    entries.iter().any(|entry| {
        entry["subresource"] == "scale"
            && entry["manager"] == "kube-controller-manager"
            && replicas(entry)
    })
}

/// Who writes each of these fields besides windlass, for people: "helm writes spec.replicas".
pub(super) fn writers(object: &Value, changes: &[FieldChange]) -> Vec<String> {
    let Some(entries) = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
    else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for change in changes
        .iter()
        .filter(|change| !crate::cluster::call::is_mark(change))
    {
        for entry in entries {
            let Some(manager) = entry["manager"]
                .as_str()
                .filter(|manager| *manager != super::api::MANAGER)
            else {
                continue;
            };
            if owns(&entry["fieldsV1"], &change.path) {
                let line = format!("{manager} writes {} too", change.path);
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    lines
}

/// Whether another writes the field, or a part of it.
pub(super) fn is_written_by_another(object: &Value, path: &Path) -> bool {
    let entries = object["metadata"]["managedFields"].as_array();
    let mut entries = entries.into_iter().flatten();
    entries.any(|entry| entry["manager"] != super::api::MANAGER && owns(&entry["fieldsV1"], path))
}

/// Whether an entry of `managedFields` has the path.
fn owns(fields: &Value, path: &Path) -> bool {
    let found = path.0.iter().try_fold(fields, |at, step| match step {
        Step::Key(key) => at.get(format!("f:{key}")),
        Step::Named(name) => at.get(format!("k:{{\"name\":\"{name}\"}}")),
    });
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::{is_scaled_by_controller, managers, who_insists, writers};
    use crate::cluster::field::Path;
    use crate::contract::cluster_types::ManagerKind;
    use serde_json::json;

    #[test]
    fn who_puts_things_back_is_known_by_his_signs() {
        let helm = json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "shop"}}});
        assert_eq!(managers(&helm)[0].kind, ManagerKind::Helm);
        assert_eq!(who_insists(&helm), None);
        let argo = json!({"metadata": {"labels": {"argocd.argoproj.io/instance": "shop"}}});
        assert_eq!(who_insists(&argo).unwrap().kind, ManagerKind::ArgoCd);
    }

    #[test]
    fn whoever_wrote_a_field_is_named() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "kube-controller-manager", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:paused": {}}}},
        ]}});
        let change = |path: &[&str]| [Path::of(path).change(&object, Some(json!(1)))];
        assert!(is_scaled_by_controller(&object));
        assert_eq!(who_insists(&object), None);
        assert_eq!(
            writers(&object, &change(&["spec", "paused"])),
            ["kubectl writes spec.paused too"]
        );
    }
}
