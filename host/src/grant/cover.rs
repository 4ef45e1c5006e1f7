//! What is needed and not granted. Pure.

use super::file::GrantFile;
use super::{Capabilities, Pattern};
use crate::database::{Scope, Verb};
use crate::plugin::verb_name;
use std::collections::BTreeSet;
use std::fmt;

/// Something that a procedure needs and that no grant gives, not even in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// The verb.
    pub verb: Verb,
    /// The database.
    pub database: Pattern,
    /// Why the procedure needs it.
    pub reason: String,
    /// The file that should grant it, and the scope in it that comes nearest.
    pub nearest: Option<Nearest>,
}

/// A scope that almost grants something.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// Name of the file.
    pub file: String,
    /// Line of the scope; 1 if no scope is near.
    pub line: usize,
    /// What it lacks.
    pub lacks: Lack,
}

/// What a scope lacks, the nearest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// It is for the verb on the database, but for no such table.
    Tables,
    /// It is for the verb on the database, but for no such schema.
    Schemas,
    /// It is for the database and for verbs of the same interface, but not for this one.
    Verb,
    /// It is for the database, but for verbs of another interface.
    Interface,
    /// It is for other databases.
    Database,
}

/// The line to add for the first of these, and for all others that could stand in the same line.
pub(super) fn hint(missing: &[Missing]) -> String {
    let Some(first) = missing.first() else {
        return String::new();
    };
    let Some(Nearest { file, line, lacks }) = &first.nearest else {
        return "windlass grant PROCEDURE --target TARGET writes one that covers all needs".into();
    };
    let together = missing
        .iter()
        .filter(|other| other.nearest == first.nearest);
    let verbs: BTreeSet<_> = together.map(|missing| missing.verb).collect();
    let verbs: Vec<_> = verbs
        .into_iter()
        .map(|verb| format!("\"{}\"", verb_name(verb)))
        .collect();
    let verbs = verbs.join(", ");
    let change = match lacks {
        Lack::Verb => format!("add {verbs} to the `verbs` of line {line}"),
        Lack::Schemas => format!("add a schema that it needs to the `schemas` of line {line}"),
        Lack::Tables => format!("add a table that it needs to the `tables` of line {line}"),
        Lack::Interface | Lack::Database => {
            format!(
                "add a [[database]] with databases = [\"{}\"] and verbs = [{verbs}]",
                first.database.0
            )
        }
    };
    format!("{change}, then: windlass grant check {file}")
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "to {} on {}, {}",
            self.verb, self.database.0, self.reason
        )?;
        if let Some(Nearest { file, line, lacks }) = &self.nearest {
            let why = match lacks {
                Lack::Tables => "covers none of the tables",
                Lack::Schemas => "covers none of the schemas",
                Lack::Verb | Lack::Interface => "does not name the verb",
                Lack::Database => return write!(f, " ({file} has nothing for that database)"),
            };
            write!(f, " ({file}, line {line}, {why})")?;
        }
        Ok(())
    }
}

/// Every verb on every database that is needed and not granted, not even for one schema or table.
pub(super) fn missing(needs: &Capabilities, files: &[GrantFile]) -> Vec<Missing> {
    let mut missing = Vec::new();
    for need in &needs.database {
        for database in &need.databases {
            for verb in &need.verbs {
                if let Err(nearest) = granted(need, *verb, database, files) {
                    missing.push(Missing {
                        verb: *verb,
                        database: database.clone(),
                        reason: need.reason.clone(),
                        nearest,
                    });
                }
            }
        }
    }
    missing
}

fn granted(
    need: &Scope,
    verb: Verb,
    database: &Pattern,
    files: &[GrantFile],
) -> Result<(), Option<Nearest>> {
    let mut nearest: Option<Nearest> = None;
    for file in files {
        let first = [(1, Lack::Database)].into_iter();
        let scopes = file
            .scopes
            .iter()
            .map(|(line, scope)| (*line, lack(need, verb, database, scope)));
        for (line, lack) in first.map(|(line, lack)| (line, Some(lack))).chain(scopes) {
            let Some(lacks) = lack else { return Ok(()) };
            if nearest.as_ref().is_none_or(|nearest| lacks < nearest.lacks) {
                nearest = Some(Nearest {
                    file: file.name.clone(),
                    line,
                    lacks,
                });
            }
        }
    }
    Err(nearest)
}

