//! Sizes, bloat and health of indexes.

use super::bloat::{self, IndexShape};
use super::catalog::IN_WORK;
use super::failure::Outcome;
use super::measure::Measure;
use super::rights::maintain;
use super::session::Session;
use super::shown;
use super::tables::{HELD, MOST_OBJECTS, amount, largest};
use super::view::View;
use crate::contract::database_types::{IndexFacts, Leftover, Maintenance, UnknownBloat};
use crate::database::Verb;
use crate::database::names::is_system_schema;
use std::cmp::Reverse;
use std::collections::HashMap;
use tokio_postgres::Row;

/// Invalid ones are few, and what is to be found: they come before any cap. Those of partition parents and of TOAST tables count only if they are
/// invalid; an index of a TOAST table belongs to the table whose values that keeps.
const CANDIDATES: &str = "
    SELECT i.oid, n.nspname, coalesce(o.relname, c.relname), x.indisvalid
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class c ON c.oid = x.indrelid AND c.relpersistence <> 't'
    LEFT JOIN pg_class o ON c.relkind = 't' AND o.reltoastrelid = c.oid
    JOIN pg_namespace n ON n.oid = coalesce(o.relnamespace, c.relnamespace)
    WHERE i.relkind = 'i' AND c.relkind IN ('r', 'm') OR NOT x.indisvalid
    ORDER BY x.indisvalid, i.relpages DESC, i.oid";

/// To print a definition the server locks the table, to measure an index that index: neither is asked where somebody is in the way.
const FACTS: &str = "
    WITH {held}
    SELECT i.oid, n.nspname, i.relname, tn.nspname, coalesce(o.relname, c.relname), m.amname,
           CASE WHEN h.oid IS NULL THEN pg_relation_size(i.oid)
                ELSE i.relpages * current_setting('block_size')::int8 END,
           pg_stat_get_numscans(i.oid), x.indisvalid, x.indisexclusion,
           CASE WHEN x.indisvalid THEN false ELSE {in_work} END,
           CASE WHEN h.oid IS NULL AND t.oid IS NULL THEN left(pg_get_indexdef(i.oid), 10000) ELSE '' END,
           h.oid IS NOT NULL OR t.oid IS NOT NULL,
           CASE WHEN ts.spcname <> 'pg_default' THEN ts.spcname END,
           i.relkind = 'I', has_schema_privilege(n.oid, 'USAGE') AND pg_has_role(c.relowner, 'USAGE'),
           has_schema_privilege(n.oid, 'USAGE') AND (pg_has_role(c.relowner, 'USAGE') OR {maintain})
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_namespace n ON n.oid = i.relnamespace
    JOIN pg_class c ON c.oid = x.indrelid
    LEFT JOIN pg_class o ON c.relkind = 't' AND o.reltoastrelid = c.oid
    JOIN pg_namespace tn ON tn.oid = coalesce(o.relnamespace, c.relnamespace)
    JOIN pg_am m ON m.oid = i.relam
    JOIN pg_database d ON d.datname = current_database()
    JOIN pg_tablespace ts ON ts.oid = CASE WHEN i.reltablespace = 0 THEN d.dattablespace ELSE i.reltablespace END
    LEFT JOIN held h ON h.oid = i.oid
    LEFT JOIN held t ON t.oid = c.oid
    WHERE x.indexrelid = ANY($1)";

