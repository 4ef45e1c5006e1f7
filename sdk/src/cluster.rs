//! A Kubernetes cluster: what it tells, and how its workloads, nodes, jobs, routes and certificates are maintained.

use crate::bindings::windlass::procedure::{
    cluster_certificates, cluster_config, cluster_jobs, cluster_manifest_jobs, cluster_nodes,
    cluster_read, cluster_routes, cluster_workloads,
};
use crate::parameters::Span;
use crate::{Error, Instant};
use serde_json::Value;

pub use crate::bindings::windlass::procedure::cluster_config::{Applied, FieldEdit};
pub use crate::bindings::windlass::procedure::cluster_nodes::{DrainOptions, Drained};
pub use crate::bindings::windlass::procedure::cluster_types::{
    CertificateFacts, CertificateState, ClusterFacts, Container, DisruptionBudget,
    IssuedCertificate, JobFacts, JobOutcome, Manager, ManagerKind, Namespaced, NodeFacts,
    ObjectName, PodFacts, Revision, Rollout, RolloutState, RouteFacts, RouteKind, RouteName,
    WorkloadFacts, WorkloadKind, WorkloadName,
};

/// A cluster by its logical name. Each method is one call to the host and needs the verb that it names.
///
/// What looks at something really looks in a plan too, and sees what is there now; what waits does not wait in a plan: what is waited for
/// is assumed. What changes something answers in a plan what is foreseen, and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    name: String,
}

/// An object of a namespace.
pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>) -> Namespaced {
    Namespaced {
        namespace: namespace.into(),
        name: name.into(),
    }
}

/// Whether the pod has come to its end. Its controller does not count it any more, and may leave it there for long.
pub fn has_ended(pod: &PodFacts) -> bool {
    matches!(&*pod.phase, "Succeeded" | "Failed")
}

/// Whether the workload's controller made the pod, by the owner that the pod names. A label selector may mean pods of others too.
pub fn is_of(pod: &PodFacts, workload: &WorkloadName) -> bool {
    let owner = pod.owner.as_deref().and_then(|owner| owner.split_once('/'));
    let Some((kind, name)) = owner else {
        return false;
    };
    match workload.kind {
        WorkloadKind::Deployment => {
            let of = name.rsplit_once('-').map(|(of, _)| of);
            kind == "ReplicaSet" && of == Some(workload.name.as_str())
        }
        WorkloadKind::StatefulSet => kind == "StatefulSet" && name == workload.name,
        WorkloadKind::DaemonSet => kind == "DaemonSet" && name == workload.name,
    }
}

/// Looking. A component that calls only these does not import anything that changes a cluster.
impl Cluster {
    pub(crate) fn named(name: String) -> Self {
        Self { name }
    }

    /// The logical name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version, and the namespace that the operator configured. Verb: `cluster`.
    pub fn facts(&self) -> Result<ClusterFacts, Error> {
        Ok(cluster_read::facts(&self.name)?)
    }

    /// One workload. Verb: `workloads`.
    pub fn workload(&self, workload: &WorkloadName) -> Result<WorkloadFacts, Error> {
        Ok(cluster_read::workload(&self.name, workload)?)
    }

    /// Workloads of a namespace that needs and grant cover and a label selector (may be empty) means. Verb: `workloads`.
    pub fn workloads(&self, namespace: &str, selector: &str) -> Result<Vec<WorkloadFacts>, Error> {
        Ok(cluster_read::workloads(&self.name, namespace, selector)?)
    }

    /// Templates that can be gone back to, newest first. Verb: `workloads`.
    pub fn revisions(&self, workload: &WorkloadName) -> Result<Vec<Revision>, Error> {
        Ok(cluster_read::revisions(&self.name, workload)?)
    }

    /// Pods of a namespace that a label selector means. Verb: `pods`.
    pub fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<PodFacts>, Error> {
        Ok(cluster_read::pods(&self.name, namespace, selector)?)
    }

