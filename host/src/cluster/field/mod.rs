//! Fields of objects: what an effect changes, as what each field had and gets. Pure.

pub mod edit;
mod put;
mod stored;

pub use stored::stored;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt::{self, Write as _};

/// The annotation that says which effect of which run changed an object last.
pub const MARK: &str = "windlass.dev/effect";

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Of a map.
    Key(String),
    /// The element of a list whose `name` is this.
    Named(String),
}

/// Where a field is. Written like `spec.template.spec.containers[app].image`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(pub Vec<Step>);

/// What a field had, and what an effect sets it to; none is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where.
    pub path: Path,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub set: Option<Value>,
}

impl Path {
    /// A field of nested maps.
    pub fn of(keys: &[&str]) -> Self {
        Self(
            keys.iter()
                .map(|key| Step::Key((*key).to_owned()))
                .collect(),
        )
    }

    /// An annotation of the object.
    pub fn annotation(name: &str) -> Self {
        Self::of(&["metadata", "annotations", name])
    }

    /// One step further.
    #[must_use]
    pub fn and(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// What the object has there.
    pub fn get<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        let found = self.0.iter().try_fold(object, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Named(name) => value.as_array()?.get(place_of(value, name)?),
        });
        found.filter(|value| !value.is_null())
    }

    /// The change of this field to a value, or to nothing.
    pub fn change(self, object: &Value, set: Option<Value>) -> FieldChange {
        FieldChange {
            before: self.get(object).cloned(),
            path: self,
            set,
        }
    }

    /// As RFC 6901 writes it, for the object as it is; none if a list has no such element.
    fn pointer(&self, object: &Value) -> Option<String> {
        let mut pointer = String::new();
        let mut at = Some(object);
        for step in &self.0 {
            match step {
                Step::Key(key) => {
                    pointer.push('/');
                    pointer.push_str(&escaped(key));
                    at = at.and_then(|value| value.get(key));
                }
                Step::Named(name) => {
                    let place = place_of(at?, name)?;
                    let _ = write!(pointer, "/{place}");
                    at = at.and_then(|value| value.get(place));
                }
            }
        }
        Some(pointer)
    }
}

fn place_of(list: &Value, name: &str) -> Option<usize> {
    let is_it = |element: &Value| element.get("name").and_then(Value::as_str) == Some(name);
    list.as_array()?.iter().position(is_it)
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Named(name) => write!(f, "[{name}]")?,
                Step::Key(key) if key.contains('.') => write!(f, "[{key}]")?,
                Step::Key(key) if number == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl FieldChange {
    /// Whether it changes anything.
    pub fn is_none(&self) -> bool {
        self.before == self.set
    }

    /// Back again.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            path: self.path.clone(),
            before: self.set.clone(),
            set: self.before.clone(),
        }
    }

    /// Whether the object has what the field had before.
    pub fn is_before(&self, object: &Value) -> bool {
        self.path.get(object) == self.before.as_ref()
    }

    /// Whether the object has what the field gets.
    pub fn is_set(&self, object: &Value) -> bool {
        self.path.get(object) == self.set.as_ref()
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} → {}",
            self.path,
            shown(self.before.as_ref()),
            shown(self.set.as_ref())
        )
    }
}

/// A value on one line, at most 120 characters.
pub fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None => return "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut short: String = text.chars().take(120).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The changes as a JSON patch (RFC 6902) of the object as it is now. It names the object's `resourceVersion`, so the server refuses it
/// if the object is another one by then. None if a list lacks an element that a path names.
pub fn patch(object: &Value, changes: &[FieldChange]) -> Option<Value> {
    let version = object.pointer("/metadata/resourceVersion")?;
    let mut operations = vec![
        json!({"op": "test", "path": "/metadata/uid", "value": object.pointer("/metadata/uid")?}),
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}),
    ];
    let mut made: Vec<String> = Vec::new();
    for change in changes.iter().filter(|change| !change.is_set(object)) {
        let pointer = change.path.pointer(object)?;
        let Some(value) = &change.set else {
            operations.push(json!({"op": "remove", "path": pointer}));
            continue;
        };
        for length in 1..change.path.0.len() {
            let parent = Path(change.path.0[..length].to_vec());
            let pointer = parent.pointer(object)?;
            if parent.get(object).is_none() && !made.contains(&pointer) {
                operations.push(json!({"op": "add", "path": pointer, "value": {}}));
                made.push(pointer);
            }
        }
        operations.push(json!({"op": "add", "path": pointer, "value": value}));
    }
    Some(Value::Array(operations))
}

