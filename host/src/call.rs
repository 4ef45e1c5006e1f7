//! The rooms' calls joined: what a guest asks, what is known before a change, how it is taken back. Values, pure but for [`Rooms`].

use crate::contract::CallError;
use crate::database;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A call that looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum Read {
    /// In the database room.
    Database(database::Read),
}

/// A call that changes the outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum Effect {
    /// In the database room.
    Database(database::Effect),
}

/// How a change is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum Revert {
    /// In the database room.
    Database(database::Revert),
}

/// What undoing an effect means, decided before it is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// By this.
    By(Revert),
    /// There is nothing to take back, for this reason.
    NotNeeded(String),
    /// It cannot be taken back, for this reason.
    Impossible(String),
}

/// An object that an effect turned out to touch when it was prepared; the gate checks it against the capabilities too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum Touch {
    /// A table, or an index of it.
    Table {
        /// Logical name.
        database: String,
        /// As the catalog spells it.
        schema: String,
        /// As the catalog spells it.
        table: String,
    },
}

/// What a room saw before a change. Preparing changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// The room's own record: preconditions for `apply`, evidence for `confirm`.
    pub before: Value,
    /// The answer that a plan gives to the guest.
    pub foreseen: Value,
    /// How to take the effect back.
    pub undo: Undo,
    /// What is touched besides what the call named.
    pub touches: Vec<Touch>,
    /// What is there now, in a few words: "86 MB".
    pub now: String,
    /// What is foreseen, in a few words: "~31 MB".
    pub after: String,
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// The answer to the guest.
    pub answer: Value,
    /// What is there now, in a few words: "31 MB".
    pub after: String,
    /// What must still be cleared away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Revert>,
}

/// A change that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyFailure {
    /// Why.
    pub error: CallError,
    /// True when it is unknown whether the change happened: the connection broke after the statement was sent.
    pub in_doubt: bool,
    /// What the broken-off change left and must be cleared away.
    pub sweep: Option<Revert>,
}

/// What the target says of an effect whose end was not recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Confirmed {
    /// It happened.
    Done(Applied),
    /// It did not happen; how we know, and what is left to clear away.
    NotDone {
        /// How we know.
        why: String,
        /// What a broken-off change left.
        sweep: Option<Revert>,
    },
    /// The target cannot tell either, for this reason.
    CannotTell(String),
}

/// How taking back ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reverted {
    /// What was recorded is in place again.
    Restored(String),
    /// It already was.
    NothingToDo(String),
    /// Another hand changed it since; left as it is.
    LeftAlone(String),
}

impl Read {
    /// The logical name of the target.
    pub fn target(&self) -> &str {
        match self {
            Self::Database(read) => read.database(),
        }
    }
}

impl Effect {
    /// The logical name of the target.
    pub fn target(&self) -> &str {
        match self {
            Self::Database(effect) => effect.database(),
        }
    }

    /// What must agree between a planned effect and the one that runs.
    pub fn plan_key(&self) -> String {
        match self {
            Self::Database(effect) => effect.plan_key(),
        }
    }

    /// What is done, without the object.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Database(effect) => effect.action(),
        }
    }

    /// What it is done to, as people write it.
    pub fn object_text(&self) -> String {
        match self {
            Self::Database(effect) => effect.object_text(),
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(read) => read.fmt(f),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(effect) => effect.fmt(f),
        }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(revert) => revert.fmt(f),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(revert) => revert.fmt(f),
            Self::NotNeeded(why) => write!(f, "not needed: {why}"),
            Self::Impossible(why) => write!(f, "impossible: {why}"),
        }
    }
}