    /// The last lines of a container's log. Verb: `logs`.
    pub fn logs(
        &self,
        pod: &Namespaced,
        container: Option<&str>,
        lines: u32,
    ) -> Result<String, Error> {
        Ok(cluster_read::logs(&self.name, pod, container, lines)?)
    }

    /// Nodes that a label selector means. Verb: `nodes`.
    pub fn nodes(&self, selector: &str) -> Result<Vec<NodeFacts>, Error> {
        Ok(cluster_read::nodes(&self.name, selector)?)
    }

    /// Disruption budgets of a namespace. Verb: `budgets`.
    pub fn budgets(&self, namespace: &str) -> Result<Vec<DisruptionBudget>, Error> {
        Ok(cluster_read::budgets(&self.name, namespace)?)
    }

    /// Jobs of a namespace, newest first. Verb: `jobs`.
    pub fn jobs(&self, namespace: &str, selector: &str) -> Result<Vec<JobFacts>, Error> {
        Ok(cluster_read::jobs(&self.name, namespace, selector)?)
    }

    /// When a job of this CronJob succeeded last, also where its finished jobs are cleared away. Verb: `jobs`.
    pub fn last_success(&self, cron_job: &Namespaced) -> Result<Option<Instant>, Error> {
        Ok(cluster_read::last_success(&self.name, cron_job)?)
    }

    /// Certificates of cert-manager. Verb: `certificates`.
    pub fn certificates(&self, namespace: &str) -> Result<Vec<CertificateFacts>, Error> {
        Ok(cluster_read::certificates(&self.name, namespace)?)
    }

    /// What was issued for the revision that a certificate has now, without a look at its Secret. Verb: `certificates`.
    pub fn issued(&self, certificate: &Namespaced) -> Result<IssuedCertificate, Error> {
        Ok(cluster_read::issued(&self.name, certificate)?)
    }

    /// What an apply-set has. Verb: `members`.
    pub fn members(&self, set: &Namespaced) -> Result<Vec<ObjectName>, Error> {
        Ok(cluster_read::members(&self.name, set)?)
    }

    /// Workloads whose pods take something from one of these config maps. Verb: `workloads`.
    pub fn consumers(
        &self,
        namespace: &str,
        config_maps: &[String],
    ) -> Result<Vec<WorkloadName>, Error> {
        Ok(cluster_read::consumers(&self.name, namespace, config_maps)?)
    }

    /// One Ingress or HTTPRoute. Verb: `routes`.
    pub fn route(&self, route: &RouteName) -> Result<RouteFacts, Error> {
        Ok(cluster_read::route(&self.name, route)?)
    }
}

/// Waiting for what controllers do. Each waits at most for the given time, and answers [`Kind::Limit`](crate::Kind::Limit) then.
impl Cluster {
    /// Until the rollout is complete. One that its controller gave up is a failure, with what its pods say. Verb: `workloads`.
    pub fn await_rollout(&self, workload: &WorkloadName, within: Span) -> Result<(), Error> {
        let rollout = cluster_read::await_rollout(&self.name, workload, within.as_milliseconds())?;
        match rollout.state {
            RolloutState::Complete => Ok(()),
            RolloutState::Failed | RolloutState::Paused | RolloutState::Progressing => {
                Err(Error::failed(format!(
                    "the rollout of {} failed: {}",
                    workload.name, rollout.message
                )))
            }
        }
    }

    /// Until the workload has no pods left. Verb: `workloads`.
    pub fn await_no_pods(&self, workload: &WorkloadName, within: Span) -> Result<(), Error> {
        Ok(cluster_read::await_no_pods(
            &self.name,
            workload,
            within.as_milliseconds(),
        )?)
    }

    /// Until each of these workloads has as many pods ready as it wants; answers how many are ready in all. Verb: `workloads`.
    pub fn await_pods(&self, workloads: &[WorkloadName], within: Span) -> Result<u32, Error> {
        Ok(cluster_read::await_pods(
            &self.name,
            workloads,
            within.as_milliseconds(),
        )?)
    }

