//! Names of databases objects: which are possible at all, and how they are written into SQL. Pure.

use crate::contract::database_types::ObjectName;
use crate::contract::{CallError, ErrorKind};

/// Bytes that PostgreSQL keeps of a name; what is longer cannot exist.
const LONGEST_NAME: usize = 63;

/// Refuses a name that no object can have.
///
/// `what` says in the message which argument is meant, such as "the table's name".
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), CallError> {
    let wrong = if name.is_empty() {
        "is empty"
    } else if name.contains('\0') {
        "contains a NUL"
    } else if name.len() > LONGEST_NAME {
        "is longer than 63 bytes"
    } else {
        return Ok(());
    };
    Err(CallError::new(
        ErrorKind::Invalid,
        format!("{what} {wrong}"),
    ))
}

/// Refuses a table or index that cannot exist.
pub(crate) fn check_object(object: &ObjectName) -> Result<(), CallError> {
    check_name("the name of the schema", &object.schema)?;
    check_name("the name of the object", &object.name)
}

/// Whether the schema belongs to the server itself.
pub(crate) fn is_system_schema(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

/// A name as an SQL identifier. Always quoted, so that case and keywords need no thought.
pub(crate) fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"schema"."name"`.
pub(crate) fn quote_object(object: &ObjectName) -> String {
    format!(
        "{}.{}",
        quote_ident(&object.schema),
        quote_ident(&object.name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn impossible_names_are_invalid() {
        for name in ["", "a\0b", &"x".repeat(64), &"ä".repeat(32)] {
            let error = check_name("the name", name).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
        }
        for name in ["a", &"x".repeat(63), "Ä \"; --", "."] {
            check_name("the name", name).unwrap();
        }
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote_ident("a"), "\"a\"");
        assert_eq!(quote_ident("a\"; DROP"), "\"a\"\"; DROP\"");
        let object = ObjectName {
            schema: "s.t".into(),
            name: "\"".into(),
        };
        assert_eq!(quote_object(&object), "\"s.t\".\"\"\"\"");
    }

    proptest! {
        /// Undoing what the server's lexer does with a quoted identifier gives the name back.
        #[test]
        fn a_quoted_name_reads_back(name in "[^\0]{1,20}") {
            let quoted = quote_ident(&name);
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            prop_assert!(!inner.replace("\"\"", "").contains('"'));
            prop_assert_eq!(inner.replace("\"\"", "\""), name);
        }
    }
}
