//! Changing fields of one object: looked at, rehearsed, applied once, asked about after a crash. How it is taken back is in `restore`.

use super::api::{Api, Failure, MANAGER};
use super::autoscaler;
use super::managers::{refuse_managed, writers};
use super::rehearse::{Rehearsal, Stored};
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Undo};
use crate::cluster::call::is_mark;
use crate::cluster::field::{FieldChange, MARK, Path, patch};
use crate::cluster::manifest::applied as manifest;
use crate::cluster::object::Object;
use crate::cluster::{Effect, Revert};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How often a change is tried again because the object was another one by then, with the same fields.
pub(super) const TRIES: u32 = 10;
/// Where annotations are.
const ANNOTATIONS: &str = "/metadata/annotations";

/// What an effect wants of an object.
pub(super) struct Wanted {
    /// Fields, without the mark.
    pub(super) changes: Vec<FieldChange>,
    /// The answer to the guest.
    pub(super) answer: Value,
    /// What is there now, in a few words.
    pub(super) now: String,
    /// What is there then, in a few words.
    pub(super) after: String,
    /// The part of the object that is patched: empty, or a subresource such as `/status`.
    pub(super) part: &'static str,
}

/// What was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) uid: String,
    pub(super) version: String,
    /// As the server stores them.
    pub(super) changes: Vec<FieldChange>,
    /// As they were asked for, where that is not the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    asked: Vec<FieldChange>,
    /// What was asked for as a patch of the object as it was then, without the mark.
    request: Value,
    /// Whether the object has annotations, or gets them by the patch.
    annotated: bool,
    answer: Value,
    after: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    part: String,
}

impl Before {
    /// Of an object that is changed in another way than by a patch of these fields.
    pub(super) fn of(found: &Value, changes: Vec<FieldChange>, answer: Value, after: &str) -> Self {
        let text = |key: &str| {
            found["metadata"][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            uid: text("uid"),
            version: text("resourceVersion"),
            changes,
            asked: Vec::new(),
            request: Value::Null,
            annotated: true,
            answer,
            after: after.to_owned(),
            part: String::new(),
        }
    }
}

/// What an effect of a run writes into the mark.
pub(super) fn mark(permit: &Permit, effect: u64) -> String {
    format!("{}/{effect}", permit.run())
}

/// The mark that an object has.
pub(super) fn mark_of(object: &Value) -> Option<String> {
    let mark = Path::annotation(MARK).get(object)?;
    Some(mark.as_str()?.to_owned())
}

/// Says what would change, and refuses what another controller would put back. The server rehearses it.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
    found: &Value,
    wanted: Wanted,
) -> Result<Prepared, CallError> {
    let stored = stored(api, permit, object, found, &wanted.changes, wanted.part).await?;
    prepared(api, permit, effect, object, stored, wanted).await
}

/// What the server would make of the changes.
pub(super) async fn stored(
    api: &Api,
    permit: &Permit,
    object: &Object,
    found: &Value,
    asked: &[FieldChange],
    part: &'static str,
) -> Result<Stored, CallError> {
    refuse_managed(object, found)?;
    let asked = asked.iter().filter(|change| !change.is_none());
    let rehearsal = Rehearsal {
        api: api.clone(),
        end: permit.deadline(),
        object: object.clone(),
        found: found.clone(),
        asked: asked.cloned().collect(),
        part,
    };
    rehearsal.stored(permit).await
}

/// What a run records of changes before it makes them.
pub(super) async fn prepared(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
    stored: Stored,
    wanted: Wanted,
) -> Result<Prepared, CallError> {
    let Stored {
        found,
        changes,
        mut lines,
    } = stored;
    let mut asked = wanted.changes;
    asked.retain(|change| !change.is_none());
    lines.extend(autoscaler::refuse(api, permit, object, &found, &changes).await?);
    lines.extend(writers(&found, &changes));
    let undo = back(&effect.cluster, object, &found, &changes);
    let request = patch(&found, &asked).ok_or_else(|| changed(object))?;
    let before = Before {
        annotated: is_annotated(&found) || request.to_string().contains(ANNOTATIONS),
        request,
        asked: if asked == changes { Vec::new() } else { asked },
        part: wanted.part.to_owned(),
        ..Before::of(&found, changes, wanted.answer.clone(), &wanted.after)
    };
    Ok(Prepared {
        before: serde_json::to_value(&before).map_err(|error| internal(&error))?,
        foreseen: wanted.answer,
        undo,
        touches: Vec::new(),
        now: wanted.now,
        after: wanted.after,
        details: lines,
    })
}

fn back(cluster: &str, object: &Object, found: &Value, changes: &[FieldChange]) -> Undo {
    if changes.is_empty() {
        return Undo::NotNeeded("it is so already".into());
    }
    let uid = found.pointer("/metadata/uid").and_then(Value::as_str);
    Undo::By(crate::call::Revert::Cluster(Revert::RestoreFields {
        cluster: cluster.to_owned(),
        object: object.clone(),
        uid: uid.unwrap_or_default().to_owned(),
        changes: changes.to_vec(),
        mark: mark_of(found),
        applied: manifest::applied(found, MANAGER).map(Box::new),
    }))
}

