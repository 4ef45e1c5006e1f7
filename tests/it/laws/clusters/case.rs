//! What each procedure is given to do when the laws are tried.

use super::windlass;
use crate::world::{Output, Shop};

/// A procedure with parameters that give it something to do in a shop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) procedure: &'static str,
    /// `{namespace}` and `{node}`, the first of its nodes, stand for the shop's.
    parameters: &'static [&'static str],
    /// What the shop has besides `web`.
    objects: &'static str,
    /// What its objects are to be before windlass begins: each an object and a condition of `kubectl wait`.
    ready: &'static [(&'static str, &'static str)],
    /// Nodes of its own.
    nodes: usize,
    /// Objects that a narrow grant names.
    pub(super) names: &'static [&'static str],
    /// Effects that it has then.
    pub(super) effects: usize,
}

const PLAIN: Case = Case {
    procedure: "",
    parameters: &[],
    objects: "",
    ready: &[],
    nodes: 0,
    names: &["web"],
    effects: 1,
};

pub(super) fn case(procedure: &str) -> Case {
    match procedure {
        "k8s-rollout" => Case {
            procedure: "k8s-rollout",
            parameters: &[
                "namespace={namespace}",
                "name=web",
                "images=app=shop:2",
                "within=1min",
            ],
            ..PLAIN
        },
        // Its pods have nowhere to go until it is back, so nobody looks after them.
        "node-maintenance" => Case {
            procedure: "node-maintenance",
            parameters: &["nodes={node}", "update=none"],
            nodes: 1,
            effects: 3,
            ..PLAIN
        },
        other => panic!("{other} has no case"),
    }
}

impl Case {
    /// A shop with a grant for the procedure.
    pub(super) fn shop(self) -> Shop {
        let shop = Shop::with_nodes(self.nodes);
        if !self.objects.is_empty() {
            shop.namespace().apply(self.objects);
        }
        for (object, condition) in self.ready {
            shop.namespace().until(object, condition);
        }
        shop.granting(self.procedure)
    }

    /// The words of the command line.
    pub(super) fn typed(self, shop: &Shop, verb: &str) -> Vec<String> {
        let mut words = vec![verb.to_owned(), self.procedure.to_owned()];
        words.extend(["--target", "staging"].map(str::to_owned));
        let namespace = shop.namespace();
        let node = namespace.nodes().first().map_or("", String::as_str);
        for parameter in self.parameters {
            let filled = parameter
                .replace("{namespace}", namespace.name())
                .replace("{node}", node);
            words.extend(["--set".to_owned(), filled]);
        }
        words
    }

    pub(super) fn run(self, shop: &Shop, faults: &[(&str, &str)]) -> Output {
        windlass(shop, faults, &self.typed(shop, "run"))
    }
}
