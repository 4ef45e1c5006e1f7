//! What an operator can choose for a run. Pure.

use super::schema::{Schema, plain};
use crate::suggest::did_you_mean;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// The parameters of a procedure, by their JSON Schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    schema: Value,
}

/// What is to be known of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterFacts {
    /// As it is written.
    pub name: String,
    /// Such as "whole number" or "one of fast, slow".
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether a run must give it.
    pub required: bool,
    /// What it is if a run does not give it.
    pub default: Option<Value>,
    /// What the author says of it.
    pub description: String,
}

/// A given parameter does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ParameterError {
    #[error("there is no parameter `{name}`")]
    Unknown { name: String, hint: Option<String> },
    #[error("parameter `{name}` is missing ({kind})")]
    Missing { name: String, kind: String },
    #[error("parameter {0}")]
    Violation(String),
}

impl ParameterError {
    /// What to write instead, where that can be guessed.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unknown { hint, .. } => hint.as_deref(),
            Self::Missing { .. } | Self::Violation(_) => None,
        }
    }
}

impl Parameters {
    /// From a JSON Schema, which must be one of an object. The error says why it is not.
    pub(super) fn new(schema: Value) -> Result<Self, String> {
        let root = Schema::new(&schema);
        if !root.is_bounded() {
            return Err("it refers to itself, or unfolds to too much".into());
        }
        if !schema.is_object() || root.types().iter().any(|name| *name != "object") {
            return Err("it does not describe an object with named fields".into());
        }
        Ok(Self { schema })
    }

    fn root(&self) -> Schema<'_> {
        Schema::new(&self.schema)
    }

    /// The schema itself.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether there is one of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.root().property(name).is_some()
    }

    /// Whether it is a text or a list of texts, or absent.
    pub(super) fn is_text(&self, name: &str) -> bool {
        let only = |schema: Schema<'_>, wanted: &str| {
            let types = schema.types();
            types.contains(&wanted) && types.iter().all(|name| [wanted, "null"].contains(name))
        };
        self.root().property(name).is_some_and(|schema| {
            only(schema, "string")
                || (only(schema, "array")
                    && schema.items().is_some_and(|items| only(items, "string")))
        })
    }

    /// Whether it is manifests, which are given as the place where they are.
    pub fn are_manifests(&self, name: &str) -> bool {
        let found = self.root().property(name);
        found.is_some_and(Schema::are_manifests)
    }

    /// Whether the parameter is a list, which may be given in parts.
    pub fn is_list(&self, name: &str) -> bool {
        let found = self.root().property(name);
        found.is_some_and(|schema| schema.types().contains(&"array"))
    }

    /// All of them, in the author's order.
    pub fn facts(&self) -> Vec<ParameterFacts> {
        let raw = |name: &str| {
            self.schema
                .pointer("/properties")
                .and_then(|all| all.get(name))
        };
        let fact = |(name, schema): (&str, Schema<'_>)| ParameterFacts {
            name: name.to_owned(),
            kind: schema.describe_bounds(),
            required: self.is_required(name),
            default: self.default(name).filter(|value| !value.is_null()).cloned(),
            description: raw(name)
                .and_then(|schema| schema.get("description"))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        };
        self.root().properties().map(fact).collect()
    }

    fn default(&self, name: &str) -> Option<&Value> {
        self.schema.get("properties")?.get(name)?.get("default")
    }

    fn is_required(&self, name: &str) -> bool {
        self.root().requires(name) && self.default(name).is_none()
    }

    /// Reads texts such as a command line gives, each by its parameter's type; lists are JSON or separated by commas.
    pub fn from_texts(
        &self,
        texts: &[(String, String)],
    ) -> Result<Map<String, Value>, Vec<ParameterError>> {
        let mut given = Map::new();
        let mut problems = Vec::new();
        for (name, text) in texts {
            match self.root().property(name) {
                Some(schema) => match (given.get_mut(name), read(schema, text)) {
                    // A list may be given in parts.
                    (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
                    (_, value) => drop(given.insert(name.clone(), value)),
                },
                None => problems.push(self.unknown(name)),
            }
        }
        if problems.is_empty() {
            Ok(given)
        } else {
            Err(problems)
        }
    }

    /// Checks given values and fills in defaults. All that is wrong is told at once.
    pub(super) fn check(
        &self,
        mut given: Map<String, Value>,
    ) -> Result<Value, Vec<ParameterError>> {
        let mut problems = Vec::new();
        for (name, value) in &given {
            match self.root().property(name) {
                Some(schema) => {
                    let violations = schema.violations(name, value);
                    problems.extend(violations.into_iter().map(ParameterError::Violation));
                }
                None => problems.push(self.unknown(name)),
            }
        }
        for (name, schema) in self.root().properties() {
            match self.default(name) {
                _ if given.contains_key(name) => {}
                Some(default) => {
                    given.insert(name.to_owned(), default.clone());
                }
                None if self.is_required(name) => problems.push(ParameterError::Missing {
                    name: name.to_owned(),
                    kind: schema.describe(),
                }),
                None => {}
            }
        }
        if problems.is_empty() {
            Ok(Value::Object(given))
        } else {
            Err(problems)
        }
    }

    fn unknown(&self, name: &str) -> ParameterError {
        let names: Vec<_> = self.root().properties().map(|(name, _)| name).collect();
        let hint = did_you_mean(name, names.iter().copied()).or_else(|| {
            Some(if names.is_empty() {
                "this procedure has no parameters".to_owned()
            } else {
                format!("parameters: {}", names.join(", "))
            })
        });
        ParameterError::Unknown {
            name: name.to_owned(),
            hint,
        }
    }
}

