//! The rooms' calls joined: what a guest asks, what is known before a change, how it is taken back. Values, pure but for [`Rooms`].

use crate::cluster;
use crate::contract::CallError;
use crate::database;
use crate::grant::Danger;
use crate::notify;
use crate::probe;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// What a capability is about: the rooms' verbs joined. Each function of an interface belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// In the cluster room.
    Cluster(cluster::Verb),
    /// In the database room.
    Database(database::Verb),
    /// In the notify room.
    Notify(notify::Verb),
    /// In the probe room.
    Probe(probe::Verb),
}

/// A call that looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum Read {
    /// In the cluster room.
    Cluster(cluster::Read),
    /// In the database room.
    Database(database::Read),
    /// In the probe room.
    Probe(probe::Read),
}

/// A call that changes the outside, or reaches people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum Effect {
    /// In the cluster room.
    Cluster(cluster::Effect),
    /// In the database room.
    Database(database::Effect),
    /// In the notify room.
    Notify(notify::Effect),
}

/// How a change is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum Revert {
    /// In the cluster room.
    Cluster(cluster::Revert),
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
    /// It cannot be taken back, for this reason, and what was done before it rests on it: that stays as well.
    Final(String),
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
    /// An object of a cluster.
    Object {
        /// Logical name.
        cluster: String,
        /// The object.
        object: cluster::object::Object,
    },
    /// What of a node a grant has rules on.
    Node {
        /// Logical name.
        cluster: String,
        /// The node.
        node: cluster::object::Object,
        /// Whether it belongs to the control plane.
        control_plane: bool,
        /// The labels among those to be set that are Kubernetes' own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<String>,
        /// The other nodes that windlass has cordoned, where one more would be cordoned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cordoned: Option<Vec<String>>,
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
    /// What else there is to know, a line each: fields that change, who else writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
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

/// What the rooms have looked at for one plan. Nothing changes while it is made, so nothing has to be asked for twice.
#[derive(Debug, Default)]
pub struct Looked {
    /// In the cluster room.
    pub cluster: cluster::client::Looked,
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

impl Verb {
    /// The verb that a function of an interface needs; none if no room has such a function.
    pub fn of_function(interface: &str, function: &str) -> Option<Self> {
        let database = database::Verb::of_function(interface, function).map(Self::Database);
        let cluster = || cluster::Verb::of_function(interface, function).map(Self::Cluster);
        let notify = || notify::Verb::of_function(interface, function).map(Self::Notify);
        let probe = || probe::Verb::of_function(interface, function).map(Self::Probe);
        database.or_else(cluster).or_else(notify).or_else(probe)
    }

    /// The interface that carries the verb.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Cluster(verb) => verb.interface(),
            Self::Database(verb) => verb.interface(),
            Self::Notify(verb) => verb.interface(),
            Self::Probe(verb) => verb.interface(),
        }
    }

    /// How dangerous the verb is at most.
    pub fn danger(self) -> Danger {
        match self {
            Self::Cluster(verb) => verb.danger(),
            Self::Database(verb) => verb.danger(),
            Self::Notify(verb) => verb.danger(),
            Self::Probe(verb) => verb.danger(),
        }
    }
}

impl Read {
    /// Fails with *invalid* on names that nothing can have, and with *denied* on what no grant can allow.
    pub fn check(&self) -> Result<(), CallError> {
        match self {
            Self::Cluster(read) => read.check(),
            Self::Database(read) => read.check(),
            Self::Probe(read) => read.check(),
        }
    }

    /// The logical name of the target or endpoint.
    pub fn target(&self) -> &str {
        match self {
            Self::Cluster(read) => &read.cluster,
            Self::Database(read) => read.database(),
            Self::Probe(read) => &read.endpoint,
        }
    }

    /// For how long it waits at most for what others do, if it does. In a plan nothing is waited for.
    pub fn waits(&self) -> Option<Duration> {
        match self {
            Self::Cluster(read) => read.waits(),
            Self::Database(_) => None,
            Self::Probe(read) => read.waits(),
        }
    }

