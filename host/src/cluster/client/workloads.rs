//! Deployments, stateful sets and daemon sets: what they are, and what each verb wants of their fields.

use super::api::Api;
use super::change::Wanted;
use super::list::Listed;
use super::managers::managers;
use super::single;
use crate::clock::Clock;
use crate::cluster::call::Change;
use crate::cluster::field::{Path, Step};
use crate::cluster::object::{Kind, Object, WORKLOADS};
use crate::cluster::rollout::{replicas, rollout};
use crate::contract::cluster_types::{
    Container, RolloutState, WorkloadFacts, WorkloadKind, WorkloadName,
};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What a deployment's controller counts revisions with.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// What `kubectl rollout restart` writes into a template.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Looks at one.
pub(super) async fn look(
    api: &Api,
    permit: &Permit,
    object: &Object,
) -> Result<WorkloadFacts, CallError> {
    let found = api.get(permit.deadline(), object).await?;
    let mut facts = facts(&object.kind, &found);
    facts.single = single::Pods::of(&found).single(api, permit, &facts).await;
    Ok(facts)
}

/// The facts of one. Whatever is no workload is told as a deployment.
pub(super) fn facts(kind: &Kind, workload: &Value) -> WorkloadFacts {
    let kind = kind.workload().unwrap_or(WorkloadKind::Deployment);
    let text = |pointer: &str| {
        workload
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let status = |name: &str| count(&workload["status"][name]);
    let (desired, updated, ready, available) = if kind == WorkloadKind::DaemonSet {
        (
            status("desiredNumberScheduled"),
            status("updatedNumberScheduled"),
            status("numberReady"),
            status("numberAvailable"),
        )
    } else {
        let desired = u32::try_from(replicas(workload)).unwrap_or(u32::MAX);
        (
            desired,
            status("updatedReplicas"),
            status("readyReplicas"),
            status("availableReplicas"),
        )
    };
    WorkloadFacts {
        name: WorkloadName {
            kind,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        },
        uid: text("/metadata/uid"),
        desired,
        updated,
        ready,
        available,
        paused: workload
            .pointer("/spec/paused")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        containers: containers(workload),
        selector: selector(&workload["spec"]["selector"]),
        revision: workload["metadata"]["annotations"][REVISION]
            .as_str()
            .and_then(|text| text.parse().ok()),
        rollout: rollout(kind, workload),
        managers: managers(workload),
        single: None,
    }
}

pub(super) fn count(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(0)
}

fn containers(workload: &Value) -> Vec<Container> {
    let of = |list: &str, init: bool| {
        let found = workload["spec"]["template"]["spec"][list]
            .as_array()
            .cloned()
            .unwrap_or_default();
        found.into_iter().map(move |container| Container {
            name: container["name"].as_str().unwrap_or_default().to_owned(),
            image: container["image"].as_str().unwrap_or_default().to_owned(),
            init,
        })
    };
    of("initContainers", true)
        .chain(of("containers", false))
        .collect()
}

/// A label selector of an object as kubectl writes it.
pub(super) fn selector(selector: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for expression in selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<_> = expression["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let values = values.join(",");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

/// All of a namespace that may be shown.
pub(super) async fn list(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    selector: &str,
    shows: &(dyn Fn(&Object) -> bool + Sync),
) -> Result<Vec<WorkloadFacts>, CallError> {
    let mut all = Vec::new();
    for kind in WORKLOADS.map(Kind::from) {
        let keep = |workload: Value| {
            let object = Object::new(
                kind.clone(),
                namespace,
                workload.pointer("/metadata/name")?.as_str()?,
            )
            .ok()?;
            shows(&object).then(|| {
                let pods = single::Pods::of(&workload);
                (facts(&kind, &workload), pods)
            })
        };
        let listed: Listed<(WorkloadFacts, single::Pods)> = api
            .list(
                permit.deadline(),
                kind.clone(),
                Some(namespace),
                &[("labelSelector", selector)],
                keep,
            )
            .await?;
        for (mut facts, pods) in listed.items {
            facts.single = pods.single(api, permit, &facts).await;
            all.push(facts);
        }
    }
    Ok(all)
}

/// A time of the server.
pub(super) fn instant(value: &Value) -> Option<u64> {
    let at: Timestamp = value.as_str()?.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// What a verb wants of a workload's fields.
pub(super) async fn wanted(
    api: &Api,
    permit: &Permit,
    object: &Object,
    workload: &Value,
    change: &Change,
) -> Result<Wanted, CallError> {
    match change {
        Change::SetImage { images, .. } => set_image(object, workload, images),
        Change::Scale { replicas, .. } => Ok(scale(workload, *replicas)),
        Change::Restart { .. } => restart(object, workload, permit.clock()),
        Change::Pause { .. } => Ok(pause(workload, true)),
        Change::Proceed { .. } => Ok(pause(workload, false)),
        Change::RollBack { revision_uid, .. } => {
            super::revisions::roll_back(api, permit, object, workload, revision_uid).await
        }
        Change::Annotate { annotations, .. } => Ok(annotate(workload, annotations)),
        Change::Cordon { .. }
        | Change::Uncordon { .. }
        | Change::Label { .. }
        | Change::Drain { .. }
        | Change::FromCronJob { .. }
        | Change::FromManifest { .. }
        | Change::DeleteJob { .. }
        | Change::Divert { .. }
        | Change::Restore { .. }
        | Change::Apply { .. }
        | Change::Declare { .. }
        | Change::Prune { .. }
        | Change::Patch { .. }
        | Change::Renew { .. } => Err(CallError::new(
            ErrorKind::Invalid,
            "this is no change of a workload",
        )),
    }
}

fn set_image(
    object: &Object,
    workload: &Value,
    images: &[(String, String)],
) -> Result<Wanted, CallError> {
    let mut changes = Vec::new();
    let (mut now, mut after) = (Vec::new(), Vec::new());
    for (container, image) in images {
        let place = |list: &str| {
            Path::of(&["spec", "template", "spec", list])
                .and(Step::Named(container.clone()))
                .and(Step::Key("image".into()))
        };
        let found = ["containers", "initContainers"]
            .into_iter()
            .map(place)
            .find(|path| path.get(workload).is_some());
        let path = found.ok_or_else(|| {
            CallError::new(
                ErrorKind::NotFound,
                format!("{object} has no container `{container}`"),
            )
        })?;
        now.push(
            path.get(workload)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        );
        after.push(image.clone());
        changes.push(path.change(workload, Some(json!(image))));
    }
    Ok(Wanted {
        changes,
        answer: json!(now),
        now: now.join(", "),
        after: after.join(", "),
        part: "",
    })
}

fn scale(workload: &Value, wanted: u32) -> Wanted {
    let now = replicas(workload);
    Wanted {
        changes: vec![Path::of(&["spec", "replicas"]).change(workload, Some(json!(wanted)))],
        answer: json!(now),
        now: replicas_text(now),
        after: replicas_text(u64::from(wanted)),
        part: "",
    }
}

fn replicas_text(count: u64) -> String {
    if count == 1 {
        "1 replica".into()
    } else {
        format!("{count} replicas")
    }
}

fn restart(object: &Object, workload: &Value, clock: &Clock) -> Result<Wanted, CallError> {
    refuse_paused(object, workload)?;
    let at = Timestamp::from_millisecond(i64::try_from(clock.now().0).unwrap_or(i64::MAX))
        .unwrap_or_default();
    let path = Path::of(&["spec", "template", "metadata", "annotations", RESTARTED]);
    Ok(Wanted {
        // kubectl writes seconds and refuses a second restart within one; runs may well follow each other so soon.
        changes: vec![path.change(workload, Some(json!(format!("{at:.3}"))))],
        answer: Value::Null,
        now: String::new(),
        after: "each pod replaced".into(),
        part: "",
    })
}

pub(super) fn refuse_paused(object: &Object, workload: &Value) -> Result<(), CallError> {
    if workload.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
        return Err(CallError::new(
            ErrorKind::Conflict,
            format!("{object} is paused"),
        ));
    }
    Ok(())
}

fn pause(workload: &Value, paused: bool) -> Wanted {
    let words = |paused: bool| if paused { "paused" } else { "rolls out" }.to_owned();
    let now = workload
        .pointer("/spec/paused")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    // As the server keeps it: what is false is not there.
    let set = paused.then(|| json!(true));
    let path = Path::of(&["spec", "paused"]);
    let mut change = path.change(workload, set);
    if !now {
        change.before = None;
    }
    Wanted {
        changes: vec![change],
        answer: Value::Null,
        now: words(now),
        after: words(paused),
        part: "",
    }
}

fn annotate(workload: &Value, annotations: &[(String, Option<String>)]) -> Wanted {
    let changes: Vec<_> = annotations
        .iter()
        .map(|(name, value)| {
            Path::annotation(name).change(workload, value.clone().map(Value::String))
        })
        .collect();
    let shown = |pick: fn(&crate::cluster::field::FieldChange) -> &Option<Value>| {
        let texts: Vec<_> = changes
            .iter()
            .map(|change| crate::cluster::field::shown(pick(change).as_ref()))
            .collect();
        texts.join(", ")
    };
    Wanted {
        now: shown(|change| &change.before),
        after: shown(|change| &change.set),
        answer: Value::Null,
        part: "",
        changes,
    }
}

/// Why a workload cannot be waited for.
pub(super) fn refuse_unrolled(
    object: &Object,
    state: RolloutState,
    message: &str,
) -> Result<(), CallError> {
    if state == RolloutState::Paused {
        return Err(CallError::new(
            ErrorKind::Conflict,
            format!("{object} is not rolled out: {message}"),
        ));
    }
    Ok(())
}
