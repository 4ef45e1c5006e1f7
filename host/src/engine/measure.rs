//! How long something is as JSON, found out without making it. Pure.

use super::replay::Answer;
use serde::Serialize;
use serde_json::Value;
use std::io;

/// What a guest is told, and its length in bytes of JSON, counted once.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) answer: Answer,
    pub(super) bytes: u64,
}

impl Counted {
    pub(super) fn new(answer: Answer) -> Self {
        let bytes = match &answer {
            Ok(value) => "{\"Ok\":}".len() as u64 + of_value(value),
            Err(_) => length(&answer),
        };
        Self { answer, bytes }
    }
}

/// Bytes of anything's JSON.
pub(super) fn length(value: &impl Serialize) -> u64 {
    struct Count(u64);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be encoded is refused by the journal.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// The same of a value: each look is measured, so this takes no detour.
fn of_value(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => length(number),
        Value::String(text) => of_text(text),
        Value::Array(items) => around(items.len()) + items.iter().map(of_value).sum::<u64>(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| of_text(name) + 1 + of_value(value);
            around(fields.len()) + fields.iter().map(field).sum::<u64>()
        }
    }
}

/// Brackets and commas.
fn around(items: usize) -> u64 {
    1 + items.max(1) as u64
}

fn of_text(text: &str) -> u64 {
    let escape = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..32 => 5,
        _ => 0,
    };
    2 + text.len() as u64 + text.bytes().map(escape).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{CallError, ErrorKind};
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\x00-\\x7f]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_would_be_written(value in json()) {
            let written = serde_json::to_string(&Answer::Ok(value.clone())).unwrap();
            prop_assert_eq!(Counted::new(Ok(value)).bytes, written.len() as u64);
        }
    }

    #[test]
    fn an_error_counts_too() {
        let error: Answer = Err(CallError::new(ErrorKind::Limit, "no"));
        let written = serde_json::to_string(&error).unwrap();
        assert_eq!(Counted::new(error).bytes, written.len() as u64);
    }
}
