//! Capabilities: what a procedure needs and what an operator grants are the same type, and what it may do is what both allow. Pure.

mod asked;
mod cluster;
mod cover;
mod draft;
mod ends;
mod explain;
mod file;
mod narrow;
mod nodes;
mod notify;
mod probe;
mod renew;
mod select;

pub use asked::Asked;
pub use cover::{Lack, Lacking, Missing, Nearest, missing};
pub use draft::{Draft, DraftError};
pub use explain::Explanation;
pub use file::{GrantFile, GrantFileError};
pub use nodes::NodeRule;
pub use select::{Granted, Purpose, Refusal, Sought, Wanted, differences, select, short};

use crate::call::{Effect, Read, Touch, Verb};
use crate::clock::{Millis, Span};
use crate::cluster as room;
use crate::cluster::call::{Place, Subject};
use crate::contract::Denial;
use crate::contract::cluster_types::ObjectName;
use crate::database;
use crate::notify as channels;
use crate::probe as endpoints;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// How dangerous a verb is at most for a target, the least first. It is part of the interface's name, so a component's imports prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Danger {
    /// Looks only.
    Read,
    /// Reaches people; cannot be taken back. Changes no target.
    Send,
    /// Changes no rows and no objects that a user would miss; reversible, or nothing to reverse.
    Maintain,
    /// Changes what serves people; what it changes is recorded and can be taken back.
    Change,
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Maintain => "maintain",
            Self::Change => "change",
        })
    }
}

