//! Sizes, dead rows and bloat of tables.

use super::bloat::{self, TableShape};
use super::catalog::read_parameters;
use super::failure::Outcome;
use super::rights::maintain;
use super::session::Session;
use super::shown;
use super::view::{View, Way};
use crate::contract::database_types::{Maintenance, TableFacts, TableKind, Withheld, Withholder};
use crate::database::Verb;
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
           CASE WHEN c.relminmxid = '0'::xid THEN 0 ELSE greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) END,
           has_schema_privilege(n.oid, 'USAGE') AND pg_has_role(c.relowner, 'USAGE'),
           has_schema_privilege(n.oid, 'USAGE')
               AND (pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE') OR {maintain})
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_database d ON d.datname = current_database()
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

/// Before PostgreSQL 18 an ANALYZE of a partition parent goes into its partitions, so all of them have to be covered.
const PARTITIONS: &str = "
    SELECT p.oid, n.nspname, c.relname
    FROM pg_class p
    CROSS JOIN LATERAL pg_partition_tree(p.oid) t
    JOIN pg_class c ON c.oid = t.relid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.oid = ANY($1) AND p.relkind = 'p' AND t.level > 0";

/// The tables that the run may see, largest first.
pub(super) async fn read(session: &Session, view: View<'_>) -> Outcome<Vec<TableFacts>> {
    let mut oids: Vec<u32> = Vec::new();
    let candidate = |row: Row| {
        let (table, _) = shown::object(&row, 1)?;
        if !is_system_schema(&table.schema) && view.shows(Verb::Tables, &table.schema, &table.name)
        {
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
    let sql = FACTS
        .replace("{held}", HELD)
        .replace("{busy}", BUSY)
        .replace("{maintain}", maintain(session));
    let mut facts = Vec::new();
    for row in session.query(&sql, &[&oids]).await? {
        // A table that was dropped meanwhile has no size.
        if row.try_get::<_, Option<i64>>(4)?.is_some() {
            facts.push(read_row(&row, &shapes, view)?);
        }
    }
    withhold_for_partitions(session, view, &oids, &mut facts).await?;
    facts.sort_by(|a, b| b.total_bytes.cmp(&a.total_bytes).then(a.oid.cmp(&b.oid)));
    Ok(facts)
}

async fn withhold_for_partitions(
    session: &Session,
    view: View<'_>,
    oids: &[u32],
    facts: &mut [TableFacts],
) -> Outcome<()> {
    let partitioned = |table: &TableFacts| table.kind == TableKind::Partitioned;
    if session.major() >= 18 || !facts.iter().any(partitioned) {
        return Ok(());
    }
    for row in session.query(PARTITIONS, &[&oids]).await? {
        let (parent, (partition, _)): (u32, _) = (row.try_get(0)?, shown::object(&row, 1)?);
        let covered = view
            .withheld(&partition, true, &[(Maintenance::Analyze, true)])
            .is_empty();
        let parents = facts.iter_mut().filter(|table| table.oid == parent);
        for table in parents.filter(|table| !covered && table.withheld.is_empty()) {
            table.withheld.push(Withheld {
                what: Maintenance::Analyze,
                by: Withholder::Grant,
            });
        }
    }
    Ok(())
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

fn read_row(row: &Row, shapes: &HashMap<u32, Row>, view: View<'_>) -> Outcome<TableFacts> {
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
    let (name, exact) = shown::object(row, 1)?;
    let (owned, maintained) = (row.try_get(18)?, row.try_get(19)?);
    Ok(TableFacts {
        withheld: view.withheld(&name, exact, &ways(kind, owned, maintained)),
        name,
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

/// How a table of the kind is maintained.
fn ways(kind: TableKind, owned: bool, maintained: bool) -> Vec<Way> {
    let analyze = (Maintenance::Analyze, maintained);
    let vacuum = (Maintenance::Vacuum, maintained);
    match kind {
        TableKind::Partitioned => vec![analyze],
        TableKind::MaterializedView => vec![vacuum, analyze],
        TableKind::Table => vec![vacuum, analyze, (Maintenance::SetParameters, owned)],
    }
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
