//! What was applied to an object, read out of it again: whoever applies that once more owns what it owned. Pure.

use crate::cluster::field::{FieldChange, difference, shown};
use serde_json::{Map, Value, json};

/// What a manager applied, as a manifest with the values that the object has. None where it applied nothing, or in another version of the kind.
pub fn applied(object: &Value, manager: &str) -> Option<Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let is_it = |entry: &&Value| {
        entry["manager"] == manager
            && entry["operation"] == "Apply"
            && entry["subresource"].is_null()
    };
    let entry = entries.iter().find(is_it)?;
    if entry["apiVersion"] != object["apiVersion"] {
        return None;
    }
    let mut manifest = nothing(object);
    let part = of(&entry["fieldsV1"], object);
    for (key, value) in part.as_object().into_iter().flatten() {
        match (key.as_str(), value.as_object()) {
            ("metadata", Some(fields)) => {
                for (key, value) in fields {
                    manifest["metadata"][key] = value.clone();
                }
            }
            _ => manifest[key] = value.clone(),
        }
    }
    Some(manifest)
}

/// What a manager wrote in another way than by applying: no manifest that is applied takes it away. Without what verbs of their own write, which is no
/// manifest's matter: labels and annotations, how many replicas there are, and whether a rollout is paused.
pub fn beside(object: &Value, manifest: &Value, manager: &str) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array();
    let own = entries.into_iter().flatten().filter(|entry| {
        entry["manager"] == manager
            && entry["operation"] == "Update"
            && entry["subresource"].is_null()
    });
    let mut lines = Vec::new();
    for entry in own {
        let written = difference(&json!({}), &of(&entry["fieldsV1"], object));
        for change in written {
            let path = change.path.to_string();
            let is_verbs = ["metadata.", "spec.template.metadata."]
                .iter()
                .any(|start| path.starts_with(start))
                || ["spec.replicas", "spec.paused"].contains(&path.as_str());
            if !is_verbs && change.path.get(manifest).is_none() {
                let value = shown(change.set.as_ref());
                lines.push(format!(
                    "{path}: {value} was set by windlass and is in no manifest"
                ));
            }
        }
    }
    lines
}

/// A manifest that says nothing about the object: whoever applies it gives up all that it applied before.
pub fn nothing(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut name = json!({"name": metadata["name"]});
    if let Some(namespace) = metadata.get("namespace") {
        name["namespace"] = namespace.clone();
    }
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": name})
}

