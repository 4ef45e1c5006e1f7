//! What is needed and not granted. Pure.

use super::file::GrantFile;
use super::select::Sought;
use super::{Capabilities, Danger, Pattern};
use crate::call;
use crate::cluster;
use crate::database::{Scope, Verb};
use crate::plugin::verb_name;
use crate::probe;
use std::collections::BTreeSet;
use std::fmt;

/// Something that a procedure needs and that no grant gives, not even in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// What, and where.
    pub what: Lacking,
    /// Why the procedure needs it.
    pub reason: String,
    /// The file that should grant it, and the scope in it that comes nearest.
    pub nearest: Option<Nearest>,
}

/// What a procedure needs, and where.
#[derive(Clone, Debug, PartialEq)]
pub enum Lacking {
    /// A verb on a database.
    Database {
        /// The verb.
        verb: Verb,
        /// The database.
        database: Pattern,
    },
    /// A verb on a cluster.
    Cluster {
        /// The verb.
        verb: cluster::Verb,
        /// The cluster.
        cluster: Pattern,
    },
    /// A message to a channel.
    Notify {
        /// What it is about.
        event: Pattern,
        /// The channel.
        channel: Pattern,
    },
    /// A look at an endpoint.
    Probe {
        /// The verb.
        verb: probe::Verb,
        /// The endpoint.
        endpoint: Pattern,
    },
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
    /// It is for the verb on the object there, but keeps more replicas.
    Replicas,
    /// It is for the verb there, but for no such label.
    Labels,
    /// It is for the verb on the object there, but for no such service account.
    Accounts,
    /// It is for the verb on the object there, but for no such content.
    Contents,
    /// It is for the verb on the object there, but for no such field.
    Fields,
    /// It is for the verb there, but for no such node.
    Nodes,
    /// It is for the verb there, but for no such name.
    Names,
    /// It is for the verb there, but for no such kind.
    Kinds,
    /// It is for the verb there, but for no such namespace.
    Namespaces,
    /// It is for the verb on the database, but for no such table.
    Tables,
    /// It is for the verb on the database, but for no such schema.
    Schemas,
    /// It is for the channel, but for other events.
    Events,
    /// It is for the database and for verbs of the same interface, but not for this one.
    Verb,
    /// It is for the database, but for verbs of another interface.
    Interface,
    /// It is for other channels, or the file has nothing for channels.
    Channel,
    /// It is for other endpoints, or the file has nothing for endpoints.
    Endpoint,
    /// It is for other databases.
    Database,
}

