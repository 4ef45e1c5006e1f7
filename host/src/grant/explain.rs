//! Why a single call was not allowed, and what would allow it. Pure.

use super::asked::{Asked, sentence};
use super::cover::Lack;
use super::file::GrantFile;
use super::select::{Granted, short};
use super::{Pattern, Side};
use crate::call::{self, Effect, Read, Touch};
use crate::cluster::scope::LISTS;
use crate::cluster::{self, call::Named};
use crate::database::Scope;
use crate::notify;
use crate::probe;

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
            Side::Policy => explanation(
                "no grant can allow it",
                "this is for the author of the procedure, or for whoever chose its parameters",
            ),
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
            Side::GrantEnded => self.ended(),
        }
    }

    /// Explains a refusal by a rule of the grant, if one refuses what the effect turned out to touch.
    pub fn rule(&self, effect: &Effect, touch: &Touch) -> Option<Explanation> {
        let rule = self.capabilities.breaks_rule(effect, touch)?;
        Some(Explanation {
            cause: rule.cause(),
            hint: Some(rule.hint()),
        })
    }

    /// Explains a refused look or wait: of several objects by the first that no scope covers. None if it is about nothing.
    pub fn explain_read(&self, side: Side, read: &Read) -> Option<Explanation> {
        let each = Asked::each(read);
        let covered = |asked: &&Asked<'_>| {
            let mut all = self.held();
            all.any(|(.., held)| matches!(held.look(**asked), Found::Covered))
        };
        let refused = each.iter().find(|asked| !covered(asked));
        Some(self.explain(side, *refused.or(each.first())?))
    }

    /// All scopes, each with its file and its line.
    fn held(&self) -> impl Iterator<Item = (&GrantFile, usize, Held<'_>)> {
        self.sources.iter().flat_map(|file| {
            let databases = held(&file.scopes, Held::Database);
            let clusters = held(&file.clusters, Held::Cluster);
            let channels = held(&file.channels, Held::Notify);
            let endpoints = held(&file.endpoints, Held::Probe);
            let all = databases.chain(clusters).chain(channels).chain(endpoints);
            all.map(move |(line, held)| (file, line, held))
        })
    }

    fn explain_grant(&self, asked: Asked<'_>) -> Explanation {
        let mut lacking = Vec::new();
        for (file, line, held) in self.held() {
            match held.look(asked) {
                // Where a scope covers it, another object of the same call is the one that is not covered.
                Found::Elsewhere | Found::Covered => {}
                Found::Lacking(refused) => lacking.push((refused, file, line)),
            }
        }
        match lacking
            .into_iter()
            .min_by_key(|(refused, ..)| refused.lack.clone())
        {
            None => Explanation {
                cause: match asked {
                    Asked::Database { .. } => "the grant has no scope at all".into(),
                    Asked::Cluster { .. } => "the grant has no [[cluster]] at all".into(),
                    Asked::Message { .. } => "the grant has no [[notify]] at all".into(),
                    Asked::Endpoint { .. } => "the grant has no [[probe]] at all".into(),
                },
                hint: self
                    .sources
                    .first()
                    .map(|file| format!("windlass grant check {}", file.name)),
            },
            Some((refused, file, line)) => {
                let place = format!("({}, line {line})", file.name);
                let check = format!("then: windlass grant check {}", file.name);
                refused.explained(&short(&file.digest), &place, &check)
            }
        }
    }

    /// The file that ended first.
    fn ended(&self) -> Explanation {
        let Some(file) = self.sources.iter().min_by_key(|file| file.expires) else {
            return Explanation {
                cause: "the grant has ended".into(),
                hint: None,
            };
        };
        Explanation {
            cause: format!(
                "the grant for {} ended at {} ({})",
                short(&file.digest),
                file.expires.timestamp(),
                file.name
            ),
            hint: Some(format!(
                "set a later `expires` in {}, once its reviewer agrees",
                file.name
            )),
        }
    }
}