/// A name, or the beginning of one followed by `*`. `*` alone matches each name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether the name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => self.0 == name,
        }
    }

    /// Whether the schema is meant. A system schema is meant by its full name only.
    pub fn matches_schema(&self, schema: &str) -> bool {
        self.matches(schema) && (!is_system(schema) || self.0 == schema)
    }

    /// Whether one of the patterns means the name.
    pub fn any(patterns: &[Self], name: &str) -> bool {
        patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether one of the patterns means the schema.
    pub fn any_schema(patterns: &[Self], schema: &str) -> bool {
        patterns
            .iter()
            .any(|pattern| pattern.matches_schema(schema))
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

    /// Whether every schema that `other` means is meant by this one too.
    pub fn covers_schema(&self, other: &Self) -> bool {
        self.covers(other) && (other.0.ends_with('*') || self.matches_schema(&other.0))
    }
}

/// Whether PostgreSQL keeps the schema for itself: nobody can make another of such a name.
fn is_system(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

/// What may be done, room by room. Each list is a union; an empty one allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// In the cluster room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<room::Scope>,
    /// In the database room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub database: Vec<database::Scope>,
    /// In the notify room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<channels::Scope>,
    /// In the probe room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe: Vec<endpoints::Scope>,
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
    pub duration: Option<Span>,
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
    /// Nobody can be allowed it: a malformed name, a privileged pod.
    Policy,
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
    /// The grant has ended.
    GrantEnded,
}

impl Side {
    /// The reason that a guest is told.
    pub fn denial(self) -> Denial {
        match self {
            Self::Policy => Denial::Policy,
            Self::Needs => Denial::Need,
            Self::Grant => Denial::Grant,
            Self::Budget => Denial::Budget,
            Self::Plan => Denial::Plan,
            Self::Lock => Denial::Lock,
            Self::GrantEnded => Denial::GrantEnded,
        }
    }
}

impl Capabilities {
    /// Every verb that some scope names.
    pub fn verbs(&self) -> BTreeSet<Verb> {
        let databases = self.database.iter().flat_map(|scope| &scope.verbs);
        let databases = databases.copied().map(Verb::Database);
        let clusters = self.cluster.iter().flat_map(|scope| &scope.verbs);
        let clusters = clusters.copied().map(Verb::Cluster);
        let channels = self.notify.iter().map(|_| channels::Verb::Send);
        let endpoints = self.probe.iter().flat_map(|scope| &scope.verbs);
        let endpoints = endpoints.copied().map(Verb::Probe);
        let all = databases.chain(clusters).chain(endpoints);
        all.chain(channels.map(Verb::Notify)).collect()
    }

    /// Whether the look is covered.
    pub fn allows_read(&self, read: &Read) -> bool {
        match read {
            Read::Cluster(read) => self.allows_look(read),
            Read::Database(read) => self
                .database
                .iter()
                .any(|scope| scope.allows(read.verb(), read.database())),
            Read::Probe(read) => self
                .probe
                .iter()
                .any(|scope| scope.allows(read.verb(), &read.endpoint)),
        }
    }

    /// Whether the change is covered, as far as its own words tell.
    pub fn allows_effect(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Cluster(effect) => self.allows_cluster_effect(effect),
            Effect::Database(effect) => self.database.iter().any(|scope| match effect.schema() {
                Some(schema) => scope.allows_schema(effect.verb(), effect.database(), schema),
                None => scope.allows(effect.verb(), effect.database()),
            }),
            Effect::Notify(effect) => self
                .notify
                .iter()
                .any(|scope| scope.allows(effect.channel(), effect.event())),
        }
    }

    /// Whether an object that the change turned out to touch is covered.
    pub fn allows_touch(&self, effect: &Effect, touch: &Touch) -> bool {
        match (effect, touch) {
            (
                Effect::Database(effect),
                Touch::Table {
                    database,
                    schema,
                    table,
                },
            ) => self.shows_table(effect.verb(), database, schema, table),
            (Effect::Cluster(effect), Touch::Object { cluster, object }) => {
                let mut scopes = self.cluster.iter();
                match &object.namespace {
                    // Of a pod that is evicted the namespace counts: nobody knows its name beforehand.
                    Some(namespace) if effect.verb() == room::Verb::Drain => {
                        scopes.any(|scope| scope.allows_eviction(cluster, namespace))
                    }
                    _ => scopes.any(|scope| scope.allows_object(effect.verb(), cluster, object)),
                }
            }
            // The call names the node, and is covered; rules are asked for by themselves.
            (Effect::Cluster(_), Touch::Node { .. }) => true,
            // A message touches nothing, and no room touches what is of another.
            (
                Effect::Notify(_) | Effect::Database(_),
                Touch::Object { .. } | Touch::Node { .. },
            )
            | (Effect::Notify(_) | Effect::Cluster(_), Touch::Table { .. }) => false,
        }
    }

    fn allows_look(&self, read: &room::Read) -> bool {
        let (verb, at) = (read.verb(), read.cluster.as_str());
        let mut scopes = self.cluster.iter();
        match read.place() {
            Ok(Place::Cluster) => scopes.any(|scope| scope.allows(verb, at)),
            Ok(Place::Namespace(namespace)) => {
                scopes.any(|scope| scope.allows_namespace(verb, at, &namespace))
            }
            Ok(Place::Objects(objects)) => objects.iter().all(|object| {
                let mut scopes = self.cluster.iter();
                scopes.any(|scope| scope.allows_object(verb, at, object))
            }),
            Ok(Place::Named(object)) => {
                let named = read.named().into_iter().next();
                let lacks = |scope: &room::Scope| cluster::contents_lack(scope, named?);
                scopes.any(|scope| scope.allows_named(verb, at, &object) && lacks(scope).is_none())
            }
            // It names nothing.
            Err(_) => false,
        }
    }

    fn allows_cluster_effect(&self, effect: &room::Effect) -> bool {
        let Ok(subject) = effect.subject() else {
            return false;
        };
        let named = effect.named();
        let enough = |scope: &room::Scope| cluster::contents_lack(scope, named).is_none();
        let mut scopes = self.cluster.iter();
        let (verb, at) = (effect.verb(), effect.cluster.as_str());
        let covers = |scope: &room::Scope| match &subject {
            Subject::Object(object) => scope.allows_object(verb, at, object),
            Subject::Named(object) => scope.allows_named(verb, at, object),
        };
        scopes.any(|scope| covers(scope) && enough(scope))
    }

    /// Whether a look may show this object of a cluster.
    pub fn shows_object(&self, verb: room::Verb, at: &str, object: &room::object::Object) -> bool {
        self.cluster
            .iter()
            .any(|scope| scope.allows_object(verb, at, object))
    }

    /// Whether a look may show this object, by the names that manifests have for it.
    pub fn shows_named(&self, verb: room::Verb, at: &str, object: &ObjectName) -> bool {
        let mut scopes = self.cluster.iter();
        scopes.any(|scope| scope.allows_named(verb, at, object))
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
    /// When the first of the grants ends.
    pub expires: Option<Millis>,
    /// Each grant with its end, where it is known which is which.
    pub parts: Vec<(Millis, Capabilities)>,
    /// What grants allowed that have ended since the run began.
    pub lapsed: Capabilities,
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

    /// Whether a look may show this object of a cluster.
    pub fn shows_object(&self, verb: room::Verb, at: &str, object: &room::object::Object) -> bool {
        self.side(|capabilities| capabilities.shows_object(verb, at, object))
            .is_none()
    }

    /// Whether a look may show this object, by the names that manifests have for it.
    pub fn shows_named(&self, verb: room::Verb, at: &str, object: &ObjectName) -> bool {
        self.side(|capabilities| capabilities.shows_named(verb, at, object))
            .is_none()
    }

    /// Whether a message about some event may go to the channel, as far as its name tells.
    pub fn reaches_channel(&self, channel: &str) -> bool {
        let reaches = |capabilities: &Capabilities| {
            let mut scopes = capabilities.notify.iter();
            scopes.any(|scope| Pattern::any(&scope.channels, channel))
        };
        reaches(&self.needs) && reaches(&self.grant)
    }

    /// Whether the endpoint may be looked at in some way.
    pub fn reaches_endpoint(&self, endpoint: &str) -> bool {
        let reaches = |capabilities: &Capabilities| {
            let mut scopes = capabilities.probe.iter();
            scopes.any(|scope| Pattern::any(&scope.endpoints, endpoint))
        };
        reaches(&self.needs) && reaches(&self.grant)
    }

    fn side(&self, allows: impl Fn(&Capabilities) -> bool) -> Option<Side> {
        if !allows(&self.needs) {
            Some(Side::Needs)
        } else if allows(&self.grant) {
            None
        } else if allows(&self.lapsed) {
            Some(Side::GrantEnded)
        } else {
            Some(Side::Grant)
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
            parts: Vec::new(),
            lapsed: Capabilities::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_system_schema_is_meant_by_its_full_name_only() {
        let means = |pattern: &str, schema: &str| Pattern(pattern.into()).matches_schema(schema);
        assert!(means("*", "public") && means("p*", "public"));
        for pattern in ["*", "p*", "pg_*"] {
            assert!(!means(pattern, "pg_catalog"), "{pattern}");
        }
        assert!(means("pg_catalog", "pg_catalog"));
        let covers =
            |one: &str, other: &str| Pattern(one.into()).covers_schema(&Pattern(other.into()));
        assert!(covers("*", "sales") && covers("*", "s*"));
        assert!(!covers("*", "pg_catalog") && covers("pg_catalog", "pg_catalog"));
        // Tables have names of their own.
        assert!(Pattern("*".into()).matches("pg_audit_log"));
    }
}
