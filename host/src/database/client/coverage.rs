//! What there is in the database, and what of it the looks of a run show.

use super::failure::Outcome;
use super::session::Session;
use super::shown;
use super::view::View;
use crate::contract::database_types::{CoverageFacts, ObjectName};
use crate::database::Verb;
use crate::database::names::is_system_schema;

/// A table that has pages at its last vacuum or analyze, and of which nothing was counted since the counters began.
const TABLES: &str = "
    SELECT n.nspname, c.relname,
           c.relkind IN ('r', 'm') AND (
               NOT current_setting('track_counts')::bool
               OR c.relpages > 0 AND c.reltuples <> 0
                  AND pg_stat_get_live_tuples(c.oid) = 0 AND pg_stat_get_dead_tuples(c.oid) = 0
                  AND pg_stat_get_tuples_inserted(c.oid) = 0 AND pg_stat_get_tuples_deleted(c.oid) = 0
                  AND pg_stat_get_last_vacuum_time(c.oid) IS NULL AND pg_stat_get_last_autovacuum_time(c.oid) IS NULL
                  AND pg_stat_get_last_analyze_time(c.oid) IS NULL AND pg_stat_get_last_autoanalyze_time(c.oid) IS NULL),
           (SELECT count(*) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            WHERE x.indrelid = c.oid AND i.relkind = 'i')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'";

const SCHEMAS: &str = "SELECT n.nspname FROM pg_namespace n";

/// Reads `database-read.coverage`.
pub(super) async fn read(session: &Session, view: View<'_>) -> Outcome<CoverageFacts> {
    let role = session.query_one("SELECT current_user::text", &[]).await?;
    let mut coverage = CoverageFacts {
        role: shown::text(&role, 0)?,
        tables: 0,
        tables_covered: 0,
        indexes: 0,
        indexes_covered: 0,
        uncounted: 0,
        absent: Vec::new(),
    };
    let mut tables: Vec<ObjectName> = Vec::new();
    for row in session.query(TABLES, &[]).await? {
        let (table, _) = shown::object(&row, 0)?;
        if is_system_schema(&table.schema) {
            continue;
        }
        let indexes = u32::try_from(row.try_get::<_, i64>(3)?).unwrap_or(u32::MAX);
        coverage.tables += 1;
        coverage.indexes += indexes;
        if view.shows(Verb::Tables, &table.schema, &table.name) {
            coverage.tables_covered += 1;
            coverage.uncounted += u32::from(row.try_get::<_, bool>(2)?);
        }
        if view.shows(Verb::Indexes, &table.schema, &table.name) {
            coverage.indexes_covered += indexes;
        }
        tables.push(table);
    }
    let mut schemas = Vec::new();
    for row in session.query(SCHEMAS, &[]).await? {
        schemas.push(shown::text(&row, 0)?);
    }
    coverage.absent = view.absent(&schemas, &tables);
    Ok(coverage)
}