/// The line to add for the first of these, and for all others that could stand in the same line.
pub(super) fn hint(missing: &[Missing], wanted: &Sought) -> String {
    let nearest = missing
        .first()
        .and_then(|first| Some((first, first.nearest.as_ref()?)));
    let Some((first, Nearest { file, line, lacks })) = nearest else {
        return format!("{} writes one that covers all needs", wanted.command());
    };
    let together = missing
        .iter()
        .filter(|other| other.nearest == first.nearest);
    let names: BTreeSet<_> = together.map(|missing| missing.what.name()).collect();
    let names: Vec<_> = names
        .into_iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    let names = names.join(", ");
    let place = first.what.place();
    let change = match lacks {
        Lack::Events => format!("add {names} to the `events` of line {line}"),
        Lack::Channel => {
            format!("add a [[notify]] with channels = [\"{place}\"] and events = [{names}]")
        }
        Lack::Endpoint => {
            format!("add a [[probe]] with endpoints = [\"{place}\"] and verbs = [{names}]")
        }
        Lack::Verb => format!("add {names} to the `verbs` of line {line}"),
        Lack::Replicas => format!("lower the `keep-replicas` of line {line}"),
        Lack::Accounts => format!("add an account to the `service-accounts` of line {line}"),
        Lack::Contents => format!("add what it needs to the `contents` of line {line}"),
        Lack::Fields => format!("add a field that it needs to the `fields` of line {line}"),
        Lack::Nodes => format!("add a node that it needs to the `nodes` of line {line}"),
        Lack::Labels => format!("add a label that it needs to the `labels` of line {line}"),
        Lack::Names => format!("add a name that it needs to the `names` of line {line}"),
        Lack::Kinds => format!("add a kind that it needs to the `kinds` of line {line}"),
        Lack::Namespaces => {
            format!("add a namespace that it needs to the `namespaces` of line {line}")
        }
        Lack::Schemas => format!("add a schema that it needs to the `schemas` of line {line}"),
        Lack::Tables => format!("add a table that it needs to the `tables` of line {line}"),
        Lack::Interface | Lack::Database if matches!(first.what, Lacking::Cluster { .. }) => {
            format!("add a [[cluster]] with clusters = [\"{place}\"] and verbs = [{names}]")
        }
        Lack::Interface | Lack::Database => {
            format!("add a [[database]] with databases = [\"{place}\"] and verbs = [{names}]")
        }
    };
    format!("{change}, then: windlass grant check {file}")
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Lacking::Database { verb, database } => write!(f, "to {verb} on {}", database.0)?,
            Lacking::Cluster { verb, cluster } => write!(f, "to {verb} on {}", cluster.0)?,
            Lacking::Notify { event, channel } => {
                write!(f, "to send {} to {}", event.0, channel.0)?;
            }
            Lacking::Probe { verb, endpoint } => write!(f, "to {verb}: {}", endpoint.0)?,
        }
        write!(f, ", {}", self.reason)?;
        if let Some(Nearest { file, line, lacks }) = &self.nearest {
            let why = match lacks {
                Lack::Tables => "covers none of the tables",
                Lack::Replicas => "keeps more replicas",
                Lack::Accounts => "covers none of the service accounts",
                Lack::Contents => "covers none of the contents",
                Lack::Fields => "covers none of the fields",
                Lack::Nodes => "covers none of the nodes",
                Lack::Labels => "covers none of the labels",
                Lack::Names => "covers none of the names",
                Lack::Kinds => "covers none of the kinds",
                Lack::Namespaces => "covers none of the namespaces",
                Lack::Schemas => "covers none of the schemas",
                Lack::Events => "does not name the event",
                Lack::Verb | Lack::Interface => "does not name the verb",
                Lack::Channel => return write!(f, " ({file} has nothing for that channel)"),
                Lack::Endpoint => return write!(f, " ({file} has nothing for that endpoint)"),
                Lack::Database if matches!(self.what, Lacking::Cluster { .. }) => {
                    return write!(f, " ({file} has nothing for that cluster)");
                }
                Lack::Database => return write!(f, " ({file} has nothing for that database)"),
            };
            write!(f, " ({file}, line {line}, {why})")?;
        }
        Ok(())
    }
}

impl Lacking {
    /// Whether it is a look, which changes nothing.
    pub(super) fn is_look(&self) -> bool {
        let danger = match self {
            Self::Database { verb, .. } => verb.danger(),
            Self::Cluster { verb, .. } => verb.danger(),
            Self::Probe { verb, .. } => verb.danger(),
            Self::Notify { .. } => Danger::Send,
        };
        danger == Danger::Read
    }

    /// As a list in a grant names it.
    fn name(&self) -> String {
        match self {
            Self::Database { verb, .. } => verb_name(call::Verb::Database(*verb)),
            Self::Cluster { verb, .. } => verb_name(call::Verb::Cluster(*verb)),
            Self::Notify { event, .. } => event.0.clone(),
            Self::Probe { verb, .. } => verb_name(call::Verb::Probe(*verb)),
        }
    }

    fn place(&self) -> &str {
        match self {
            Self::Database { database, .. } => &database.0,
            Self::Cluster { cluster, .. } => &cluster.0,
            Self::Notify { channel, .. } => &channel.0,
            Self::Probe { endpoint, .. } => &endpoint.0,
        }
    }
}

/// Everything that is needed and not granted, not even in part, room by room.
pub fn missing(needs: &Capabilities, files: &[GrantFile]) -> Vec<Missing> {
    let mut missing = missing_in_databases(needs, files);
    missing.extend(super::cluster::missing(needs, files));
    missing.extend(super::notify::missing(needs, files));
    missing.extend(super::probe::missing(needs, files));
    missing
}

