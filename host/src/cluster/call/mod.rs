//! What a guest can ask of a cluster, as values. Pure. `Display` is the line in plans and reports.

mod effect;
mod read;
mod revert;

pub(super) use effect::is_of_kubernetes;
pub use effect::{Change, Effect};
pub use read::{Look, MOST_LINES, Place, Read};
pub use revert::{Revert, is_mark};

use super::object::{Kind, Object};
use crate::contract::CallError;
use crate::contract::cluster_types::{Namespaced, WorkloadKind, WorkloadName};

/// The names of what a call is about, as far as it names something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its kind, where grants name kinds.
    pub kind: Option<Kind>,
    /// Its name.
    pub name: Option<&'a str>,
    /// The node.
    pub node: Option<&'a str>,
    /// A label that it sets.
    pub label: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(super) fn workload(workload: &'a WorkloadName) -> Self {
        let kind = match workload.kind {
            WorkloadKind::Deployment => Kind::Deployment,
            WorkloadKind::StatefulSet => Kind::StatefulSet,
            WorkloadKind::DaemonSet => Kind::DaemonSet,
        };
        Self {
            kind: Some(kind),
            ..Self::of(&workload.namespace, &workload.name)
        }
    }

    pub(super) fn of(namespace: &'a str, name: &'a str) -> Self {
        Self {
            namespace: Some(namespace),
            name: Some(name),
            ..Self::default()
        }
    }

    pub(super) fn node(node: &'a str) -> Self {
        Self {
            node: Some(node),
            ..Self::default()
        }
    }
}

/// An object of this kind.
pub fn named(kind: Kind, name: &Namespaced) -> Result<Object, CallError> {
    Object::new(kind, &name.namespace, &name.name)
}
