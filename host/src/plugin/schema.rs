//! The part of JSON Schema that parameters of procedures use. What it does not know it accepts: the guest's own types decide last. Pure.

use crate::suggest::did_you_mean;
use serde_json::{Map, Value};

/// References to references end here.
const HOPS: u32 = 16;
/// The most parts that a schema may have when its references are followed, and how deep they may lie within each other.
const PARTS: usize = 10_000;
const DEPTH: u32 = 32;

/// The format by which a parameter says that it is manifests.
const MANIFESTS: &str = "manifests";

/// A schema within its document.
#[derive(Clone, Copy)]
pub(super) struct Schema<'a> {
    root: &'a Value,
    this: &'a Value,
}

impl<'a> Schema<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, this: root }.resolved()
    }

    fn at(self, this: &'a Value) -> Self {
        Self { this, ..self }.resolved()
    }

    /// Follows `$ref`.
    fn resolved(mut self) -> Self {
        for _ in 0..HOPS {
            let Some(reference) = self.this.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let pointer = reference.strip_prefix('#').unwrap_or_default();
            match self.root.pointer(pointer) {
                Some(this) => self.this = this,
                None => break,
            }
        }
        self
    }

    /// Whether every walk through it ends soon. It does not where a schema refers to itself, or to the same again and again.
    pub(super) fn is_bounded(self) -> bool {
        let mut left = PARTS;
        self.spends(&mut left, DEPTH)
    }

    fn spends(self, left: &mut usize, depth: u32) -> bool {
        let (Some(rest), Some(depth)) = (left.checked_sub(1), depth.checked_sub(1)) else {
            return false;
        };
        *left = rest;
        self.parts().all(|part| part.spends(left, depth))
    }

    /// The schemas directly within it.
    fn parts(self) -> impl Iterator<Item = Schema<'a>> {
        let alternatives = ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .flat_map(move |key| self.list(key));
        let properties = self.properties().map(|(_, schema)| schema);
        alternatives.chain(properties).chain(self.items())
    }

    fn get(self, key: &str) -> Option<&'a Value> {
        self.this.get(key)
    }

    fn list(self, key: &str) -> impl Iterator<Item = Schema<'a>> {
        let items = self.get(key).and_then(Value::as_array);
        items.into_iter().flatten().map(move |item| self.at(item))
    }

    pub(super) fn properties(self) -> impl Iterator<Item = (&'a str, Schema<'a>)> {
        let properties = self.get("properties").and_then(Value::as_object);
        let all = properties.into_iter().flatten();
        all.map(move |(name, schema)| (name.as_str(), self.at(schema)))
    }

    pub(super) fn property(self, name: &str) -> Option<Schema<'a>> {
        self.properties()
            .find(|(n, _)| *n == name)
            .map(|(_, schema)| schema)
    }

    pub(super) fn requires(self, name: &str) -> bool {
        let required = self.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|n| n == name))
    }

    /// Names of the JSON types that a value can have; empty if the schema does not say.
    pub(super) fn types(self) -> Vec<&'a str> {
        let mut types = match self.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if types.is_empty() && !self.choices().is_empty() {
            types.push("string");
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            types.extend(self.list(key).flat_map(Schema::types));
        }
        types.dedup();
        types
    }

    /// Whether the author says that it is manifests.
    pub(super) fn are_manifests(self) -> bool {
        self.get("format").is_some_and(|format| format == MANIFESTS)
    }

    /// The values of an enumeration.
    pub(super) fn choices(self) -> Vec<&'a Value> {
        let mut choices: Vec<_> = self
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        choices.extend(self.get("const"));
        if choices.is_empty() {
            let each: Vec<_> = self
                .list("oneOf")
                .map(|schema| schema.get("const"))
                .collect();
            choices = each
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .unwrap_or_default();
        }
        choices
    }

    /// The schema of a list's items.
    pub(super) fn items(self) -> Option<Schema<'a>> {
        self.get("items").map(|items| self.at(items))
    }

    /// What the value is called in messages and tables.
    pub(super) fn describe(self) -> String {
        let choices = self.choices();
        if !choices.is_empty() {
            let texts: Vec<_> = choices.iter().map(|choice| plain(choice)).collect();
            return format!("one of {}", texts.join(", "));
        }
        let alternatives = self.list("anyOf").chain(self.list("oneOf"));
        let mut names: Vec<String> = alternatives
            .filter(|schema| schema.types() != ["null"])
            .map(Schema::describe)
            .collect();
        if names.is_empty() {
            let types = self.types();
            let types = types.iter().filter(|name| **name != "null");
            names.extend(types.map(|name| self.describe_type(name)));
        }
        names.dedup();
        if names.is_empty() {
            return "anything".into();
        }
        names.join(" or ")
    }

    /// What the value is called, and its bounds.
    pub(super) fn describe_bounds(self) -> String {
        let mut text = self.describe();
        let bounded: Vec<_> = self
            .list("anyOf")
            .chain(self.list("oneOf"))
            .chain(std::iter::once(self))
            .collect();
        let bound = |key: &str| bounded.iter().find_map(|schema| schema.get(key));
        // What a type of Rust bounds by itself says nothing.
        let least = bound("minimum").filter(|least| least.as_f64() != Some(0.0));
        let most = bound("maximum");
        let words = [
            ("at least", least),
            ("at most", most),
            ("more than", bound("exclusiveMinimum")),
            ("less than", bound("exclusiveMaximum")),
            ("at least this long:", bound("minLength")),
            ("at most this long:", bound("maxLength")),
            ("at least this many:", bound("minItems")),
            ("at most this many:", bound("maxItems")),
        ];
        for (word, value) in words {
            if let Some(value) = value {
                text.extend([", ", word, " ", &value.to_string()]);
            }
        }
        text
    }

    fn describe_type(self, name: &str) -> String {
        match (name, self.items()) {
            ("string", _) => "text".into(),
            ("integer", _) => "whole number".into(),
            ("boolean", _) => "true or false".into(),
            ("array", _) if self.are_manifests() => "manifests, as @PATH".into(),
            ("array", Some(items)) => format!("list of {}", items.describe()),
            ("array", None) => "list".into(),
            (other, _) => other.to_owned(),
        }
    }

    /// Everything that is wrong with a value; `at` is what it is called.
    pub(super) fn violations(self, at: &str, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.check(at, value, &mut found);
        found
    }

    fn check(self, at: &str, value: &Value, found: &mut Vec<String>) {
        if self.this == &Value::Bool(false) || !self.accepts_type(value) {
            found.push(format!(
                "`{at}` is {}, not {}",
                kind(value),
                self.describe()
            ));
            return;
        }
        let choices = self.choices();
        if !choices.is_empty() && !choices.contains(&value) {
            found.push(format!(
                "`{at}` is {}, not {}",
                plain(value),
                self.describe()
            ));
            return;
        }
        self.check_bounds(at, value, found);
        self.check_pattern(at, value, found);
        for schema in self.list("allOf") {
            schema.check(at, value, found);
        }
        for key in ["anyOf", "oneOf"] {
            self.check_any(key, at, value, found);
        }
        match value {
            Value::Array(items) => {
                let schema = self.items();
                for (index, item) in items.iter().enumerate() {
                    if let Some(schema) = schema {
                        schema.check(&format!("{at}[{index}]"), item, found);
                    }
                }
            }
            Value::Object(fields) => self.check_object(at, fields, found),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// One of several schemas must accept the value; the complaints of the nearest are told.
    fn check_any(self, key: &str, at: &str, value: &Value, found: &mut Vec<String>) {
        let complaints = self.list(key).map(|schema| {
            let mut complaints = Vec::new();
            schema.check(at, value, &mut complaints);
            complaints
        });
        if let Some(fewest) = complaints.min_by_key(Vec::len) {
            found.extend(fewest);
        }
    }

    fn check_object(self, at: &str, fields: &Map<String, Value>, found: &mut Vec<String>) {
        let closed = self.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, value) in fields {
            let path = format!("{at}.{name}");
            match self.property(name) {
                Some(schema) => schema.check(&path, value, found),
                None if closed => {
                    let names = self.properties().map(|(name, _)| name);
                    let guess = did_you_mean(name, names).unwrap_or_default();
                    found.push(
                        format!("`{path}` is unknown; {guess}")
                            .trim_end_matches("; ")
                            .to_owned(),
                    );
                }
                None => {}
            }
        }
        for (name, _) in self.properties() {
            if self.requires(name) && !fields.contains_key(name) {
                found.push(format!("`{at}.{name}` is missing"));
            }
        }
    }

    fn accepts_type(self, value: &Value) -> bool {
        let types = match self.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return true,
        };
        types.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        })
    }

    fn check_bounds(self, at: &str, value: &Value, found: &mut Vec<String>) {
        let (measure, unit, keys) = match value {
            Value::Number(number) => (number.as_f64(), "", ["minimum", "maximum"]),
            Value::String(text) => (
                count(text.chars().count()),
                " characters",
                ["minLength", "maxLength"],
            ),
            Value::Array(items) => (count(items.len()), " items", ["minItems", "maxItems"]),
            Value::Null | Value::Bool(_) | Value::Object(_) => return,
        };
        let Some(measure) = measure else { return };
        let bound = |key: &str| self.get(key).filter(|bound| bound.is_number());
        let [least, most] = keys;
        let rules: [Rule<'_>; 4] = [
            (least, "at least", |value, bound| value >= bound),
            (most, "at most", |value, bound| value <= bound),
            ("exclusiveMinimum", "more than", |value, bound| {
                value > bound
            }),
            ("exclusiveMaximum", "less than", |value, bound| {
                value < bound
            }),
        ];
        let rules = rules.iter().take(if value.is_number() { 4 } else { 2 });
        for (key, words, holds) in rules {
            if let Some(limit) = bound(key)
                && !limit.as_f64().is_none_or(|limit| holds(measure, limit))
            {
                found.push(format!("`{at}` must be {words} {limit}{unit}"));
            }
        }
    }

    /// A pattern that cannot be read here is left to the guest.
    fn check_pattern(self, at: &str, value: &Value, found: &mut Vec<String>) {
        let pattern = self
            .get("pattern")
            .and_then(Value::as_str)
            .filter(|pattern| pattern.len() <= 1000);
        let regex = pattern.and_then(|pattern| regex_lite::Regex::new(pattern).ok());
        if let (Some(regex), Some(text)) = (regex, value.as_str())
            && !regex.is_match(text)
        {
            let example = match self.get("default").and_then(Value::as_str) {
                Some(default) => format!("it is written like `{default}`"),
                None => format!("it must match {}", regex.as_str()),
            };
            found.push(format!("`{at}` is `{text}`; {example}"));
        }
    }
}

