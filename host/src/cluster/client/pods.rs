//! Pods, their logs, and why they do not run.

use super::api::Api;
use super::workloads::instant;
use crate::cluster::call::MOST_LINES;
use crate::cluster::object::{Kind, Object};
use crate::contract::CallError;
use crate::contract::cluster_types::PodFacts;
use crate::engine::Permit;
use serde_json::Value;
use std::fmt::Write as _;

/// Bytes of a log that one look shows at most.
const LOG_BYTES: u64 = 256 << 10;
/// Pods in trouble that are named at most.
const NAMED: usize = 3;

/// Pods of a namespace that a selector means.
pub(super) async fn list(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    selector: &str,
) -> Result<Vec<PodFacts>, CallError> {
    let query = [("labelSelector", selector)];
    let listed = api
        .list(
            permit.deadline(),
            Kind::Pod,
            Some(namespace),
            &query,
            |pod: Value| Some(facts(&pod)),
        )
        .await?;
    Ok(listed.items)
}

/// The facts of one.
pub(super) fn facts(pod: &Value) -> PodFacts {
    let text = |pointer: &str| {
        pod.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let statuses = |list: &str| pod["status"][list].as_array().into_iter().flatten();
    let restarts = statuses("containerStatuses")
        .chain(statuses("initContainerStatuses").filter(|status| is_sidecar(pod, status)))
        .filter_map(|status| status["restartCount"].as_u64())
        .sum::<u64>();
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let owners = pod["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten();
    PodFacts {
        name: text("/metadata/name"),
        uid: text("/metadata/uid"),
        node: pod["spec"]["nodeName"].as_str().map(str::to_owned),
        phase: text("/status/phase"),
        ready: conditions.into_iter().any(ready),
        ending: pod["metadata"]["deletionTimestamp"].is_string(),
        restarts: u32::try_from(restarts).unwrap_or(u32::MAX),
        waiting: waiting(pod),
        images: containers
            .filter_map(|container| container["image"].as_str())
            .map(str::to_owned)
            .collect(),
        owner: owners
            .into_iter()
            .find(|owner| owner["controller"] == true)
            .and_then(|owner| {
                Some(format!(
                    "{}/{}",
                    owner["kind"].as_str()?,
                    owner["name"].as_str()?
                ))
            }),
        started: pod.pointer("/status/startTime").and_then(instant),
    }
}

/// Whether the status is that of an init container that runs beside the others and is started again as they are. Other init containers run
/// once, and ephemeral ones are never started again.
fn is_sidecar(pod: &Value, status: &Value) -> bool {
    let mut containers = pod["spec"]["initContainers"]
        .as_array()
        .into_iter()
        .flatten();
    containers.any(|container| {
        container["name"] == status["name"] && container["restartPolicy"] == "Always"
    })
}

/// Why a container does not run: what the kubelet says, or the scheduler; why a pod failed, if it says so.
fn waiting(pod: &Value) -> Option<String> {
    if pod["status"]["phase"] == "Failed" {
        let status = &pod["status"];
        let reason = status["reason"].as_str()?;
        return Some(match status["message"].as_str() {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        });
    }
    let all = ["initContainerStatuses", "containerStatuses"];
    let statuses = all
        .iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    let mut reasons = statuses.filter_map(|status| {
        let waiting = status.pointer("/state/waiting")?;
        let reason = waiting["reason"].as_str()?;
        // Each container begins so.
        if matches!(reason, "ContainerCreating" | "PodInitializing") {
            return None;
        }
        Some(match waiting["message"].as_str() {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        })
    });
    reasons.next().or_else(|| {
        let conditions = pod["status"]["conditions"].as_array()?;
        let refused = conditions.iter().find(|condition| {
            condition["type"] == "PodScheduled" && condition["status"] == "False"
        })?;
        Some(format!(
            "{}: {}",
            refused["reason"].as_str()?,
            refused["message"].as_str().unwrap_or_default()
        ))
    })
}

/// What keeps pods from running, as the end of a sentence; empty if nothing does, or nobody may look.
pub(super) async fn troubles(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    selector: &str,
) -> String {
    let Ok(pods) = list(api, permit, namespace, selector).await else {
        return String::new();
    };
    let mut text = String::new();
    let in_trouble = pods
        .iter()
        .filter(|pod| pod.phase != "Failed")
        .filter_map(|pod| pod.waiting.as_ref().map(|why| (&pod.name, why)));
    for (name, why) in in_trouble.take(NAMED) {
        let _ = write!(text, "; pod {name}: {}", crate::text::printable(why));
    }
    text
}

/// The end of a container's log.
pub(super) async fn logs(
    api: &Api,
    permit: &Permit,
    pod: &Object,
    container: Option<&str>,
    lines: u32,
) -> Result<String, CallError> {
    let lines = lines.clamp(1, MOST_LINES).to_string();
    let bytes = LOG_BYTES.to_string();
    let mut query = vec![
        ("tailLines", lines.as_str()),
        ("limitBytes", bytes.as_str()),
    ];
    if let Some(container) = container {
        query.push(("container", container));
    }
    let path = format!("{}/log?{}", pod.path(), super::api::encoded(&query));
    Ok(api.text(permit.deadline(), &path, LOG_BYTES).await?)
}
