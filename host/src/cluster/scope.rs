//! What can be asked of a cluster and granted: verbs on objects of named clusters. Pure.

use super::call::Named;
use super::field::edit;
use super::manifest::policy;
use super::object::resource::is_meant;
use super::object::{Kind, Object};
use crate::contract::cluster_config::FieldEdit;
use crate::contract::cluster_types::ObjectName;
use crate::grant::{Danger, Pattern};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// One thing a procedure can do in a cluster. Each function of the interfaces belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each says what it is, and Display says it in words"
)]
pub enum Verb {
    Cluster,
    Workloads,
    Pods,
    Logs,
    Nodes,
    Budgets,
    Jobs,
    Certificates,
    Routes,
    Members,
    SetImage,
    Scale,
    Restart,
    Pause,
    RollBack,
    Annotate,
    Cordon,
    Uncordon,
    Label,
    Drain,
    CreateJob,
    DeleteJob,
    RunJob,
    Divert,
    Restore,
    Renew,
    Apply,
    Prune,
    Patch,
}

/// Every function of the room's interfaces and the verb that it needs. A linked function without a row is refused at load.
const FUNCTIONS: &[(&str, &str, Verb)] = &[
    ("cluster-read", "facts", Verb::Cluster),
    ("cluster-read", "workload", Verb::Workloads),
    ("cluster-read", "workloads", Verb::Workloads),
    ("cluster-read", "revisions", Verb::Workloads),
    ("cluster-read", "pods", Verb::Pods),
    ("cluster-read", "logs", Verb::Logs),
    ("cluster-read", "nodes", Verb::Nodes),
    ("cluster-read", "budgets", Verb::Budgets),
    ("cluster-read", "jobs", Verb::Jobs),
    ("cluster-read", "certificates", Verb::Certificates),
    ("cluster-read", "issued", Verb::Certificates),
    ("cluster-read", "route", Verb::Routes),
    ("cluster-read", "members", Verb::Members),
    ("cluster-read", "consumers", Verb::Workloads),
    ("cluster-read", "await-rollout", Verb::Workloads),
    ("cluster-read", "await-no-pods", Verb::Workloads),
    ("cluster-read", "await-pods", Verb::Workloads),
    ("cluster-read", "await-budgets", Verb::Budgets),
    ("cluster-read", "await-job", Verb::Jobs),
    ("cluster-read", "await-certificate", Verb::Certificates),
    ("cluster-read", "await-node", Verb::Nodes),
    ("cluster-workloads", "set-image", Verb::SetImage),
    ("cluster-workloads", "scale", Verb::Scale),
    ("cluster-workloads", "restart", Verb::Restart),
    ("cluster-workloads", "pause", Verb::Pause),
    ("cluster-workloads", "proceed", Verb::Pause),
    ("cluster-workloads", "roll-back", Verb::RollBack),
    ("cluster-workloads", "annotate", Verb::Annotate),
    ("cluster-nodes", "cordon", Verb::Cordon),
    ("cluster-nodes", "uncordon", Verb::Uncordon),
    ("cluster-nodes", "label", Verb::Label),
    ("cluster-nodes", "drain", Verb::Drain),
    ("cluster-jobs", "from-cron-job", Verb::CreateJob),
    ("cluster-jobs", "delete", Verb::DeleteJob),
    ("cluster-manifest-jobs", "from-manifest", Verb::RunJob),
    ("cluster-routes", "divert", Verb::Divert),
    ("cluster-routes", "restore", Verb::Restore),
    ("cluster-certificates", "renew", Verb::Renew),
    ("cluster-config", "apply", Verb::Apply),
    ("cluster-config", "compare", Verb::Apply),
    ("cluster-config", "declare", Verb::Apply),
    ("cluster-config", "prune", Verb::Prune),
    ("cluster-config", "patch", Verb::Patch),
];

impl Verb {
    /// The verb that a function of an interface needs; none if the room has no such function.
    pub fn of_function(interface: &str, function: &str) -> Option<Self> {
        FUNCTIONS
            .iter()
            .find(|(i, f, _)| *i == interface && *f == function)
            .map(|(_, _, verb)| *verb)
    }