/// Changes what was prepared, and writes the mark in the same request.
pub(super) async fn apply(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let before = before(prepared).map_err(not_done)?;
    if before.changes.is_empty() {
        return Ok(applied(&before));
    }
    let own = Value::String(mark(permit, permit.effect()));
    let mut request = marked(&before, &own);
    for _ in 0..TRIES {
        permit.still_ours().await.map_err(not_done)?;
        match api
            .patch(permit.deadline(), object, &before.part, &request, false)
            .await
        {
            Ok(_) => return Ok(applied(&before)),
            Err(failure) if failure.status == Some(409) => {
                request = again(api, permit, object, &before, &own)
                    .await
                    .map_err(not_done)?;
            }
            Err(failure) => return Err(failed(failure)),
        }
    }
    let message = format!("{object} is changed by others all the time");
    Err(not_done(CallError::new(ErrorKind::Conflict, message)))
}

/// Whether the effect leaves no mark of its own: it ends what the mark tells of.
fn takes_the_mark_away(before: &Before) -> bool {
    before.changes.iter().any(is_mark)
}

/// The patch that was prepared, with the mark.
fn marked(before: &Before, mark: &Value) -> Value {
    let mut request = before.request.clone();
    if takes_the_mark_away(before) {
        return request;
    }
    if let Some(operations) = request.as_array_mut() {
        if !before.annotated {
            operations.push(json!({"op": "add", "path": ANNOTATIONS, "value": {}}));
        }
        let path = format!("{ANNOTATIONS}/{}", MARK.replace('/', "~1"));
        operations.push(json!({"op": "add", "path": path, "value": mark}));
    }
    request
}

/// The object was another one by then: with the same in the fields that count, the same is done to it as it is now.
async fn again(
    api: &Api,
    permit: &Permit,
    object: &Object,
    before: &Before,
    mark: &Value,
) -> Result<Value, CallError> {
    let found = api.get(permit.deadline(), object).await?;
    if !is_as_before(&found, before) {
        return Err(changed(object));
    }
    let mut changes = if before.asked.is_empty() {
        before.changes.clone()
    } else {
        before.asked.clone()
    };
    if !takes_the_mark_away(before) {
        changes.push(Path::annotation(MARK).change(&found, Some(mark.clone())));
    }
    patch(&found, &changes).ok_or_else(|| changed(object))
}

fn is_annotated(object: &Value) -> bool {
    object.pointer(ANNOTATIONS).is_some_and(Value::is_object)
}

/// Whether it is the same object, with the same in the fields that count.
pub(super) fn is_as_before(found: &Value, before: &Before) -> bool {
    found.pointer("/metadata/uid").and_then(Value::as_str) == Some(&before.uid)
        && before.changes.iter().all(|change| change.is_before(found))
}

pub(super) fn applied(before: &Before) -> Applied {
    Applied {
        answer: before.answer.clone(),
        after: before.after.clone(),
        sweep: None,
    }
}

/// Asks the object whether the effect happened: the mark was written by the same request.
pub(super) async fn confirm(
    api: &Api,
    permit: &Permit,
    object: &Object,
    prepared: &Prepared,
    effect: u64,
) -> Result<Confirmed, CallError> {
    confirm_before(api, permit, object, &before(prepared)?, effect).await
}

/// The same by what was there before.
pub(super) async fn confirm_before(
    api: &Api,
    permit: &Permit,
    object: &Object,
    before: &Before,
    effect: u64,
) -> Result<Confirmed, CallError> {
    if before.changes.is_empty() {
        return Ok(Confirmed::Done(applied(before)));
    }
    let not_done = |why: &str| Confirmed::NotDone {
        why: why.to_owned(),
        sweep: None,
    };
    let Some(found) = api.find(permit.deadline(), object).await? else {
        return Ok(Confirmed::CannotTell(format!("{object} is gone")));
    };
    let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str);
    if text("/metadata/uid") != Some(&before.uid) {
        return Ok(Confirmed::CannotTell(format!(
            "{object} is another one of the same name"
        )));
    }
    if text("/metadata/resourceVersion") == Some(&before.version) {
        return Ok(not_done("the object is as it was"));
    }
    let own = mark(permit, effect);
    if mark_of(&found).as_ref() == Some(&own) {
        return Ok(Confirmed::Done(applied(before)));
    }
    if takes_the_mark_away(before) && before.changes.iter().all(|change| change.is_set(&found)) {
        return Ok(Confirmed::Done(applied(before)));
    }
    if before.changes.iter().all(|change| change.is_before(&found)) {
        return Ok(not_done(
            "the object does not have the mark of this effect, and its fields are as they were",
        ));
    }
    Ok(Confirmed::CannotTell(format!(
        "{object} was changed, and the mark of who did it is not there"
    )))
}

fn before(prepared: &Prepared) -> Result<Before, CallError> {
    serde_json::from_value(prepared.before.clone()).map_err(|error| internal(&error))
}

pub(super) fn internal(error: &serde_json::Error) -> CallError {
    CallError::new(
        ErrorKind::Invalid,
        format!("what was prepared cannot be read: {error}"),
    )
}

pub(super) fn changed(object: &Object) -> CallError {
    CallError::new(
        ErrorKind::Conflict,
        format!("{object} was changed by another hand since it was looked at"),
    )
}

/// The server was not asked, or refused.
pub(super) fn not_done(error: CallError) -> ApplyFailure {
    ApplyFailure {
        error,
        in_doubt: false,
        sweep: None,
    }
}

/// A request that changes something failed: in doubt, unless the server said so itself.
pub(super) fn failed(failure: Failure) -> ApplyFailure {
    ApplyFailure {
        in_doubt: failure.is_doubtful(),
        error: failure.into(),
        sweep: None,
    }
}
