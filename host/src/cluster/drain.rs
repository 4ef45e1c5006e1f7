//! Which pods of a node are evicted, by the rules of `kubectl drain`, and which disruption budgets are about them. Pure.

use crate::contract::cluster_nodes::DrainOptions;
use serde_json::Value;
use std::collections::BTreeMap;

/// The annotation of a pod that a kubelet runs from a file of its own.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod of a node, as far as the rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its uid.
    pub(super) uid: String,
    /// Whether it was asked to end.
    pub(super) ending: bool,
    owner: Owner,
    labels: BTreeMap<String, String>,
    /// How far it is.
    pub(super) condition: Condition,
    /// What has to be taken off before it is gone once it was asked to end.
    pub(super) finalizers: Vec<String>,
    /// For how long it may end, in seconds.
    pub(super) grace: u64,
    /// Whether a cordon keeps its replacement away from the node. A pod that tolerates the cordon's taint may come back.
    pub(super) kept_away: bool,
    empty_dir: bool,
}

/// The taint of a cordoned node.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Whether a toleration of a pod lets it onto a node that is cordoned.
fn tolerates_a_cordon(toleration: &Value) -> bool {
    let is = |field: &str, value: &str| toleration[field].as_str().unwrap_or_default() == value;
    let any_value = is("operator", "Exists");
    let key = is("key", UNSCHEDULABLE) || is("key", "") && any_value;
    let value = any_value || is("value", "");
    key && value && (is("effect", "") || is("effect", "NoSchedule"))
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// It does not serve yet, or not now.
    Unready,
    Ready,
    /// It has come to its end.
    Finished,
}

impl Condition {
    fn of(pod: &Value) -> Self {
        let conditions = pod["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let is_ready =
            |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        match pod["status"]["phase"].as_str() {
            Some("Succeeded" | "Failed") => Self::Finished,
            _ if conditions.any(is_ready) => Self::Ready,
            _ => Self::Unready,
        }
    }
}

/// Who sees to it that a pod is there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    /// A kubelet, from a file of its own.
    Node,
    DaemonSet(String),
    /// A controller that starts a replacement anywhere.
    Other,
}

impl Owner {
    fn of(pod: &Value) -> Self {
        if pod["metadata"]["annotations"][MIRROR].is_string() {
            return Self::Node;
        }
        let owners = pod["metadata"]["ownerReferences"].as_array();
        let mut owners = owners.into_iter().flatten();
        let Some(owner) = owners.find(|owner| owner["controller"] == true) else {
            return Self::Nobody;
        };
        let is_set = owner["kind"] == "DaemonSet" && owner["apiVersion"] == "apps/v1";
        match owner["name"].as_str() {
            Some(name) if is_set => Self::DaemonSet(name.to_owned()),
            _ => Self::Other,
        }
    }
}

/// What becomes of a pod when its node is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is evicted.
    Evicted,
    /// It ends already and is only waited for.
    Awaited,
    /// It belongs to the node and stays.
    Stays,
    /// The node is not drained because of it.
    Prevents(Vec<Obstacle>),
}

/// Why a pod is not evicted unless an option says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Obstacle {
    /// Files of its own would be lost.
    EmptyDir,
    /// Nothing would replace it.
    Unmanaged,
}

impl Obstacle {
    /// What is the matter with such pods, and the option that has them evicted all the same.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::EmptyDir => ("would lose an emptyDir volume", "delete-empty-dir"),
            Self::Unmanaged => ("would be replaced by nothing", "unmanaged"),
        }
    }
}

