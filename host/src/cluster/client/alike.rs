//! Which pods and which nodes a server does not tell apart, so that a plan has one of each rehearsed. Pure.

use crate::cluster::drain::{Budget, Condition, Pod};
use crate::cluster::field::FieldChange;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Pods of which the server says the same when one of them is to be evicted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PodSort {
    namespace: String,
    budgets: Guard,
    condition: Condition,
}

/// Which budgets are about pods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Guard {
    None,
    /// One of those that let a pod go now: whichever it is, it says nothing.
    Open,
    Named(Vec<String>),
}

impl PodSort {
    /// `budgets` are those of its namespace, and maybe others.
    pub(super) fn of(pod: &Pod, budgets: &[&Budget]) -> Self {
        let about = budgets.iter().filter(|budget| budget.means(pod));
        let about: Vec<_> = about.collect();
        let budgets = match &about[..] {
            [] => Guard::None,
            [budget] if budget.lets_one_go() => Guard::Open,
            all => Guard::Named(all.iter().map(|budget| budget.name.clone()).collect()),
        };
        Self {
            namespace: pod.namespace.clone(),
            budgets,
            condition: pod.condition,
        }
    }

    /// Whether what the server said of the pod that was rehearsed holds for this one, too. A budget that let pods go and does not by now is not
    /// the one of all.
    pub(super) fn is_told_of(&self, rehearsed: &str, pod: &str) -> bool {
        self.budgets != Guard::Open || rehearsed == pod
    }

    /// The budgets that may hold them back.
    pub(super) fn guards(&self) -> &[String] {
        match &self.budgets {
            Guard::None | Guard::Open => &[],
            Guard::Named(names) => names,
        }
    }
}

/// What the server said of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rehearsed {
    Goes,
    /// Which pod was rehearsed, and why it does not go now.
    Held {
        pod: String,
        why: String,
    },
    SeveralBudgets,
}

/// Nodes of which the server says the same when they are changed in the same way. It may choose by what its owners tell them apart with: labels,
/// annotations, taints. Names it knows too, so what is about one node by its name is only met when that node is changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeSort {
    /// What each label says, unless no other node has one that says so: then it is a name.
    labels: BTreeMap<String, Option<String>>,
    annotations: BTreeSet<String>,
    taints: String,
    changes: String,
}

impl NodeSort {
    /// `common` are the labels that several nodes have.
    pub(super) fn of(
        node: &Value,
        common: &BTreeSet<(String, String)>,
        changes: &[FieldChange],
    ) -> Self {
        let label = |(name, value): (String, String)| {
            let pair = (name, value);
            let is_common = common.contains(&pair);
            (pair.0, is_common.then_some(pair.1))
        };
        let annotations = node["metadata"]["annotations"].as_object();
        let changes: Vec<_> = changes.iter().map(FieldChange::to_string).collect();
        Self {
            labels: labels(node).map(label).collect(),
            annotations: annotations
                .into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect(),
            taints: node["spec"]["taints"].to_string(),
            changes: changes.join("\n"),
        }
    }
}

fn labels(node: &Value) -> impl Iterator<Item = (String, String)> {
    let all = node["metadata"]["labels"].as_object();
    all.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
}

/// Labels that more than one of these nodes have.
pub(super) fn common_labels<'a>(
    nodes: impl Iterator<Item = &'a Value>,
) -> BTreeSet<(String, String)> {
    let (mut once, mut common) = (BTreeSet::new(), BTreeSet::new());
    for label in nodes.flat_map(labels) {
        if !once.insert(label.clone()) {
            common.insert(label);
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::{NodeSort, common_labels};
    use serde_json::{Value, json};

    fn node(name: &str, more: &Value) -> Value {
        let mut node =
            json!({"metadata": {"labels": {"host": name}, "annotations": {"a": name}}, "spec": {}});
        for (pointer, value) in more.as_object().unwrap() {
            *node.pointer_mut(pointer).unwrap() = value.clone();
        }
        node
    }

    #[test]
    fn nodes_are_alike_but_for_their_names() {
        let label = |name, pool| json!({"/metadata/labels": {"host": name, "pool": pool}});
        let nodes = [
            node("a", &label("a", "web")),
            node("b", &label("b", "web")),
            node("c", &label("c", "db")),
            node("d", &label("d", "db")),
            node("e", &json!({})),
            node("f", &json!({"/metadata/annotations": {"kept": "yes"}})),
            node("g", &json!({"/spec": {"taints": [{"key": "kept"}]}})),
        ];
        let common = common_labels(nodes.iter());
        let sorts = nodes
            .each_ref()
            .map(|node| NodeSort::of(node, &common, &[]));
        assert_eq!(sorts[0], sorts[1]);
        assert_eq!(sorts[2], sorts[3]);
        let different = [0, 2, 4, 5, 6].map(|at| &sorts[at]);
        for (at, one) in different.iter().enumerate() {
            assert!(different.iter().skip(at + 1).all(|other| one != other));
        }
    }
}