/// A scope of a grant.
#[derive(Clone, Copy)]
enum Held<'a> {
    Database(&'a Scope),
    Cluster(&'a cluster::Scope),
    Notify(&'a notify::Scope),
    Probe(&'a probe::Scope),
}

/// The scopes of one room, each with its line.
fn held<'a, S>(
    scopes: &'a [(usize, S)],
    held: fn(&'a S) -> Held<'a>,
) -> impl Iterator<Item = (usize, Held<'a>)> {
    scopes.iter().map(move |(line, scope)| (*line, held(scope)))
}

/// What a scope lacks: names of a list of it, or the verb.
struct Refused<'a> {
    lack: Lack,
    /// Key of the list, one of what it lists, what it lists, what it should.
    list: (&'static str, &'static str, &'a [Pattern], String),
}

/// What a scope says to what was asked.
enum Found<'a> {
    /// It is of another room.
    Elsewhere,
    /// It covers it.
    Covered,
    /// It lacks something.
    Lacking(Refused<'a>),
}

impl<'a> Held<'a> {
    fn look(self, asked: Asked<'_>) -> Found<'a> {
        let refused = |lack, key, one, patterns, wanted: &str| {
            let list = (key, one, patterns, wanted.to_owned());
            Found::Lacking(Refused { lack, list })
        };
        match (self, asked) {
            (
                Self::Database(scope),
                Asked::Database {
                    verb,
                    database,
                    schema,
                    table,
                },
            ) => {
                let schema_lacks = |schema| !Pattern::any_schema(&scope.schemas, schema);
                let table_lacks = |table| !Pattern::any(&scope.tables, table);
                if !Pattern::any(&scope.databases, database) {
                    let databases = &scope.databases[..];
                    refused(Lack::Database, "databases", "database", databases, database)
                } else if !scope.verbs.contains(&verb) {
                    let name = crate::plugin::verb_name(call::Verb::Database(verb));
                    refused(Lack::verb(verb, scope), "verbs", "verb", &[], &name)
                } else if let Some(schema) = schema.filter(|schema| schema_lacks(schema)) {
                    refused(Lack::Schemas, "schemas", "schema", &scope.schemas, schema)
                } else if let Some(table) = table.filter(|table| table_lacks(table)) {
                    refused(Lack::Tables, "tables", "table", &scope.tables, table)
                } else {
                    Found::Covered
                }
            }
            (Self::Notify(scope), Asked::Message { channel, event }) => {
                let channels = &scope.channels[..];
                if !Pattern::any(channels, channel) {
                    refused(Lack::Channel, "channels", "channel", channels, channel)
                } else if Pattern::any(&scope.events, event) {
                    Found::Covered
                } else {
                    refused(Lack::Events, "events", "event", &scope.events, event)
                }
            }
            (
                Self::Cluster(scope),
                Asked::Cluster {
                    verb,
                    cluster,
                    named,
                },
            ) => in_cluster(scope, verb, cluster, named),
            (Self::Probe(scope), Asked::Endpoint { verb, endpoint }) => {
                at_endpoint(scope, verb, endpoint)
            }
            (Self::Database(_) | Self::Cluster(_) | Self::Notify(_) | Self::Probe(_), _) => {
                Found::Elsewhere
            }
        }
    }
}

/// What a scope of a cluster says.
fn in_cluster<'a>(
    scope: &'a cluster::Scope,
    verb: cluster::Verb,
    at: &str,
    named: Named<'_>,
) -> Found<'a> {
    let Some((lack, wanted)) = super::cluster::lack_of(scope, verb, at, named) else {
        return Found::Covered;
    };
    let list = match lack.list() {
        Some(place) => (LISTS[place].0, LISTS[place].1, scope.lists()[place], wanted),
        None => ("verbs", "verb", &[][..], wanted),
    };
    Found::Lacking(Refused { lack, list })
}

/// What a scope of endpoints says.
fn at_endpoint<'a>(scope: &'a probe::Scope, verb: probe::Verb, endpoint: &str) -> Found<'a> {
    let Some((lack, wanted)) = super::probe::lack_of(scope, verb, endpoint) else {
        return Found::Covered;
    };
    let list = ("endpoints", "endpoint", &scope.endpoints[..], wanted);
    Found::Lacking(Refused { lack, list })
}