    /// Until each of these disruption budgets has as many healthy pods as it wants. Verb: `budgets`.
    pub fn await_budgets(&self, budgets: &[Namespaced], within: Span) -> Result<(), Error> {
        Ok(cluster_read::await_budgets(
            &self.name,
            budgets,
            within.as_milliseconds(),
        )?)
    }

    /// Until the job is complete or failed; how it ended is in the answer. Verb: `jobs`.
    pub fn await_job(&self, job: &Namespaced, within: Span) -> Result<JobFacts, Error> {
        Ok(cluster_read::await_job(
            &self.name,
            job,
            within.as_milliseconds(),
        )?)
    }

    /// Until the certificate is ready with a revision above this one. Verb: `certificates`.
    pub fn await_certificate(
        &self,
        certificate: &Namespaced,
        above: u32,
        within: Span,
    ) -> Result<CertificateFacts, Error> {
        Ok(cluster_read::await_certificate(
            &self.name,
            certificate,
            above,
            within.as_milliseconds(),
        )?)
    }

    /// Until the node is ready. Verb: `nodes`.
    pub fn await_ready_node(&self, node: &str, within: Span) -> Result<NodeFacts, Error> {
        let within = within.as_milliseconds();
        Ok(cluster_read::await_node(&self.name, node, "", "", within)?)
    }

    /// Until the node is ready, and has booted or got another kubelet since these were seen. Verb: `nodes`.
    pub fn await_node(&self, seen: &NodeFacts, within: Span) -> Result<NodeFacts, Error> {
        let (boot, version) = (&seen.boot_id, &seen.kubelet_version);
        Ok(cluster_read::await_node(
            &self.name,
            &seen.name,
            boot,
            version,
            within.as_milliseconds(),
        )?)
    }
}

/// Changing what runs pods. Undone exactly, unless another hand changed it since.
impl Cluster {
    /// Sets images by the names of containers; answers the images before. Verb: `set-image`.
    pub fn set_image(
        &self,
        workload: &WorkloadName,
        images: &[(String, String)],
    ) -> Result<Vec<String>, Error> {
        Ok(cluster_workloads::set_image(&self.name, workload, images)?)
    }

    /// Sets how many replicas are wanted; answers how many were. Verb: `scale`.
    pub fn scale(&self, workload: &WorkloadName, replicas: u32) -> Result<u32, Error> {
        Ok(cluster_workloads::scale(&self.name, workload, replicas)?)
    }

    /// Has each pod replaced. Verb: `restart`.
    pub fn restart(&self, workload: &WorkloadName) -> Result<(), Error> {
        Ok(cluster_workloads::restart(&self.name, workload)?)
    }

    /// Keeps a deployment from rolling out. Verb: `pause`.
    pub fn pause(&self, workload: &WorkloadName) -> Result<(), Error> {
        Ok(cluster_workloads::pause(&self.name, workload)?)
    }

    /// Lets a deployment roll out again. Verb: `pause`.
    pub fn proceed(&self, workload: &WorkloadName) -> Result<(), Error> {
        Ok(cluster_workloads::proceed(&self.name, workload)?)
    }

    /// Goes back to a revision. Verb: `roll-back`.
    pub fn roll_back(&self, workload: &WorkloadName, revision: &Revision) -> Result<(), Error> {
        Ok(cluster_workloads::roll_back(
            &self.name,
            workload,
            &revision.uid,
        )?)
    }

    /// Sets annotations; an absent value removes one. Verb: `annotate`.
    pub fn annotate(
        &self,
        workload: &WorkloadName,
        annotations: &[(String, Option<String>)],
    ) -> Result<(), Error> {
        Ok(cluster_workloads::annotate(
            &self.name,
            workload,
            annotations,
        )?)
    }
}

/// Emptying nodes and letting them work again.
impl Cluster {
    /// Keeps new pods away; answers whether the node was cordoned before. Verb: `cordon`.
    pub fn cordon(&self, node: &str) -> Result<bool, Error> {
        Ok(cluster_nodes::cordon(&self.name, node)?)
    }