impl Pod {
    /// Reads one as the server has it.
    pub(super) fn of(pod: &Value) -> Self {
        let text = |pointer: &str| {
            let found = pod.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let volumes = pod["spec"]["volumes"].as_array();
        let mut volumes = volumes.into_iter().flatten();
        let tolerations = pod["spec"]["tolerations"].as_array();
        let finalizers = pod["metadata"]["finalizers"].as_array();
        let finalizers = finalizers.into_iter().flatten().filter_map(Value::as_str);
        Self {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            ending: pod["metadata"]["deletionTimestamp"].is_string(),
            owner: Owner::of(pod),
            labels: labels(pod),
            condition: Condition::of(pod),
            finalizers: finalizers.map(str::to_owned).collect(),
            grace: pod["spec"]["terminationGracePeriodSeconds"]
                .as_u64()
                .unwrap_or(0),
            kept_away: !tolerations.into_iter().flatten().any(tolerates_a_cordon),
            empty_dir: volumes.any(|volume| !volume["emptyDir"].is_null()),
        }
    }

    /// Whether its controller may start a replacement on the very node, though it is cordoned.
    pub(super) fn comes_back(&self) -> bool {
        self.owner == Owner::Other && self.condition != Condition::Finished && !self.kept_away
    }

    /// Whether the node itself, or a daemon set, has it there.
    pub(super) fn belongs_to_node(&self) -> bool {
        match &self.owner {
            Owner::Node | Owner::DaemonSet(_) => true,
            Owner::Nobody | Owner::Other => false,
        }
    }

    /// `shop/web-0`.
    pub(super) fn text(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The daemon set that it says controls it.
    pub(super) fn daemon_set(&self) -> Option<&str> {
        match &self.owner {
            Owner::DaemonSet(name) => Some(name),
            Owner::Nobody | Owner::Node | Owner::Other => None,
        }
    }

    /// What becomes of it. `orphaned` means that the daemon set that it names is not there.
    pub(super) fn fate(&self, options: DrainOptions, orphaned: bool) -> Fate {
        let of_daemon_set = self.daemon_set().is_some() && !orphaned;
        let finished = self.condition == Condition::Finished;
        if self.owner == Owner::Node || of_daemon_set && !finished {
            return Fate::Stays;
        }
        if self.ending {
            return Fate::Awaited;
        }
        if finished {
            return Fate::Evicted;
        }
        let replaced = self.owner != Owner::Nobody && !orphaned;
        let mut obstacles = Vec::new();
        if self.empty_dir && !options.delete_empty_dir {
            obstacles.push(Obstacle::EmptyDir);
        }
        if !replaced && !options.unmanaged {
            obstacles.push(Obstacle::Unmanaged);
        }
        if obstacles.is_empty() {
            Fate::Evicted
        } else {
            Fate::Prevents(obstacles)
        }
    }
}

fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object["metadata"]["labels"].as_object();
    let texts = labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    texts.collect()
}

/// Whether a budget's controller has counted what it says now.
pub(super) fn is_counted(budget: &Value) -> bool {
    let seen = budget["status"]["observedGeneration"].as_u64();
    seen >= budget["metadata"]["generation"].as_u64()
}

/// A disruption budget, as far as evictions ask.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Budget {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    selector: Value,
    allowed: u64,
    expected: u64,
    desired: u64,
    /// Whether its controller has counted what it says now.
    counted: bool,
}

