//! Looks and waits.

use super::{Named, named};
use crate::cluster::manifest;
use crate::cluster::object::{Kind, Object, check_name, check_namespace, check_selector};
use crate::cluster::resource::text_of;
use crate::cluster::scope::Verb;
use crate::contract::CallError;
use crate::contract::cluster_types::{Namespaced, ObjectName, RouteName, WorkloadName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Lines of a log that one look shows at most.
pub const MOST_LINES: u32 = 1_000;

/// A look at a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// The logical name.
    pub cluster: String,
    /// At what.
    #[serde(flatten)]
    pub look: Look,
}

/// What is looked at, or waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "read", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the function of the same name in wit/cluster.wit"
)]
pub enum Look {
    Facts,
    Workload {
        workload: WorkloadName,
    },
    Workloads {
        namespace: String,
        selector: String,
    },
    Revisions {
        workload: WorkloadName,
    },
    Pods {
        namespace: String,
        selector: String,
    },
    Logs {
        pod: Namespaced,
        container: Option<String>,
        lines: u32,
    },
    Nodes {
        selector: String,
    },
    Budgets {
        namespace: String,
    },
    Jobs {
        namespace: String,
        selector: String,
    },
    Certificates {
        namespace: String,
    },
    Issued {
        certificate: Namespaced,
    },
    Route {
        route: RouteName,
    },
    Members {
        set: Namespaced,
    },
    Consumers {
        namespace: String,
        config_maps: Vec<String>,
    },
    Compare {
        manifest: Value,
        set: Option<String>,
    },
    AwaitRollout {
        workload: WorkloadName,
        within: u64,
    },
    AwaitNoPods {
        workload: WorkloadName,
        within: u64,
    },
    AwaitPods {
        workload: WorkloadName,
        within: u64,
    },
    AwaitBudget {
        budget: Namespaced,
        within: u64,
    },
    AwaitJob {
        job: Namespaced,
        within: u64,
    },
    AwaitCertificate {
        certificate: Namespaced,
        above: u32,
        within: u64,
    },
    AwaitNode {
        node: String,
        boot: String,
        version: String,
        within: u64,
    },
}

/// Where a look goes: what a capability has to cover.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// The cluster itself, or all its nodes: what is not covered is not shown.
    Cluster,
    /// A namespace: what is not covered in it is not shown.
    Namespace(String),
    /// One object.
    Object(Object),
    /// One object, by the names that manifests have for it.
    Named(ObjectName),
}

impl Read {
    /// Refuses names that nothing can have.
    pub fn check(&self) -> Result<(), CallError> {
        self.place()?;
        match &self.look {
            Look::Workloads { selector, .. }
            | Look::Pods { selector, .. }
            | Look::Nodes { selector }
            | Look::Jobs { selector, .. } => check_selector(selector),
            Look::Logs {
                container: Some(container),
                ..
            } => check_name(container),
            Look::Members { set } => check_name(&set.name),
            Look::Consumers { config_maps, .. } => {
                config_maps.iter().try_for_each(|name| check_name(name))
            }
            Look::Compare { manifest, set } => {
                set.iter().try_for_each(|set| check_name(set))?;
                manifest::check(manifest)
            }
            Look::Facts
            | Look::Workload { .. }
            | Look::Revisions { .. }
            | Look::Logs { .. }
            | Look::Budgets { .. }
            | Look::Certificates { .. }
            | Look::Issued { .. }
            | Look::Route { .. }
            | Look::AwaitRollout { .. }
            | Look::AwaitNoPods { .. }
            | Look::AwaitPods { .. }
            | Look::AwaitBudget { .. }
            | Look::AwaitJob { .. }
            | Look::AwaitCertificate { .. }
            | Look::AwaitNode { .. } => Ok(()),
        }
    }

    /// Where it goes.
    pub fn place(&self) -> Result<Place, CallError> {
        Ok(match &self.look {
            Look::Facts | Look::Nodes { .. } => Place::Cluster,
            Look::Workloads { namespace, .. }
            | Look::Pods { namespace, .. }
            | Look::Budgets { namespace }
            | Look::Jobs { namespace, .. }
            | Look::Consumers { namespace, .. }
            | Look::Members {
                set: Namespaced { namespace, .. },
            }
            | Look::Certificates { namespace } => {
                check_namespace(namespace)?;
                Place::Namespace(namespace.clone())
            }
            Look::Workload { workload }
            | Look::Revisions { workload }
            | Look::AwaitRollout { workload, .. }
            | Look::AwaitNoPods { workload, .. }
            | Look::AwaitPods { workload, .. } => Place::Object(Object::workload(workload)?),
            Look::AwaitBudget { budget, .. } => {
                Place::Object(named(Kind::PodDisruptionBudget, budget)?)
            }
            Look::Logs { pod, .. } => Place::Object(named(Kind::Pod, pod)?),
            Look::AwaitJob { job, .. } => Place::Object(named(Kind::Job, job)?),
            Look::Issued { certificate } | Look::AwaitCertificate { certificate, .. } => {
                Place::Object(named(Kind::Certificate, certificate)?)
            }
            Look::Route { route } => Place::Object(Object::route(route)?),
            Look::AwaitNode { node, .. } => Place::Object(Object::node(node)?),
            Look::Compare { manifest, .. } => Place::Named(manifest::name(manifest)?),
        })
    }

