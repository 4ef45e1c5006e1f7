//! What a world looks like from the server's side.

use crate::world::World;
use std::collections::BTreeSet;

/// Each index by its definition and validity: a rebuild changes neither.
pub(crate) fn indexes(world: &World) -> BTreeSet<String> {
    let query = "SELECT pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' ORDER BY 1";
    world.sql(query).into_iter().collect()
}

pub(crate) fn invalid_indexes(world: &World) -> Vec<String> {
    world.sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1")
}

pub(crate) fn storage_parameters(world: &World) -> Vec<String> {
    world.sql(
        "SELECT c.relname || ' ' || coalesce(c.reloptions::text, 'none') FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1",
    )
}

/// Every row of every catalog and table of this database with its place and its transactions, every counter that maintenance moves, and
/// every file. What databases share is left out: other worlds change it.
pub(crate) fn everything(world: &World) -> BTreeSet<String> {
    let counters = "SELECT concat_ws(' ', 'counted', s.relid, s.last_vacuum, s.last_analyze, s.vacuum_count, s.analyze_count, s.n_dead_tup,
                           s.n_mod_since_analyze, s.n_tup_ins, s.n_tup_upd, s.n_tup_del) FROM pg_stat_user_tables s";
    let mut seen: BTreeSet<_> = world.sql(counters).into_iter().collect();
    let tables = world.sql(
        "SELECT c.oid::regclass FROM pg_class c WHERE c.relkind IN ('r', 'm') AND NOT c.relisshared ORDER BY c.oid",
    );
    assert!(tables.len() > 50, "{} tables", tables.len());
    let rows = tables.iter().map(|table| {
        format!("SELECT '{table} ' || concat_ws(' ', ctid, xmin, xmax, md5(t::text)) FROM ONLY {table} AS t")
    });
    seen.extend(world.sql(&rows.collect::<Vec<_>>().join(" UNION ALL ")));
    seen.extend(world.server_files());
    seen
}

/// A fingerprint of the rows.
pub(crate) fn rows(world: &World) -> Vec<String> {
    world.sql("SELECT count(*) || ' ' || sum(hashtext(a::text)::bigint) FROM accounts a")
}