/// One row per B-tree: widths and distinct values of its columns, whether the server merges equal keys in it, and whether the role may read all
/// of these statistics, as the view `pg_stats` has it. Expressions have statistics under the index's own name.
const SHAPES: &str = "
    SELECT x.indexrelid, i.relpages::float8, i.reltuples::float8,
           coalesce((SELECT split_part(o, '=', 2)::float8 FROM unnest(i.reloptions) o
                     WHERE split_part(o, '=', 1) = 'fillfactor'), 90),
           count(*)::float8, count(s.attname)::float8,
           coalesce(sum((1 - s.null_frac) * s.avg_width), 0)::float8, coalesce(bool_or(s.null_frac > 0), false),
           coalesce(exp(least(sum(ln(greatest(1, CASE WHEN s.n_distinct < 0
               THEN -s.n_distinct * greatest(c.reltuples, 1) ELSE s.n_distinct END))) FILTER (WHERE k.n <= x.indnkeyatts), 60)), 1)::float8,
           NOT x.indisunique AND x.indnatts = x.indnkeyatts
               AND coalesce((SELECT split_part(o, '=', 2)::bool FROM unnest(i.reloptions) o
                             WHERE split_part(o, '=', 1) = 'deduplicate_items'), true)
               AND bool_and(k.n > x.indnkeyatts OR (p.amprocfamily IS NOT NULL AND coalesce(co.collisdeterministic, true))),
           current_setting('block_size')::int4,
           NOT row_security_active(c.oid) AND bool_and(CASE WHEN a.attname IS NULL
               THEN has_column_privilege(i.oid, e.attnum, 'SELECT') ELSE has_column_privilege(c.oid, a.attnum, 'SELECT') END)
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am m ON m.oid = i.relam AND m.amname = 'btree'
    JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL generate_series(1, x.indnatts) k(n)
    LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.n - 1] AND x.indkey[k.n - 1] <> 0
    LEFT JOIN pg_attribute e ON e.attrelid = x.indexrelid AND e.attnum = k.n AND x.indkey[k.n - 1] = 0
    LEFT JOIN pg_opclass oc ON k.n <= x.indnkeyatts AND oc.oid = x.indclass[k.n - 1]
    LEFT JOIN pg_amproc p ON p.amprocfamily = oc.opcfamily AND p.amprocnum = 4
        AND p.amproclefttype = oc.opcintype AND p.amprocrighttype = oc.opcintype
    LEFT JOIN pg_collation co ON k.n <= x.indnkeyatts AND co.oid = x.indcollation[k.n - 1]
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND NOT s.inherited
        AND s.tablename = CASE WHEN a.attname IS NULL THEN i.relname ELSE c.relname END
        AND s.attname = coalesce(a.attname, e.attname)
    WHERE x.indexrelid = ANY($1)
    GROUP BY x.indexrelid, c.oid, i.relpages, i.reltuples, i.reloptions, x.indisunique, x.indnatts, x.indnkeyatts";

/// The indexes of tables that the run may see, invalid ones first, then the largest.
pub(super) async fn read(session: &Session, view: View<'_>) -> Outcome<Vec<IndexFacts>> {
    let (mut oids, mut valid): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let candidate = |row: Row| {
        let (table, _) = shown::object(&row, 1)?;
        if !is_system_schema(&table.schema) && view.shows(Verb::Indexes, &table.schema, &table.name)
        {
            let list = if row.try_get(3)? {
                &mut valid
            } else {
                &mut oids
            };
            list.push(row.try_get(0)?);
        }
        Ok(true)
    };
    session.each(CANDIDATES, &[], candidate).await?;
    oids.extend(largest(session, valid).await?);
    oids.truncate(MOST_OBJECTS);
    let shapes = shapes(session, &oids).await?;
    let sql = FACTS
        .replace("{held}", HELD)
        .replace("{in_work}", IN_WORK)
        .replace("{maintain}", maintain(session));
    let mut facts = Vec::new();
    let mut measurable = Vec::new();
    for row in session.query(&sql, &[&oids]).await? {
        if row.try_get::<_, Option<i64>>(6)?.is_none() {
            continue;
        }
        let index = read_row(&row, &shapes, view)?;
        if index.method == "btree" && index.valid && !row.try_get::<_, bool>(12)? {
            measurable.push(facts.len());
        }
        facts.push(index);
    }
    measure(session, &shapes, &mut facts, measurable).await?;
    facts.sort_by_key(|index| (index.valid, Reverse(index.bytes), index.oid));
    Ok(facts)
}

/// Measures where the estimate sees most bloat, until the measuring has read enough.
async fn measure(
    session: &Session,
    shapes: &HashMap<u32, Known>,
    facts: &mut [IndexFacts],
    mut which: Vec<usize>,
) -> Outcome<()> {
    let Some(mut measure) = Measure::find(session).await? else {
        return Ok(());
    };
    which.sort_by_key(|&at| std::cmp::Reverse(facts[at].bloat_bytes.unwrap_or(facts[at].bytes)));
    for at in which {
        let fill = shapes
            .get(&facts[at].oid)
            .map_or(90.0, |known| known.shape.fill);
        if let Some(bloat) = measure
            .index(session, facts[at].oid, facts[at].bytes, fill)
            .await?
        {
            facts[at].bloat_bytes = Some(bloat);
            facts[at].unknown_bloat = None;
        }
    }
    Ok(())
}

/// Bloat of one B-tree: measured if that is possible and cheap, else estimated; unknown for other indexes.
pub(super) async fn bloat_of(session: &Session, oid: u32, bytes: u64) -> Outcome<Option<u64>> {
    let shapes = shapes(session, &[oid]).await?;
    let Some(known) = shapes.get(&oid) else {
        return Ok(None);
    };
    let shape = known.of_size(bytes);
    if let Some(mut measure) = Measure::find(session).await?
        && let Some(bloat) = measure.index(session, oid, bytes, shape.fill).await?
    {
        return Ok(Some(bloat));
    }
    Ok(estimate(&shape))
}

