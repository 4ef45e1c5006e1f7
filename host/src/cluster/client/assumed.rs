//! What a plan answers where a run would wait. Pure.

use super::value;
use crate::cluster::Read;
use crate::cluster::call::Look;
use crate::contract::cluster_types::{
    CertificateFacts, CertificateState, JobFacts, JobOutcome, Namespaced, NodeFacts, Rollout,
    RolloutState,
};
use serde_json::Value;

/// What a plan answers for a wait: what is waited for came about.
pub fn assumed(read: &Read) -> Option<Value> {
    let answer = match &read.look {
        Look::AwaitRollout { .. } => value(&Rollout {
            state: RolloutState::Complete,
            message: String::new(),
        }),
        Look::AwaitNoPods { .. } | Look::AwaitBudgets { .. } => Ok(Value::Null),
        Look::AwaitPods { .. } => value(&0_u32),
        Look::AwaitJob { job, .. } => value(&completed(job)),
        Look::AwaitCertificate {
            certificate, above, ..
        } => value(&issued(certificate, above.saturating_add(1))),
        Look::AwaitNode { node, .. } => value(&node_back(node)),
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
        | Look::Route { .. } => return None,
    };
    answer.ok()
}

fn node_back(node: &str) -> NodeFacts {
    NodeFacts {
        name: node.to_owned(),
        uid: String::new(),
        ready: true,
        cordoned: true,
        cordoned_by_windlass: true,
        control_plane: false,
        kubelet_version: String::new(),
        os_image: String::new(),
        boot_id: String::new(),
        labels: Vec::new(),
    }
}

fn completed(job: &Namespaced) -> JobFacts {
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

fn issued(certificate: &Namespaced, revision: u32) -> CertificateFacts {
    CertificateFacts {
        name: certificate.clone(),
        uid: String::new(),
        state: CertificateState::Ready,
        message: String::new(),
        revision,
        not_before: None,
        not_after: None,
        renewal: None,
        dns_names: Vec::new(),
        secret: String::new(),
    }
}
