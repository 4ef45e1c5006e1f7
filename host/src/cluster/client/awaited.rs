//! Waits: which look watches what, and what a plan assumes of each.

use super::api::Api;
use super::{budgets, certificates, job_facts, nodes, value, wait};
use crate::cluster::Read;
use crate::cluster::call::{Look, named};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::{
    CertificateFacts, CertificateState, DisruptionBudget, JobFacts, JobOutcome, Namespaced,
    NodeFacts, Rollout, RolloutState,
};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::Value;

/// Waits. Answers the JSON of the type in the contract.
pub(super) async fn awaited(api: &Api, permit: &Permit, read: &Read) -> Result<Value, CallError> {
    let within = read.waits().unwrap_or_default();
    let look = &read.look;
    match look {
        Look::AwaitRollout { workload, .. } => {
            value(&wait::rollout(api, permit, &Object::workload(workload)?, within).await?)
        }
        Look::AwaitNoPods { workload, .. } => {
            value(&wait::no_pods(api, permit, &Object::workload(workload)?, within).await?)
        }
        Look::AwaitPods { workload, .. } => {
            value(&wait::all_pods(api, permit, &Object::workload(workload)?, within).await?)
        }
        Look::AwaitBudget { budget, .. } => {
            let object = named(Kind::PodDisruptionBudget, budget)?;
            value(&budgets::healthy(api, permit, &object, within).await?)
        }
        Look::AwaitNode { node, .. } => {
            nodes::awaited(api, permit, &Object::node(node)?, look, within).await
        }
        Look::AwaitJob { job, .. } => {
            value(&job_facts::ended(api, permit, &named(Kind::Job, job)?, within).await?)
        }
        Look::AwaitCertificate {
            certificate, above, ..
        } => {
            let object = named(Kind::Certificate, certificate)?;
            value(&certificates::renewed(api, permit, &object, *above, within).await?)
        }
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
        | Look::Members { .. }
        | Look::Consumers { .. }
        | Look::Compare { .. }
        | Look::Route { .. } => Err(CallError::new(ErrorKind::Invalid, "this is no wait")),
    }
}

/// What a plan answers for a wait: what is waited for came about.
pub fn assumed(read: &Read) -> Option<Value> {
    let answer = match &read.look {
        Look::AwaitRollout { .. } => value(&Rollout {
            state: RolloutState::Complete,
            message: String::new(),
        }),
        Look::AwaitNoPods { .. } => Ok(Value::Null),
        Look::AwaitPods { .. } => value(&0_u32),
        Look::AwaitBudget { budget, .. } => value(&DisruptionBudget {
            name: budget.clone(),
            allowed: 1,
            healthy: 1,
            desired_healthy: 0,
            selector: String::new(),
        }),
        Look::AwaitJob { job, .. } => value(&complete(job)),
        Look::AwaitCertificate {
            certificate, above, ..
        } => value(&CertificateFacts {
            name: certificate.clone(),
            uid: String::new(),
            state: CertificateState::Ready,
            message: String::new(),
            revision: above.saturating_add(1),
            not_before: None,
            not_after: None,
            renewal: None,
            dns_names: Vec::new(),
            secret: String::new(),
        }),
        Look::AwaitNode { node, .. } => value(&NodeFacts {
            name: node.clone(),
            uid: String::new(),
            ready: true,
            cordoned: true,
            cordoned_by_windlass: true,
            control_plane: false,
            kubelet_version: String::new(),
            os_image: String::new(),
            boot_id: String::new(),
            labels: Vec::new(),
        }),
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
        | Look::Members { .. }
        | Look::Consumers { .. }
        | Look::Compare { .. }
        | Look::Route { .. } => return None,
    };
    answer.ok()
}

/// A job that came to its end as it should.
fn complete(job: &Namespaced) -> JobFacts {
    JobFacts {
        name: job.clone(),
        uid: String::new(),
        created: None,
        finished: None,
        outcome: JobOutcome::Complete,
        succeeded: 1,
        failed: 0,
        cron_job: None,
        message: String::new(),
    }
}
