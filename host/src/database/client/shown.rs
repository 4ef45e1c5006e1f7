//! Names and other text as a server has it, which may be in any encoding: a database in `SQL_ASCII` takes any bytes.

use super::failure::Outcome;
use crate::contract::database_types::ObjectName;
use std::error::Error;
use std::fmt::Write as _;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// Text for people. What is not UTF-8 is escaped, as `\xe9`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    /// Whether the text is what the server has. A statement cannot name an object by an escaped name.
    pub(super) exact: bool,
}

impl Shown {
    fn of(bytes: &[u8]) -> Self {
        let mut shown = Self {
            text: String::new(),
            exact: true,
        };
        for chunk in bytes.utf8_chunks() {
            shown.text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                shown.exact = false;
                // Writing to a text does not fail.
                let _ = write!(shown.text, "\\x{byte:02x}");
            }
        }
        shown
    }
}

impl<'a> FromSql<'a> for Shown {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::of(raw))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TEXT | Type::NAME | Type::VARCHAR)
    }
}

/// A text of a row, for people.
pub(super) fn text(row: &Row, column: usize) -> Outcome<String> {
    Ok(row.try_get::<_, Shown>(column)?.text)
}

/// A text that may be absent, for people.
pub(super) fn maybe_text(row: &Row, column: usize) -> Outcome<Option<String>> {
    let shown: Option<Shown> = row.try_get(column)?;
    Ok(shown.map(|shown| shown.text))
}

/// The schema in a column and the name in the next one, and whether both are what the server has.
pub(super) fn object(row: &Row, column: usize) -> Outcome<(ObjectName, bool)> {
    let (schema, name): (Shown, Shown) = (row.try_get(column)?, row.try_get(column + 1)?);
    let exact = schema.exact && name.exact;
    let object = ObjectName {
        schema: schema.text,
        name: name.text,
    };
    Ok((object, exact))
}

#[cfg(test)]
mod tests {
    use super::Shown;

    #[test]
    fn bytes_that_are_not_utf_8_are_escaped() {
        let shown = Shown::of(b"caf\xe9 \xc3\xa9\xff");
        assert_eq!(
            (shown.text.as_str(), shown.exact),
            ("caf\\xe9 é\\xff", false)
        );
        assert!(Shown::of("naïve".as_bytes()).exact);
    }
}
