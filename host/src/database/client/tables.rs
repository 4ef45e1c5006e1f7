//! Sizes, dead rows and bloat of tables.

use super::bloat::{self, TableShape};
use super::catalog::read_parameters;
use super::failure::Outcome;
use super::session::Session;
use crate::contract::database_types::{ObjectName, TableFacts, TableKind};
use crate::database::names::is_system_schema;
use std::collections::HashMap;
use tokio_postgres::Row;

/// How many tables or indexes one look shows.
pub(super) const MOST_OBJECTS: usize = 5_000;

/// Cheap on purpose: what the capability does not cover is not measured.
const CANDIDATES: &str = "
    SELECT c.oid, n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
    ORDER BY c.relpages DESC, c.oid";

/// Relations that someone holds or wants exclusively. To measure one would wait for that session, so the catalog's figures serve.
pub(super) const HELD: &str = "
    held AS MATERIALIZED (
        SELECT DISTINCT l.relation AS oid FROM pg_locks l
        WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
          AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))";

/// Tables that cannot be measured, because of themselves, an index or the TOAST table. It stands after [`HELD`].
pub(super) const BUSY: &str = "
    busy AS MATERIALIZED (
        SELECT h.oid FROM held h
        UNION SELECT i.indrelid FROM pg_index i JOIN held h ON h.oid = i.indexrelid
        UNION SELECT c.oid FROM pg_class c JOIN held h ON h.oid = c.reltoastrelid)";

const LARGEST: &str = "
    WITH {held}
    SELECT c.oid FROM pg_class c LEFT JOIN held h ON h.oid = c.oid
    WHERE c.oid = ANY($1)
    ORDER BY CASE WHEN h.oid IS NULL THEN coalesce(pg_relation_size(c.oid), 0)
                  ELSE c.relpages * current_setting('block_size')::int8 END DESC, c.oid
    LIMIT $2";

const FACTS: &str = "
    WITH {held}, {busy}
    SELECT c.oid, n.nspname, c.relname, c.relkind::text,
           CASE WHEN b.oid IS NULL THEN pg_relation_size(c.oid) ELSE c.relpages * page.bytes END,
           CASE WHEN b.oid IS NULL THEN pg_indexes_size(c.oid) ELSE x.pages * page.bytes END,
           CASE WHEN b.oid IS NULL THEN pg_total_relation_size(c.oid)
                ELSE (c.relpages + x.pages + coalesce(t.relpages, 0)) * page.bytes END,
           pg_stat_get_live_tuples(c.oid), pg_stat_get_dead_tuples(c.oid), pg_stat_get_mod_since_analyze(c.oid),
           floor(extract(epoch FROM greatest(
               pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid))) * 1000)::int8,
           floor(extract(epoch FROM greatest(
               pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid))) * 1000)::int8,
           CASE WHEN c.relfrozenxid = '0'::xid THEN 0 ELSE greatest(age(c.relfrozenxid), age(t.relfrozenxid)) END,
           c.reloptions, t.reloptions, c.relpages::float8, c.reltuples::float8,
           CASE WHEN c.relminmxid = '0'::xid THEN 0 ELSE greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) END
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN (SELECT current_setting('block_size')::int8 AS bytes) page
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(ic.relpages), 0)::int8 AS pages
        FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid) x
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    LEFT JOIN busy b ON b.oid = c.oid
    WHERE c.oid = ANY($1)";

/// Columns whose statistics this role may not see count as not known.
const WIDTHS: &str = "
    SELECT c.oid, count(*)::float8, count(s.attname)::float8,
           coalesce(sum((1 - s.null_frac) * s.avg_width), 0)::float8, coalesce(bool_or(s.null_frac > 0), false),
           current_setting('block_size')::int4
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
        AND NOT s.inherited
    WHERE c.oid = ANY($1) AND c.relkind IN ('r', 'm')
    GROUP BY c.oid";

