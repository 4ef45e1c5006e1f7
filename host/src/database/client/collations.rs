//! Collations whose library has changed since their version was recorded.

use super::failure::Outcome;
use super::session::Session;
use super::shown;
use super::view::View;
use crate::contract::database_types::{ChangedCollation, CollationFacts, ObjectName};
use crate::database::Verb;
use crate::database::names::is_system_schema;
use tokio_postgres::Row;

/// How many indexes are named for each collation.
const EXAMPLES: usize = 10;

/// Only what orders a key of an index: to ask for each of the hundreds that a server knows would open each in its library.
const COLLATIONS: &str = "
    SELECT n.nspname, c.collname, c.oid, c.collversion, pg_collation_actual_version(c.oid)
    FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
    WHERE c.collversion IS NOT NULL
      AND c.oid IN (SELECT DISTINCT unnest(x.indcollation::oid[]) FROM pg_index x)
    ORDER BY 1, 2";

/// The database's own collation is the one that `default` stands for. Its version is recorded from PostgreSQL 15 on.
const OWN: &str = "
    SELECT 'pg_catalog'::text, 'default'::text, 'pg_catalog.default'::regcollation::oid, d.datcollversion,
           pg_database_collation_actual_version(d.oid)
    FROM pg_database d WHERE d.datname = current_database() AND d.datcollversion IS NOT NULL";

const INDEXES: &str = "
    SELECT tn.nspname, c.relname, n.nspname, i.relname
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i'
    JOIN pg_namespace n ON n.oid = i.relnamespace
    JOIN pg_class c ON c.oid = x.indrelid AND c.relpersistence <> 't'
    JOIN pg_namespace tn ON tn.oid = c.relnamespace
    WHERE $1::oid = ANY(x.indcollation)
    ORDER BY 1, 4";

/// Reads `database-read.collations`.
pub(super) async fn read(session: &Session, view: View<'_>) -> Outcome<CollationFacts> {
    let mut rows = session.query(COLLATIONS, &[]).await?;
    let others = rows.len();
    if session.major() >= 15 {
        rows.extend(session.query(OWN, &[]).await?);
    }
    let mut facts = CollationFacts {
        compared: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        changed: Vec::new(),
    };
    for (at, row) in rows.iter().enumerate() {
        let recorded = shown::text(row, 3)?;
        let actual = shown::maybe_text(row, 4)?;
        if actual.as_ref() != Some(&recorded) {
            let name = (at < others).then(|| shown::object(row, 0)).transpose()?;
            let (indexes, examples) = dependents(session, view, row).await?;
            facts.changed.push(ChangedCollation {
                name: name.map(|(name, _)| name),
                recorded,
                actual,
                indexes,
                examples,
            });
        }
    }
    Ok(facts)
}

/// How many indexes a collation orders, and the first of those that the run may be shown.
async fn dependents(
    session: &Session,
    view: View<'_>,
    collation: &Row,
) -> Outcome<(u32, Vec<ObjectName>)> {
    let (mut indexes, mut examples) = (0, Vec::new());
    let oid: u32 = collation.try_get(2)?;
    for row in session.query(INDEXES, &[&oid]).await? {
        let ((table, _), (index, _)) = (shown::object(&row, 0)?, shown::object(&row, 2)?);
        if is_system_schema(&table.schema) {
            continue;
        }
        indexes += 1;
        if examples.len() < EXAMPLES && view.shows(Verb::Indexes, &table.schema, &table.name) {
            examples.push(index);
        }
    }
    Ok((indexes, examples))
}
