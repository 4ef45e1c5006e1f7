//! Manifests as people write them, in YAML or JSON: read into objects, each with the file that it is from. Pure.

use super::scalars;
use crate::cluster::manifest;
use crate::text::printable;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use thiserror::Error;

/// Bytes that all files have at most, and all objects of them once aliases are written out.
const MOST_BYTES: usize = 1 << 20;
/// What aliases may add to a document.
const MOST_ALIASED: usize = 10_000;

/// A manifest that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}, line {line}: {why}")]
pub struct ManifestError {
    /// As the operator would name it.
    pub file: String,
    /// Where the document begins, or where it cannot be read.
    pub line: u64,
    /// In our words, with the field.
    pub why: String,
}

/// Reads all files, in the order given: a list of `{"file": …, "object": …}`. Documents without anything in them are left out. Refuses what is no
/// object, what could never be applied, and an object that is described twice.
pub fn read(files: &[(String, String)]) -> Result<Value, ManifestError> {
    let mut all = Vec::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let (mut written, mut unfolded) = (0, 0);
    for (file, text) in files {
        let fail = |line, why: String| ManifestError {
            file: file.clone(),
            line,
            why,
        };
        written += text.len();
        if written > MOST_BYTES {
            return Err(fail(
                1,
                "all manifests together have more than 1 MiB".into(),
            ));
        }
        for (line, document) in documents(text) {
            let object = parse(&document).map_err(|(at, why)| fail(line + at, why))?;
            let Value::Object(fields) = object else {
                if object.is_null() {
                    continue;
                }
                return Err(fail(line, "this is no object".into()));
            };
            let object = tidy(fields);
            unfolded += object.to_string().len();
            if unfolded > MOST_BYTES {
                return Err(fail(
                    line,
                    "with its aliases written out, it has more than 1 MiB".into(),
                ));
            }
            if object["kind"] == "List" {
                let why = "a List is not taken: write each object as a document of its own";
                return Err(fail(line, why.into()));
            }
            manifest::check(&object).map_err(|error| fail(line, error.message))?;
            let here = format!("{}, line {line}", printable(file));
            if let Some(there) = known.insert(key(&object), here) {
                return Err(fail(line, format!("the same object is in {there}")));
            }
            all.push(json!({"file": file, "object": object}));
        }
    }
    Ok(Value::Array(all))
}

/// Without what tools write that says nothing.
fn tidy(mut object: Map<String, Value>) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.is_null());
    }
    // `kubectl create --dry-run` writes an empty one.
    let is_empty = |status: &Value| status.as_object().is_some_and(Map::is_empty);
    if object.get("status").is_some_and(is_empty) {
        object.remove("status");
    }
    Value::Object(object)
}

/// By what two manifests are of the same object, whatever version of its kind they use.
fn key(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let metadata = &object["metadata"];
    json!([
        group,
        object["kind"],
        metadata["namespace"],
        metadata["name"]
    ])
    .to_string()
}