/// What is known of a B-tree. The width is not a number where statistics lack.
struct Known {
    shape: IndexShape,
    /// Whether the role may not read all statistics of its columns.
    hidden: bool,
}

impl Known {
    fn of_size(&self, bytes: u64) -> IndexShape {
        IndexShape {
            bytes,
            ..self.shape.clone()
        }
    }
}

/// What is known of the B-trees among the indexes.
async fn shapes(session: &Session, oids: &[u32]) -> Outcome<HashMap<u32, Known>> {
    let mut shapes = HashMap::new();
    for row in session.query(SHAPES, &[&oids]).await? {
        let (columns, known): (f64, f64) = (row.try_get(4)?, row.try_get(5)?);
        let rows: f64 = row.try_get(2)?;
        let shape = IndexShape {
            bytes: 0,
            page: u32::try_from(row.try_get::<_, i32>(10)?).unwrap_or(8192),
            pages: row.try_get(1)?,
            rows,
            fill: row.try_get(3)?,
            width: if known < columns && rows > 0.0 {
                f64::NAN
            } else {
                row.try_get(6)?
            },
            nulls: row.try_get(7)?,
            keys: row.try_get(8)?,
            merges: row.try_get(9)?,
        };
        let hidden = !row.try_get::<_, Option<bool>>(11)?.unwrap_or(false);
        shapes.insert(row.try_get(0)?, Known { shape, hidden });
    }
    Ok(shapes)
}

fn estimate(shape: &IndexShape) -> Option<u64> {
    if shape.width.is_nan() {
        return None;
    }
    bloat::of_index(shape)
}

fn read_row(row: &Row, shapes: &HashMap<u32, Known>, view: View<'_>) -> Outcome<IndexFacts> {
    let oid = row.try_get(0)?;
    let bytes = amount(row, 6)?;
    let ((name, exact), (table, _)) = (shown::object(row, 1)?, shown::object(row, 3)?);
    let (valid, exclusion, in_work) = (row.try_get(8)?, row.try_get(9)?, row.try_get(10)?);
    let (of_parent, owned, maintained) = (row.try_get(14)?, row.try_get(15)?, row.try_get(16)?);
    let known = shapes.get(&oid);
    let bloat_bytes = known.and_then(|known| estimate(&known.of_size(bytes)));
    let way = if valid {
        (Maintenance::Reindex, maintained)
    } else {
        (Maintenance::DropInvalidIndex, owned)
    };
    Ok(IndexFacts {
        oid,
        withheld: view.withheld(&table, exact, &[way]),
        method: shown::text(row, 5)?,
        bytes,
        bloat_bytes,
        unknown_bloat: match (bloat_bytes, known) {
            (Some(_), _) => None,
            (None, None) => Some(UnknownBloat::Method),
            (None, Some(known)) if known.hidden => Some(UnknownBloat::Hidden),
            (None, Some(_)) => Some(UnknownBloat::Statistics),
        },
        scans: amount(row, 7)?,
        valid,
        in_work,
        leftover: leftover(&name.name, valid, in_work || of_parent),
        not_rebuildable: not_rebuildable(exclusion, of_parent),
        definition: shown::text(row, 11)?,
        tablespace: shown::maybe_text(row, 13)?,
        table,
        name,
    })
}

/// Why an index cannot be rebuilt concurrently.
pub(super) fn not_rebuildable(exclusion: bool, of_parent: bool) -> Option<String> {
    if of_parent {
        return Some("it is the index of a partition parent".to_owned());
    }
    exclusion.then(|| "it carries an exclusion constraint".to_owned())
}

/// What an invalid index is. One that a session builds or drops right now is no leftover, and neither is that of a partition parent, which is
/// invalid as long as a partition lacks its part of it.
fn leftover(name: &str, valid: bool, wanted: bool) -> Option<Leftover> {
    if valid || wanted {
        return None;
    }
    Some(match super::leftovers::suffix(name) {
        Some((_, super::leftovers::Suffix::New)) => Leftover::RebuildNew,
        Some((_, super::leftovers::Suffix::Old)) => Leftover::RebuildOld,
        None => Leftover::Creation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_told_apart() {
        assert_eq!(
            leftover("a_ccnew", false, false),
            Some(Leftover::RebuildNew)
        );
        assert_eq!(
            leftover("a_ccold12", false, false),
            Some(Leftover::RebuildOld)
        );
        assert_eq!(
            leftover("a_ccnewer", false, false),
            Some(Leftover::Creation)
        );
        assert_eq!(leftover("a_ccnew", true, false), None);
        assert_eq!(leftover("a_ccnew", false, true), None);
    }
}
