//! Why a single call was not allowed, and what would allow it. Pure.

use super::cover::Lack;
use super::select::{Granted, short};
use super::{Pattern, Side};
use crate::call::{Effect, Read, Touch};
use crate::database::{self, Scope, Verb};

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
                    Lack::Verb | Lack::Interface => {
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
        Lack::verb(asked.verb, scope)
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
    use super::Asked;
    use crate::clock::Millis;
    use crate::database::Verb;
    use crate::grant::file::tests::text;
    use crate::grant::{GrantFile, Side, Wanted, select};

    fn file() -> GrantFile {
        GrantFile::parse("grants/a.toml", &text('a', "2027-02-01T00:00:00Z")).unwrap()
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
            "the grant for sha256:aaaaaa…aa does not name the verb \"reindex\" (grants/a.toml, line 16)"
        );
        let explained =
            granted.explain(Side::Needs, asked(Verb::Vacuum, Some("public"), Some("a")));
        assert_eq!(
            explained.cause,
            "its own manifest does not say that it needs to vacuum public.a on orders"
        );
    }
}