impl ParameterFacts {
    /// The default as people write it.
    pub fn default_text(&self) -> Option<String> {
        self.default.as_ref().map(plain)
    }
}

/// A text as the type that the schema names; left a text where it is none, so that the check says so.
fn read(schema: Schema<'_>, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    for kind in schema.types() {
        let value = match kind {
            "boolean" => match text {
                "true" | "yes" => Some(Value::Bool(true)),
                "false" | "no" => Some(Value::Bool(false)),
                _ => None,
            },
            "integer" | "number" => serde_json::from_str(text).ok().filter(Value::is_number),
            "array" if text.trim_start().starts_with('[') => {
                serde_json::from_str(text).ok().filter(Value::is_array)
            }
            "array" if text.trim_start().starts_with('{') => serde_json::from_str(text)
                .ok()
                .filter(Value::is_object)
                .map(|item| Value::Array(vec![item])),
            "array" => Some(read_list(schema, text)),
            "object" => serde_json::from_str(text).ok().filter(Value::is_object),
            "string" => Some(as_text()),
            _ => None,
        };
        if let Some(value) = value {
            return value;
        }
    }
    as_text()
}

fn read_list(schema: Schema<'_>, text: &str) -> Value {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    match schema.items() {
        Some(schema) => items.map(|item| read(schema, item)).collect(),
        None => items.map(|item| Value::String(item.to_owned())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;
    use serde_json::{Map, Value, json};

    fn parameters() -> Parameters {
        Parameters::new(json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Tidy",
            "type": "object",
            "required": ["reason"],
            "properties": {
                "max-objects": { "type": "integer", "format": "uint32", "minimum": 0, "default": 200, "description": "At most." },
                "tune": { "type": "boolean", "default": false },
                "schemas": { "type": "array", "items": { "type": "string" }, "default": ["*"] },
                "mode": { "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }], "default": null },
                "reason": { "type": "string" }
            },
            "$defs": { "Mode": { "type": "string", "enum": ["fast", "slow"] } }
        }))
        .unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn defaults_are_filled_in() {
        let checked = parameters()
            .check(object(json!({ "reason": "r", "tune": true })))
            .unwrap();
        let expected = json!({ "reason": "r", "tune": true, "max-objects": 200, "schemas": ["*"], "mode": null });
        assert_eq!(checked, expected);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let given = object(json!({ "max-objets": 1, "tune": "maybe", "mode": "fats" }));
        let problems = parameters().check(given).unwrap_err();
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "there is no parameter `max-objets`",
                "parameter `tune` is a text, not true or false",
                "parameter `mode` is fats, not one of fast, slow",
                "parameter `reason` is missing (text)",
            ]
        );
        assert_eq!(problems[0].hint(), Some("did you mean `max-objects`?"));
    }

    #[test]
    fn texts_are_read_by_type() {
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let texts = [
            text("max-objects", "5"),
            text("tune", "yes"),
            text("schemas", "a"),
            text("schemas", r#"["b"]"#),
            text("mode", "fast"),
            text("reason", "12"),
        ];
        let given = parameters().from_texts(&texts).unwrap();
        let expected = json!({ "max-objects": 5, "tune": true, "schemas": ["a", "b"], "mode": "fast", "reason": "12" });
        assert_eq!(Value::Object(given.clone()), expected);
        assert!(parameters().check(given).is_ok());
        let given = parameters()
            .from_texts(&[text("max-objects", "many"), text("reason", "")])
            .unwrap();
        let problems = parameters().check(given).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "parameter `max-objects` is a text, not whole number"
        );
        assert!(parameters().from_texts(&[text("x", "1")]).is_err());
    }

    #[test]
    fn facts_for_people() {
        let facts = parameters().facts();
        assert_eq!(facts[0].kind, "whole number");
        assert_eq!(facts[0].default_text().as_deref(), Some("200"));
        assert_eq!(facts[0].description, "At most.");
        assert_eq!(facts[2].kind, "list of text");
        assert_eq!(facts[3].kind, "one of fast, slow");
        assert!(facts[4].required && !facts[0].required);
        assert!(Parameters::new(json!({ "type": "string" })).is_err());
    }

    #[test]
    fn a_schema_that_never_ends_is_refused() {
        let twice = json!([{ "$ref": "#/$defs/A" }, { "$ref": "#/$defs/A" }]);
        let itself = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/A" } },
            "$defs": { "A": { "anyOf": twice } } });
        let mut doubled =
            json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/0" } } });
        for level in 0..20 {
            let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
            doubled["$defs"][level.to_string()] = json!({ "allOf": [next, next] });
        }
        let rooted = json!({ "type": "object", "allOf": [{ "$ref": "#" }, { "$ref": "#" }] });
        for schema in [itself, doubled, rooted] {
            assert_eq!(
                Parameters::new(schema),
                Err("it refers to itself, or unfolds to too much".into())
            );
        }
    }
}