fn lack(need: &Scope, verb: Verb, database: &Pattern, grant: &Scope) -> Option<Lack> {
    let meet = |some: &[Pattern], others: &[Pattern]| {
        some.iter().any(|one| {
            others
                .iter()
                .any(|other| one.covers(other) || other.covers(one))
        })
    };
    if !meet(std::slice::from_ref(database), &grant.databases) {
        Some(Lack::Database)
    } else if !grant.verbs.contains(&verb) {
        Some(Lack::verb(verb, grant))
    } else if !is_about_tables(verb) {
        None
    } else if !meet(&need.schemas, &grant.schemas) {
        Some(Lack::Schemas)
    } else if !meet(&need.tables, &grant.tables) {
        Some(Lack::Tables)
    } else {
        None
    }
}

impl Lack {
    /// What a scope lacks that does not name the verb.
    pub(super) fn verb(verb: Verb, scope: &Scope) -> Self {
        let is_near = scope
            .verbs
            .iter()
            .any(|other| other.interface() == verb.interface());
        if is_near { Self::Verb } else { Self::Interface }
    }
}

/// Whether schemas and tables bound the verb.
fn is_about_tables(verb: Verb) -> bool {
    match verb {
        Verb::Tables
        | Verb::Indexes
        | Verb::Vacuum
        | Verb::Analyze
        | Verb::Reindex
        | Verb::DropInvalidIndex
        | Verb::SetParameters => true,
        Verb::Server
        | Verb::Sessions
        | Verb::Replication
        | Verb::Statements
        | Verb::Invariants
        | Verb::CancelBackend => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{hint, missing};
    use crate::database::{Scope, Verb};
    use crate::grant::file::tests::text;
    use crate::grant::{Capabilities, GrantFile, Pattern};

    fn file() -> GrantFile {
        GrantFile::parse("grants/a.toml", &text('a', "2027-02-01T00:00:00Z")).unwrap()
    }

    fn needs(database: &str, verbs: &[Verb], schema: &str) -> Capabilities {
        Capabilities {
            database: vec![Scope {
                reason: "to tidy".into(),
                databases: vec![Pattern(database.into())],
                verbs: verbs.iter().copied().collect(),
                schemas: vec![Pattern(schema.into())],
                tables: vec![Pattern("*".into())],
            }],
        }
    }

    fn lacks(needs: &Capabilities) -> Vec<String> {
        missing(needs, &[file()])
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_grant_may_be_narrower_than_a_need() {
        assert!(
            lacks(&needs(
                "orders",
                &[Verb::Server, Verb::Tables, Verb::Vacuum],
                "*"
            ))
            .is_empty()
        );
        assert!(lacks(&needs("orders", &[Verb::Vacuum], "s*")).is_empty());
    }

    #[test]
    fn everything_that_is_missing_is_told_with_what_comes_nearest() {
        assert_eq!(
            lacks(&needs("orders", &[Verb::Vacuum, Verb::Reindex], "public")),
            [
                "to vacuum on orders, to tidy (grants/a.toml, line 16, covers none of the schemas)",
                "to reindex on orders, to tidy (grants/a.toml, line 16, does not name the verb)",
            ]
        );
        assert_eq!(
            lacks(&needs("ledger", &[Verb::Server], "*")),
            [
                "to read server facts on ledger, to tidy (grants/a.toml has nothing for that database)"
            ]
        );
        let found = missing(
            &needs(
                "orders",
                &[Verb::Reindex, Verb::Analyze, Verb::Sessions],
                "*",
            ),
            &[file()],
        );
        assert_eq!(
            hint(&found[1..]),
            "add \"analyze\", \"reindex\" to the `verbs` of line 16, then: windlass grant check grants/a.toml"
        );
        assert_eq!(
            missing(&needs("orders", &[Verb::Server], "*"), &[])[0].nearest,
            None
        );
    }
}
