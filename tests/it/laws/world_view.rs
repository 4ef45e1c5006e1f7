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

/// Every object with every counter that maintenance moves. What databases share changes by other worlds' hands.
pub(crate) fn catalog(world: &World) -> Vec<String> {
    world.sql(
        "SELECT concat_ws(' ', c.oid, c.relname, c.relfilenode, c.relkind, c.reltuples, c.relpages, c.reloptions::text,
                          i.indisvalid, s.last_vacuum, s.last_analyze, s.vacuum_count, s.analyze_count, s.n_dead_tup)
         FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
         LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid WHERE NOT c.relisshared ORDER BY c.oid",
    )
}

/// A fingerprint of the rows.
pub(crate) fn rows(world: &World) -> Vec<String> {
    world.sql("SELECT count(*) || ' ' || sum(hashtext(a::text)::bigint) FROM accounts a")
}