/// What differs between two states of an object, field by field, in the object's order. What the server keeps for itself is left out.
pub fn difference(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare(&mut Vec::new(), Some(before), Some(after), &mut changes);
    changes.retain(|change| !is_bookkeeping(&change.path));
    changes
}

/// What differs, as changes that can be taken back one by one: a list is one value where it has other elements than before, or the same in
/// another order, and so is a map that was not there or is gone. Labels and annotations of the object stand for themselves.
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    whole(&mut Vec::new(), Some(before), Some(after), &mut changes);
    changes.retain(|change| !is_bookkeeping(&change.path));
    changes
}

fn whole(
    at: &mut Vec<Step>,
    before: Option<&Value>,
    after: Option<&Value>,
    into: &mut Vec<FieldChange>,
) {
    if before == after {
        return;
    }
    let empty = Value::Object(Map::new());
    let are_names = matches!(&at[..], [Step::Key(one), Step::Key(two)]
        if one == "metadata" && (two == "labels" || two == "annotations"));
    let maps = match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => Some((one, other)),
        _ if are_names => before
            .unwrap_or(&empty)
            .as_object()
            .zip(after.unwrap_or(&empty).as_object()),
        _ => None,
    };
    if let Some((one, other)) = maps {
        let more = other.keys().filter(|key| !one.contains_key(*key));
        for key in one.keys().chain(more) {
            at.push(Step::Key(key.clone()));
            whole(at, one.get(key), other.get(key), into);
            at.pop();
        }
        return;
    }
    if let (Some(Value::Array(one)), Some(Value::Array(other))) = (before, after)
        && named(one)
        && one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| a["name"] == b["name"])
    {
        for (one, other) in one.iter().zip(other) {
            let name = one["name"].as_str().unwrap_or_default().to_owned();
            at.push(Step::Named(name));
            whole(at, Some(one), Some(other), into);
            at.pop();
        }
        return;
    }
    into.push(FieldChange {
        path: Path(at.clone()),
        before: before.cloned(),
        set: after.cloned(),
    });
}

fn is_bookkeeping(path: &Path) -> bool {
    let keys: Vec<&str> = path
        .0
        .iter()
        .map(|step| match step {
            Step::Key(key) | Step::Named(key) => key.as_str(),
        })
        .collect();
    matches!(
        keys[..],
        [
            "metadata",
            "managedFields" | "resourceVersion" | "generation",
            ..
        ] | ["status", ..]
    ) || keys == ["metadata", "annotations", MARK]
}

