//! Parameters as people give them: each once, since of two only their author knows which is meant; a list may come in parts.

use super::context::Context;
use super::failure::Failure;
use super::manifests;
use crate::plugin::Component;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// Those of the command line, read by their types. Manifests are read from where they are.
pub(super) fn from_texts(
    context: &Context,
    plugin: &Component,
    texts: &[(String, String)],
) -> Result<Map<String, Value>, Failure> {
    let parameters = &plugin.manifest().parameters;
    let may_come_again =
        |name: &&String| parameters.is_list(name) && !parameters.are_manifests(name);
    let once = texts.iter().map(|(name, _)| name);
    if let Some(twice) = twice(once.filter(|name| !may_come_again(name))) {
        return Err(Failure::usage(format!("`--set {twice}` is given twice")));
    }
    let (files, texts): (Vec<_>, Vec<_>) = texts
        .iter()
        .cloned()
        .partition(|(name, _)| parameters.are_manifests(name));
    let mut given = parameters.from_texts(&texts)?;
    for (name, text) in files {
        let read = manifests::read(context, &name, &text)?;
        given.insert(name, read);
    }
    Ok(given)
}

/// Those of a file with a JSON object.
pub(super) fn from_file(context: &Context, file: &Path) -> Result<Map<String, Value>, Failure> {
    let bytes = crate::folder::read(&context.here.join(file), 1 << 20)?;
    let Pairs(pairs) = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::usage(format!(
            "`{}` is no JSON object of parameters",
            file.display()
        ))
        .cause(error.to_string())
    })?;
    if let Some(twice) = twice(pairs.iter().map(|(name, _)| name)) {
        return Err(Failure::usage(format!(
            "`{}` has the parameter `{twice}` twice",
            file.display()
        )));
    }
    Ok(pairs.into_iter().collect())
}

/// The first that comes again. Which of the two is meant, only their author knows.
fn twice<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    let mut names = names;
    names.find(|name| !seen.insert(*name))
}

/// A JSON object as it is written.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pairs, twice};

    #[test]
    fn a_name_that_comes_again_is_noticed() {
        let named = |text: &str| {
            let Pairs(pairs) = serde_json::from_str(text).unwrap();
            twice(pairs.iter().map(|(name, _)| name)).cloned()
        };
        assert_eq!(named(r#"{ "a": 1, "b": 2, "a": 3 }"#).as_deref(), Some("a"));
        assert_eq!(named(r#"{ "a": { "b": 1 }, "b": 2 }"#), None);
        assert!(serde_json::from_str::<Pairs>("[]").is_err());
    }
}