    /// The interface that carries the verb.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Cluster
            | Self::Workloads
            | Self::Pods
            | Self::Logs
            | Self::Nodes
            | Self::Budgets
            | Self::Jobs
            | Self::Certificates
            | Self::Routes
            | Self::Members => "cluster-read",
            Self::SetImage
            | Self::Scale
            | Self::Restart
            | Self::Pause
            | Self::RollBack
            | Self::Annotate => "cluster-workloads",
            Self::Cordon | Self::Uncordon | Self::Label | Self::Drain => "cluster-nodes",
            Self::CreateJob | Self::DeleteJob => "cluster-jobs",
            Self::RunJob => "cluster-manifest-jobs",
            Self::Divert | Self::Restore => "cluster-routes",
            Self::Renew => "cluster-certificates",
            Self::Apply | Self::Prune | Self::Patch => "cluster-config",
        }
    }

    /// How dangerous the verb is at most.
    pub fn danger(self) -> Danger {
        if self.interface() == "cluster-read" {
            Danger::Read
        } else {
            Danger::Change
        }
    }

    /// Whether it is about nodes, which a scope names in `nodes`.
    pub fn is_about_nodes(self) -> bool {
        matches!(
            self,
            Self::Nodes | Self::Cordon | Self::Uncordon | Self::Label | Self::Drain
        )
    }

    /// Whether it is about deployments, stateful sets and daemon sets, of which a scope names the kinds.
    pub fn is_about_workloads(self) -> bool {
        self == Self::Workloads || self.interface() == "cluster-workloads"
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "read cluster facts",
            Self::Workloads => "read workloads",
            Self::Pods => "read pods",
            Self::Logs => "read logs",
            Self::Nodes => "read nodes",
            Self::Budgets => "read disruption budgets",
            Self::Jobs => "read jobs",
            Self::Certificates => "read certificates",
            Self::Routes => "read routes",
            Self::Members => "read members of sets",
            Self::SetImage => "set images",
            Self::Scale => "scale",
            Self::Restart => "restart",
            Self::Pause => "pause and proceed",
            Self::RollBack => "roll back",
            Self::Annotate => "annotate",
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
            Self::Label => "label nodes",
            Self::Drain => "drain",
            Self::CreateJob => "create jobs",
            Self::RunJob => "run jobs of manifests",
            Self::DeleteJob => "delete own jobs",
            Self::Divert => "divert routes",
            Self::Restore => "restore routes",
            Self::Renew => "renew certificates",
            Self::Apply => "apply manifests",
            Self::Prune => "prune sets",
            Self::Patch => "set fields",
        })
    }
}

/// A part of the room: these verbs, on these clusters, on objects that match. Omitted lists match nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scope {
    /// Why a procedure needs it; empty in a grant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Logical names of clusters.
    pub clusters: Vec<Pattern>,
    /// What may be done.
    pub verbs: BTreeSet<Verb>,
    /// Namespaces whose objects are covered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Pattern>,
    /// Kinds of workloads, and of what is applied, that are covered, such as `apps/Deployment` or `v1/ConfigMap`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Pattern>,
    /// Names of objects that are covered, within the namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Pattern>,
    /// Names of nodes that are covered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Pattern>,
    /// Labels that may be set. One of Kubernetes has to be named in full.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Pattern>,
    /// Fields that may be set, such as `spec.template.spec.containers[*].resources`; what is in them is covered too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Pattern>,
    /// Service accounts, besides `default`, that manifests may give to pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_accounts: Vec<Pattern>,
    /// What pods may run and take from, and services that traffic may be led to: `image/shop:*`, `secret/db`, `config-map/app`,
    /// `claim/data`, `priority-class/batch`, `runtime-class/gvisor`, `service/page`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Pattern>,
    /// Replicas that are left at least, wherever a number of them is set: by scaling, in a manifest, as a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_replicas: Option<u32>,
    /// Nodes that may be cordoned by windlass at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_at_once: Option<u32>,
}

/// What lists a scope has: the key, and what one of its names is called.
pub const LISTS: [(&str, &str); 9] = [
    ("clusters", "cluster"),
    ("namespaces", "namespace"),
    ("kinds", "kind"),
    ("names", "name"),
    ("nodes", "node"),
    ("labels", "label"),
    ("fields", "field"),
    ("service-accounts", "service account"),
    ("contents", "content"),
];

impl Scope {
    /// The lists of names, in the order of [`LISTS`].
    pub fn lists(&self) -> [&[Pattern]; 9] {
        [
            &self.clusters,
            &self.namespaces,
            &self.kinds,
            &self.names,
            &self.nodes,
            &self.labels,
            &self.fields,
            &self.service_accounts,
            &self.contents,
        ]
    }

