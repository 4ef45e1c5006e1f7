//! Fields as people name them, `spec.template.spec.containers[app].resources`: which may be set, and which a grant covers. Pure.

use crate::cluster::manifest::policy;
use crate::contract::cluster_config::FieldEdit;
use crate::contract::{CallError, ErrorKind};
use serde_json::{Value, json};

/// Steps that a path has at most.
const MOST_STEPS: usize = 32;

/// The list of a container's variables.
const VARIABLES: &str = "env";

/// The lists of a pod whose elements have names; elsewhere what stands in brackets is a key.
const LISTS: &[&str] = &[
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "volumeMounts",
    "imagePullSecrets",
    VARIABLES,
];

/// One step of a path as it is written.
#[derive(Clone, Debug, PartialEq)]
enum Written {
    /// After a dot, or at the beginning.
    Key(String),
    /// In brackets: the name of an element of a list, or a key with dots.
    Bracket(String),
}

/// Refuses fields that are never set from a procedure, and values that are no JSON or give a pod too much.
pub fn check(changes: &[FieldEdit]) -> Result<(), CallError> {
    if changes.is_empty() {
        return Err(invalid("no field is named".into()));
    }
    for FieldEdit { path, value } in changes {
        let steps = parse(path)?;
        check_place(path, &steps)?;
        let given = policy::manifest(&whole(&steps, parsed(path, value.as_deref())?))?;
        if !given.accounts.is_empty() {
            let message = format!("`{path}` gives pods a service account: apply a manifest");
            return Err(CallError::new(ErrorKind::Denied, message));
        }
    }
    Ok(())
}

/// What the fields give to pods and a grant has to name. What [`check`] refuses gives nothing.
pub fn contents(changes: &[FieldEdit]) -> Vec<String> {
    let given = |FieldEdit { path, value }: &FieldEdit| {
        let value = parsed(path, value.as_deref()).ok()?;
        let given = policy::manifest(&whole(&parse(path).ok()?, value)).ok()?;
        Some(given.contents)
    };
    changes.iter().filter_map(given).flatten().collect()
}

/// A field as it would be in a manifest that says nothing else.
fn whole(steps: &[Written], value: Option<Value>) -> Value {
    let value = value.unwrap_or_default();
    (0..steps.len()).rev().fold(value, |inner, place| {
        let (Written::Key(key) | Written::Bracket(key)) = &steps[place];
        let before = place.checked_sub(1).map(|before| &steps[before]);
        match (&steps[place], before) {
            (Written::Bracket(name), Some(Written::Key(list) | Written::Bracket(list)))
                if LISTS.contains(&list.as_str()) =>
            {
                let mut element = inner;
                if let Some(fields) = element.as_object_mut() {
                    fields.entry("name").or_insert_with(|| json!(name));
                }
                json!([element])
            }
            _ => json!({ key: inner }),
        }
    })
}

fn check_place(path: &str, steps: &[Written]) -> Result<(), CallError> {
    let denied = |why: &str| {
        let message = format!("`{path}` is not for procedures to set: {why}");
        Err(CallError::new(ErrorKind::Denied, message))
    };
    let keys: Vec<_> = steps
        .iter()
        .map(|(Written::Key(key) | Written::Bracket(key))| key.as_str())
        .collect();
    match keys[..] {
        ["status", ..] => denied("it is its controller's to say"),
        ["apiVersion" | "kind"] => denied("it would be another object"),
        ["metadata", "labels" | "annotations", name] => {
            let prefix = name.split_once('/').map_or("", |(prefix, _)| prefix);
            let of = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
            if of("kubernetes.io") || of("k8s.io") || of("windlass.dev") {
                return denied("others write it");
            }
            Ok(())
        }
        ["metadata", ..] => denied("only labels and annotations of one's own are"),
        _ => Ok(()),
    }
}

/// The object with these fields set.
pub fn edited(object: &Value, edits: &[FieldEdit]) -> Result<Value, CallError> {
    let mut edited = object.clone();
    for FieldEdit { path, value } in edits {
        let absent = || CallError::new(ErrorKind::NotFound, format!("there is no {path}"));
        let value = parsed(path, value.as_deref())?;
        set(&mut edited, &parse(path)?, value).ok_or_else(absent)?;
    }
    Ok(edited)
}

/// How many replicas the object is to have by these; none where they leave that as it is. A number that is taken away is one (the API's default).
pub fn replicas(edits: &[FieldEdit]) -> Option<u32> {
    let untouched = json!({"spec": {"replicas": "as they are"}});
    // What leads elsewhere finds nothing in so little of an object.
    let set = |object: Value, edit| edited(&object, std::slice::from_ref(edit)).unwrap_or(object);
    let after = edits.iter().fold(untouched.clone(), set);
    let of = |object: &Value| object.pointer("/spec/replicas").cloned();
    (of(&after) != of(&untouched)).then(|| of(&after).map_or(1, |number| count(&number)))
}