impl Refused<'_> {
    fn explained(&self, digest: &str, place: &str, check: &str) -> Explanation {
        let (key, one, patterns, wanted) = &self.list;
        match self.lack {
            Lack::Verb | Lack::Interface => Explanation {
                cause: format!(
                    "the grant for {digest} does not name the verb \"{wanted}\" {place}"
                ),
                hint: Some(format!("add \"{wanted}\" to `verbs`, {check}")),
            },
            Lack::Replicas => Explanation {
                cause: format!("the grant for {digest} keeps more replicas than {wanted} {place}"),
                hint: Some(format!("keep-replicas = {wanted}, {check}")),
            },
            Lack::Tables
            | Lack::Schemas
            | Lack::Database
            | Lack::Namespaces
            | Lack::Kinds
            | Lack::Names
            | Lack::Nodes
            | Lack::Labels
            | Lack::Fields
            | Lack::Accounts
            | Lack::Contents
            | Lack::Events
            | Lack::Endpoint
            | Lack::Channel => {
                let wider = patterns.iter().map(|pattern| pattern.0.as_str());
                let wider = quoted(wider.chain([wanted.as_str()]));
                Explanation {
                    cause: format!(
                        "the grant for {digest} covers {} {place}",
                        covered(one, patterns)
                    ),
                    hint: Some(format!("{key} = [{wider}], {check}")),
                }
            }
        }
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

#[cfg(test)]
mod tests {
    use crate::call::Read;
    use crate::clock::Millis;
    use crate::cluster;
    use crate::cluster::call::{Look, Named};
    use crate::contract::cluster_types::Namespaced;
    use crate::database::Verb;
    use crate::grant::Asked;
    use crate::grant::file::tests::text;
    use crate::grant::{GrantFile, Granted, Side, Wanted, select};

    fn file() -> GrantFile {
        GrantFile::parse("grants/a.toml", &text('a', "2027-02-01T00:00:00Z")).unwrap()
    }

    #[test]
    fn a_refused_call_is_explained_with_the_line_that_would_allow_it() {
        let digest = file().digest;
        let wanted = Wanted {
            procedure: "pg-tidy",
            spec: "pg-tidy",
            digest: &digest,
            target: "orders",
            purpose: crate::grant::Purpose::Run,
        };
        let granted = select(vec![file()], wanted, Millis(0)).unwrap();
        let asked = |verb, schema, table| Asked::Database {
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
        let told = |channel, event| granted.explain(Side::Grant, Asked::Message { channel, event });
        let explained = told("ops", "alarm");
        assert_eq!(
            explained.cause,
            "the grant for sha256:aaaaaa…aa covers events \"start\", \"end\" only (grants/a.toml, line 22)"
        );
        let explained = told("all", "start");
        assert_eq!(
            explained.hint.as_deref(),
            Some(
                "channels = [\"ops\", \"team-*\", \"all\"], then: windlass grant check grants/a.toml"
            )
        );
        let explained = granted.explain(
            Side::GrantEnded,
            asked(Verb::Vacuum, Some("sales"), Some("x")),
        );
        assert_eq!(
            explained.cause,
            "the grant for sha256:aaaaaa…aa ended at 2027-02-01T00:00:00Z (grants/a.toml)",
            "a scope covers it, so only its end can refuse it"
        );
        let explained =
            granted.explain(Side::Needs, asked(Verb::Vacuum, Some("public"), Some("a")));
        assert_eq!(
            explained.cause,
            "its own manifest does not say that it needs to vacuum public.a on orders"
        );
    }

    /// A grant with this more in it for a cluster.
    fn with_cluster(more: &str) -> Granted {
        let text = text('a', "2027-02-01T00:00:00Z")
            + "\n[[cluster]]\nclusters = [\"staging\"]\nnamespaces = [\"shop\"]\n"
            + more;
        let file = GrantFile::parse("grants/a.toml", &text).unwrap();
        let digest = file.digest.clone();
        let wanted = Wanted {
            procedure: "pg-tidy",
            spec: "pg-tidy",
            digest: &digest,
            target: "orders",
            purpose: crate::grant::Purpose::Run,
        };
        select(vec![file], wanted, Millis(0)).unwrap()
    }

    #[test]
    fn fewer_replicas_than_a_grant_keeps_are_told_as_such() {
        let granted = with_cluster(
            "kinds = [\"apps/*\"]\nnames = [\"*\"]\nkeep-replicas = 2\nverbs = [\"scale\"]\n",
        );
        let asked = Asked::Cluster {
            verb: cluster::Verb::Scale,
            cluster: "staging",
            named: Named {
                namespace: Some("shop"),
                kind: Some(("apps", "Deployment")),
                name: Some("web"),
                replicas: Some(1),
                ..Named::default()
            },
        };
        let explained = granted.explain(Side::Grant, asked);
        let cause = explained.cause;
        assert!(cause.contains("keeps more replicas than 1 ("), "{cause}");
        let hint = explained.hint.unwrap();
        assert!(hint.starts_with("keep-replicas = 1, then"), "{hint}");
    }

    #[test]
    fn of_labels_the_one_that_is_not_covered_is_named() {
        let granted = with_cluster(
            "nodes = [\"*\"]\nlabels = [\"upgrade.example/*\"]\nverbs = [\"label\"]\n",
        );
        let labels = ["upgrade.example/to", "tier"].map(|name| (name.to_owned(), None));
        let asked = Asked::Cluster {
            verb: cluster::Verb::Label,
            cluster: "staging",
            named: Named {
                node: Some("n1"),
                labels: &labels,
                ..Named::default()
            },
        };
        let hint = granted.explain(Side::Grant, asked).hint.unwrap();
        assert!(
            hint.starts_with("labels = [\"upgrade.example/*\", \"tier\"]"),
            "{hint}"
        );
    }

    #[test]
    fn of_many_that_are_waited_for_the_first_that_is_not_covered_is_named() {
        let granted = with_cluster("names = [\"a\"]\nverbs = [\"budgets\"]\n");
        let budget = |name: &str| Namespaced {
            namespace: "shop".into(),
            name: name.into(),
        };
        let look = Look::AwaitBudgets {
            budgets: vec![budget("a"), budget("b")],
            within: 1,
        };
        let cluster = "staging".into();
        let read = Read::Cluster(cluster::Read { cluster, look });
        let explained = granted.explain_read(Side::Grant, &read).unwrap();
        assert!(
            explained.cause.contains("covers name \"a\" only"),
            "{}",
            explained.cause
        );
        let hint = explained.hint.unwrap();
        assert!(hint.starts_with("names = [\"a\", \"b\"]"), "{hint}");
    }
}
