//! What a run may see of a database, and what it may do to what it sees. Pure.

use crate::contract::database_types::{Maintenance, ObjectName, Withheld, Withholder};
use crate::database::Verb;
use crate::grant::{Effective, Pattern};

/// The capabilities of a run, on one database.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) effective: &'a Effective,
    pub(super) database: &'a str,
}

/// A way to maintain an object, and whether the role may at the server.
pub(super) type Way = (Maintenance, bool);

impl View<'_> {
    /// Whether a look may show the table and its indexes.
    pub(super) fn shows(&self, verb: Verb, schema: &str, table: &str) -> bool {
        self.effective
            .shows_table(verb, self.database, schema, table)
    }

    /// What the procedure needs and may not do to an object of the table. Names that are not `exact` cannot be written in a statement.
    pub(super) fn withheld(&self, table: &ObjectName, exact: bool, ways: &[Way]) -> Vec<Withheld> {
        let by = |(what, role): &Way| {
            let verb = verb(*what);
            let needs = &self.effective.needs;
            if !needs.shows_table(verb, self.database, &table.schema, &table.name) {
                None
            } else if !exact {
                Some(Withholder::Name)
            } else if self.is_narrowed(verb) && !self.shows(verb, &table.schema, &table.name) {
                Some(Withholder::Grant)
            } else {
                (!role).then_some(Withholder::Role)
            }
        };
        let ways = ways.iter();
        ways.filter_map(|way| {
            Some(Withheld {
                what: way.0,
                by: by(way)?,
            })
        })
        .collect()
    }

    /// Whether the grant has the verb for some tables. One that does not have it yet lets be planned what is to be granted.
    fn is_narrowed(&self, verb: Verb) -> bool {
        let mut scopes = self.effective.grant.database.iter();
        scopes.any(|scope| scope.allows(verb, self.database))
    }

    /// What the grant names in full and what is not there. A pattern may be for what is to come.
    pub(super) fn absent(&self, schemas: &[String], tables: &[ObjectName]) -> Vec<String> {
        let mut absent = Vec::new();
        let scopes = self.effective.grant.database.iter();
        for scope in scopes.filter(|scope| scope.allows(Verb::Tables, self.database)) {
            for named in in_full(&scope.schemas) {
                if !schemas.contains(named) {
                    absent.push(format!("schema `{named}`"));
                }
            }
            for named in in_full(&scope.tables) {
                let there = |table: &&ObjectName| {
                    table.name == *named && Pattern::any_schema(&scope.schemas, &table.schema)
                };
                if !tables.iter().any(|table| there(&table)) {
                    absent.push(format!("table `{named}`"));
                }
            }
        }
        absent.sort();
        absent.dedup();
        absent
    }
}

fn in_full(patterns: &[Pattern]) -> impl Iterator<Item = &String> {
    let names = patterns.iter().map(|pattern| &pattern.0);
    names.filter(|name| !name.ends_with('*'))
}

fn verb(what: Maintenance) -> Verb {
    match what {
        Maintenance::Vacuum => Verb::Vacuum,
        Maintenance::Analyze => Verb::Analyze,
        Maintenance::Reindex => Verb::Reindex,
        Maintenance::DropInvalidIndex => Verb::DropInvalidIndex,
        Maintenance::SetParameters => Verb::SetParameters,
    }
}
