//! When a rollout is over, by the rules of `kubectl rollout status` (kubectl's `rollout_status.go`), but for what those take for done and is
//! not: a stateful set that is rolled out in part, or that nobody rolls out. Pure.

use crate::contract::cluster_types::{Rollout, RolloutState, WorkloadKind};
use serde_json::Value;

/// How far the rollout of this workload is.
pub(super) fn rollout(kind: WorkloadKind, workload: &Value) -> Rollout {
    let number = |pointer: &str| {
        workload
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    };
    let text = |pointer: &str| {
        workload
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if text("/spec/updateStrategy/type") == "OnDelete" {
        return of(
            RolloutState::Paused,
            "its update strategy is OnDelete: nobody replaces its pods".into(),
        );
    }
    if workload.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
        return of(RolloutState::Paused, "it is paused".into());
    }
    if let Some(why) = kept_back(workload) {
        return of(RolloutState::Paused, why);
    }
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return of(
            RolloutState::Progressing,
            "its controller has not seen the change yet".into(),
        );
    }
    if let Some(why) = failure(workload) {
        return of(RolloutState::Failed, why);
    }
    let message = match kind {
        WorkloadKind::DaemonSet => daemon_set(workload),
        WorkloadKind::StatefulSet => stateful_set(workload),
        WorkloadKind::Deployment => deployment(workload),
    };
    match message {
        Some(message) => of(RolloutState::Progressing, message),
        None => of(RolloutState::Complete, String::new()),
    }
}

fn of(state: RolloutState, message: String) -> Rollout {
    Rollout { state, message }
}

/// Why the controller of a stateful set replaces none of its pods by the new ones: its partition leaves it none to replace.
fn kept_back(workload: &Value) -> Option<String> {
    let partition = workload.pointer("/spec/updateStrategy/rollingUpdate/partition")?;
    let (partition, wanted) = (partition.as_u64()?, replicas(workload));
    let status = &workload["status"];
    let is_new = status["updateRevision"] != status["currentRevision"];
    (is_new && wanted > 0 && partition >= wanted).then(|| {
        format!(
            "its partition is {partition}: each of its {wanted} replicas keeps the old revision"
        )
    })
}

/// What the controller says when it gives up.
fn failure(workload: &Value) -> Option<String> {
    let conditions = workload.pointer("/status/conditions")?.as_array()?;
    let late = conditions.iter().find(|condition| {
        condition["type"] == "Progressing" && condition["reason"] == "ProgressDeadlineExceeded"
    })?;
    // A controller does not take its words back when only the replicas change, or before a new rollout gets on: an older failure says nothing
    // of the last change. Times of the server have one format, so that they compare as text.
    let failed = late["lastUpdateTime"].as_str();
    if failed.is_some_and(|failed| changed_last(workload).is_some_and(|changed| failed < changed)) {
        return None;
    }
    let message = late["message"].as_str().unwrap_or_default();
    Some(format!("ProgressDeadlineExceeded: {message}"))
}

/// When a hand other than one that writes its status changed the object last, as the server counts.
fn changed_last(workload: &Value) -> Option<&str> {
    let entries = workload.pointer("/metadata/managedFields")?.as_array()?;
    let others = entries
        .iter()
        .filter(|entry| entry["subresource"] != "status");
    others.filter_map(|entry| entry["time"].as_str()).max()
}

/// How many replicas a deployment or stateful set wants.
pub(super) fn replicas(workload: &Value) -> u64 {
    workload
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1)
}

fn status(workload: &Value, name: &str) -> u64 {
    workload["status"][name].as_u64().unwrap_or(0)
}

fn deployment(workload: &Value) -> Option<String> {
    let wanted = replicas(workload);
    let updated = status(workload, "updatedReplicas");
    let all = status(workload, "replicas");
    let available = status(workload, "availableReplicas");
    if updated < wanted {
        Some(format!("{updated} of {wanted} replicas are updated"))
    } else if all > updated {
        Some(format!("{} old replicas are still there", all - updated))
    } else if available < updated {
        Some(format!(
            "{available} of {updated} updated replicas are available"
        ))
    } else {
        None
    }
}

