//! Apply-sets as Kubernetes has them (KEP-3659): which label its members carry, and what its parent says. Pure.

use crate::cluster::object::resource::text_of;
use crate::cluster::object::{check_name, check_namespace};
use crate::contract::cluster_types::{Namespaced, ObjectName};
use crate::contract::{CallError, ErrorKind};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The label of a member; its value is the set's id.
pub const MEMBER: &str = "applyset.kubernetes.io/part-of";
/// The label of a parent; its value is the set's id.
pub const ID: &str = "applyset.kubernetes.io/id";
/// Which tool keeps the set.
pub const TOOLING: &str = "applyset.kubernetes.io/tooling";
/// Of which kinds members are.
pub const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// We, as a tool.
const TOOL: &str = "windlass";

/// The id of the set whose parent is this ConfigMap.
pub fn id(set: &Namespaced) -> String {
    let text = format!("{}.{}.ConfigMap.", set.name, set.namespace);
    let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    format!("applyset-{hash}-v1")
}

/// Refuses names that no parent can have, and kinds that are none.
pub fn check(set: &Namespaced, kinds: &[String]) -> Result<(), CallError> {
    check_namespace(&set.namespace)?;
    check_name(&set.name)?;
    kinds
        .iter()
        .try_for_each(|kind| group_and_kind(kind).map(drop))
}

/// Refuses what is never deleted because a manifest is gone: what takes data with it, and what is of the whole cluster.
pub fn check_prunable(object: &ObjectName) -> Result<(), CallError> {
    let why = match (object.kind.as_str(), &object.namespace) {
        ("PersistentVolumeClaim", _) => "its data could not be given back",
        (_, None) => "it is of the whole cluster",
        _ => return Ok(()),
    };
    let message = format!("{} is never pruned: {why}", text_of(object));
    Err(CallError::new(ErrorKind::Denied, message))
}

/// The parent of a set with members of these kinds.
pub fn parent(set: &Namespaced, kinds: &[String]) -> Value {
    let mut kinds = kinds.to_vec();
    kinds.sort();
    kinds.dedup();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": set.name,
            "namespace": set.namespace,
            "labels": {ID: id(set)},
            "annotations": {TOOLING: format!("{TOOL}/v1"), KINDS: kinds.join(",")},
        },
    })
}

/// Refuses a ConfigMap that is not the parent of this set, or that another tool keeps.
pub fn check_parent(found: &Value, set: &Namespaced) -> Result<(), CallError> {
    let conflict = |message: String| Err(CallError::new(ErrorKind::Conflict, message));
    let Namespaced { namespace, name } = set;
    if found["metadata"]["labels"][ID] != id(set) {
        return conflict(format!(
            "configmap {namespace}/{name} is there and is no parent of an apply-set"
        ));
    }
    let tool = found["metadata"]["annotations"][TOOLING]
        .as_str()
        .unwrap_or_default();
    let tool = tool.rsplit_once('/').map_or(tool, |(tool, _)| tool);
    if tool != TOOL {
        return conflict(format!(
            "the apply-set {namespace}/{name} is kept by `{}`",
            crate::text::printable(tool)
        ));
    }
    Ok(())
}

/// The kinds that a parent tells, as group and kind.
pub fn kinds(parent: &Value) -> Result<Vec<(String, String)>, CallError> {
    let text = parent["metadata"]["annotations"][KINDS]
        .as_str()
        .unwrap_or_default();
    let kinds = text.split(',').filter(|kind| !kind.is_empty());
    kinds.map(group_and_kind).collect()
}

/// `Deployment.apps` or `ConfigMap`, apart.
fn group_and_kind(text: &str) -> Result<(String, String), CallError> {
    let (kind, group) = text.split_once('.').unwrap_or((text, ""));
    crate::cluster::object::resource::check_kind(group, "v1", kind)?;
    Ok((group.to_owned(), kind.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Namespaced, check, check_parent, id, kinds, parent};

    fn set() -> Namespaced {
        Namespaced {
            namespace: "shop".into(),
            name: "settings".into(),
        }
    }

    #[test]
    fn a_parent_says_what_its_members_are() {
        let all = [
            "Service".to_owned(),
            "Deployment.apps".into(),
            "Service".into(),
        ];
        let made = parent(&set(), &all);
        let told = kinds(&made).unwrap();
        let pair = |group: &str, kind: &str| (group.to_owned(), kind.to_owned());
        assert_eq!(told, [pair("apps", "Deployment"), pair("", "Service")]);
        assert!(check_parent(&made, &set()).is_ok());
        assert!(check(&set(), &all).is_ok());
        assert!(check(&set(), &["a/b".into()]).is_err());
    }

    #[test]
    fn the_parent_of_another_tool_is_left_alone() {
        let mut theirs = parent(&set(), &[]);
        theirs["metadata"]["annotations"][super::TOOLING] = "kubectl/v1.36".into();
        let why = check_parent(&theirs, &set()).unwrap_err().message;
        assert_eq!(why, "the apply-set shop/settings is kept by `kubectl`");
        let other = Namespaced {
            name: "other".into(),
            ..set()
        };
        assert!(check_parent(&theirs, &other).is_err());
        assert_ne!(id(&other), id(&set()));
    }
}
