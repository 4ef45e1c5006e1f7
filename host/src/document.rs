//! TOML that people write: read strictly, and what is wrong in it is said with file, line and column. Pure.

use crate::suggest::did_you_mean;
use serde::de::DeserializeOwned;
use std::ops::Range;
use thiserror::Error;
use toml::de::{DeTable, DeValue};

/// Something is wrong in a document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {message}")]
pub struct DocumentError {
    place: String,
    message: String,
    hint: Option<String>,
}

impl DocumentError {
    /// What to write instead, where that can be guessed.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A text with the name that its errors carry.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Document<'a> {
    /// `name` is what people call the file, such as `windlass.toml`.
    pub fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text }
    }

    /// Reads the whole text as one value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, DocumentError> {
        toml::from_str(self.text).map_err(|error| self.explain(&error))
    }

    /// An error about what stands at a byte offset.
    pub fn error_at(&self, offset: usize, message: impl Into<String>) -> DocumentError {
        let (line, column) = self.position(offset);
        DocumentError {
            place: format!("{}:{line}:{column}", self.name),
            message: message.into(),
            hint: None,
        }
    }

    /// The line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.position(offset).0
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    fn explain(&self, error: &toml::de::Error) -> DocumentError {
        let message = error.message();
        let Some(span) = error.span() else {
            return DocumentError {
                place: self.name.to_owned(),
                message: message.to_owned(),
                hint: None,
            };
        };
        let path = self.path_of(&span);
        let section = path.split_last().map_or(&[][..], |(_, section)| section);
        let mut quoted = message.split('`').skip(1).step_by(2);
        let first = quoted.next().unwrap_or_default();
        let (text, known) = if message.starts_with("unknown field") {
            (format!("unknown key `{first}`{}", within(section)), "keys")
        } else if message.starts_with("unknown variant") {
            (format!("unknown value `{first}`{}", under(&path)), "values")
        } else if message.starts_with("missing field") {
            let table = if span.is_empty() { &[][..] } else { &path };
            (format!("`{first}` is missing{}", within(table)), "")
        } else {
            (format!("{message}{}", under(&path)), "")
        };
        let mut found = self.error_at(span.start, text);
        if !known.is_empty() {
            found.hint = did_you_mean(first, quoted.clone()).or_else(|| listed(known, quoted));
        }
        found
    }

    /// The names of the tables around a span, the innermost last; the key itself if the span is one or its value.
    fn path_of(&self, span: &Range<usize>) -> Vec<String> {
        let (table, _) = DeTable::parse_recoverable(self.text);
        let mut places = Vec::new();
        collect(table.get_ref(), &[], &mut places);
        places
            .into_iter()
            .filter(|(place, _)| place.start <= span.start && span.end <= place.end)
            .min_by_key(|(place, _)| place.len())
            .map(|(_, path)| path)
            .unwrap_or_default()
    }
}

/// Every key and value with the names that lead to it.
fn collect(table: &DeTable<'_>, path: &[String], places: &mut Vec<(Range<usize>, Vec<String>)>) {
    for (key, value) in table {
        let mut path = path.to_vec();
        path.push(key.get_ref().to_string());
        places.push((key.span(), path.clone()));
        places.push((value.span(), path.clone()));
        if let DeValue::Table(inner) = value.get_ref() {
            collect(inner, &path, places);
        }
        for item in value
            .get_ref()
            .as_array()
            .into_iter()
            .flat_map(|array| array.iter())
        {
            if let DeValue::Table(inner) = item.get_ref() {
                places.push((item.span(), path.clone()));
                collect(inner, &path, places);
            }
        }
    }
}

fn under(path: &[String]) -> String {
    match path.split_last() {
        Some((key, section)) => format!(" for `{key}`{}", within(section)),
        None => String::new(),
    }
}

fn within(section: &[String]) -> String {
    if section.is_empty() {
        String::new()
    } else {
        format!(" in [{}]", section.join("."))
    }
}

fn listed<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("{what} here: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{Document, DocumentError};
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct File {
        #[serde(default)]
        database: BTreeMap<String, Database>,
        #[serde(default)]
        need: Vec<Need>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct Database {
        connection: String,
        lock_timeout: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct Need {
        verbs: Vec<Verb>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Verb {
        Vacuum,
        Reindex,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct Root {
        a: Database,
        b: u32,
    }

    fn error(text: &str) -> DocumentError {
        Document::new("a.toml", text).parse::<File>().unwrap_err()
    }

    #[test]
    fn a_misspelt_key_is_located_and_guessed() {
        let found = error("# a comment\n[database.orders]\n  conection = \"x\"\n");
        assert_eq!(
            found.to_string(),
            "a.toml:3:3: unknown key `conection` in [database.orders]"
        );
        assert_eq!(found.hint(), Some("did you mean `connection`?"));
    }

    #[test]
    fn an_unknown_key_without_a_guess_lists_what_there_is() {
        let found = error("[databases.orders]\n");
        assert_eq!(found.to_string(), "a.toml:1:2: unknown key `databases`");
        assert_eq!(found.hint(), Some("did you mean `database`?"));
        let found = error("[database.orders]\nconnection = \"\"\nwhatever = 1\n");
        assert_eq!(
            found.hint(),
            Some("keys here: `connection`, `lock-timeout`")
        );
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        let found = error("[database.orders]\nconnection = \"\"\nlock-timeout = \"soon\"\n");
        assert_eq!(
            found.to_string(),
            "a.toml:3:16: invalid type: string \"soon\", expected u32 for `lock-timeout` in [database.orders]"
        );
        let found = error("[[need]]\nverbs = [\"vacuum\", \"reindx\"]\n");
        assert_eq!(
            found.to_string(),
            "a.toml:2:20: unknown value `reindx` for `verbs` in [need]"
        );
        assert_eq!(found.hint(), Some("did you mean `reindex`?"));
    }

    #[test]
    fn a_missing_key_names_its_table() {
        let found = error("\n[database.orders]\nlock-timeout = 5\n");
        assert_eq!(
            found.to_string(),
            "a.toml:2:1: `connection` is missing in [database.orders]"
        );
        let found = Document::new("a.toml", "[a]\nconnection = \"\"\n").parse::<Root>();
        assert_eq!(found.unwrap_err().to_string(), "a.toml:1:1: `b` is missing");
    }

    #[test]
    fn a_duplicate_key_and_broken_syntax_are_located() {
        let found = error("[database.orders]\nconnection = \"\"\nconnection = \"\"\n");
        assert!(
            found.to_string().starts_with("a.toml:3:1: duplicate key"),
            "{found}"
        );
        let found = error("[database.orders\n");
        assert!(found.to_string().starts_with("a.toml:1:17: "), "{found}");
    }
}
