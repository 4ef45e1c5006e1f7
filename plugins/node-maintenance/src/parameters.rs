//! What an operator can choose.

use windlass_sdk::Error;
use windlass_sdk::cluster::DrainOptions;
use windlass_sdk::parameters::Span;

/// Nodes, and what becomes of them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own to an operator"
)]
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Parameters {
    /// The nodes, by name, in this order.
    pub nodes: Vec<String>,
    /// The nodes, by a label selector.
    pub pool: Option<String>,
    /// How many nodes are out at once.
    #[schemars(range(min = 1))]
    pub batch: u32,
    /// Begin with a single node.
    pub canary: bool,
    /// How long to wait after each batch before it is looked at once more.
    pub soak: Span,
    /// How a node gets its maintenance.
    pub update: Update,
    /// With update = "label": the label that a controller acts on.
    pub label: Option<String>,
    /// With update = "label": its value.
    pub value: Option<String>,
    /// How long a node may take to come back after it was emptied.
    pub within: Span,
    /// How long the pods of a node may take to go, and to be there again elsewhere.
    pub drain_within: Span,
    /// Evict pods whose emptyDir volumes are lost by it.
    pub delete_empty_dir: bool,
    /// Evict pods that nothing replaces.
    pub unmanaged: bool,
    /// Namespaces whose workloads are looked after: each has to have all its pods again after a batch, and each budget to be met.
    pub namespaces: Vec<String>,
    /// Start a second pod of a deployment of these namespaces that has one, before that one is evicted.
    pub surge: bool,
    /// A channel that is told when a run starts and how it ended. Absent: nobody is.
    pub notify: Option<String>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            pool: None,
            batch: 1,
            canary: true,
            soak: Span::seconds(0),
            update: Update::ByHand,
            label: None,
            value: None,
            within: Span::hours(1),
            drain_within: Span::minutes(10),
            delete_empty_dir: false,
            unmanaged: false,
            namespaces: Vec::new(),
            surge: true,
            notify: None,
        }
    }
}

/// How a node gets its maintenance.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Update {
    /// Somebody does it. The run waits until the node has booted anew or has another kubelet.
    ByHand,
    /// A controller does it once the node has the label. The run waits in the same way.
    Label,
    /// Not at all: the node is emptied and let work again.
    None,
}

/// Which nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen<'a> {
    Named(&'a [String]),
    Pool(&'a str),
}

impl Parameters {
    /// Nodes are chosen in one way.
    pub(crate) fn chosen(&self) -> Result<Chosen<'_>, Error> {
        match (&self.nodes[..], self.pool.as_deref()) {
            ([], Some(pool)) => Ok(Chosen::Pool(pool)),
            ([], None) => Err("no nodes are chosen: set nodes or pool".into()),
            (nodes, None) => Ok(Chosen::Named(nodes)),
            (_, Some(_)) => Err("nodes and pool are both set; choose nodes in one way".into()),
        }
    }

    /// The label that a controller acts on, and its value, if one does.
    pub(crate) fn signal(&self) -> Result<Option<(String, Option<String>)>, Error> {
        match (self.update, &self.label, &self.value) {
            (Update::Label, Some(label), Some(value)) => {
                Ok(Some((label.clone(), Some(value.clone()))))
            }
            (Update::Label, ..) => Err("update is \"label\": set label and value too".into()),
            (_, None, None) => Ok(None),
            _ => Err("label and value are for update = \"label\" only".into()),
        }
    }

    pub(crate) fn drain_options(&self) -> DrainOptions {
        DrainOptions {
            delete_empty_dir: self.delete_empty_dir,
            unmanaged: self.unmanaged,
            within: self.drain_within.as_milliseconds(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chosen, Parameters};

    fn parameters(text: &str) -> Parameters {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn nodes_are_chosen_in_one_way() {
        let two = parameters(r#"{"nodes": ["a", "b"]}"#);
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(two.chosen(), Ok(Chosen::Named(&names)));
        let pool = parameters(r#"{"pool": "tier=web"}"#);
        assert_eq!(pool.chosen(), Ok(Chosen::Pool("tier=web")));
        assert!(parameters("{}").chosen().is_err());
        let both = parameters(r#"{"nodes": ["a"], "pool": "tier=web"}"#);
        assert!(both.chosen().is_err());
    }

    #[test]
    fn a_label_goes_with_its_way_of_updating() {
        let signal = |text: &str| parameters(text).signal();
        let whole = signal(r#"{"update": "label", "label": "now", "value": "v2"}"#);
        assert_eq!(whole, Ok(Some(("now".into(), Some("v2".into())))));
        assert_eq!(signal(r#"{"update": "none"}"#), Ok(None));
        assert_eq!(signal("{}"), Ok(None));
        assert!(signal(r#"{"update": "label", "label": "now"}"#).is_err());
        assert!(signal(r#"{"label": "now", "value": "v2"}"#).is_err());
    }
}
