//! What is needed and not granted, and why a single call was not allowed. Pure.

use super::file::GrantFile;
use super::select::{Granted, short};
use super::{Capabilities, Pattern, Side};
use crate::call::{Effect, Read, Touch};
use crate::database::{self, Scope, Verb};
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
    /// It is for the database, but not for the verb.
    Verb,
    /// It is for other databases.
    Database,
}

impl Missing {
    /// The line to add, and where.
    pub fn hint(&self) -> String {
        let verb = crate::plugin::verb_name(self.verb);
        match &self.nearest {
            None => {
                "windlass grant PROCEDURE --target TARGET writes one that covers all needs".into()
            }
            Some(Nearest { file, line, lacks }) => {
                let line_to_add = match lacks {
                    Lack::Verb => format!("add \"{verb}\" to `verbs` in line {line} and below"),
                    Lack::Schemas => {
                        format!("add a schema that it needs to `schemas` in line {line} and below")
                    }
                    Lack::Tables => {
                        format!("add a table that it needs to `tables` in line {line} and below")
                    }
                    Lack::Database => format!(
                        "add a [[database]] with databases = [\"{}\"] and verbs = [\"{verb}\"]",
                        self.database.0
                    ),
                };
                format!("{line_to_add}, then: windlass grant check {file}")
            }
        }
    }
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
                Lack::Verb => "does not name the verb",
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
        Some(Lack::Verb)
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

/// What a call asked to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The verb.
    pub verb: Verb,
    /// Logical name.
    pub database: &'a str,
    /// The schema of the object, where there is one.
    pub schema: Option<&'a str>,
    /// The table, where it is known.
    pub table: Option<&'a str>,
}

impl<'a> From<&'a Read> for Asked<'a> {
    fn from(read: &'a Read) -> Self {
        let Read::Database(read) = read;
        Self {
            verb: read.verb(),
            database: read.database(),
            schema: None,
            table: None,
        }
    }
}

impl<'a> From<&'a Effect> for Asked<'a> {
    fn from(effect: &'a Effect) -> Self {
        let Effect::Database(effect) = effect;
        let table = match effect {
            database::Effect::Vacuum { table, .. }
            | database::Effect::Analyze { table, .. }
            | database::Effect::SetParameters { table, .. } => Some(table.name.as_str()),
            database::Effect::Reindex { .. }
            | database::Effect::DropInvalidIndex { .. }
            | database::Effect::CancelBackend { .. } => None,
        };
        Self {
            verb: effect.verb(),
            database: effect.database(),
            schema: effect.object().map(|object| object.schema.as_str()),
            table,
        }
    }
}

impl<'a> Asked<'a> {
    /// The same about an object that a change turned out to touch.
    #[must_use]
    pub fn touching(self, touch: &'a Touch) -> Self {
        let Touch::Table {
            database,
            schema,
            table,
        } = touch;
        Self {
            database,
            schema: Some(schema),
            table: Some(table),
            ..self
        }
    }
}

/// Why a call was not allowed, and what would allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// A sentence without its full stop.
    pub cause: String,
    /// The line to add, or the next command.
    pub hint: Option<String>,
}

impl Granted {
    /// Explains a refusal by one of the sides.
    pub fn explain(&self, side: Side, asked: Asked<'_>) -> Explanation {
        let explanation = |cause: &str, hint: &str| Explanation {
            cause: cause.into(),
            hint: Some(hint.into()),
        };
        match side {
            Side::Needs => Explanation {
                cause: format!("its own manifest does not say that it needs to {}", sentence(asked)),
                hint: Some("this is for its author: a need in plugin.toml, then a new build and a new grant".into()),
            },
            Side::Grant => self.explain_grant(asked),
            Side::Budget => explanation(
                "the budget of this run is used up",
                "raise `effects`, `calls` or `duration` in the grant's [budget]; the manifest's own budget still holds",
            ),
            Side::Plan => explanation(
                "the plan that the run is bound to does not contain it",
                "look at what changed with a new plan: windlass plan",
            ),
            Side::Lock => explanation(
                "the lock on the target was lost, so another run may be at work",
                "windlass runs",
            ),
        }
    }