    /// The same with other names in its lists.
    pub fn with<E>(
        &self,
        mut all: impl FnMut(&[Pattern]) -> Result<Vec<Pattern>, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            clusters: all(&self.clusters)?,
            namespaces: all(&self.namespaces)?,
            kinds: all(&self.kinds)?,
            names: all(&self.names)?,
            nodes: all(&self.nodes)?,
            labels: all(&self.labels)?,
            fields: all(&self.fields)?,
            service_accounts: all(&self.service_accounts)?,
            contents: all(&self.contents)?,
            ..self.clone()
        })
    }

    /// Whether the verb may be used on the cluster at all.
    pub fn allows(&self, verb: Verb, cluster: &str) -> bool {
        self.verbs.contains(&verb) && Pattern::any(&self.clusters, cluster)
    }

    /// Whether the verb may be used in the namespace.
    pub fn allows_namespace(&self, verb: Verb, cluster: &str, namespace: &str) -> bool {
        self.allows(verb, cluster) && Pattern::any(&self.namespaces, namespace)
    }

    /// Whether the verb may be used on the object.
    pub fn allows_object(&self, verb: Verb, cluster: &str, object: &Object) -> bool {
        match &object.namespace {
            None => self.allows(verb, cluster) && Pattern::any(&self.nodes, &object.name),
            Some(namespace) => {
                self.allows_namespace(verb, cluster, namespace)
                    && (!verb.is_about_workloads() || self.allows_kind(&object.kind))
                    && Pattern::any(&self.names, &object.name)
            }
        }
    }

    fn allows_kind(&self, kind: &Kind) -> bool {
        Pattern::any(&self.kinds, &kind.in_scope())
    }

    /// A label that would be set, and that is not covered.
    pub fn label_lacking(&self, labels: &[(String, Option<String>)]) -> Option<String> {
        let mut names = labels.iter().map(|(name, _)| name);
        names
            .find(|name| !Pattern::any(&self.labels, name))
            .cloned()
    }

    /// Whether the verb may be used on any object, by the names that manifests have for it.
    pub fn allows_named(&self, verb: Verb, cluster: &str, object: &ObjectName) -> bool {
        let in_namespace = match &object.namespace {
            Some(namespace) => self.allows_namespace(verb, cluster, namespace),
            None => self.allows(verb, cluster),
        };
        in_namespace && is_meant(&self.kinds, object) && Pattern::any(&self.names, &object.name)
    }

    /// A service account that the manifest gives to pods, and that is not covered.
    pub fn account_lacking(&self, manifest: &Value) -> Option<String> {
        // What the policy refuses was refused before.
        let given = policy::manifest(manifest).unwrap_or_default();
        let mut accounts = given.accounts.into_iter();
        accounts.find(|account| !Pattern::any(&self.service_accounts, account))
    }

    /// Something that pods would run or take from, or a service that traffic would be led to, and that is not covered.
    pub fn content_lacking(&self, named: Named<'_>) -> Option<String> {
        let mut contents = named.contents().into_iter();
        contents.find(|content| !Pattern::any(&self.contents, content))
    }

    /// A field that would be set, and that is not covered.
    pub fn field_lacking(&self, changes: &[FieldEdit]) -> Option<String> {
        let patterns: Vec<_> = self
            .fields
            .iter()
            .map(|pattern| pattern.0.as_str())
            .collect();
        let mut paths = changes.iter().map(|change| &change.path);
        let found = paths.find(|path| !edit::is_covered(&patterns, path))?;
        Some(found.clone())
    }

    /// Whether so many replicas are as many as it keeps.
    pub fn keeps(&self, replicas: Option<u32>) -> bool {
        replicas.is_none_or(|replicas| replicas >= self.keep_replicas.unwrap_or(0))
    }

    /// Whether a pod of the namespace may be evicted from a node.
    pub fn allows_eviction(&self, cluster: &str, namespace: &str) -> bool {
        self.allows_namespace(Verb::Drain, cluster, namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Object, Scope, Verb};

    fn scope(text: &str) -> Scope {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_object_needs_its_namespace_its_kind_and_its_name() {
        let scope = scope(
            "clusters = ['staging']\nverbs = ['scale', 'cordon', 'pods']\nnamespaces = ['shop']\nkinds = ['apps/Deployment']\nnames = ['web*']\nnodes = ['n-*']",
        );
        let may = |verb, cluster, object: &Object| scope.allows_object(verb, cluster, object);
        let object = |kind, namespace, name| Object::new(kind, namespace, name).unwrap();
        let web = object(Kind::Deployment, "shop", "web");
        assert!(may(Verb::Scale, "staging", &web));
        assert!(!may(Verb::Scale, "live", &web));
        assert!(!may(Verb::SetImage, "staging", &web));
        assert!(!may(
            Verb::Scale,
            "staging",
            &object(Kind::StatefulSet, "shop", "web")
        ));
        assert!(!may(
            Verb::Scale,
            "staging",
            &object(Kind::Deployment, "other", "web")
        ));
        assert!(!may(
            Verb::Scale,
            "staging",
            &object(Kind::Deployment, "shop", "db")
        ));
        assert!(may(Verb::Cordon, "staging", &Object::node("n-1").unwrap()));
        assert!(!may(
            Verb::Cordon,
            "staging",
            &Object::node("control").unwrap()
        ));
        assert!(scope.allows_namespace(Verb::Pods, "staging", "shop"));
        assert!(!scope.allows_eviction("staging", "shop"));
    }

    #[test]
    fn what_is_left_out_covers_nothing() {
        let scope = scope("clusters = ['*']\nverbs = ['scale', 'cordon']");
        assert!(!scope.allows_object(
            Verb::Scale,
            "a",
            &Object::new(Kind::Deployment, "b", "c").unwrap()
        ));
        assert!(!scope.allows_object(Verb::Cordon, "a", &Object::node("n").unwrap()));
    }
}
