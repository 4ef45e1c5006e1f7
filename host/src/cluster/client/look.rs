//! Which part of the room looks at what, or waits for it.

use super::api::Api;
use super::{
    Connected, budgets, certificates, config, issued, job_facts, nodes, pods, revisions, routes,
    together, value, wait, workloads,
};
use crate::cluster::Read;
use crate::cluster::call::{Look, named};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::ClusterFacts;
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::Value;

/// Looks, or waits.
pub(super) async fn look(
    room: &Connected,
    permit: &Permit,
    read: &Read,
) -> Result<Value, CallError> {
    let (may, verb, cluster) = (permit.effective(), read.verb(), &read.cluster);
    let shows = |object: &Object| may.shows_object(verb, cluster, object);
    let api = &room.api;
    match &read.look {
        Look::Facts => value(&facts(room, permit).await?),
        Look::Workload { workload } => {
            value(&workloads::look(api, permit, &Object::workload(workload)?).await?)
        }
        Look::Workloads {
            namespace,
            selector,
        } => value(&workloads::list(api, permit, namespace, selector, &shows).await?),
        Look::Revisions { workload } => {
            value(&revisions::list(api, permit, &Object::workload(workload)?).await?)
        }
        Look::Pods {
            namespace,
            selector,
        } => value(&pods::list(api, permit, namespace, selector).await?),
        Look::Logs {
            pod,
            container,
            lines,
        } => {
            let pod = named(Kind::Pod, pod)?;
            value(&pods::logs(api, permit, &pod, container.as_deref(), *lines).await?)
        }
        Look::Nodes { selector } => nodes::list(api, permit, selector, &shows).await,
        Look::Budgets { namespace } => value(&budgets::list(api, permit, namespace).await?),
        Look::Jobs {
            namespace,
            selector,
        } => value(&job_facts::list(api, permit, namespace, selector, &shows).await?),
        Look::LastSuccess { cron_job } => {
            let object = named(Kind::CronJob, cron_job)?;
            value(&job_facts::last_success(api, permit, &object).await?)
        }
        Look::Certificates { namespace } => {
            value(&certificates::list(api, permit, namespace, &shows).await?)
        }
        Look::Issued { certificate } => {
            let object = named(Kind::Certificate, certificate)?;
            value(&issued::read(api, permit, &object).await?)
        }
        Look::Route { route } => routes::read(api, permit, &Object::route(route)?).await,
        Look::Members { .. } | Look::Consumers { .. } | Look::Compare { .. } => {
            config::look(api, permit, read).await
        }
        Look::AwaitRollout { .. }
        | Look::AwaitNoPods { .. }
        | Look::AwaitPods { .. }
        | Look::AwaitBudgets { .. }
        | Look::AwaitNode { .. }
        | Look::AwaitJob { .. }
        | Look::AwaitCertificate { .. } => awaited(api, permit, read).await,
    }
}

/// Waits for what controllers do.
async fn awaited(api: &Api, permit: &Permit, read: &Read) -> Result<Value, CallError> {
    let within = read.waits().unwrap_or_default();
    match &read.look {
        Look::AwaitRollout { workload, .. } => {
            value(&wait::rollout(api, permit, &Object::workload(workload)?, within).await?)
        }
        Look::AwaitNoPods { workload, .. } => {
            value(&wait::no_pods(api, permit, &Object::workload(workload)?, within).await?)
        }
        Look::AwaitPods { workloads, .. } => {
            let all = workloads.iter().map(Object::workload);
            let all: Vec<_> = all.collect::<Result<_, _>>()?;
            value(&together::pods(api, permit, &all, within).await?)
        }
        Look::AwaitBudgets { budgets, .. } => {
            let all = budgets.iter();
            let all = all.map(|budget| named(Kind::PodDisruptionBudget, budget));
            let all: Vec<_> = all.collect::<Result<_, _>>()?;
            value(&together::budgets(api, permit, &all, within).await?)
        }
        Look::AwaitNode { node, .. } => {
            nodes::awaited(api, permit, &Object::node(node)?, &read.look, within).await
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
        | Look::LastSuccess { .. }
        | Look::Certificates { .. }
        | Look::Issued { .. }
        | Look::Members { .. }
        | Look::Consumers { .. }
        | Look::Compare { .. }
        | Look::Route { .. } => Err(CallError::new(ErrorKind::Invalid, "this waits for nothing")),
    }
}

async fn facts(room: &Connected, permit: &Permit) -> Result<ClusterFacts, CallError> {
    let version: Value = room
        .api
        .call(permit.deadline(), http::Method::GET, "/version", None)
        .await?;
    Ok(ClusterFacts {
        version: version["gitVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        namespace: room.namespace.clone(),
    })
}