    fn explain_grant(&self, asked: Asked<'_>) -> Explanation {
        let found = self.sources.iter().flat_map(|file| {
            file.scopes
                .iter()
                .map(move |(line, scope)| (refuses(scope, asked), file, *line, scope))
        });
        match found.min_by_key(|(lack, ..)| lack.clone()) {
            None => Explanation {
                cause: "the grant has no scope at all".into(),
                hint: self
                    .sources
                    .first()
                    .map(|file| format!("windlass grant check {}", file.name)),
            },
            Some((lack, file, line, scope)) => {
                let place = format!("({}, line {line})", file.name);
                let check = format!("then: windlass grant check {}", file.name);
                let digest = short(&file.digest);
                let only = |key: &str, one: &str, patterns: &[Pattern], wanted: &str| {
                    let wider = patterns
                        .iter()
                        .map(|pattern| pattern.0.as_str())
                        .chain([wanted]);
                    Explanation {
                        cause: format!(
                            "the grant for {digest} covers {} {place}",
                            covered(one, patterns)
                        ),
                        hint: Some(format!("{key} = [{}], {check}", quoted(wider))),
                    }
                };
                match lack {
                    Lack::Tables => only(
                        "tables",
                        "table",
                        &scope.tables,
                        asked.table.unwrap_or_default(),
                    ),
                    Lack::Schemas => only(
                        "schemas",
                        "schema",
                        &scope.schemas,
                        asked.schema.unwrap_or_default(),
                    ),
                    Lack::Database => {
                        only("databases", "database", &scope.databases, asked.database)
                    }
                    Lack::Verb => {
                        let verb = crate::plugin::verb_name(asked.verb);
                        Explanation {
                            cause: format!(
                                "the grant for {digest} does not name the verb \"{verb}\" {place}"
                            ),
                            hint: Some(format!("add \"{verb}\" to `verbs`, {check}")),
                        }
                    }
                }
            }
        }
    }
}

fn refuses(scope: &Scope, asked: Asked<'_>) -> Lack {
    if !Pattern::any(&scope.databases, asked.database) {
        Lack::Database
    } else if !scope.verbs.contains(&asked.verb) {
        Lack::Verb
    } else if asked
        .schema
        .is_some_and(|schema| !Pattern::any(&scope.schemas, schema))
    {
        Lack::Schemas
    } else {
        Lack::Tables
    }
}

fn covered(one: &str, patterns: &[Pattern]) -> String {
    let names = quoted(patterns.iter().map(|pattern| pattern.0.as_str()));
    match patterns.len() {
        0 => format!("no {one}"),
        1 => format!("{one} {names} only"),
        _ => format!("{one}s {names} only"),
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

fn sentence(asked: Asked<'_>) -> String {
    let Asked {
        verb,
        database,
        schema,
        table,
    } = asked;
    match (schema, table) {
        (Some(schema), Some(table)) => format!("{verb} {schema}.{table} on {database}"),
        (Some(schema), None) => format!("{verb} in schema {schema} on {database}"),
        (None, _) => format!("{verb} on {database}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, missing};
    use crate::clock::Millis;
    use crate::database::{Scope, Verb};
    use crate::grant::file::tests::text;
    use crate::grant::{Capabilities, GrantFile, Pattern, Side, Wanted, select};

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
                "to reindex on orders, to tidy (grants/a.toml, line 10, does not name the verb)",
            ]
        );
        assert_eq!(
            lacks(&needs("ledger", &[Verb::Server], "*")),
            [
                "to read server facts on ledger, to tidy (grants/a.toml has nothing for that database)"
            ]
        );
        let found = missing(&needs("orders", &[Verb::Reindex], "*"), &[file()]);
        assert_eq!(
            found[0].hint(),
            "add \"reindex\" to `verbs` in line 10 and below, then: windlass grant check grants/a.toml"
        );
        assert_eq!(
            missing(&needs("orders", &[Verb::Server], "*"), &[])[0].nearest,
            None
        );
    }

    #[test]
    fn a_refused_call_is_explained_with_the_line_that_would_allow_it() {
        let digest = file().digest;
        let wanted = Wanted {
            procedure: "pg-tidy",
            digest: &digest,
            target: "orders",
        };
        let granted = select(vec![file()], wanted, Millis(0)).unwrap();
        let asked = |verb, schema, table| Asked {
            verb,
            database: "orders",
            schema,
            table,
        };
        let explained = granted.explain(Side::Grant, asked(Verb::Vacuum, Some("public"), None));
        assert_eq!(
            explained.cause,
            "the grant for sha256:aaaaaa…aa covers schema \"sales\" only (grants/a.toml, line 16)"
        );
        assert_eq!(
            explained.hint.as_deref(),
            Some("schemas = [\"sales\", \"public\"], then: windlass grant check grants/a.toml")
        );
        let explained = granted.explain(Side::Grant, asked(Verb::Reindex, Some("sales"), None));
        assert_eq!(
            explained.cause,
            "the grant for sha256:aaaaaa…aa does not name the verb \"reindex\" (grants/a.toml, line 10)"
        );
        let explained =
            granted.explain(Side::Needs, asked(Verb::Vacuum, Some("public"), Some("a")));
        assert_eq!(
            explained.cause,
            "its own manifest does not say that it needs to vacuum public.a on orders"
        );
    }
}
