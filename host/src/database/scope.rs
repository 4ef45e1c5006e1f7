//! What can be asked of a database and granted: verbs on the tables of schemas of named databases. Pure.

use crate::grant::{Danger, Pattern};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// One thing a procedure can do to a database. Each function of the interfaces belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Version, role, size, free space.
    Server,
    /// Sizes, dead rows and bloat of tables, and how many of them are shown.
    Tables,
    /// Sizes, bloat and validity of indexes, and versions of the collations that order them.
    Indexes,
    /// Connections and what holds back vacuum.
    Sessions,
    /// Standbys and slots.
    Replication,
    /// Normalised statements and their cumulative cost.
    Statements,
    /// Invariants that the operator declared.
    Invariants,
    /// VACUUM.
    Vacuum,
    /// ANALYZE.
    Analyze,
    /// REINDEX INDEX CONCURRENTLY.
    Reindex,
    /// DROP INDEX CONCURRENTLY of an invalid index.
    DropInvalidIndex,
    /// Cancel a statement of a session of windlass.
    CancelBackend,
    /// ALTER TABLE SET of autovacuum parameters.
    SetParameters,
}

/// Every function of the room's interfaces and the verb that it needs. A linked function without a row is refused at load.
const FUNCTIONS: &[(&str, &str, Verb)] = &[
    ("database-read", "server", Verb::Server),
    ("database-read", "coverage", Verb::Tables),
    ("database-read", "tables", Verb::Tables),
    ("database-read", "indexes", Verb::Indexes),
    ("database-read", "collations", Verb::Indexes),
    ("database-read", "xmin-holders", Verb::Sessions),
    ("database-read", "sessions", Verb::Sessions),
    ("database-read", "replication", Verb::Replication),
    ("database-read", "statements", Verb::Statements),
    ("database-read", "invariants", Verb::Invariants),
    ("database-read", "invariant", Verb::Invariants),
    ("database-maintain", "vacuum", Verb::Vacuum),
    ("database-maintain", "analyze", Verb::Analyze),
    ("database-maintain", "reindex", Verb::Reindex),
    (
        "database-maintain",
        "drop-invalid-index",
        Verb::DropInvalidIndex,
    ),
    ("database-maintain", "cancel-backend", Verb::CancelBackend),
    ("database-maintain", "set-parameters", Verb::SetParameters),
];

impl Verb {
    /// The verb that a function of an interface needs; none if the room has no such function.
    pub fn of_function(interface: &str, function: &str) -> Option<Self> {
        FUNCTIONS
            .iter()
            .find(|(i, f, _)| *i == interface && *f == function)
            .map(|(_, _, verb)| *verb)
    }

    /// The interface that carries the verb.
    pub fn interface(self) -> &'static str {
        if self.danger() == Danger::Read {
            "database-read"
        } else {
            "database-maintain"
        }
    }

    /// How dangerous the verb is at most.
    pub fn danger(self) -> Danger {
        match self {
            Self::Server
            | Self::Tables
            | Self::Indexes
            | Self::Sessions
            | Self::Replication
            | Self::Statements
            | Self::Invariants => Danger::Read,
            Self::Vacuum
            | Self::Analyze
            | Self::Reindex
            | Self::DropInvalidIndex
            | Self::CancelBackend
            | Self::SetParameters => Danger::Maintain,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "read server facts",
            Self::Tables => "read table sizes",
            Self::Indexes => "read index sizes",
            Self::Sessions => "read sessions",
            Self::Replication => "read replication",
            Self::Statements => "read statement statistics",
            Self::Invariants => "check invariants",
            Self::Vacuum => "vacuum",
            Self::Analyze => "analyze",
            Self::Reindex => "reindex",
            Self::DropInvalidIndex => "drop an invalid index",
            Self::CancelBackend => "cancel a session's statement",
            Self::SetParameters => "set storage parameters",
        })
    }
}

/// A part of the room: these verbs, on these databases, on tables that match. Omitted lists match nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Why a procedure needs it; empty in a grant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Logical names of databases.
    pub databases: Vec<Pattern>,
    /// What may be done.
    pub verbs: BTreeSet<Verb>,
    /// Schemas whose tables are covered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Pattern>,
    /// Names of tables that are covered, within the schemas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Pattern>,
}

impl Scope {
    /// Whether the verb may be used on the database at all.
    pub fn allows(&self, verb: Verb, database: &str) -> bool {
        self.verbs.contains(&verb) && Pattern::any(&self.databases, database)
    }

    /// Whether the verb may be used on objects of the schema. Objects of PostgreSQL's own schemas are covered only where the schema is
    /// named in full.
    pub fn allows_schema(&self, verb: Verb, database: &str, schema: &str) -> bool {
        self.allows(verb, database) && Pattern::any_schema(&self.schemas, schema)
    }

    /// Whether the verb may be used on the table, or on an index of it.
    pub fn allows_table(&self, verb: Verb, database: &str, schema: &str, table: &str) -> bool {
        self.allows_schema(verb, database, schema) && Pattern::any(&self.tables, table)
    }
}