/// The tables that `shows` lets through, largest first.
pub(super) async fn read(
    session: &Session,
    shows: &(dyn Fn(&str, &str) -> bool + Sync),
) -> Outcome<Vec<TableFacts>> {
    let mut oids: Vec<u32> = Vec::new();
    let candidate = |row: Row| {
        let (schema, table): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        if !is_system_schema(&schema) && shows(&schema, &table) {
            oids.push(row.try_get(0)?);
        }
        Ok(true)
    };
    session.each(CANDIDATES, &[], candidate).await?;
    let oids = largest(session, oids).await?;
    let mut shapes = HashMap::new();
    for row in session.query(WIDTHS, &[&oids]).await? {
        shapes.insert(row.try_get::<_, u32>(0)?, row);
    }
    let sql = FACTS.replace("{held}", HELD).replace("{busy}", BUSY);
    let mut facts = Vec::new();
    for row in session.query(&sql, &[&oids]).await? {
        // A table that was dropped meanwhile has no size.
        if row.try_get::<_, Option<i64>>(4)?.is_some() {
            facts.push(read_row(&row, &shapes)?);
        }
    }
    facts.sort_by(|a, b| b.total_bytes.cmp(&a.total_bytes).then(a.oid.cmp(&b.oid)));
    Ok(facts)
}

/// As many as one look shows. The catalog's own figures may be old, so where there are more, they are measured.
pub(super) async fn largest(session: &Session, oids: Vec<u32>) -> Outcome<Vec<u32>> {
    if oids.len() <= MOST_OBJECTS {
        return Ok(oids);
    }
    let sql = LARGEST.replace("{held}", HELD);
    let most = i64::try_from(MOST_OBJECTS).unwrap_or(i64::MAX);
    let rows = session.query(&sql, &[&oids, &most]).await?;
    let oids: Result<Vec<u32>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    Ok(oids?)
}

fn read_row(row: &Row, shapes: &HashMap<u32, Row>) -> Outcome<TableFacts> {
    let kind = match row.try_get(3)? {
        "p" => TableKind::Partitioned,
        "m" => TableKind::MaterializedView,
        _ => TableKind::Table,
    };
    let oid = row.try_get(0)?;
    let heap_bytes = amount(row, 4)?;
    let parameters = read_parameters(row.try_get(13)?, row.try_get(14)?);
    let fill = parameters
        .iter()
        .find(|parameter| parameter.name == "fillfactor")
        .and_then(|parameter| parameter.value.parse().ok())
        .unwrap_or(100.0);
    let bloat_bytes = match shapes.get(&oid) {
        Some(widths) => shape(row, widths, heap_bytes, fill)?
            .as_ref()
            .and_then(bloat::of_table),
        None => None,
    };
    Ok(TableFacts {
        name: ObjectName {
            schema: row.try_get(1)?,
            name: row.try_get(2)?,
        },
        oid,
        kind,
        heap_bytes,
        index_bytes: amount(row, 5)?,
        total_bytes: amount(row, 6)?,
        live_rows: amount(row, 7)?,
        dead_rows: amount(row, 8)?,
        modified_since_analyze: amount(row, 9)?,
        bloat_bytes,
        last_vacuum: instant(row, 10)?,
        last_analyze: instant(row, 11)?,
        frozen_age: age(row, 12)?,
        multixact_age: age(row, 17)?,
        parameters,
    })
}

fn shape(row: &Row, widths: &Row, bytes: u64, fill: f64) -> Outcome<Option<TableShape>> {
    let (columns, known): (f64, f64) = (widths.try_get(1)?, widths.try_get(2)?);
    let rows: f64 = row.try_get(16)?;
    // Of a table without rows no statistics are kept, and none are needed.
    if known < columns && rows > 0.0 {
        return Ok(None);
    }
    Ok(Some(TableShape {
        bytes,
        page: u32::try_from(widths.try_get::<_, i32>(5)?).unwrap_or(8192),
        pages: row.try_get(15)?,
        rows,
        fill,
        columns,
        width: widths.try_get(3)?,
        nulls: widths.try_get(4)?,
    }))
}

/// How many transactions or multixacts ago.
pub(super) fn age(row: &Row, column: usize) -> Outcome<u32> {
    Ok(u32::try_from(row.try_get::<_, i32>(column)?).unwrap_or(0))
}

/// A count or a size; what the server does not know counts as nothing.
pub(super) fn amount(row: &Row, column: usize) -> Outcome<u64> {
    Ok(maybe_amount(row, column)?.unwrap_or(0))
}

/// A count or a size that may be unknown.
pub(super) fn maybe_amount(row: &Row, column: usize) -> Outcome<Option<u64>> {
    let number: Option<i64> = row.try_get(column)?;
    Ok(number.map(|number| u64::try_from(number).unwrap_or(0)))
}

/// Milliseconds since 1970 that may be unknown.
pub(super) fn instant(row: &Row, column: usize) -> Outcome<Option<u64>> {
    maybe_amount(row, column)
}
