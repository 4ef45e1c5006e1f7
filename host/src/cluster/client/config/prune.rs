//! Members of apply-sets: which there are, and those that their manifests lack, deleted and made again.

use super::super::api::{Api, Failure};
use super::super::change::{TRIES, changed, internal, not_done};
use super::super::managers::refuse_managed;
use super::super::{jobs, value};
use super::discovery::{locate, place_of};
use super::rehearsal::never_still;
use super::users;
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Reverted, Undo};
use crate::cluster::Revert;
use crate::cluster::field::difference;
use crate::cluster::manifest::recorded;
use crate::cluster::manifest::set::{self, ID, MEMBER};
use crate::cluster::object::Object;
use crate::contract::cluster_types::{Namespaced, ObjectName};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What was seen before an object is deleted.
#[derive(Serialize, Deserialize)]
struct Doomed {
    object: Object,
    uid: String,
    version: String,
    contents: Value,
}

/// The members of a set that may be shown.
pub(in super::super) async fn members(
    api: &Api,
    permit: &Permit,
    set: &Namespaced,
    shows: &(dyn Fn(&ObjectName) -> bool + Sync),
) -> Result<Vec<ObjectName>, CallError> {
    let parent = set::parent(set, &[]);
    let parent = locate(api, permit, &crate::cluster::manifest::name(&parent)?).await?;
    let Some(parent) = api.find(permit.deadline(), &parent).await? else {
        return Ok(Vec::new());
    };
    let id = set::id(set);
    if parent["metadata"]["labels"][ID] != id {
        let message = format!(
            "configmap {}/{} is no parent of an apply-set",
            set.namespace, set.name
        );
        return Err(CallError::new(ErrorKind::Conflict, message));
    }
    let mut all = Vec::new();
    for (group, kind) in set::kinds(&parent)? {
        all.extend(members_of(api, permit, set, &id, (&group, kind), shows).await?);
    }
    Ok(all)
}

async fn members_of(
    api: &Api,
    permit: &Permit,
    set: &Namespaced,
    id: &str,
    (group, kind): (&str, String),
    shows: &(dyn Fn(&ObjectName) -> bool + Sync),
) -> Result<Vec<ObjectName>, CallError> {
    let of = (group, kind.as_str());
    let Some((api_version, place)) = place_of(api, permit, &set.namespace, of).await? else {
        return Ok(Vec::new());
    };
    let named = |name: &str| ObjectName {
        api_version: api_version.clone(),
        kind: kind.clone(),
        namespace: Some(set.namespace.clone()),
        name: name.to_owned(),
    };
    let keep = |object: Value| {
        let object = named(object.pointer("/metadata/name")?.as_str()?);
        shows(&object).then_some(object)
    };
    let selector = format!("{MEMBER}={id}");
    let query = [("labelSelector", selector.as_str())];
    let namespace = Some(set.namespace.as_str());
    let listed = api.list(permit.deadline(), place.kind, namespace, &query, keep);
    match listed.await {
        Ok(listed) => Ok(listed.items),
        // The kind went in between.
        Err(failure) if failure.status == Some(404) => Ok(Vec::new()),
        Err(failure) => Err(failure.into()),
    }
}

/// Kinds that a set had and has no more because the server does not know them, a line each.
pub(super) async fn forgotten(
    api: &Api,
    permit: &Permit,
    set: &Namespaced,
    parent: &Value,
    kinds: &[String],
) -> Result<Vec<String>, CallError> {
    let mut lines = Vec::new();
    for (group, kind) in set::kinds(parent)? {
        let name = match group.as_str() {
            "" => kind.clone(),
            group => format!("{kind}.{group}"),
        };
        let of = (group.as_str(), kind.as_str());
        if !kinds.contains(&name) && place_of(api, permit, &set.namespace, of).await?.is_none() {
            lines.push(format!(
                "`{}` does not know {name} any more: the set has no members of it",
                api.name()
            ));
        }
    }
    Ok(lines)
}

/// What is asked of the server: this one object, and what it owns, and only as it was seen.
pub(super) fn options(uid: &str, version: Option<&str>, rehearse: bool) -> Value {
    let mut options = json!({"propagationPolicy": "Background", "preconditions": {"uid": uid}});
    if let Some(version) = version {
        options["preconditions"]["resourceVersion"] = json!(version);
    }
    if rehearse {
        options["dryRun"] = json!(["All"]);
    }
    options
}

