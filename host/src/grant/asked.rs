//! What a call asked to be allowed, in the words of grants. Pure.

use crate::call::{Effect, Read, Touch};
use crate::cluster::{self, call::Named};
use crate::database::{self, Verb};
use crate::probe;

/// What a call asked to be allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked<'a> {
    /// Something in a database.
    Database {
        /// The verb.
        verb: Verb,
        /// Logical name.
        database: &'a str,
        /// The schema of the object, where there is one.
        schema: Option<&'a str>,
        /// The table, where it is known.
        table: Option<&'a str>,
    },
    /// Something in a cluster.
    Cluster {
        /// The verb.
        verb: cluster::Verb,
        /// Logical name.
        cluster: &'a str,
        /// What it is about.
        named: Named<'a>,
    },
    /// A message.
    Message {
        /// Logical name of the channel.
        channel: &'a str,
        /// What it is about.
        event: &'a str,
    },
    /// A look at an endpoint.
    Endpoint {
        /// The verb.
        verb: probe::Verb,
        /// Logical name.
        endpoint: &'a str,
    },
}

impl<'a> From<&'a Effect> for Asked<'a> {
    fn from(effect: &'a Effect) -> Self {
        let effect = match effect {
            Effect::Database(effect) => effect,
            Effect::Cluster(effect) => {
                return Self::Cluster {
                    verb: effect.verb(),
                    cluster: &effect.cluster,
                    named: effect.named(),
                };
            }
            Effect::Notify(effect) => {
                return Self::Message {
                    channel: effect.channel(),
                    event: effect.event(),
                };
            }
        };
        let table = match effect {
            database::Effect::Vacuum { table, .. }
            | database::Effect::Analyze { table, .. }
            | database::Effect::SetParameters { table, .. } => Some(table.name.as_str()),
            database::Effect::Reindex { .. }
            | database::Effect::DropInvalidIndex { .. }
            | database::Effect::CancelBackend { .. } => None,
        };
        Self::Database {
            verb: effect.verb(),
            database: effect.database(),
            schema: effect.schema(),
            table,
        }
    }
}

impl<'a> Asked<'a> {
    /// What a look or a wait asks, of each object that it is about.
    pub fn each(read: &'a Read) -> Vec<Self> {
        match read {
            Read::Database(read) => vec![Self::Database {
                verb: read.verb(),
                database: read.database(),
                schema: None,
                table: None,
            }],
            Read::Cluster(read) => {
                let (verb, cluster) = (read.verb(), read.cluster.as_str());
                let named = read.named().into_iter();
                let asked = |named| Self::Cluster {
                    verb,
                    cluster,
                    named,
                };
                named.map(asked).collect()
            }
            Read::Probe(read) => vec![Self::Endpoint {
                verb: read.verb(),
                endpoint: &read.endpoint,
            }],
        }
    }

    /// The same about an object that a change turned out to touch.
    #[must_use]
    pub fn touching(self, touch: &'a Touch) -> Self {
        match (self, touch) {
            (Self::Database { verb, database, .. }, Touch::Table { schema, table, .. }) => {
                Self::Database {
                    verb,
                    database,
                    schema: Some(schema),
                    table: Some(table),
                }
            }
            (Self::Cluster { verb, cluster, .. }, Touch::Object { object, .. }) => Self::Cluster {
                verb,
                cluster,
                named: Named {
                    namespace: object.namespace.as_deref(),
                    ..Named::default()
                },
            },
            (asked, _) => asked,
        }
    }
}

/// What it is, without a full stop: "vacuum sales.orders on orders".
pub(super) fn sentence(asked: Asked<'_>) -> String {
    match asked {
        Asked::Database {
            verb,
            database,
            schema,
            table,
        } => match (schema, table) {
            (Some(schema), Some(table)) => format!("{verb} {schema}.{table} on {database}"),
            (Some(schema), None) => format!("{verb} in schema {schema} on {database}"),
            (None, _) => format!("{verb} on {database}"),
        },
        Asked::Cluster {
            verb,
            cluster,
            named,
        } => {
            let names = [named.namespace, named.name, named.node];
            let names: Vec<_> = names.into_iter().flatten().collect();
            match names.join("/") {
                name if name.is_empty() => format!("{verb} on {cluster}"),
                name => format!("{verb} {name} on {cluster}"),
            }
        }
        Asked::Message { channel, event } => format!("send {event} to {channel}"),
        Asked::Endpoint { verb, endpoint } => format!("{verb}: {endpoint}"),
    }
}
