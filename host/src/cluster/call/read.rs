//! Looks and waits.

use super::{Named, named};
use crate::cluster::manifest;
use crate::cluster::object::resource::text_of;
use crate::cluster::object::{Kind, Object, check_name, check_namespace, check_selector};
use crate::cluster::scope::Verb;
use crate::contract::cluster_types::{Namespaced, ObjectName, RouteName, WorkloadName};
use crate::contract::{CallError, ErrorKind};
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
    LastSuccess {
        cron_job: Namespaced,
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
        workloads: Vec<WorkloadName>,
        within: u64,
    },
    AwaitBudgets {
        budgets: Vec<Namespaced>,
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
    /// Objects, each of which has to be covered.
    Objects(Vec<Object>),
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
            // Who waits for nothing has forgotten something, and no capability would be asked for.
            Look::AwaitPods { workloads, .. } if workloads.is_empty() => Err(nothing()),
            Look::AwaitBudgets { budgets, .. } if budgets.is_empty() => Err(nothing()),
            Look::Facts
            | Look::Workload { .. }
            | Look::Revisions { .. }
            | Look::Logs { .. }
            | Look::Budgets { .. }
            | Look::LastSuccess { .. }
            | Look::Certificates { .. }
            | Look::Issued { .. }
            | Look::Route { .. }
            | Look::AwaitRollout { .. }
            | Look::AwaitNoPods { .. }
            | Look::AwaitPods { .. }
            | Look::AwaitBudgets { .. }
            | Look::AwaitJob { .. }
            | Look::AwaitCertificate { .. }
            | Look::AwaitNode { .. } => Ok(()),
        }
    }

    /// Where it goes.
    pub fn place(&self) -> Result<Place, CallError> {
        let one = |object| Place::Objects(vec![object]);
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
            | Look::AwaitNoPods { workload, .. } => one(Object::workload(workload)?),
            Look::AwaitPods { workloads, .. } => {
                let all = workloads.iter().map(Object::workload);
                Place::Objects(all.collect::<Result<_, _>>()?)
            }
            Look::AwaitBudgets { budgets, .. } => {
                let all = budgets.iter();
                let all = all.map(|budget| named(Kind::PodDisruptionBudget, budget));
                Place::Objects(all.collect::<Result<_, _>>()?)
            }
            Look::Logs { pod, .. } => one(named(Kind::Pod, pod)?),
            Look::AwaitJob { job, .. } => one(named(Kind::Job, job)?),
            Look::LastSuccess { cron_job } => one(named(Kind::CronJob, cron_job)?),
            Look::Issued { certificate } | Look::AwaitCertificate { certificate, .. } => {
                one(named(Kind::Certificate, certificate)?)
            }
            Look::Route { route } => one(Object::route(route)?),
            Look::AwaitNode { node, .. } => one(Object::node(node)?),
            Look::Compare { manifest, .. } => Place::Named(manifest::name(manifest)?),
        })
    }

    /// The names in it, of each that it is about.
    pub fn named(&self) -> Vec<Named<'_>> {
        let one = match &self.look {
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
            | Look::AwaitNoPods { workload, .. } => Named::workload(workload),
            Look::AwaitPods { workloads, .. } => {
                return workloads.iter().map(Named::workload).collect();
            }
            Look::AwaitBudgets { budgets, .. } => {
                let all = budgets.iter();
                let all = all.map(|budget| Named::of(&budget.namespace, &budget.name));
                return all.collect();
            }
            Look::Logs { pod: object, .. }
            | Look::AwaitJob { job: object, .. }
            | Look::LastSuccess { cron_job: object }
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
        };
        vec![one]
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
            Look::Budgets { .. } | Look::AwaitBudgets { .. } => Verb::Budgets,
            Look::Jobs { .. } | Look::LastSuccess { .. } | Look::AwaitJob { .. } => Verb::Jobs,
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
            | Look::AwaitBudgets { within, .. }
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
            | Look::LastSuccess { .. }
            | Look::Certificates { .. }
            | Look::Issued { .. }
            | Look::Members { .. }
            | Look::Consumers { .. }
            | Look::Compare { .. }
            | Look::Route { .. } => None,
        }
    }
}

fn nothing() -> CallError {
    CallError::new(ErrorKind::Invalid, "there is nothing to wait for")
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = match self.place() {
            Ok(Place::Objects(objects)) => match &objects[..] {
                [] => String::new(),
                [one] => format!(" of {one}"),
                [first, others @ ..] => format!(" of {first} and {} more", others.len()),
            },
            Ok(Place::Named(object)) => format!(" of {}", text_of(&object)),
            Ok(Place::Namespace(namespace)) => format!(" in {namespace}"),
            Ok(Place::Cluster) | Err(_) => String::new(),
        };
        match &self.look {
            Look::AwaitRollout { .. } => write!(f, "wait for the rollout{object}"),
            Look::AwaitNoPods { .. } => write!(f, "wait for the end of all pods{object}"),
            Look::AwaitPods { .. } => write!(f, "wait for all pods{object}"),
            Look::AwaitBudgets { .. } => write!(f, "wait for enough healthy pods{object}"),
            Look::AwaitJob { .. } => write!(f, "wait for the end{object}"),
            Look::AwaitCertificate { .. } => write!(f, "wait for the issuance{object}"),
            Look::AwaitNode { .. } => write!(f, "wait for the return{object}"),
            Look::Revisions { .. } => write!(f, "read revisions{object}"),
            Look::LastSuccess { .. } => write!(f, "read the last success{object}"),
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