    /// How long it takes at least to see that what it waits for has come about.
    pub fn waits_at_least(&self) -> Duration {
        let one_look = Duration::from_secs(3);
        match self {
            Self::Cluster(_) | Self::Database(_) => one_look,
            Self::Probe(read) => one_look + read.takes(),
        }
    }

    /// Whether it asks that something is watched from here on to the end of the run.
    pub fn is_watch(&self) -> bool {
        match self {
            Self::Cluster(_) | Self::Database(_) => false,
            Self::Probe(read) => read.is_watch(),
        }
    }

    /// What a plan answers for a wait: that it came about.
    pub fn assumed(&self) -> Option<Value> {
        match self {
            Self::Cluster(read) => cluster::client::assumed(read),
            Self::Database(_) => None,
            Self::Probe(read) => probe::client::assumed(read),
        }
    }
}

impl Effect {
    /// Fails with *invalid* on names that nothing can have, and with *denied* on what no grant can allow.
    pub fn check(&self) -> Result<(), CallError> {
        match self {
            Self::Cluster(effect) => effect.check(),
            Self::Database(effect) => effect.check(),
            Self::Notify(effect) => effect.check(),
        }
    }

    /// The logical name of the target or channel.
    pub fn target(&self) -> &str {
        match self {
            Self::Cluster(effect) => &effect.cluster,
            Self::Database(effect) => effect.database(),
            Self::Notify(effect) => effect.channel(),
        }
    }

    /// Where it happens, as the end of a sentence: `on orders`, `to ops`.
    pub fn place(&self) -> String {
        match self {
            Self::Cluster(effect) => format!("on {}", effect.cluster),
            Self::Database(effect) => format!("on {}", effect.database()),
            Self::Notify(effect) => format!("to {}", effect.channel()),
        }
    }

    /// Whether it changes a target: then the run must hold its lock, and it counts against the budget of effects. A message does not.
    pub fn changes_target(&self) -> bool {
        match self {
            Self::Cluster(_) | Self::Database(_) => true,
            Self::Notify(_) => false,
        }
    }

    /// What must agree between a planned effect and the one that runs.
    pub fn plan_key(&self) -> String {
        match self {
            Self::Cluster(effect) => effect.plan_key(),
            Self::Database(effect) => effect.plan_key(),
            Self::Notify(effect) => effect.plan_key(),
        }
    }

    /// Whether the target can always tell later if it happened, whatever breaks off: its end need not be durable before the run goes on.
    pub fn leaves_a_trace(&self) -> bool {
        match self {
            Self::Cluster(effect) => effect.leaves_a_trace(),
            Self::Database(effect) => effect.leaves_a_trace(),
            // A receiver is not asked what it has got.
            Self::Notify(_) => false,
        }
    }

    /// What is done, without the object.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Cluster(effect) => effect.action(),
            Self::Database(effect) => effect.action(),
            Self::Notify(effect) => effect.action(),
        }
    }

    /// What it is done to, as people write it.
    pub fn object_text(&self) -> String {
        match self {
            Self::Cluster(effect) => effect.object_text(),
            Self::Database(effect) => effect.object_text(),
            Self::Notify(effect) => effect.object_text(),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(verb) => verb.fmt(f),
            Self::Database(verb) => verb.fmt(f),
            Self::Notify(verb) => verb.fmt(f),
            Self::Probe(verb) => verb.fmt(f),
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(read) => read.fmt(f),
            Self::Database(read) => read.fmt(f),
            Self::Probe(read) => read.fmt(f),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(effect) => effect.fmt(f),
            Self::Database(effect) => effect.fmt(f),
            Self::Notify(effect) => effect.fmt(f),
        }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(revert) => revert.fmt(f),
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
            Self::Final(why) => write!(f, "impossible from here on: {why}"),
        }
    }
}
