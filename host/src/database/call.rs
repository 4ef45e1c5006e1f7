//! What a guest can ask of a database, as values. Pure. `Display` is the line in plans and reports.

use super::names::{check_name, check_object, quote_object};
use super::parameters;
use super::scope::Verb;
use crate::contract::CallError;
use crate::contract::database_types::{ObjectName, StorageParameter};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where the server keeps TOAST tables and their indexes.
const TOAST: &str = "pg_toast";

/// A look at a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "read", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the function of the same name in wit/database.wit"
)]
pub enum Read {
    Server { database: String },
    Coverage { database: String },
    Collations { database: String },
    Tables { database: String },
    Indexes { database: String },
    XminHolders { database: String },
    Sessions { database: String },
    Replication { database: String },
    Statements { database: String, limit: u32 },
    Invariants { database: String },
    Invariant { database: String, name: String },
}

impl Read {
    /// Refuses names that nothing can have.
    pub fn check(&self) -> Result<(), CallError> {
        check_name("the name of the database", self.database())?;
        match self {
            Self::Invariant { name, .. } => check_name("the name of the invariant", name),
            Self::Server { .. }
            | Self::Coverage { .. }
            | Self::Collations { .. }
            | Self::Tables { .. }
            | Self::Indexes { .. }
            | Self::XminHolders { .. }
            | Self::Sessions { .. }
            | Self::Replication { .. }
            | Self::Statements { .. }
            | Self::Invariants { .. } => Ok(()),
        }
    }

    /// The verb that a capability must hold.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Server { .. } => Verb::Server,
            Self::Tables { .. } | Self::Coverage { .. } => Verb::Tables,
            Self::Indexes { .. } | Self::Collations { .. } => Verb::Indexes,
            Self::XminHolders { .. } | Self::Sessions { .. } => Verb::Sessions,
            Self::Replication { .. } => Verb::Replication,
            Self::Statements { .. } => Verb::Statements,
            Self::Invariants { .. } | Self::Invariant { .. } => Verb::Invariants,
        }
    }

    /// The logical name of the database.
    pub fn database(&self) -> &str {
        match self {
            Self::Server { database }
            | Self::Coverage { database }
            | Self::Collations { database }
            | Self::Tables { database }
            | Self::Indexes { database }
            | Self::XminHolders { database }
            | Self::Sessions { database }
            | Self::Replication { database }
            | Self::Statements { database, .. }
            | Self::Invariants { database }
            | Self::Invariant { database, .. } => database,
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invariant { name, .. } => write!(f, "check invariant {name}"),
            Self::XminHolders { .. } => f.write_str("read what holds back vacuum"),
            Self::Coverage { .. } => f.write_str("read what is shown of the database"),
            Self::Collations { .. } => f.write_str("read versions of collations"),
            Self::Server { .. }
            | Self::Tables { .. }
            | Self::Indexes { .. }
            | Self::Sessions { .. }
            | Self::Replication { .. }
            | Self::Statements { .. }
            | Self::Invariants { .. } => write!(f, "{}", self.verb()),
        }
    }
}

/// A change of a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the function of the same name in wit/database.wit"
)]
pub enum Effect {
    Vacuum {
        database: String,
        table: ObjectName,
        analyze: bool,
    },
    Analyze {
        database: String,
        table: ObjectName,
    },
    Reindex {
        database: String,
        index: ObjectName,
    },
    DropInvalidIndex {
        database: String,
        index: ObjectName,
    },
    CancelBackend {
        database: String,
        pid: u32,
        backend_start: u64,
    },
    SetParameters {
        database: String,
        table: ObjectName,
        parameters: Vec<(String, Option<String>)>,
    },
}

