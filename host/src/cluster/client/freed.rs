//! Pods of a stateful set that did not become ready with a template that was taken back. Its controller waits for them for ever
//! (kubernetes#67250), also when the template is long another one, so they are asked to go.

use super::api::Api;
use super::evict::{Leaving, Refusal, evict};
use super::pods;
use super::wait::{self, Step};
use super::workloads::selector;
use crate::cluster::field::FieldChange;
use crate::cluster::object::{Kind, Object};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use serde_json::Value;
use std::time::Duration;

/// The controller has seen a template within this time, or does not work.
const WITHIN: Duration = Duration::from_secs(30);

/// What was done about the pods of an object whose fields have what they had; empty where there is nothing. Fails where something is left to a
/// person: then the object is not what it was, though its fields are.
pub(super) async fn pods(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    changes: &[FieldChange],
) -> Result<String, CallError> {
    let is_template = |change: &FieldChange| change.path.to_string().starts_with("spec.template");
    if object.kind != Kind::StatefulSet || !changes.iter().any(is_template) {
        return Ok(String::new());
    }
    let left = left(api, permit, object).await.map_err(|error| CallError {
        message: format!(
            "{object} has the template that it had; whether all its pods follow is not known: {}",
            error.message
        ),
        ..error
    })?;
    let (mut told, mut stuck) = (Vec::new(), Vec::new());
    for pod in left {
        permit.still_ours().await?;
        let evicted = evict(api, permit.deadline(), &pod, false).await;
        match evicted.map_err(Refusal::of) {
            Ok(()) | Err(Refusal::Gone) => {
                told.push(format!("; evicted {}, which was not ready", pod.text()));
            }
            Err(Refusal::Failed(error)) if error.kind == ErrorKind::Unavailable => {
                return Err(error);
            }
            Err(why) => stuck.push((pod.text(), why.text().to_owned())),
        }
    }
    if stuck.is_empty() {
        return Ok(told.concat());
    }
    Err(by_hand(object, &stuck))
}

/// Which pods a person has to delete, and how.
fn by_hand(object: &Object, stuck: &[(String, String)]) -> CallError {
    let lines: Vec<_> = stuck
        .iter()
        .map(|(pod, why)| format!("pod {pod} is not ready and has to be deleted: {why}"))
        .collect();
    let names: Vec<_> = stuck
        .iter()
        .filter_map(|(pod, _)| pod.rsplit('/').next())
        .collect();
    let message = format!(
        "{object} has the template that it had, but its controller waits: {}; hint: kubectl --namespace {} delete pod {}",
        lines.join("; "),
        object.namespace.as_deref().unwrap_or_default(),
        names.join(" ")
    );
    CallError::new(ErrorKind::Conflict, message)
}

/// Pods of the set that are neither ready nor of the template that it has. None where the controller replaces no pods by itself.
async fn left(api: &Api, permit: &Permit, set: &Object) -> Result<Vec<Leaving>, CallError> {
    let seen = |found: &Value| {
        let status = &found["status"];
        Ok(
            if status["observedGeneration"] == found["metadata"]["generation"] {
                Step::Done(found.clone())
            } else {
                Step::Waiting("its controller has not seen it yet".into())
            },
        )
    };
    let found = wait::object(api, permit, set, WITHIN, seen).await?;
    if !replaces_all(&found) {
        return Ok(Vec::new());
    }
    let selector = selector(&found["spec"]["selector"]);
    let query = [("labelSelector", selector.as_str())];
    let namespace = set.namespace.as_deref();
    let keep = |pod: Value| is_left(&found, &pod).then(|| Leaving::pod(&pod));
    let listed = api.list(permit.deadline(), Kind::Pod, namespace, &query, keep);
    Ok(listed.await?.items)
}

/// Whether its controller replaces every pod that is not of its template, one after the other.
fn replaces_all(set: &Value) -> bool {
    let strategy = &set["spec"]["updateStrategy"];
    let partition = strategy.pointer("/rollingUpdate/partition");
    strategy["type"] == "RollingUpdate" && partition.and_then(Value::as_u64).unwrap_or(0) == 0
}

fn is_left(set: &Value, pod: &Value) -> bool {
    let facts = pods::facts(pod);
    let owners = pod["metadata"]["ownerReferences"].as_array();
    let mut owners = owners.into_iter().flatten();
    let revision = &pod["metadata"]["labels"]["controller-revision-hash"];
    owners.any(|owner| owner["uid"] == set["metadata"]["uid"])
        && *revision != set["status"]["updateRevision"]
        && !facts.ready
        && !facts.ending
}

#[cfg(test)]
mod tests {
    use super::{is_left, replaces_all};
    use serde_json::{Value, json};

    fn set(strategy: &Value) -> Value {
        json!({
            "metadata": {"uid": "u"}, "spec": {"updateStrategy": strategy}, "status": {"updateRevision": "db-1"},
        })
    }

    #[test]
    fn only_where_the_controller_replaces_every_pod() {
        assert!(replaces_all(&set(&json!({"type": "RollingUpdate"}))));
        let partition =
            |from: u64| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": from}});
        assert!(replaces_all(&set(&partition(0))));
        assert!(!replaces_all(&set(&partition(1))));
        assert!(!replaces_all(&set(&json!({"type": "OnDelete"}))));
    }

    #[test]
    fn only_its_own_that_are_of_another_template_and_not_ready() {
        let set = set(&json!({"type": "RollingUpdate"}));
        let pod = |owner: &str, revision: &str, ready: &str| {
            json!({
                "metadata": {
                    "ownerReferences": [{"uid": owner}], "labels": {"controller-revision-hash": revision},
                },
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        assert!(is_left(&set, &pod("u", "db-2", "False")));
        assert!(!is_left(&set, &pod("u", "db-2", "True")));
        assert!(!is_left(&set, &pod("u", "db-1", "False")));
        assert!(!is_left(&set, &pod("other", "db-2", "False")));
        let mut ending = pod("u", "db-2", "False");
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(!is_left(&set, &ending));
    }
}