    /// Lets new pods in again, only if windlass cordoned the node. Verb: `uncordon`.
    pub fn uncordon(&self, node: &str) -> Result<(), Error> {
        Ok(cluster_nodes::uncordon(&self.name, node)?)
    }

    /// Sets labels of a node; an absent value removes one. Verb: `label`, also for each label.
    pub fn label_node(&self, node: &str, labels: &[(String, Option<String>)]) -> Result<(), Error> {
        Ok(cluster_nodes::label(&self.name, node, labels)?)
    }

    /// Evicts what kubectl's drain would evict, never around a disruption budget. Verb: `drain`, also for the namespace of each pod.
    pub fn drain(&self, node: &str, options: DrainOptions) -> Result<Drained, Error> {
        Ok(cluster_nodes::drain(&self.name, node, options)?)
    }
}

/// Jobs, routes, certificates.
impl Cluster {
    /// Makes a job from a CronJob's template, once. Verb: `create-job`.
    pub fn job_from_cron_job(&self, cron_job: &Namespaced) -> Result<JobFacts, Error> {
        Ok(cluster_jobs::from_cron_job(&self.name, cron_job)?)
    }

    /// Makes a job of a manifest, once. `reversible`: what it does can be gone back behind; else nothing that the run did before is taken back
    /// any more. Verb: `run-job`.
    pub fn job_from_manifest(
        &self,
        manifest: &serde_json::Value,
        reversible: bool,
    ) -> Result<JobFacts, Error> {
        Ok(cluster_manifest_jobs::from_manifest(
            &self.name,
            &manifest.to_string(),
            reversible,
        )?)
    }

    /// Deletes a job that windlass made. Verb: `delete-job`.
    pub fn delete_job(&self, job: &Namespaced) -> Result<(), Error> {
        Ok(cluster_jobs::delete(&self.name, job)?)
    }

    /// Has each rule of the route lead to one service; answers whether it was diverted before. Verb: `divert`.
    pub fn divert(&self, route: &RouteName, service: &str, port: u16) -> Result<bool, Error> {
        Ok(cluster_routes::divert(&self.name, route, service, port)?)
    }

    /// Has the route lead to what it led to before it was diverted. Verb: `restore`.
    pub fn restore(&self, route: &RouteName) -> Result<(), Error> {
        Ok(cluster_routes::restore(&self.name, route)?)
    }

    /// Has the certificate issued anew; answers the revision before. Verb: `renew`.
    pub fn renew(&self, certificate: &Namespaced) -> Result<u32, Error> {
        Ok(cluster_certificates::renew(&self.name, certificate)?)
    }
}

/// Making objects what manifests say.
impl Cluster {
    /// Makes an object what the manifest says, as a member of the set if there is one. Verb: `apply`.
    pub fn apply(&self, manifest: &Value, set: Option<&str>) -> Result<Applied, Error> {
        Ok(cluster_config::apply(
            &self.name,
            &manifest.to_string(),
            set,
        )?)
    }

    /// What applying would change, a line for each field. Verb: `apply`.
    pub fn compare(&self, manifest: &Value, set: Option<&str>) -> Result<Vec<String>, Error> {
        Ok(cluster_config::compare(
            &self.name,
            &manifest.to_string(),
            set,
        )?)
    }

    /// Makes the parent of an apply-set, whose members are of these kinds: `ConfigMap`, `Deployment.apps`. Verb: `apply`.
    pub fn declare(&self, set: &Namespaced, kinds: &[String]) -> Result<Applied, Error> {
        Ok(cluster_config::declare(&self.name, set, kinds)?)
    }

    /// Deletes a member of an apply-set. Verb: `prune`.
    pub fn prune(&self, object: &ObjectName, set: &str) -> Result<(), Error> {
        Ok(cluster_config::prune(&self.name, object, set)?)
    }

    /// Sets fields of one object. Verb: `patch`, also for each field.
    pub fn patch(&self, object: &ObjectName, changes: &[FieldEdit]) -> Result<Applied, Error> {
        Ok(cluster_config::patch(&self.name, object, changes)?)
    }
}