fn compare(
    at: &mut Vec<Step>,
    before: Option<&Value>,
    after: Option<&Value>,
    into: &mut Vec<FieldChange>,
) {
    if before == after {
        return;
    }
    let empty = Value::Object(Map::new());
    match (before, after) {
        (Some(Value::Object(_)) | None, Some(Value::Object(_)))
        | (Some(Value::Object(_)), None) => {
            let one = before.unwrap_or(&empty);
            let other = after.unwrap_or(&empty);
            let keys = |value: &Value| {
                value
                    .as_object()
                    .map(|map| map.keys().cloned().collect::<Vec<_>>())
            };
            let mut all = keys(one).unwrap_or_default();
            all.extend(
                keys(other)
                    .unwrap_or_default()
                    .into_iter()
                    .filter(|key| one.get(key).is_none()),
            );
            for key in all {
                at.push(Step::Key(key.clone()));
                compare(at, one.get(&key), other.get(&key), into);
                at.pop();
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if named(one) && named(other) => {
            let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
            let mut all: Vec<String> = one.iter().map(name).collect();
            all.extend(
                other
                    .iter()
                    .map(name)
                    .filter(|name| place_of(&json!(one), name).is_none()),
            );
            let of = |list: &[Value], name: &str| {
                list.iter().find(|value| value["name"] == name).cloned()
            };
            for name in all {
                at.push(Step::Named(name.clone()));
                compare(at, of(one, &name).as_ref(), of(other, &name).as_ref(), into);
                at.pop();
            }
        }
        _ => into.push(FieldChange {
            path: Path(at.clone()),
            before: before.cloned(),
            set: after.cloned(),
        }),
    }
}

/// Whether each element has a name, and each another one.
fn named(list: &[Value]) -> bool {
    let mut names: Vec<_> = list
        .iter()
        .map(|value| value.get("name").and_then(Value::as_str))
        .collect();
    names.sort_unstable();
    let distinct = names.windows(2).all(|pair| pair[0] != pair[1]);
    distinct && names.iter().all(Option::is_some)
}

#[cfg(test)]
mod tests {
    use super::{FieldChange, Path, Step, changes, difference, patch};
    use serde_json::{Value, json};

    fn object() -> Value {
        json!({
            "metadata": {"uid": "u", "resourceVersion": "7"},
            "spec": {"replicas": 3, "containers": [{"name": "log", "image": "l:1"}, {"name": "app", "image": "a:1"}]}
        })
    }

    fn image() -> Path {
        Path::of(&["spec", "containers"])
            .and(Step::Named("app".into()))
            .and(Step::Key("image".into()))
    }

    #[test]
    fn a_patch_holds_for_the_object_as_it_was() {
        let object = object();
        let changes = [
            image().change(&object, Some(json!("a:2"))),
            Path::annotation("windlass.dev/effect").change(&object, Some(json!("r/1"))),
            Path::of(&["spec", "replicas"]).change(&object, None),
            Path::of(&["spec", "paused"]).change(&object, None),
        ];
        assert_eq!(
            patch(&object, &changes).unwrap(),
            json!([
                {"op": "test", "path": "/metadata/uid", "value": "u"},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "add", "path": "/spec/containers/1/image", "value": "a:2"},
                {"op": "add", "path": "/metadata/annotations", "value": {}},
                {"op": "add", "path": "/metadata/annotations/windlass.dev~1effect", "value": "r/1"},
                {"op": "remove", "path": "/spec/replicas"},
            ])
        );
        assert_eq!(
            changes[0].to_string(),
            "spec.containers[app].image: a:1 → a:2"
        );
    }

    #[test]
    fn a_missing_element_cannot_be_patched() {
        let object = object();
        let path = Path::of(&["spec", "containers"])
            .and(Step::Named("none".into()))
            .and(Step::Key("image".into()));
        assert_eq!(path.get(&object), None);
        assert_eq!(
            patch(&object, &[path.change(&object, Some(json!("x")))]),
            None
        );
    }

    #[test]
    fn a_difference_names_each_field_once() {
        let before = object();
        let mut after = object();
        after["spec"]["containers"][1]["image"] = json!("a:2");
        after["spec"]["template"] = json!({"labels": {"a": "b"}});
        after["metadata"]["generation"] = json!(8);
        after["status"] = json!({"replicas": 3});
        let lines: Vec<String> = difference(&before, &after)
            .iter()
            .map(FieldChange::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "spec.containers[app].image: a:1 → a:2",
                "spec.template.labels.a: – → b"
            ]
        );
        assert!(difference(&before, &before).is_empty());
    }

    #[test]
    fn what_cannot_be_taken_back_in_parts_is_one_value() {
        let before = object();
        let mut after = object();
        after["spec"]["template"] = json!({"labels": {"a": "b"}});
        after["metadata"]["labels"] = json!({"team": "x"});
        after["spec"]["containers"][1]["image"] = json!("a:2");
        let lines = |after: &Value| -> Vec<String> {
            let all = changes(&before, after);
            all.iter().map(FieldChange::to_string).collect()
        };
        let labels = "metadata.labels.team: – → x";
        let template = r#"spec.template: – → {"labels":{"a":"b"}}"#;
        let image = "spec.containers[app].image: a:1 → a:2";
        assert_eq!(lines(&after), [labels, image, template]);
        let mut more = object();
        more["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "more"}));
        let all = changes(&before, &more);
        assert_eq!(all[0].path.to_string(), "spec.containers");
        assert_eq!(all.len(), 1);
        // Back again is a patch that holds.
        let back: Vec<_> = all.iter().map(FieldChange::reversed).collect();
        assert!(patch(&more, &back).is_some());
    }

    #[test]
    fn back_and_forth_is_where_it_was() {
        let object = object();
        let change = image().change(&object, Some(json!("a:2")));
        assert!(change.is_before(&object) && !change.is_set(&object));
        assert!(change.reversed().is_set(&object));
        assert_eq!(change.reversed().reversed(), change);
    }
}