fn stateful_set(workload: &Value) -> Option<String> {
    let wanted = replicas(workload);
    let updated = status(workload, "updatedReplicas");
    let ready = status(workload, "readyReplicas");
    let partition = workload
        .pointer("/spec/updateStrategy/rollingUpdate/partition")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let due = wanted.saturating_sub(partition);
    if ready < wanted {
        Some(format!("{ready} of {wanted} replicas are ready"))
    } else if updated < due {
        Some(format!("{updated} of {due} replicas are updated"))
    } else if partition > 0 {
        None
    } else if workload["status"]["updateRevision"] != workload["status"]["currentRevision"] {
        Some(format!("{updated} of {wanted} replicas are updated"))
    } else {
        None
    }
}

fn daemon_set(workload: &Value) -> Option<String> {
    let wanted = status(workload, "desiredNumberScheduled");
    let updated = status(workload, "updatedNumberScheduled");
    let available = status(workload, "numberAvailable");
    if updated < wanted {
        Some(format!("{updated} of {wanted} pods are updated"))
    } else if available < wanted {
        Some(format!(
            "{available} of {wanted} updated pods are available"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{WorkloadKind, rollout};
    use crate::contract::cluster_types::RolloutState::{
        self, Complete, Failed, Paused, Progressing,
    };
    use serde_json::{Value, json};

    fn deployment(status: &Value) -> (RolloutState, String) {
        let workload =
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status});
        let found = rollout(WorkloadKind::Deployment, &workload);
        (found.state, found.message)
    }

    #[test]
    fn a_deployment_is_complete_when_only_new_pods_are_there_and_available() {
        let is = |updated, all, available| {
            deployment(&json!({
                "observedGeneration": 2, "updatedReplicas": updated, "replicas": all, "availableReplicas": available
            }))
        };
        assert_eq!(is(3, 3, 3), (Complete, String::new()));
        assert_eq!(is(1, 4, 3).1, "1 of 3 replicas are updated");
        assert_eq!(is(3, 4, 3).1, "1 old replicas are still there");
        assert_eq!(is(3, 3, 2).1, "2 of 3 updated replicas are available");
        let unseen = deployment(
            &json!({"observedGeneration": 1, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}),
        );
        assert_eq!(unseen.0, Progressing);
    }

    #[test]
    fn a_controller_that_gives_up_is_a_failure() {
        let conditions = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
        let found = deployment(&json!({"observedGeneration": 2, "conditions": conditions}));
        assert_eq!(
            found,
            (Failed, "ProgressDeadlineExceeded: timed out".into())
        );
    }

    #[test]
    fn a_failure_from_before_the_last_change_is_not_of_it() {
        let state = |failed: &str| {
            let workload = json!({
                "metadata": {"managedFields": [
                    {"time": "2026-01-01T00:00:05Z", "manager": "windlass"},
                    {"time": "2026-01-01T00:00:09Z", "manager": "controller", "subresource": "status"},
                ]},
                "status": {"conditions": [{
                    "type": "Progressing", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": failed,
                }]},
            });
            rollout(WorkloadKind::Deployment, &workload).state
        };
        assert_eq!(state("2026-01-01T00:00:04Z"), Progressing);
        assert_eq!(state("2026-01-01T00:00:05Z"), Failed);
        assert_eq!(state("2026-01-01T00:00:08Z"), Failed);
    }

    #[test]
    fn what_nobody_rolls_out_is_not_complete() {
        let spec = |spec: Value| rollout(WorkloadKind::StatefulSet, &json!({"spec": spec})).state;
        assert_eq!(
            spec(json!({"updateStrategy": {"type": "OnDelete"}})),
            Paused
        );
        assert_eq!(spec(json!({"paused": true})), Paused);
        let parted = |partition: u64| {
            let strategy =
                json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
            let workload = json!({
                "spec": {"replicas": 2, "updateStrategy": strategy},
                "status": {"readyReplicas": 2, "currentRevision": "a", "updateRevision": "b"},
            });
            rollout(WorkloadKind::StatefulSet, &workload).state
        };
        assert_eq!((parted(2), parted(1)), (Paused, Progressing));
    }

    #[test]
    fn a_stateful_set_is_complete_up_to_its_partition() {
        let is = |partition: u64, updated: u64| {
            let workload = json!({
                "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}},
                "status": {"readyReplicas": 3, "updatedReplicas": updated, "currentRevision": "a", "updateRevision": "b"},
            });
            rollout(WorkloadKind::StatefulSet, &workload).state
        };
        assert_eq!(is(2, 1), Complete);
        assert_eq!(is(2, 0), Progressing);
        assert_eq!(is(0, 3), Progressing);
    }
}