impl Budget {
    /// Reads one as the server has it.
    pub(super) fn of(budget: &Value) -> Self {
        let text = |name: &str| {
            budget["metadata"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let count = |name: &str| budget["status"][name].as_u64().unwrap_or_default();
        Self {
            namespace: text("namespace"),
            name: text("name"),
            selector: budget["spec"]["selector"].clone(),
            allowed: count("disruptionsAllowed"),
            expected: count("expectedPods"),
            desired: count("desiredHealthy"),
            counted: is_counted(budget),
        }
    }

    /// Whether it would let one of its pods go now.
    pub(super) fn lets_one_go(&self) -> bool {
        self.counted && self.allowed > 0
    }

    /// Whether it is about the pod.
    pub(super) fn means(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace && selects(&self.selector, &pod.labels)
    }

    /// What it has to say about the eviction of so many pods that it means; nothing if it lets them all go at once.
    pub(super) fn says(&self, evicted: usize) -> Option<String> {
        let name = format!("budget {}/{}", self.namespace, self.name);
        if self.expected > 0 && self.desired >= self.expected {
            let replicas = match self.expected {
                1 => "its only replica".to_owned(),
                more => format!("each of its {more} replicas"),
            };
            return Some(format!(
                "{name} needs {replicas}: none goes until there are more"
            ));
        }
        let allowed = usize::try_from(self.allowed).unwrap_or(usize::MAX);
        (allowed < evicted).then(|| format!("{name} lets {allowed} of {evicted} pods go at once"))
    }
}

/// Whether a selector, as objects have it, means something with these labels. An empty one means all, an absent one nothing.
pub(super) fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let Some(parts) = selector.as_object() else {
        return false;
    };
    let equal = parts.get("matchLabels").and_then(Value::as_object);
    let mut equal = equal.into_iter().flatten();
    let expressions = parts.get("matchExpressions").and_then(Value::as_array);
    let mut expressions = expressions.into_iter().flatten();
    equal.all(|(name, value)| labels.get(name).map(String::as_str) == value.as_str())
        && expressions.all(|expression| holds(expression, labels))
}

fn holds(expression: &Value, labels: &BTreeMap<String, String>) -> bool {
    let label = expression["key"].as_str().and_then(|key| labels.get(key));
    let values = expression["values"].as_array();
    let among = label.is_some_and(|label| {
        let mut values = values.into_iter().flatten();
        values.any(|value| value.as_str() == Some(label))
    });
    match expression["operator"].as_str() {
        Some("In") => among,
        Some("NotIn") => !among,
        Some("Exists") => label.is_some(),
        Some("DoesNotExist") => label.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Fate, Obstacle, Pod};
    use crate::contract::cluster_nodes::DrainOptions;
    use serde_json::{Value, json};

    fn options(delete_empty_dir: bool, unmanaged: bool) -> DrainOptions {
        DrainOptions {
            delete_empty_dir,
            unmanaged,
            within: 0,
        }
    }

    /// A running pod of a replica set, with these changes.
    fn pod(change: impl FnOnce(&mut Value)) -> Pod {
        let mut pod = json!({
            "metadata": {"namespace": "shop", "name": "web", "uid": "u", "labels": {"app": "web"}, "ownerReferences": [
                {"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "web-1", "controller": true},
            ]},
            "spec": {"volumes": [{"name": "a", "configMap": {}}]}, "status": {"phase": "Running"},
        });
        change(&mut pod);
        Pod::of(&pod)
    }

    fn own(pod: &mut Value, kind: &str) {
        pod["metadata"]["ownerReferences"][0]["kind"] = json!(kind);
    }

    #[test]
    fn pods_are_told_apart_as_kubectl_does() {
        let (none, all) = (options(false, false), options(true, true));
        let fate = |change: &dyn Fn(&mut Value), options| pod(change).fate(options, false);
        let prevents = |obstacles: &[Obstacle]| Fate::Prevents(obstacles.to_vec());
        let finished = |pod: &mut Value| pod["status"]["phase"] = json!("Failed");
        let ending =
            |pod: &mut Value| pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mirror = |pod: &mut Value| {
            pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        };
        let empty_dir =
            |pod: &mut Value| pod["spec"]["volumes"][0] = json!({"name": "a", "emptyDir": {}});
        let bare = |pod: &mut Value| pod["metadata"]["ownerReferences"] = Value::Null;
        let both = |pod: &mut Value| (empty_dir(pod), bare(pod)).1;
        assert_eq!(fate(&|_| (), none), Fate::Evicted);
        for options in [none, all] {
            assert_eq!(fate(&mirror, options), Fate::Stays);
            assert_eq!(fate(&|pod| own(pod, "DaemonSet"), options), Fate::Stays);
            assert_eq!(fate(&ending, options), Fate::Awaited);
        }
        assert_eq!(fate(&empty_dir, none), prevents(&[Obstacle::EmptyDir]));
        assert_eq!(fate(&empty_dir, options(true, false)), Fate::Evicted);
        assert_eq!(fate(&bare, none), prevents(&[Obstacle::Unmanaged]));
        assert_eq!(fate(&bare, options(false, true)), Fate::Evicted);
        assert_eq!(
            fate(&both, none),
            prevents(&[Obstacle::EmptyDir, Obstacle::Unmanaged])
        );
        assert_eq!(fate(&both, all), Fate::Evicted);
        // What is finished is evicted whatever it is, but not what the node itself runs.
        let of_set = |pod: &mut Value| (finished(pod), own(pod, "DaemonSet")).1;
        assert_eq!(fate(&of_set, none), Fate::Evicted);
        assert_eq!(
            fate(&|pod| (finished(pod), both(pod)).1, none),
            Fate::Evicted
        );
        assert_eq!(
            fate(&|pod| (finished(pod), mirror(pod)).1, none),
            Fate::Stays
        );
    }

    #[test]
    fn a_pod_whose_daemon_set_is_gone_is_nobodys() {
        let orphan = pod(|pod| own(pod, "DaemonSet"));
        let fate = |unmanaged| orphan.fate(options(false, unmanaged), true);
        assert_eq!(fate(false), Fate::Prevents(vec![Obstacle::Unmanaged]));
        assert_eq!(fate(true), Fate::Evicted);
        // A daemon set of somebody else's kinds is none.
        let other = pod(|pod| {
            own(pod, "DaemonSet");
            pod["metadata"]["ownerReferences"][0]["apiVersion"] = json!("apps.kruise.io/v1alpha1");
        });
        assert_eq!(other.fate(options(false, false), false), Fate::Evicted);
    }

    #[test]
    fn a_budget_means_what_its_selector_does() {
        let means = |selector: Value| {
            let budget = json!({"metadata": {"namespace": "shop", "name": "b"}, "spec": {"selector": selector}});
            Budget::of(&budget).means(&pod(|_| ()))
        };
        assert!(means(json!({})) && means(json!({"matchLabels": {"app": "web"}})));
        assert!(!means(Value::Null) && !means(json!({"matchLabels": {"app": "db"}})));
        let expression = |operator: &str, key: &str| {
            means(
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": ["web"]}]}),
            )
        };
        assert!(expression("In", "app") && !expression("In", "tier"));
        assert!(!expression("NotIn", "app") && expression("NotIn", "tier"));
        assert!(expression("Exists", "app") && !expression("Exists", "tier"));
        assert!(!expression("DoesNotExist", "app") && expression("DoesNotExist", "tier"));
        assert!(!expression("Is", "app"));
        let elsewhere = json!({"metadata": {"namespace": "other"}, "spec": {"selector": {}}});
        assert!(!Budget::of(&elsewhere).means(&pod(|_| ())));
    }

    #[test]
    fn a_budget_says_what_it_would_hold_back() {
        let says = |allowed: u32, expected: u32, desired: u32, evicted| {
            Budget::of(&json!({"metadata": {"namespace": "shop", "name": "b"}, "status":
                {"disruptionsAllowed": allowed, "expectedPods": expected, "desiredHealthy": desired}}))
            .says(evicted)
        };
        assert_eq!(says(2, 4, 2, 2), None);
        assert_eq!(
            says(1, 3, 2, 2).unwrap(),
            "budget shop/b lets 1 of 2 pods go at once"
        );
        assert_eq!(
            says(0, 1, 1, 1).unwrap(),
            "budget shop/b needs its only replica: none goes until there are more"
        );
        assert!(says(0, 2, 2, 1).unwrap().contains("each of its 2 replicas"));
    }
}