/// Looks at the member, and records it whole.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    cluster: &str,
    name: &ObjectName,
    set: &str,
) -> Result<Prepared, CallError> {
    let object = locate(api, permit, name).await?;
    let found = api.get(permit.deadline(), &object).await?;
    check_member(&object, &found, set)?;
    refuse_managed(&object, &found)?;
    let users = users::of(api, permit, &object).await?;
    if !users.is_empty() && !permit.is_plan() {
        let message = format!(
            "{object} stays for now: {}; it is pruned by a later run",
            users.join("; ")
        );
        return Err(CallError::new(ErrorKind::Conflict, message));
    }
    let doomed = doomed(object, &found);
    if permit.is_plan() {
        let options = options(&doomed.uid, Some(&doomed.version), true);
        api.delete(permit.deadline(), &doomed.object, &options)
            .await?;
    }
    let undo = match name.kind.as_str() {
        "Job" => Undo::Impossible("a job that is run again is another one".into()),
        "Pod" => Undo::Impossible("a pod that is started again is another one".into()),
        _ => Undo::By(crate::call::Revert::Cluster(Revert::MakeAgain {
            cluster: cluster.to_owned(),
            object: doomed.object.clone(),
            uid: doomed.uid.clone(),
            manifest: doomed.contents.clone(),
            writers: found["metadata"]
                .get("managedFields")
                .cloned()
                .map(Box::new),
        })),
    };
    Ok(Prepared {
        before: value(&doomed)?,
        foreseen: Value::Null,
        undo,
        touches: Vec::new(),
        now: "in the set, and in no manifest".into(),
        after: "gone".into(),
        details: users,
    })
}

fn doomed(object: Object, found: &Value) -> Doomed {
    let text = |key: &str| {
        found["metadata"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Doomed {
        object,
        uid: text("uid"),
        version: text("resourceVersion"),
        contents: recorded(found),
    }
}

fn check_member(object: &Object, found: &Value, set: &str) -> Result<(), CallError> {
    let id = set::id(&Namespaced {
        namespace: object.namespace.clone().unwrap_or_default(),
        name: set.to_owned(),
    });
    if found["metadata"]["labels"][MEMBER] == id {
        return Ok(());
    }
    let message = format!("{object} is no member of the set {set}");
    Err(CallError::new(ErrorKind::Denied, message))
}

/// Deletes the member as it was seen. Its controllers may have counted something meanwhile: then it is looked at again.
pub(super) async fn apply(
    api: &Api,
    permit: &ChangePermit,
    set: &str,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let mut seen = before(prepared).map_err(not_done)?;
    for _ in 0..TRIES {
        permit.still_ours().await.map_err(not_done)?;
        let mut options = options(&seen.uid, Some(&seen.version), false);
        // What its pods take from may be the next to go.
        options["propagationPolicy"] = json!("Foreground");
        match jobs::gone(api, permit, &seen.object, &seen.uid, &options).await {
            Ok(()) => return Ok(gone()),
            Err(failure) if failure.error.kind == ErrorKind::Conflict && !failure.in_doubt => {}
            Err(failure) => return Err(failure),
        }
        let found = api.find(permit.deadline(), &seen.object).await;
        let found = found.map_err(|failure: Failure| not_done(failure.into()))?;
        let Some(found) = found else {
            return Ok(gone());
        };
        check_member(&seen.object, &found, set).map_err(not_done)?;
        let now = doomed(seen.object, &found);
        if now.uid != seen.uid || !difference(&seen.contents, &now.contents).is_empty() {
            return Err(not_done(changed(&now.object)));
        }
        seen = now;
    }
    Err(not_done(never_still(&seen.object)))
}

fn gone() -> Applied {
    Applied {
        answer: Value::Null,
        after: "gone".into(),
        sweep: None,
    }
}

fn before(prepared: &Prepared) -> Result<Doomed, CallError> {
    serde_json::from_value(prepared.before.clone()).map_err(|error| internal(&error))
}

/// Asks whether the member is there.
pub(super) async fn confirm(
    api: &Api,
    permit: &Permit,
    prepared: &Prepared,
) -> Result<Confirmed, CallError> {
    let seen = before(prepared)?;
    let found = api.find(permit.deadline(), &seen.object).await?;
    let stays = found.filter(|found| found["metadata"]["uid"] == seen.uid);
    Ok(match stays {
        Some(found) if found["metadata"]["deletionTimestamp"].is_null() => Confirmed::NotDone {
            why: format!("{} is there", seen.object),
            sweep: None,
        },
        _ => Confirmed::Done(gone()),
    })
}

/// Takes back: makes the object again that an effect of this run deleted.
pub(in super::super) async fn make_again(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    uid: &str,
    manifest: &Value,
    writers: Option<&Value>,
) -> Result<Reverted, CallError> {
    let end = permit.deadline();
    if let Some(found) = api.find(end, object).await? {
        let is_going = !found["metadata"]["deletionTimestamp"].is_null();
        return if is_going {
            let message = format!("{object} is still being deleted");
            Err(CallError::new(ErrorKind::Conflict, message))
        } else if found["metadata"]["uid"] == uid {
            Ok(Reverted::NothingToDo(format!("{object} is there")))
        } else if difference(manifest, &recorded(&found)).is_empty() {
            Ok(Reverted::NothingToDo(format!("{object} is there again")))
        } else {
            Ok(Reverted::LeftAlone(format!(
                "{object} was made again by another hand"
            )))
        };
    }
    permit.still_ours().await?;
    let made = api.apply(end, object, manifest, false, false).await?;
    let uid = &made["metadata"]["uid"];
    // Else all of it would be ours, and the next manifest would take away what others wrote.
    if let Some(writers) = writers {
        let request = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "replace", "path": "/metadata/managedFields", "value": writers},
        ]);
        api.patch(end, object, "", &request, false).await?;
    }
    Ok(Reverted::Restored(format!(
        "{object} is there again, with the uid {}",
        uid.as_str().unwrap_or_default()
    )))
}
