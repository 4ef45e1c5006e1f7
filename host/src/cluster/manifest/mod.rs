//! Objects as their authors describe them: whose they are, whether they may be taken, and what is sent of them. Pure.

pub mod part;
mod pod;
pub mod policy;
pub mod set;
pub mod yaml;

use crate::cluster::field::{MARK, Path};
use crate::cluster::object::resource::check_object;
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use serde_json::{Map, Value, json};
use set::MEMBER;

/// Bytes that one manifest has at most.
const MOST_BYTES: usize = 1 << 20;

/// Reads a manifest as a guest gives it.
pub fn parse(text: &str) -> Result<Value, CallError> {
    if text.len() > MOST_BYTES {
        let message = "a manifest has at most 1 MiB";
        return Err(CallError::new(ErrorKind::Limit, message));
    }
    serde_json::from_str(text).map_err(|error| invalid(format!("the manifest is no JSON: {error}")))
}

/// The object that a manifest is about. Fails where it says too little, or what no object can be called.
pub fn name(manifest: &Value) -> Result<ObjectName, CallError> {
    let text = |pointer: &str| {
        let found = manifest.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned)
    };
    let wanted = |pointer: &str| {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        text(pointer).ok_or_else(|| invalid(format!("the manifest has no `{field}`")))
    };
    let object = ObjectName {
        api_version: wanted("/apiVersion")?,
        kind: wanted("/kind")?,
        namespace: text("/metadata/namespace"),
        name: wanted("/metadata/name")?,
    };
    check_object(&object)?;
    Ok(object)
}

/// The job that a manifest describes.
pub fn job(manifest: &Value) -> Result<Object, CallError> {
    let object = name(manifest)?;
    let namespace = object.namespace.as_deref();
    if (object.api_version.as_str(), object.kind.as_str()) != ("batch/v1", "Job") {
        return Err(invalid(format!(
            "a Job of batch/v1 is wanted, not a {} of {}",
            object.kind, object.api_version
        )));
    }
    let namespace =
        namespace.ok_or_else(|| invalid("the manifest has no `metadata.namespace`".into()))?;
    Object::new(Kind::Job, namespace, &object.name)
}

/// Refuses what no grant can allow.
pub fn check(manifest: &Value) -> Result<(), CallError> {
    name(manifest)?;
    policy::manifest(manifest).map(drop)
}

/// What is sent: the manifest, the label of its set, and the mark of the effect.
pub fn marked(manifest: &Value, set: Option<&str>, mark: &str) -> Value {
    let mut body = manifest.clone();
    if let Some(id) = set {
        body["metadata"]["labels"][MEMBER] = json!(id);
    }
    body["metadata"]["annotations"][MARK] = json!(mark);
    body
}

/// An object as somebody would write it who wants it to be so again: without what the server and the controllers keep for themselves.
pub fn recorded(found: &Value) -> Value {
    let mut object = found.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    let metadata = &found["metadata"];
    let mut kept = Map::new();
    for key in ["name", "namespace", "labels", "annotations"] {
        if let Some(value) = metadata.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    object["metadata"] = Value::Object(kept);
    object
}

/// Which fields a manager applied, the mark aside; none if it never applied any.
pub fn applied_by(object: &Value, manager: &str) -> Option<Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let is_it = |entry: &&Value| entry["manager"] == manager && entry["operation"] == "Apply";
    let mut fields = entries.iter().find(is_it)?["fieldsV1"].clone();
    let mark = Path::of(&["f:metadata", "f:annotations"]);
    if mark.get(&fields).is_some()
        && let Some(names) = fields["f:metadata"]["f:annotations"].as_object_mut()
    {
        names.remove(&format!("f:{MARK}"));
        names.remove(".");
        if names.is_empty()
            && let Some(metadata) = fields["f:metadata"].as_object_mut()
        {
            metadata.remove("f:annotations");
            if metadata.is_empty()
                && let Some(all) = fields.as_object_mut()
            {
                all.remove("f:metadata");
            }
        }
    }
    Some(fields)
}

fn invalid(message: String) -> CallError {
    CallError::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::{applied_by, check, marked, name, parse, recorded};
    use serde_json::json;

    #[test]
    fn a_manifest_names_one_object() {
        let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}});
        assert_eq!(name(&settings).unwrap().namespace.as_deref(), Some("shop"));
        assert!(check(&settings).is_ok());
        for missing in ["apiVersion", "kind", "metadata"] {
            let mut less = settings.clone();
            less.as_object_mut().unwrap().remove(missing);
            let why = name(&less).unwrap_err().message;
            assert!(why.contains(&format!("no `{missing}")), "{why}");
        }
        assert!(parse("{").is_err() && parse(&" ".repeat(2 << 20)).is_err());
    }

    #[test]
    fn what_is_sent_has_the_set_and_the_mark() {
        let body = marked(&json!({"metadata": {"name": "a"}}), Some("s"), "r/1");
        let metadata = json!({
            "name": "a", "labels": {"applyset.kubernetes.io/part-of": "s"}, "annotations": {"windlass.dev/effect": "r/1"},
        });
        assert_eq!(body["metadata"], metadata);
    }

    #[test]
    fn what_is_recorded_can_be_made_again() {
        let found = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "status": {},
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "managedFields": [], "labels": {"c": "d"}},
        });
        let kept = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "metadata": {"name": "a", "labels": {"c": "d"}}});
        assert_eq!(recorded(&found), kept);
    }

    #[test]
    fn the_mark_is_not_among_what_was_applied() {
        let of = |fields: serde_json::Value| {
            let entry = json!({"manager": "windlass", "operation": "Apply", "fieldsV1": fields});
            applied_by(&json!({"metadata": {"managedFields": [entry]}}), "windlass")
        };
        let data = json!({"f:data": {"f:a": {}}});
        let mut more = data.clone();
        more["f:metadata"]["f:annotations"]["f:windlass.dev/effect"] = json!({});
        assert_eq!(of(more), Some(data.clone()));
        assert_eq!(of(data.clone()), Some(data));
        assert_eq!(applied_by(&json!({"metadata": {}}), "windlass"), None);
    }
}