/// The documents of a file, each with the line that it begins in. `---` at the beginning of a line is always the end of what was before.
fn documents(text: &str) -> Vec<(u64, String)> {
    let mut all = vec![(1, String::new())];
    for (line, number) in text.lines().zip(1..) {
        let is_border = line == "---" || line.starts_with("--- ") || line.starts_with("---\t");
        if is_border {
            all.push((number, String::new()));
        }
        if let Some((_, document)) = all.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    all
}

/// One document. An error has the line within it, from 0.
fn parse(document: &str) -> Result<Value, (u64, String)> {
    let has_words = |line: &str| !line.is_empty() && !line.starts_with('#') && line != "---";
    if !document.lines().map(str::trim).any(has_words) {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! {
        // As kubectl reads modes of files, and words that are true or false: see `scalars`.
        legacy_octal_numbers: true,
        strict_booleans: false,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MOST_ALIASED,
            max_replay_stack_depth: 8,
        },
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_events: 200_000,
        },
    };
    let read = scalars::read(document, &options).map_err(|error| {
        let line = error.location().map_or(1, |at| at.line().max(1));
        let text = error.without_snippet().to_string();
        // The place is told already, as a line of the file, and its options are not the operator's.
        let text = text.split(" at line ").next().unwrap_or_default();
        let text = text.split(", set ").next().unwrap_or_default();
        (line - 1, printable(text).to_string())
    })?;
    read.map_err(|found| {
        let line = found.line.max(1) - 1;
        (line, printable(&found.why).to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::read;
    use serde_json::{Value, json};

    fn of(text: &str) -> Result<Value, String> {
        let files = [("a.yaml".to_owned(), text.to_owned())];
        read(&files).map_err(|error| error.to_string())
    }

    const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, creationTimestamp: null}\ndata: {mode: \"0644\", \"on\": \"yes\"}\n";

    #[test]
    fn documents_become_objects() {
        let two = format!(
            "# nothing\n---\n{SETTINGS}--- # more\n{}",
            SETTINGS.replace("name: a", "name: b")
        );
        let read = of(&two).unwrap();
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"mode": "0644", "on": "yes"}});
        assert_eq!(read[0], json!({"file": "a.yaml", "object": object}));
        assert_eq!(read[1]["object"]["metadata"]["name"], "b");
        assert_eq!(read.as_array().unwrap().len(), 2);
        let as_json =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).to_string();
        assert_eq!(of(&as_json).unwrap()[0]["object"]["kind"], "ConfigMap");
        assert_eq!(of("\n# nothing\n---\n"), Ok(json!([])));
    }

    #[test]
    fn numbers_are_read_as_kubectl_reads_them() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {a: 0644, b: 1.5, c: 3, d: true}\n";
        let spec = &of(text).unwrap()[0]["object"]["spec"];
        assert_eq!(*spec, json!({"a": 420, "b": 1.5, "c": 3, "d": true}));
    }

    #[test]
    fn keys_that_kubectl_would_call_otherwise_are_refused() {
        for (key, other) in [("on", "true"), ("n", "false"), ("012", "10"), ("1.0", "1")] {
            let why = of(&SETTINGS.replace("\"on\"", key)).unwrap_err();
            assert!(
                why.starts_with(&format!("a.yaml, line 4: the key `{key}`")),
                "{why}"
            );
            assert!(why.contains(&format!("\"{other}\" to kubectl")), "{why}");
        }
        for key in ["1", "yEs", "a_1", "'no'"] {
            assert!(of(&SETTINGS.replace("\"on\"", key)).is_ok(), "{key}");
        }
        let block = SETTINGS.replace("\ndata:", "\nspec:\n  a: |-\n    1__0\n  b: no\ndata:");
        let read = of(&block).unwrap();
        assert_eq!(read[0]["object"]["spec"], json!({"a": "1__0", "b": false}));
        let why = of(&SETTINGS.replace("\ndata:", "\nspec: {a: 1__0}\ndata:")).unwrap_err();
        assert!(why.contains("a number to kubectl"), "{why}");
    }

    #[test]
    fn what_is_not_taken_is_told_with_its_line() {
        let told = |text: &str| of(&format!("{SETTINGS}---\n{text}")).unwrap_err();
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
        let why = told(secret);
        assert!(
            why.starts_with("a.yaml, line 5: v1/Secret is never"),
            "{why}"
        );
        let why = told(&SETTINGS.replace("data:", "data: {a: b}\ndata:"));
        assert!(
            why.starts_with("a.yaml, line 10: ") && why.contains("duplicate"),
            "{why}"
        );
        assert_eq!(
            told(SETTINGS),
            "a.yaml, line 5: the same object is in a.yaml, line 1"
        );
        let why =
            told("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {hostNetwork: true}\n");
        assert!(
            why.contains("`spec.hostNetwork` is not for manifests"),
            "{why}"
        );
        assert!(told("- a\n").contains("no object"));
        assert!(told("kind: List\n").contains("document of its own"));
        assert!(told("a: [\n").starts_with("a.yaml, line "));
        assert!(told("kind: ConfigMap\nmetadata: {name: x}\n").contains("no `apiVersion`"));
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let last = level - 1;
            let names = vec![format!("*a{last}"); 10].join(", ");
            let line = format!("a{level}: &a{level} [{names}]\n");
            bomb.push_str(&line);
        }
        assert!(of(&bomb).is_err());
        assert!(of(&format!("a: {}", "[".repeat(10_000))).is_err());
        let large = format!("{SETTINGS}  b: {}\n", "x".repeat(2 << 20));
        assert!(of(&large).unwrap_err().contains("more than 1 MiB"));
    }
}
