//! Documents as kubectl reads them: it takes YAML 1.1's words and numbers for what they were there. Pure.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Options, Spanned};
use std::fmt;

/// What is true or false to kubectl, and only so written.
const WORDS: &[&str] = &[
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N", "no", "No",
    "NO", "false", "False", "FALSE", "off", "Off", "OFF",
];
/// Numbers that JSON writes without an exponent, to kubectl.
const PLAIN: f64 = 1e21;

/// A document, each part with its place.
enum Node {
    Scalar(Value),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
    List(Vec<Spanned<Self>>),
}

/// What is read in another way than its author may think.
pub(super) struct Ambiguous {
    pub(super) line: u64,
    pub(super) why: String,
}

/// Reads one document.
pub(super) fn read(
    text: &str,
    options: &Options,
) -> Result<Result<Value, Ambiguous>, serde_saphyr::Error> {
    let node: Spanned<Node> = serde_saphyr::from_str_with_options(text, options.clone())?;
    Ok(value(node, text, options))
}

fn value(node: Spanned<Node>, text: &str, options: &Options) -> Result<Value, Ambiguous> {
    let at = node.defined;
    match node.value {
        Node::Scalar(read) => scalar(read, text, at),
        Node::List(list) => list
            .into_iter()
            .map(|node| value(node, text, options))
            .collect(),
        Node::Map(fields) => {
            let mut map = Map::new();
            for (key, node) in fields {
                check_key(text, key.defined, options)?;
                map.insert(key.value, value(node, text, options)?);
            }
            Ok(Value::Object(map))
        }
    }
}

/// As it is written.
fn written(text: &str, at: Location) -> &str {
    let place = || {
        let from = usize::try_from(at.span().byte_offset()?).ok()?;
        let length = usize::try_from(at.span().byte_len()?).ok()?;
        text.get(from..from.checked_add(length)?)
    };
    place().unwrap_or_default()
}

fn scalar(read: Value, text: &str, at: Location) -> Result<Value, Ambiguous> {
    let written = written(text, at);
    match read {
        Value::Bool(_) if !WORDS.contains(&written) => Ok(Value::String(written.to_owned())),
        Value::Number(number) => Ok(Value::Number(whole(number))),
        Value::String(read) if is_number(written) && read == written && !is_block(text, at) => {
            Err(Ambiguous {
                line: at.line(),
                why: format!(
                    "`{written}` is the text \"{written}\" in YAML, and a number to kubectl: write \"{written}\", or the number without `_`"
                ),
            })
        }
        read @ (Value::Null
        | Value::Bool(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => Ok(read),
    }
}

/// A number as kubectl sends it: `1.0` as 1.
fn whole(number: Number) -> Number {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < PLAIN => {
            format!("{float:.0}")
                .parse::<i64>()
                .map_or(number, Number::from)
        }
        _ => number,
    }
}

/// Whether it is a number once `_` is left out, which the reader takes for text.
fn is_number(written: &str) -> bool {
    let starts = written.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let digits = written.replace('_', "");
    starts && digits != written && digits.parse::<f64>().is_ok()
}

/// Whether the text is of a block, which begins on a line of its own.
fn is_block(text: &str, at: Location) -> bool {
    let from = at
        .span()
        .byte_offset()
        .and_then(|at| usize::try_from(at).ok());
    let before = from.and_then(|from| text.get(..from)).unwrap_or_default();
    before
        .rsplit('\n')
        .next()
        .is_some_and(|line| line.trim().is_empty())
}

/// Refuses a key that kubectl writes in another way than the file: what is called `on` there would be called `true`.
fn check_key(text: &str, at: Location, options: &Options) -> Result<(), Ambiguous> {
    let written = written(text, at);
    if written.starts_with(['"', '\'']) {
        return Ok(());
    }
    let read: Result<Value, _> = serde_saphyr::from_str_with_options(written, options.clone());
    let other = match read {
        Ok(Value::Bool(read)) if WORDS.contains(&written) => read.to_string(),
        Ok(Value::Number(number)) => whole(number).to_string(),
        _ => return Ok(()),
    };
    if other == written {
        return Ok(());
    }
    Err(Ambiguous {
        line: at.line(),
        why: format!(
            "the key `{written}` is \"{written}\" in YAML, and \"{other}\" to kubectl: write \"{written}\" or \"{other}\""
        ),
    })
}

struct Reader;

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, read: bool) -> Result<Node, E> {
        Ok(Node::Scalar(read.into()))
    }

    fn visit_i64<E>(self, read: i64) -> Result<Node, E> {
        Ok(Node::Scalar(read.into()))
    }

    fn visit_u64<E>(self, read: u64) -> Result<Node, E> {
        Ok(Node::Scalar(read.into()))
    }

    fn visit_f64<E>(self, read: f64) -> Result<Node, E> {
        Ok(Node::Scalar(read.into()))
    }

    fn visit_str<E>(self, read: &str) -> Result<Node, E> {
        Ok(Node::Scalar(read.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(node) = list.next_element()? {
            all.push(node);
        }
        Ok(Node::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = map.next_entry()? {
            all.push(entry);
        }
        Ok(Node::Map(all))
    }
}