/// As many replicas as a manifest asks for. What is no number is none.
pub fn count(number: &Value) -> u32 {
    let number = number.as_u64().unwrap_or(0);
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Sets what the steps lead to, and makes the maps on the way; none if a list has no such element, or the way leads through a text or a
/// number. A list that has nothing left is absent, as the server keeps it.
fn set(at: &mut Value, steps: &[Written], value: Option<Value>) -> Option<()> {
    let Some((step, rest)) = steps.split_first() else {
        *at = value?;
        return Some(());
    };
    if let (Value::Array(list), Written::Bracket(name)) = (&mut *at, step) {
        if rest.is_empty() && value.is_none() {
            list.retain(|element| element["name"] != *name);
            return Some(());
        }
        let mut elements = list.iter_mut();
        let element = elements.find(|element| element["name"] == *name)?;
        return set(element, rest, value);
    }
    if at.is_null() {
        *at = json!({});
    }
    let (Written::Key(key) | Written::Bracket(key)) = step;
    let fields = at.as_object_mut()?;
    if value.is_none() && (rest.is_empty() || !fields.contains_key(key)) {
        fields.remove(key);
        return Some(());
    }
    let field = fields.entry(key.clone()).or_insert(Value::Null);
    if let (VARIABLES, [Written::Bracket(name), ..]) = (key.as_str(), rest) {
        with_variable(field, name, value.is_some());
    }
    set(field, rest, value)?;
    if *field == json!([]) {
        fields.remove(key);
    }
    Some(())
}

/// A variable that a container does not have yet is one more of its list.
fn with_variable(variables: &mut Value, name: &str, is_wanted: bool) {
    if variables.is_null() {
        *variables = json!([]);
    }
    if let Value::Array(list) = variables
        && is_wanted
        && !list.iter().any(|variable| variable["name"] == *name)
    {
        list.push(json!({ "name": name }));
    }
}

/// Whether one of the patterns covers the path: it, or what it is in. `[*]` stands for each element.
pub fn is_covered(patterns: &[&str], path: &str) -> bool {
    let Ok(steps) = parse(path) else { return false };
    patterns.iter().any(|pattern| {
        let Ok(pattern) = parse(pattern) else {
            return false;
        };
        let fits = |(wanted, step): (&Written, &Written)| {
            *wanted == Written::Bracket("*".into()) && matches!(step, Written::Bracket(_))
                || wanted == step
        };
        pattern.len() <= steps.len() && pattern.iter().zip(&steps).all(fits)
    })
}

fn parsed(path: &str, value: Option<&str>) -> Result<Option<Value>, CallError> {
    let value = value.map(serde_json::from_str::<Value>).transpose();
    let value =
        value.map_err(|error| invalid(format!("the value of `{path}` is no JSON: {error}")))?;
    Ok(value.filter(|value| !value.is_null()))
}

fn parse(path: &str) -> Result<Vec<Written>, CallError> {
    let wrong = || invalid(format!("{path:.120?} names no field"));
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let step = if let Some(inner) = rest.strip_prefix('[') {
            let (name, after) = inner.split_once(']').ok_or_else(wrong)?;
            rest = after;
            Written::Bracket(name.to_owned())
        } else {
            let begun = if steps.is_empty() {
                rest
            } else {
                rest.strip_prefix('.').ok_or_else(wrong)?
            };
            let end = begun.find(['.', '[']).unwrap_or(begun.len());
            let (key, after) = begun.split_at(end);
            rest = after;
            Written::Key(key.to_owned())
        };
        let (Written::Key(text) | Written::Bracket(text)) = &step;
        if text.is_empty() || text.contains(|c: char| c.is_control() || "[]".contains(c)) {
            return Err(wrong());
        }
        steps.push(step);
    }
    if steps.is_empty() || steps.len() > MOST_STEPS {
        return Err(wrong());
    }
    Ok(steps)
}