/// The key of a bound, its words, and whether a measure keeps it.
type Rule<'a> = (&'a str, &'a str, fn(f64, f64) -> bool);

fn count(count: usize) -> Option<f64> {
    u32::try_from(count).ok().map(f64::from)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The value as people write it: texts without quotes.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use serde_json::{Value, json};

    fn violations(schema: &Value, value: &Value) -> Vec<String> {
        Schema::new(schema).violations("p", value)
    }

    #[test]
    fn types_and_bounds() {
        let schema = json!({ "type": "integer", "minimum": 1, "maximum": 10 });
        assert!(violations(&schema, &json!(1)).is_empty());
        assert_eq!(violations(&schema, &json!(0)), ["`p` must be at least 1"]);
        assert_eq!(violations(&schema, &json!(11)), ["`p` must be at most 10"]);
        assert_eq!(
            violations(&schema, &json!("1")),
            ["`p` is a text, not whole number"]
        );
        assert_eq!(
            violations(&schema, &json!(1.5)),
            ["`p` is a number with a fraction, not whole number"]
        );
        let schema = json!({ "type": ["string", "null"], "maxLength": 2 });
        assert!(violations(&schema, &Value::Null).is_empty());
        assert_eq!(
            violations(&schema, &json!("abc")),
            ["`p` must be at most 2 characters"]
        );
    }

    #[test]
    fn patterns() {
        let schema =
            json!({ "type": "string", "pattern": "^[0-9]+ ?(kB|MB)$", "default": "10 MB" });
        assert!(violations(&schema, &json!("3MB")).is_empty());
        assert_eq!(
            violations(&schema, &json!("3 mb")),
            ["`p` is `3 mb`; it is written like `10 MB`"]
        );
        assert!(violations(&json!({ "pattern": "(?=x)" }), &json!("y")).is_empty());
    }

    #[test]
    fn references_choices_and_lists() {
        let schema = json!({
            "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/Mode" },
            "$defs": { "Mode": { "oneOf": [
                { "type": "string", "const": "fast", "description": "d" },
                { "type": "string", "const": "slow" }
            ] } }
        });
        assert!(violations(&schema, &json!(["fast", "slow"])).is_empty());
        assert_eq!(
            violations(&schema, &json!(["fat"])),
            ["`p[0]` is fat, not one of fast, slow"]
        );
        assert_eq!(
            violations(&schema, &json!([])),
            ["`p` must be at least 1 items"]
        );
        let optional = json!({
            "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }],
            "$defs": { "Mode": { "enum": ["a"] } }
        });
        assert!(violations(&optional, &json!("a")).is_empty());
        assert!(violations(&optional, &Value::Null).is_empty());
        assert_eq!(violations(&optional, &json!("b")).len(), 1);
    }

    #[test]
    fn objects_and_what_is_unknown() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["size"],
            "properties": { "size": { "type": "integer" } }
        });
        let found = violations(&schema, &json!({ "sise": 1 }));
        assert_eq!(
            found,
            [
                "`p.sise` is unknown; did you mean `size`?",
                "`p.size` is missing"
            ]
        );
        assert!(violations(&json!({ "if": {}, "x-y": 1 }), &json!("z")).is_empty());
        assert!(violations(&json!({ "$ref": "#" }), &json!("z")).is_empty());
    }
}
