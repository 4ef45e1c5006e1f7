//! Parts of objects: what a manifest says something about, and whether an object still has it. Pure.

use serde_json::Value;

/// The part of an object that a manifest of it says something about, with the object's own spelling of each value.
pub fn part_of(manifest: &Value, object: &Value) -> Value {
    match (manifest, object) {
        (Value::Object(wanted), Value::Object(found)) => {
            let pairs = wanted
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), part_of(value, found.get(key)?))));
            Value::Object(pairs.collect())
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let pairs = wanted.iter().zip(found);
            pairs.map(|(value, found)| part_of(value, found)).collect()
        }
        _ => object.clone(),
    }
}

/// Whether an object has all that a part of it has.
pub fn has_part(object: &Value, part: &Value) -> bool {
    match (object, part) {
        (Value::Object(object), Value::Object(part)) => part.iter().all(|(key, value)| {
            let found = object.get(key);
            found.is_some_and(|found| has_part(found, value))
        }),
        (Value::Array(object), Value::Array(part)) => {
            let pairs = || object.iter().zip(part);
            object.len() == part.len() && pairs().all(|(object, part)| has_part(object, part))
        }
        _ => object == part,
    }
}

#[cfg(test)]
mod tests {
    use super::{has_part, part_of};
    use serde_json::json;

    #[test]
    fn a_part_has_what_the_manifest_says() {
        let object = json!({"spec": {"limits": {"cpu": "1"}, "ports": [{"port": 80, "protocol": "TCP"}], "more": 1}});
        let manifest = json!({"spec": {"limits": {"cpu": "1000m"}, "ports": [{"port": 80}]}});
        let part = part_of(&manifest, &object);
        assert_eq!(
            part,
            json!({"spec": {"limits": {"cpu": "1"}, "ports": [{"port": 80}]}})
        );
        assert!(has_part(&object, &part));
        let mut other = object.clone();
        other["spec"]["ports"][0]["port"] = json!(81);
        assert!(!has_part(&other, &part));
    }
}