/// Every verb on every database that is needed and not granted, not even for one schema or table.
fn missing_in_databases(needs: &Capabilities, files: &[GrantFile]) -> Vec<Missing> {
    let mut missing = Vec::new();
    for need in &needs.database {
        for database in &need.databases {
            for verb in &need.verbs {
                if let Err(nearest) = granted(need, *verb, database, files) {
                    missing.push(Missing {
                        what: Lacking::Database {
                            verb: *verb,
                            database: database.clone(),
                        },
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
    nearest(files, &Lack::Database, |file| {
        let scopes = file.scopes.iter();
        let lacks = scopes.map(|(line, scope)| (*line, lack(need, verb, database, scope)));
        lacks.collect()
    })
}

/// Well if a scope of a file lacks nothing, else the scope that lacks least. A file without any scope lacks `all`.
pub(super) fn nearest(
    files: &[GrantFile],
    all: &Lack,
    lacks: impl Fn(&GrantFile) -> Vec<(usize, Option<Lack>)>,
) -> Result<(), Option<Nearest>> {
    let mut nearest: Option<Nearest> = None;
    for file in files {
        let first = (1, Some(all.clone()));
        for (line, lack) in std::iter::once(first).chain(lacks(file)) {
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
    let names = Pattern::covers;
    if !meet(std::slice::from_ref(database), &grant.databases, names) {
        Some(Lack::Database)
    } else if !grant.verbs.contains(&verb) {
        Some(Lack::verb(verb, grant))
    } else if !is_about_tables(verb) {
        None
    } else if !meet(&need.schemas, &grant.schemas, Pattern::covers_schema) {
        Some(Lack::Schemas)
    } else if !meet(&need.tables, &grant.tables, names) {
        Some(Lack::Tables)
    } else {
        None
    }
}

/// Whether something is meant by both.
pub(super) fn meet(
    some: &[Pattern],
    others: &[Pattern],
    covers: fn(&Pattern, &Pattern) -> bool,
) -> bool {
    some.iter().any(|one| {
        others
            .iter()
            .any(|other| covers(one, other) || covers(other, one))
    })
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
    use crate::grant::Sought;
    use crate::grant::file::tests::text;
    use crate::grant::{Capabilities, GrantFile, Pattern, Wanted};

    fn file() -> GrantFile {
        GrantFile::parse("grants/a.toml", &text('a', "2027-02-01T00:00:00Z")).unwrap()
    }

    fn sought() -> Sought {
        *Box::<Sought>::from(Wanted {
            procedure: "pg-tidy",
            spec: "./tidy.wasm",
            digest: "",
            target: "orders",
            purpose: crate::grant::Purpose::Run,
        })
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
            ..Capabilities::default()
        }
    }

    fn tells(channel: &str, events: &[&str]) -> Capabilities {
        let events = events.iter().map(|event| Pattern((*event).into()));
        Capabilities {
            notify: vec![crate::notify::Scope {
                reason: "to tell".into(),
                channels: vec![Pattern(channel.into())],
                events: events.collect(),
            }],
            ..Capabilities::default()
        }
    }

    #[test]
    fn what_a_message_lacks_is_told_too() {
        assert!(lacks(&tells("ops", &["start"])).is_empty());
        assert!(lacks(&tells("*", &["end"])).is_empty());
        let needs = tells("ops", &["start", "alarm", "page"]);
        assert_eq!(
            lacks(&needs),
            [
                "to send alarm to ops, to tell (grants/a.toml, line 22, does not name the event)",
                "to send page to ops, to tell (grants/a.toml, line 22, does not name the event)",
            ]
        );
        assert_eq!(
            hint(&missing(&needs, &[file()]), &sought()),
            "add \"alarm\", \"page\" to the `events` of line 22, then: windlass grant check grants/a.toml"
        );
        let needs = tells("all", &["start"]);
        assert_eq!(
            lacks(&needs),
            ["to send start to all, to tell (grants/a.toml has nothing for that channel)"]
        );
        assert_eq!(
            hint(&missing(&needs, &[file()]), &sought()),
            "add a [[notify]] with channels = [\"all\"] and events = [\"start\"], then: windlass grant check grants/a.toml"
        );
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
            hint(&found[1..], &sought()),
            "add \"analyze\", \"reindex\" to the `verbs` of line 16, then: windlass grant check grants/a.toml"
        );
        let found = missing(&needs("orders", &[Verb::Server], "*"), &[]);
        assert_eq!(
            hint(&found, &sought()),
            "windlass grant ./tidy.wasm --target orders writes one that covers all needs"
        );
    }
}
