//! Capabilities: what a procedure needs and what an operator grants are the same type, and what it may do is what both allow. Pure.

mod cover;
mod draft;
mod explain;
mod file;
mod select;

pub use cover::{Lack, Missing, Nearest};
pub use draft::{Draft, DraftError};
pub use explain::{Asked, Explanation};
pub use file::{GrantFile, GrantFileError};
pub use select::{Granted, Refusal, Wanted, select, short};

use crate::call::{Effect, Read, Touch};
use crate::clock::Millis;
use crate::database;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How dangerous a verb is at most. It is part of the interface's name, so a component's imports prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Danger {
    /// Looks only.
    Read,
    /// Changes no rows and no objects that a user would miss; reversible, or nothing to reverse.
    Maintain,
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Maintain => "maintain",
        })
    }
}

/// A name, or the beginning of one followed by `*`. `*` alone matches each name; system schemas never match it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether the name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => name.starts_with(start) && (!start.is_empty() || !is_system(name)),
            None => self.0 == name,
        }
    }

    /// Whether one of the patterns means the name.
    pub fn any(patterns: &[Self], name: &str) -> bool {
        patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether every name that `other` means is meant by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.0.strip_suffix('*'), other.0.strip_suffix('*')) {
            (Some(start), Some(narrower)) => narrower.starts_with(start),
            (Some(_), None) => self.matches(&other.0),
            (None, Some(_)) => false,
            (None, None) => self.0 == other.0,
        }
    }
}

fn is_system(name: &str) -> bool {
    name.starts_with("pg_") || name == "information_schema"
}

/// What may be done, room by room. Each list is a union; an empty one allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// In the database room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub database: Vec<database::Scope>,
}

/// How much may be done. Absent means no bound of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Budget {
    /// Effects in one run.
    pub effects: Option<u64>,
    /// Calls of any kind in one run.
    pub calls: Option<u64>,
    /// How long one run may take, such as "4h".
    pub duration: Option<jiff::SignedDuration>,
}

impl Budget {
    /// Both bounds together: of each kind the narrower.
    #[must_use]
    pub fn narrowed_by(&self, other: &Self) -> Self {
        Self {
            effects: narrower(self.effects, other.effects),
            calls: narrower(self.calls, other.calls),
            duration: narrower(self.duration, other.duration),
        }
    }
}

fn narrower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Which side does not allow a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The procedure's own manifest.
    Needs,
    /// The operator's grant.
    Grant,
    /// The budget of either.
    Budget,
    /// The plan that the run is bound to.
    Plan,
    /// The lock on the target is no longer held.
    Lock,
}

impl Capabilities {
    /// Whether the look is covered.
    pub fn allows_read(&self, read: &Read) -> bool {
        match read {
            Read::Database(read) => self
                .database
                .iter()
                .any(|scope| scope.allows(read.verb(), read.database())),
        }
    }

    /// Whether the change is covered, as far as its own words tell.
    pub fn allows_effect(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Database(effect) => self.database.iter().any(|scope| match effect.object() {
                Some(object) => {
                    scope.allows_schema(effect.verb(), effect.database(), &object.schema)
                }
                None => scope.allows(effect.verb(), effect.database()),
            }),
        }
    }

    /// Whether an object that the change turned out to touch is covered.
    pub fn allows_touch(&self, effect: &Effect, touch: &Touch) -> bool {
        let Effect::Database(effect) = effect;
        let Touch::Table {
            database,
            schema,
            table,
        } = touch;
        self.database
            .iter()
            .any(|scope| scope.allows_table(effect.verb(), database, schema, table))
    }

    /// Whether a look may show this table and its indexes.
    pub fn shows_table(
        &self,
        verb: database::Verb,
        database: &str,
        schema: &str,
        table: &str,
    ) -> bool {
        self.database
            .iter()
            .any(|scope| scope.allows_table(verb, database, schema, table))
    }
}

/// What a run may do: what its manifest needs and what the operator grants, both.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// From the component's manifest, with `{target}` and `{params.…}` filled in.
    pub needs: Capabilities,
    /// From the operator's grants for the component's digest.
    pub grant: Capabilities,
    /// The narrower of both budgets.
    pub budget: Budget,
    /// When the grant ends.
    pub expires: Option<Millis>,
}

impl Effective {
    /// The side that does not allow it, if one does not.
    pub fn refuses_read(&self, read: &Read) -> Option<Side> {
        self.side(|capabilities| capabilities.allows_read(read))
    }

    /// The side that does not allow it, if one does not.
    pub fn refuses_effect(&self, effect: &Effect) -> Option<Side> {
        self.side(|capabilities| capabilities.allows_effect(effect))
    }

    /// The side that does not allow it, if one does not.
    pub fn refuses_touch(&self, effect: &Effect, touch: &Touch) -> Option<Side> {
        self.side(|capabilities| capabilities.allows_touch(effect, touch))
    }

    /// Whether a look may show this table and its indexes.
    pub fn shows_table(
        &self,
        verb: database::Verb,
        database: &str,
        schema: &str,
        table: &str,
    ) -> bool {
        self.side(|capabilities| capabilities.shows_table(verb, database, schema, table))
            .is_none()
    }

    fn side(&self, allows: impl Fn(&Capabilities) -> bool) -> Option<Side> {
        if !allows(&self.needs) {
            Some(Side::Needs)
        } else if !allows(&self.grant) {
            Some(Side::Grant)
        } else {
            None
        }
    }
}

impl Effective {
    /// Leave to do nothing: for taking back, which needs no capability.
    pub fn nothing() -> Self {
        Self {
            needs: Capabilities::default(),
            grant: Capabilities::default(),
            budget: Budget::default(),
            expires: None,
        }
    }
}