fn invalid(message: String) -> CallError {
    CallError::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::{FieldEdit, check, edited, is_covered, replicas};
    use crate::cluster::field::changes;
    use crate::contract::CallError;
    use serde_json::{Value, json};

    fn edit(path: &str, value: Option<&str>) -> [FieldEdit; 1] {
        [FieldEdit {
            path: path.into(),
            value: value.map(Into::into),
        }]
    }

    #[test]
    fn a_pattern_covers_what_is_in_it() {
        let covers = |pattern: &str, path: &str| is_covered(&[pattern], path);
        assert!(covers("spec.minReplicas", "spec.minReplicas"));
        assert!(covers(
            "spec.containers[*].resources",
            "spec.containers[app].resources.limits.cpu"
        ));
        assert!(!covers(
            "spec.containers[*].resources",
            "spec.containers[app].image"
        ));
        assert!(!covers(
            "spec.containers[*].resources",
            "spec.containers.app.resources"
        ));
        assert!(!covers("spec.min", "spec.minReplicas") && !covers("spec.a.b", "spec.a"));
        assert!(covers("data[app.properties]", "data[app.properties]"));
        assert!(!covers("*", "spec") && !is_covered(&[], "spec"));
    }

    #[test]
    fn replicas_are_counted_however_they_are_written() {
        let after = |path, value| replicas(&edit(path, value));
        assert_eq!(after("spec.replicas", Some("2")), Some(2));
        assert_eq!(after("spec[replicas]", Some("0")), Some(0));
        assert_eq!(after("spec", Some(r#"{"replicas": 3}"#)), Some(3));
        assert_eq!(after("spec.replicas", None), Some(1));
        assert_eq!(after("spec", Some("{}")), Some(1));
        assert_eq!(after("spec.replicas", Some("\"many\"")), Some(0));
        assert_eq!(after("spec.minReplicas", Some("0")), None);
        let limit = "spec.template.spec.containers[app].resources.limits.cpu";
        assert_eq!(after(limit, Some("1")), None);
        let both = [edit(limit, Some("1")), edit("spec.replicas", Some("0"))].concat();
        assert_eq!(replicas(&both), Some(0));
    }

    /// What differs then, as a person reads it.
    fn told(object: &Value, path: &str, value: Option<&str>) -> Result<Vec<String>, CallError> {
        let edited = edited(object, &edit(path, value))?;
        let all = changes(object, &edited);
        Ok(all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_path_is_found_in_the_object_as_it_is() {
        let object = json!({"spec": {"containers": [{"name": "app", "image": "a:1"}]}, "data": {"a.b": "c"}});
        let text = |path: &str, value| told(&object, path, Some(value)).unwrap();
        assert_eq!(
            text("spec.containers[app].image", "\"a:2\""),
            ["spec.containers[app].image: a:1 → a:2"]
        );
        assert_eq!(text("data[a.b]", "\"d\""), ["data[a.b]: c → d"]);
        assert_eq!(text("spec.minReplicas", "2"), ["spec.minReplicas: – → 2"]);
        assert_eq!(text("data[a.b]", "\"c\""), [""; 0]);
        assert_eq!(told(&object, "data.x", None), Ok(Vec::new()));
        for path in ["", ".", "a..b", "a[", "a[]", "a]b", "[a]b", "a\n"] {
            assert!(told(&object, path, None).is_err(), "{path:?}");
        }
        for path in [
            "spec.containers[none].image",
            "data[a.b].c",
            "spec.containers.image",
        ] {
            assert!(told(&object, path, Some("1")).is_err(), "{path:?}");
        }
    }

    #[test]
    fn variables_come_and_go() {
        let object =
            json!({"c": [{"name": "app"}, {"name": "log", "env": [{"name": "A", "value": "1"}]}]});
        let all = [
            ("c[app].env[MODE].value", Some("\"x\"")),
            ("c[app].env[SIZE].value", Some("\"y\"")),
            ("c[log].env[A]", None),
        ];
        let all = all.map(|(path, value)| edit(path, value)[0].clone());
        let with = edited(&object, &all).unwrap();
        let variables = json!([{"name": "MODE", "value": "x"}, {"name": "SIZE", "value": "y"}]);
        assert_eq!(
            with,
            json!({"c": [{"name": "app", "env": variables}, {"name": "log"}]})
        );
        // What is not there is gone already.
        for path in ["c[app].env[MODE]", "c[log].env[MODE]", "c[none]"] {
            assert_eq!(edited(&object, &edit(path, None)), Ok(object.clone()));
        }
        assert!(edited(&object, &edit("c[none].env[A]", None)).is_err());
    }

    #[test]
    fn what_is_never_set() {
        for path in [
            "status.replicas",
            "kind",
            "metadata.name",
            "metadata.finalizers",
            "metadata.labels",
            "metadata.annotations[a.kubernetes.io/b]",
            "metadata.labels[windlass.dev/effect]",
            "spec.template.spec.hostNetwork",
            "spec.template.spec.containers[app].securityContext.privileged",
        ] {
            assert!(check(&edit(path, Some("true"))).is_err(), "{path}");
        }
        assert!(check(&edit("spec.template.spec", Some(r#"{"hostPID": true}"#))).is_err());
        assert!(
            check(&edit(
                "spec.template.spec.serviceAccountName",
                Some("\"admin\"")
            ))
            .is_err()
        );
        assert!(check(&edit("metadata.labels[team]", Some("\"a\""))).is_ok());
        assert!(check(&edit("spec.minReplicas", Some("2"))).is_ok());
        assert!(check(&edit("spec.minReplicas", Some("two"))).is_err());
        assert!(check(&[]).is_err());
    }
}
