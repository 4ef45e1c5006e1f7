//! The rules on nodes that a grant states besides its lists: the control plane and Kubernetes' own labels are meant by name only, and so
//! many nodes may be cordoned at once. Pure.

use super::{Capabilities, Effective, Side, narrower};
use crate::call::{Effect, Touch};
use crate::cluster::Verb;
use crate::cluster::object::Object;
use std::fmt;

/// A rule that an effect on a node would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeRule {
    /// A pattern such as `*` is written with other nodes in mind: a node of the control plane has to be named.
    ControlPlane {
        /// What is done to it.
        verb: Verb,
        /// Its name.
        node: Object,
    },
    /// Kubernetes itself acts on its labels: one of them has to be named.
    Label(String),
    /// One node more than a scope allows to be cordoned at once.
    AtOnce {
        /// The node.
        node: Object,
        /// How many may be.
        most: u32,
        /// Those that are.
        others: Vec<String>,
    },
}

impl NodeRule {
    /// The rule, without the object.
    pub fn cause(&self) -> String {
        match self {
            Self::ControlPlane { .. } => "a pattern means no node of the control plane".into(),
            Self::Label(_) => "a pattern means no label of Kubernetes' own".into(),
            Self::AtOnce { most, .. } => format!("nodes-at-once is {most}"),
        }
    }

    /// The line that would allow it, or what to do first.
    pub fn hint(&self) -> String {
        match self {
            Self::ControlPlane { node, .. } => format!("nodes = [{:?}]", node.name),
            Self::Label(name) => format!("labels = [{name:?}]"),
            Self::AtOnce { most, .. } => {
                format!(
                    "uncordon one first, or: nodes-at-once = {}",
                    most.saturating_add(1)
                )
            }
        }
    }
}

impl fmt::Display for NodeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPlane { verb, node } => write!(
                f,
                "{node} belongs to the control plane, and no grant names it: a grant with nodes = [{:?}] would allow it to {verb} it",
                node.name
            ),
            Self::Label(name) => write!(
                f,
                "`{name}` is Kubernetes' own, and no grant names it: a grant with labels = [{name:?}] would allow it to set it"
            ),
            Self::AtOnce { node, most, others } => write!(
                f,
                "{node} would be one too many: at most {} may be cordoned by windlass at once, and these are: {}; uncordon one first",
                crate::text::counted(*most as usize, "node"),
                others.join(", ")
            ),
        }
    }
}

impl Capabilities {
    /// How many nodes may be cordoned at once: the least that a scope says which covers cordoning this one.
    fn nodes_at_once(&self, at: &str, node: &Object) -> Option<u32> {
        let scopes = self.cluster.iter();
        let covering = scopes.filter(|scope| scope.allows_object(Verb::Cordon, at, node));
        covering.filter_map(|scope| scope.nodes_at_once).min()
    }

    /// The rule that the effect would break by what preparing it found.
    pub fn breaks_rule(&self, effect: &Effect, touch: &Touch) -> Option<NodeRule> {
        let (
            Effect::Cluster(cluster),
            Touch::Node {
                cluster: at,
                node,
                control_plane,
                labels,
                ..
            },
        ) = (effect, touch)
        else {
            return None;
        };
        let verb = cluster.verb();
        if *control_plane && !self.names_node(verb, at, node) {
            let node = node.clone();
            return Some(NodeRule::ControlPlane { verb, node });
        }
        let mut unnamed = labels
            .iter()
            .filter(|label| !self.names_label(at, node, label));
        let unnamed = unnamed.next().cloned().map(NodeRule::Label);
        unnamed.or_else(|| self.too_many(effect, touch))
    }

    /// A cordon that would be one too many.
    fn too_many(&self, effect: &Effect, touch: &Touch) -> Option<NodeRule> {
        let (
            Effect::Cluster(_),
            Touch::Node {
                cluster: at,
                node,
                cordoned: Some(others),
                ..
            },
        ) = (effect, touch)
        else {
            return None;
        };
        let most = self.nodes_at_once(at, node)?;
        (others.len() >= usize::try_from(most).unwrap_or(usize::MAX)).then(|| NodeRule::AtOnce {
            node: node.clone(),
            most,
            others: others.clone(),
        })
    }

    fn names_node(&self, verb: Verb, at: &str, node: &Object) -> bool {
        let mut scopes = self.cluster.iter();
        scopes.any(|scope| {
            let named = scope.nodes.iter().any(|pattern| pattern.0 == node.name);
            named && scope.allows_object(verb, at, node)
        })
    }

    fn names_label(&self, at: &str, node: &Object, label: &str) -> bool {
        let mut scopes = self.cluster.iter();
        scopes.any(|scope| {
            let named = scope.labels.iter().any(|pattern| pattern.0 == label);
            named && scope.allows_object(Verb::Label, at, node)
        })
    }
}

impl Effective {
    /// How many nodes of the cluster may be cordoned by windlass at once, this one among them. Absent means that no bound is set.
    pub fn nodes_at_once(&self, at: &str, node: &Object) -> Option<u32> {
        narrower(
            self.needs.nodes_at_once(at, node),
            self.grant.nodes_at_once(at, node),
        )
    }

    /// The rule that the effect would break by what preparing it found, and the side that states it.
    pub fn breaks_rule(&self, effect: &Effect, touch: &Touch) -> Option<(Side, NodeRule)> {
        let of_grant = || Some((Side::Grant, self.grant.breaks_rule(effect, touch)?));
        let of_needs = || Some((Side::Needs, self.needs.too_many(effect, touch)?));
        of_grant().or_else(of_needs)
    }
}