    /// The names in it.
    pub fn named(&self) -> Named<'_> {
        match &self.look {
            Look::Facts | Look::Nodes { .. } => Named::default(),
            Look::Workloads { namespace, .. }
            | Look::Pods { namespace, .. }
            | Look::Budgets { namespace }
            | Look::Jobs { namespace, .. }
            | Look::Consumers { namespace, .. }
            | Look::Members {
                set: Namespaced { namespace, .. },
            }
            | Look::Certificates { namespace } => Named {
                namespace: Some(namespace),
                ..Named::default()
            },
            Look::Workload { workload }
            | Look::Revisions { workload }
            | Look::AwaitRollout { workload, .. }
            | Look::AwaitNoPods { workload, .. }
            | Look::AwaitPods { workload, .. } => Named::workload(workload),
            Look::Logs { pod: object, .. }
            | Look::AwaitBudget { budget: object, .. }
            | Look::AwaitJob { job: object, .. }
            | Look::Issued {
                certificate: object,
            }
            | Look::AwaitCertificate {
                certificate: object,
                ..
            } => Named::of(&object.namespace, &object.name),
            Look::Route { route } => Named::of(&route.namespace, &route.name),
            Look::AwaitNode { node, .. } => Named::node(node),
            Look::Compare { manifest, .. } => Named::manifest(manifest),
        }
    }

    /// The verb that a capability must hold.
    pub fn verb(&self) -> Verb {
        match &self.look {
            Look::Facts => Verb::Cluster,
            Look::Workload { .. }
            | Look::Workloads { .. }
            | Look::Revisions { .. }
            | Look::Consumers { .. }
            | Look::AwaitRollout { .. }
            | Look::AwaitNoPods { .. }
            | Look::AwaitPods { .. } => Verb::Workloads,
            Look::Members { .. } => Verb::Members,
            Look::Compare { .. } => Verb::Apply,
            Look::Pods { .. } => Verb::Pods,
            Look::Logs { .. } => Verb::Logs,
            Look::Nodes { .. } | Look::AwaitNode { .. } => Verb::Nodes,
            Look::Budgets { .. } | Look::AwaitBudget { .. } => Verb::Budgets,
            Look::Jobs { .. } | Look::AwaitJob { .. } => Verb::Jobs,
            Look::Certificates { .. } | Look::Issued { .. } | Look::AwaitCertificate { .. } => {
                Verb::Certificates
            }
            Look::Route { .. } => Verb::Routes,
        }
    }

    /// For how long it waits, if it does.
    pub fn waits(&self) -> Option<Duration> {
        match &self.look {
            Look::AwaitRollout { within, .. }
            | Look::AwaitNoPods { within, .. }
            | Look::AwaitPods { within, .. }
            | Look::AwaitBudget { within, .. }
            | Look::AwaitJob { within, .. }
            | Look::AwaitCertificate { within, .. }
            | Look::AwaitNode { within, .. } => Some(Duration::from_millis(*within)),
            Look::Facts
            | Look::Workload { .. }
            | Look::Workloads { .. }
            | Look::Revisions { .. }
            | Look::Pods { .. }
            | Look::Logs { .. }
            | Look::Nodes { .. }
            | Look::Budgets { .. }
            | Look::Jobs { .. }
            | Look::Certificates { .. }
            | Look::Issued { .. }
            | Look::Members { .. }
            | Look::Consumers { .. }
            | Look::Compare { .. }
            | Look::Route { .. } => None,
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = match self.place() {
            Ok(Place::Object(object)) => format!(" of {object}"),
            Ok(Place::Named(object)) => format!(" of {}", text_of(&object)),
            Ok(Place::Namespace(namespace)) => format!(" in {namespace}"),
            Ok(Place::Cluster) | Err(_) => String::new(),
        };
        match &self.look {
            Look::AwaitRollout { .. } => write!(f, "wait for the rollout{object}"),
            Look::AwaitNoPods { .. } => write!(f, "wait for the end of all pods{object}"),
            Look::AwaitPods { .. } => write!(f, "wait for all pods{object}"),
            Look::AwaitBudget { .. } => write!(f, "wait for enough healthy pods{object}"),
            Look::AwaitJob { .. } => write!(f, "wait for the end{object}"),
            Look::AwaitCertificate { .. } => write!(f, "wait for the issuance{object}"),
            Look::AwaitNode { .. } => write!(f, "wait for the return{object}"),
            Look::Revisions { .. } => write!(f, "read revisions{object}"),
            Look::Issued { .. } => write!(f, "read the issued one{object}"),
            Look::Consumers { .. } => write!(f, "read consumers{object}"),
            Look::Compare { .. } => write!(f, "read differences{object}"),
            Look::Facts
            | Look::Workload { .. }
            | Look::Workloads { .. }
            | Look::Pods { .. }
            | Look::Logs { .. }
            | Look::Nodes { .. }
            | Look::Budgets { .. }
            | Look::Jobs { .. }
            | Look::Certificates { .. }
            | Look::Members { .. }
            | Look::Route { .. } => write!(f, "{}{object}", self.verb()),
        }
    }
}