/// The part of a value that an entry of `managedFields` tells.
fn of(fields: &Value, value: &Value) -> Value {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return value.clone();
    };
    match value {
        Value::Object(map) => {
            let owned = |(key, value): (&String, &Value)| {
                let fields = fields.get(&format!("f:{key}"))?;
                Some((key.clone(), of(fields, value)))
            };
            Value::Object(map.iter().filter_map(owned).collect())
        }
        Value::Array(list) => list
            .iter()
            .filter_map(|element| element_of(fields, element))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// An element of a list, by its keys or its value, as far as it is told.
fn element_of(fields: &Map<String, Value>, element: &Value) -> Option<Value> {
    for (key, fields) in fields {
        if let Some(keys) = key.strip_prefix("k:") {
            let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
            if keys.iter().all(|(key, value)| element[key] == *value) {
                let mut part = of(fields, element);
                for (key, value) in keys {
                    part[&key] = value;
                }
                return Some(part);
            }
        } else if let Some(value) = key.strip_prefix("v:")
            && serde_json::from_str::<Value>(value).is_ok_and(|value| value == *element)
        {
            return Some(element.clone());
        }
    }
    None
}

/// What is applied to take the last changes back: all that was applied before and still is, and of what was changed what was applied of it then.
/// What another hand took over since is not among it. Where they are not the last ones, what was applied later stays.
pub fn back(now: &Value, before: &Value, changes: &[FieldChange], are_last: bool) -> Value {
    let mut manifest = if are_last {
        common(before, now)
    } else {
        now.clone()
    };
    for change in changes {
        change
            .path
            .put(&mut manifest, change.path.get(before).cloned());
    }
    manifest
}

/// What both have, with the second one's values.
fn common(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let both =
                |(key, value): (&String, &Value)| Some((key.clone(), common(one.get(key)?, value)));
            Value::Object(other.iter().filter_map(both).collect())
        }
        (Value::Array(one), Value::Array(list)) if one != list => {
            let same = |element: &Value| {
                let name = element["name"].as_str();
                let is_it = |known: &&Value| {
                    *known == element || name.is_some() && known["name"].as_str() == name
                };
                Some(common(one.iter().find(is_it)?, element))
            };
            list.iter().filter_map(same).collect()
        }
        _ => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{applied, back, beside};
    use crate::cluster::field::changes;
    use serde_json::{Value, json};

    fn object(fields: &Value, spec: &Value) -> Value {
        let entry = json!({"manager": "windlass", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields});
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "namespace": "shop", "uid": "u", "labels": {"a": "1", "b": "2"}, "managedFields": [entry]},
            "spec": spec,
        })
    }

    #[test]
    fn what_was_applied_is_read_out_of_the_object() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {
                "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}},
                "f:finalizers": {"v:\"x\"": {}}, "f:atomic": {},
            },
        });
        let spec = json!({
            "ports": [{"port": 80, "protocol": "TCP", "name": "http", "nodePort": 3}, {"port": 81, "protocol": "TCP"}],
            "finalizers": ["x", "y"], "atomic": [1, {"a": 2}], "other": true,
        });
        let spec_applied = json!({
            "ports": [{"port": 80, "protocol": "TCP", "name": "http"}], "finalizers": ["x"], "atomic": [1, {"a": 2}],
        });
        let found = object(&fields, &spec);
        let wanted = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop", "labels": {"a": "1"}},
            "spec": spec_applied,
        });
        assert_eq!(applied(&found, "windlass"), Some(wanted));
        assert_eq!(applied(&found, "kubectl"), None);
    }

    #[test]
    fn what_was_set_beside_the_manifest_is_told() {
        let fields = json!({
            "f:data": {"f:a": {}, "f:b": {}}, "f:spec": {"f:replicas": {}}, "f:metadata": {"f:labels": {"f:a": {}}},
        });
        let mut found = object(&fields, &json!({"replicas": 3}));
        found["data"] = json!({"a": "1", "b": "2"});
        let manifest = json!({"data": {"a": "1"}});
        assert!(beside(&found, &manifest, "windlass").is_empty());
        found["metadata"]["managedFields"][0]["operation"] = json!("Update");
        let told = ["data.b: 2 was set by windlass and is in no manifest"];
        assert_eq!(beside(&found, &manifest, "windlass"), told);
        assert!(beside(&found, &manifest, "kubectl").is_empty());
    }

    #[test]
    fn what_another_hand_took_over_is_not_applied_again() {
        let before = json!({"data": {"a": "1", "gone": "x", "theirs": "1"}, "list": [{"name": "p", "v": 1}, {"name": "q"}]});
        let now = json!({"data": {"a": "2", "new": "y"}, "list": [{"name": "p", "v": 2}]});
        let was = json!({"data": {"a": "1", "gone": "x"}, "list": [{"name": "p", "v": 1}]});
        let set = json!({"data": {"a": "2", "new": "y"}, "list": [{"name": "p", "v": 2}]});
        let mut wanted = json!({"data": {"a": "1", "gone": "x"}, "list": [{"name": "p", "v": 1}]});
        let changes = changes(&was, &set);
        assert_eq!(back(&now, &before, &changes, true), wanted);
        let mut later = now.clone();
        later["data"]["later"] = json!("z");
        assert_eq!(back(&later, &before, &changes, true), wanted);
        wanted["data"]["later"] = json!("z");
        assert_eq!(back(&later, &before, &changes, false), wanted);
    }
}