impl Effect {
    /// The verb that a capability must hold.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Vacuum { .. } => Verb::Vacuum,
            Self::Analyze { .. } => Verb::Analyze,
            Self::Reindex { .. } => Verb::Reindex,
            Self::DropInvalidIndex { .. } => Verb::DropInvalidIndex,
            Self::CancelBackend { .. } => Verb::CancelBackend,
            Self::SetParameters { .. } => Verb::SetParameters,
        }
    }

    /// The logical name of the database.
    pub fn database(&self) -> &str {
        match self {
            Self::Vacuum { database, .. }
            | Self::Analyze { database, .. }
            | Self::Reindex { database, .. }
            | Self::DropInvalidIndex { database, .. }
            | Self::CancelBackend { database, .. }
            | Self::SetParameters { database, .. } => database,
        }
    }

    /// The table or index, where there is one.
    pub fn object(&self) -> Option<&ObjectName> {
        match self {
            Self::Vacuum { table, .. }
            | Self::Analyze { table, .. }
            | Self::SetParameters { table, .. } => Some(table),
            Self::Reindex { index, .. } | Self::DropInvalidIndex { index, .. } => Some(index),
            Self::CancelBackend { .. } => None,
        }
    }

    /// The schema that has to be covered, as far as the call tells. An invalid index of a TOAST table belongs to a table of another schema,
    /// which preparing finds.
    pub fn schema(&self) -> Option<&str> {
        let toast = |schema: &&str| *schema == TOAST && self.verb() == Verb::DropInvalidIndex;
        let schema = self.object().map(|object| object.schema.as_str());
        schema.filter(|schema| !toast(schema))
    }

    /// What is done, without the object: the first column of a plan.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Vacuum { analyze: true, .. } => "vacuum (analyze)",
            Self::Vacuum { .. } => "vacuum",
            Self::Analyze { .. } => "analyze",
            Self::Reindex { .. } => "reindex",
            Self::DropInvalidIndex { .. } => "drop invalid index",
            Self::CancelBackend { .. } => "cancel statement",
            Self::SetParameters { .. } => "set parameters",
        }
    }

    /// What it is done to, as people write it.
    pub fn object_text(&self) -> String {
        match self {
            Self::CancelBackend { pid, .. } => format!("session {pid}"),
            Self::Vacuum { .. }
            | Self::Analyze { .. }
            | Self::Reindex { .. }
            | Self::DropInvalidIndex { .. }
            | Self::SetParameters { .. } => self.object().map(dotted).unwrap_or_default(),
        }
    }

    /// Whether the catalog or the transaction log can always tell later if it happened. Statistics can be lost, and a session that is
    /// gone tells nothing.
    pub fn leaves_a_trace(&self) -> bool {
        match self {
            Self::Reindex { .. } | Self::DropInvalidIndex { .. } | Self::SetParameters { .. } => {
                true
            }
            Self::Vacuum { .. } | Self::Analyze { .. } | Self::CancelBackend { .. } => false,
        }
    }

    /// Refuses arguments that cannot be meant: names that no object can have, parameters that may not be set.
    pub fn check(&self) -> Result<(), CallError> {
        check_name("the name of the database", self.database())?;
        if let Some(object) = self.object() {
            check_object(object)?;
        }
        if let Self::SetParameters { parameters, .. } = self {
            parameters::check(parameters)?;
        }
        Ok(())
    }

    /// What must agree between a planned effect and the one that runs: everything that carries danger.
    pub fn plan_key(&self) -> String {
        // Quoted, so that no name can look like two, or like an argument.
        let object = match self {
            Self::CancelBackend {
                pid, backend_start, ..
            } => format!("session {pid} of {backend_start}"),
            Self::Vacuum { table: name, .. }
            | Self::Analyze { table: name, .. }
            | Self::SetParameters { table: name, .. }
            | Self::Reindex { index: name, .. }
            | Self::DropInvalidIndex { index: name, .. } => quote_object(name),
        };
        let mut key = format!(
            "database-maintain {} {} {object}",
            self.action(),
            self.database()
        );
        if let Self::SetParameters { parameters, .. } = self {
            for (name, value) in parameters {
                key.push(' ');
                key.push_str(name);
                key.push('=');
                key.push_str(value.as_deref().unwrap_or("(reset)"));
            }
        }
        key
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action(), self.object_text())
    }
}

/// How a change, or what a broken-off change left, is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "revert", rename_all = "kebab-case")]
pub enum Revert {
    /// Put storage parameters back to what was recorded, where they still are what the run set.
    RestoreParameters {
        /// Logical name.
        database: String,
        /// The table by name, for people, and by OID, for certainty.
        table: ObjectName,
        /// Its OID when the effect was prepared.
        oid: u32,
        /// What the run set, by parameter name; absent means reset.
        set: Vec<(String, Option<String>)>,
        /// What was there for those names.
        before: Vec<StorageParameter>,
    },
    /// Drop the invalid indexes that a broken-off rebuild of this index left.
    DropLeftovers {
        /// Logical name.
        database: String,
        /// The index whose rebuild broke off.
        index: ObjectName,
        /// Names and OIDs of the leftovers.
        leftovers: Vec<(ObjectName, u32)>,
    },
}

impl Revert {
    /// The logical name of the database.
    pub fn database(&self) -> &str {
        match self {
            Self::RestoreParameters { database, .. } | Self::DropLeftovers { database, .. } => {
                database
            }
        }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RestoreParameters { set, before, .. } => {
                let texts =
                    set.iter()
                        .map(|(name, _)| match before.iter().find(|p| p.name == *name) {
                            Some(p) => format!("set {name} = {}", p.value),
                            None => format!("reset {name}"),
                        });
                f.write_str(&texts.collect::<Vec<_>>().join(", "))
            }
            Self::DropLeftovers { leftovers, .. } => {
                let names: Vec<_> = leftovers.iter().map(|(name, _)| dotted(name)).collect();
                write!(f, "drop {}", names.join(", "))
            }
        }
    }
}

/// `schema.name`, for people.
pub fn dotted(object: &ObjectName) -> String {
    format!("{}.{}", object.schema, object.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(schema: &str, name: &str) -> ObjectName {
        ObjectName {
            schema: schema.into(),
            name: name.into(),
        }
    }

    #[test]
    fn no_two_effects_have_one_plan_key() {
        let reindex = |schema, name| Effect::Reindex {
            database: "orders".into(),
            index: object(schema, name),
        };
        assert_ne!(
            reindex("a.b", "c").plan_key(),
            reindex("a", "b.c").plan_key()
        );
        assert_ne!(
            reindex("a\".\"b", "c").plan_key(),
            reindex("a", "b\".\"c").plan_key()
        );
        let set = |table, names: &[&str]| Effect::SetParameters {
            database: "orders".into(),
            table: object("s", table),
            parameters: names
                .iter()
                .map(|name| ((*name).to_owned(), Some("1".to_owned())))
                .collect(),
        };
        assert_ne!(
            set("t a=1", &["b"]).plan_key(),
            set("t", &["a", "b"]).plan_key()
        );
        let cancel = |backend_start| Effect::CancelBackend {
            database: "orders".into(),
            pid: 1,
            backend_start,
        };
        assert_ne!(cancel(1).plan_key(), cancel(2).plan_key());
    }
}
