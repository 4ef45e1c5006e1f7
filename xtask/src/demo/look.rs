//! What the server itself says, before and after: the demo believes windlass nothing.

use super::unexpected;
use crate::trouble::Trouble;
use xtask::postgres::{Error, connect};

const RELATIONS: &str = "
    SELECT c.relname::text, c.relkind = 'i', pg_relation_size(c.oid), pg_size_pretty(pg_relation_size(c.oid)),
           c.relfilenode::bigint, coalesce(i.indisvalid, true), coalesce(c.reloptions::text, '')
    FROM pg_class AS c
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
    ORDER BY c.relkind DESC, c.relname";
const ACTIVITY: &str = "
    SELECT sum(n_dead_tup)::bigint, sum(vacuum_count)::bigint, sum(analyze_count)::bigint
    FROM pg_stat_user_tables";

/// A table or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Relation {
    name: String,
    index: bool,
    bytes: i64,
    size: String,
    // A new file means that it was rebuilt.
    file: i64,
    valid: bool,
    parameters: String,
}

/// All tables and indexes, and what was done to them so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    relations: Vec<Relation>,
    dead_rows: i64,
    vacuums: i64,
    analyzes: i64,
}

impl Look {
    /// Looks now.
    pub(super) fn at(url: &str) -> Result<Self, Trouble> {
        let mut session = connect(url)?;
        let rows = session.query(RELATIONS, &[]).map_err(Error::from)?;
        let relations = rows.iter().map(|row| Relation {
            name: row.get(0),
            index: row.get(1),
            bytes: row.get(2),
            size: row.get(3),
            file: row.get(4),
            valid: row.get(5),
            parameters: row.get(6),
        });
        let row = session.query_one(ACTIVITY, &[]).map_err(Error::from)?;
        Ok(Self {
            relations: relations.collect(),
            dead_rows: row.get(0),
            vacuums: row.get(1),
            analyzes: row.get(2),
        })
    }

    /// Dead rows are gone but for the few that the forgotten transaction keeps, nothing is invalid, indexes are smaller.
    pub(super) fn check_repaired(&self, before: &Self) -> Result<(), Trouble> {
        if let Some(index) = self.relations.iter().find(|relation| !relation.valid) {
            return Err(unexpected(&format!("`{}` is still invalid", index.name)));
        }
        if self.dead_rows * 100 > before.dead_rows {
            return Err(unexpected(&format!(
                "{} dead rows are left",
                self.dead_rows
            )));
        }
        if self.index_bytes() * 2 > before.index_bytes() {
            return Err(unexpected("the indexes are not half as big as before"));
        }
        Ok(())
    }

    fn index_bytes(&self) -> i64 {
        let indexes = self.relations.iter().filter(|relation| relation.index);
        indexes.map(|relation| relation.bytes).sum()
    }

    /// Prints sizes before and after, as the server gives them.
    pub(super) fn print_against(&self, after: &Self) {
        println!("The server's own figures:\n");
        println!("{:<32} {:>10} {:>10}", "", "before", "after");
        for relation in &self.relations {
            let now = after
                .relations
                .iter()
                .find(|other| other.name == relation.name);
            let now = now.map_or("gone", |other| other.size.as_str());
            println!("{:<32} {:>10} {:>10}", relation.name, relation.size, now);
        }
        println!(
            "{:<32} {:>10} {:>10}",
            "dead rows", self.dead_rows, after.dead_rows
        );
    }
}
