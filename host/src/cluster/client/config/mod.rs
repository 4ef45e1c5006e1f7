//! Making objects what manifests say: rehearsed by the server before each change, since what it would make of a manifest only it knows.

mod consumers;
mod discovery;
mod prune;
mod rehearsal;
mod room;
mod users;

pub(super) use prune::make_again;

use super::api::{Api, MANAGER};
use super::autoscaler;
use super::change::{
    self, TRIES, Wanted, changed, confirm_before, failed, internal, is_as_before, mark, mark_of,
    not_done,
};
use super::managers::refuse_managed;
use super::{jobs, value};
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Reverted, Undo};
use crate::cluster::call::{Change, Look};
use crate::cluster::field::{FieldChange, changes, difference, edit, shown};
use crate::cluster::manifest::applied::{applied, beside, nothing};
use crate::cluster::manifest::applied_by;
use crate::cluster::manifest::part::{has_part, part_of};
use crate::cluster::object::Object;
use crate::cluster::{Effect, Read, Revert};
use crate::contract::cluster_config::{Applied as Kind, FieldEdit};
use crate::contract::cluster_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use discovery::locate;
use rehearsal::{Asked, Rehearsed, bare, conflict, is_outdated, never_still, rehearse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What was seen before an object is applied.
#[derive(Serialize, Deserialize)]
struct Seen {
    object: Object,
    /// None if it is not there.
    there: Option<There>,
}

/// An object that is there already.
#[derive(Serialize, Deserialize)]
struct There {
    before: change::Before,
    /// Whether anything is to be written.
    write: bool,
    /// Whether fields are ours already, written in another way: see [`rehearse`].
    own: bool,
}

/// Looks at the object, has the server rehearse the change, and says how it would be undone.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &ObjectName,
) -> Result<Prepared, CallError> {
    let cluster = &effect.cluster;
    if let Change::Prune { set, .. } = &effect.change {
        return prune::prepare(api, permit, cluster, object, set).await;
    }
    if let Change::Patch { changes, .. } = &effect.change {
        return prepare_fields(api, permit, effect, object, changes).await;
    }
    let asked = Asked::by(&effect.change)?;
    let object = locate(api, permit, &asked.name).await?;
    let rehearsed = rehearse(api, permit, &object, &asked).await?;
    let found = rehearsed.found.as_ref();
    let room = room::check(api, permit, &object, found, &rehearsed.result).await?;
    let (kind, there, undo, mut details) = match &rehearsed.found {
        None => {
            let undo = made(cluster, &object, &asked, &rehearsed);
            (Kind::Created, None, undo, Vec::new())
        }
        Some(found) => {
            let there = compared(&object, found, &rehearsed)?;
            let kind = if there.write {
                Kind::Changed
            } else {
                Kind::Unchanged
            };
            let undo = restored(cluster, &object, &there, found);
            let mut lines = lines(found, &rehearsed.result);
            let changes = &there.before.changes;
            lines.extend(autoscaler::refuse(api, permit, &object, found, changes).await?);
            (kind, Some(there), undo, lines)
        }
    };
    details.extend(room);
    if let (Change::Declare { set, kinds }, Some(parent)) = (&effect.change, &rehearsed.found) {
        details.extend(prune::forgotten(api, permit, set, parent, kinds).await?);
    }
    Ok(Prepared {
        before: value(&Seen { object, there })?,
        foreseen: value(&kind)?,
        undo,
        touches: Vec::new(),
        now: String::new(),
        after: words(kind).into(),
        details,
    })
}

/// What was asked is not of this part of the room.
pub(super) fn elsewhere() -> CallError {
    CallError::new(ErrorKind::Invalid, "this is no change of configuration")
}

/// Looks at the object, and says which of its fields get another value.
async fn prepare_fields(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    name: &ObjectName,
    edits: &[FieldEdit],
) -> Result<Prepared, CallError> {
    let object = locate(api, permit, name).await?;
    let found = api.get(permit.deadline(), &object).await?;
    let edited = edit::edited(&found, edits)?;
    let room = room::check(api, permit, &object, Some(&found), &edited).await?;
    let asked = changes(&found, &edited);
    let stored = change::stored(api, permit, &object, &found, &asked, "").await?;
    let wanted = fields(asked, &stored.changes)?;
    let mut prepared = change::prepared(api, permit, effect, &object, stored, wanted).await?;
    prepared.details.extend(room);
    Ok(prepared)
}

/// Fields that are set, as any other effect sets them, told as the server stores them.
fn fields(asked: Vec<FieldChange>, changes: &[FieldChange]) -> Result<Wanted, CallError> {
    let told = |value: fn(&FieldChange) -> Option<&Value>| {
        let all = changes.iter().map(|change| shown(value(change)));
        all.collect::<Vec<_>>().join(", ")
    };
    let kind = if changes.is_empty() {
        Kind::Unchanged
    } else {
        Kind::Changed
    };
    Ok(Wanted {
        answer: value(&kind)?,
        now: told(|change| change.before.as_ref()),
        after: told(|change| change.set.as_ref()),
        part: "",
        changes: asked,
    })
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Created => "created",
        Kind::Changed => "changed",
        Kind::Unchanged => "unchanged",
    }
}

fn lines(found: &Value, result: &Value) -> Vec<String> {
    let all = difference(found, result);
    all.iter().map(FieldChange::to_string).collect()
}

fn compared(object: &Object, found: &Value, rehearsed: &Rehearsed) -> Result<There, CallError> {
    let changes = changes(found, &rehearsed.result);
    refuse_managed(object, found)?;
    // Without it, what a later manifest leaves out would stay.
    let is_ours = applied_by(found, MANAGER) == applied_by(&rehearsed.result, MANAGER);
    let write = !changes.is_empty() || !is_ours;
    let kind = if write {
        Kind::Changed
    } else {
        Kind::Unchanged
    };
    Ok(There {
        before: change::Before::of(found, changes, value(&kind)?, words(kind)),
        write,
        own: rehearsed.own,
    })
}

fn made(cluster: &str, object: &Object, asked: &Asked, rehearsed: &Rehearsed) -> Undo {
    if object.kind.in_scope() == "v1/Namespace" {
        return Undo::Impossible("a namespace is not deleted: all that is in it would go".into());
    }
    Undo::By(crate::call::Revert::Cluster(Revert::DeleteMade {
        cluster: cluster.to_owned(),
        object: object.clone(),
        made: part_of(&asked.manifest, &rehearsed.result),
    }))
}

fn restored(cluster: &str, object: &Object, there: &There, found: &Value) -> Undo {
    let before = &there.before;
    if before.changes.is_empty() {
        return Undo::NotNeeded("no field gets another value".into());
    }
    Undo::By(crate::call::Revert::Cluster(Revert::RestoreFields {
        cluster: cluster.to_owned(),
        object: object.clone(),
        uid: before.uid.clone(),
        changes: before.changes.clone(),
        mark: mark_of(found),
        applied: match applied_by(found, MANAGER) {
            Some(_) => applied(found, MANAGER),
            None => Some(nothing(found)),
        }
        .map(Box::new),
    }))
}

/// Looks at sets, at who takes from ConfigMaps, and at what would differ. Answers the JSON of the type in the contract.
pub(super) async fn look(api: &Api, permit: &Permit, read: &Read) -> Result<Value, CallError> {
    let (may, verb, cluster) = (permit.effective(), read.verb(), &read.cluster);
    if let Look::Members { set } = &read.look {
        let shows = |object: &ObjectName| may.shows_named(verb, cluster, object);
        return value(&prune::members(api, permit, set, &shows).await?);
    }
    if let Look::Consumers {
        namespace,
        config_maps,
    } = &read.look
    {
        let shows = |object: &Object| may.shows_object(verb, cluster, object);
        return value(&consumers::consumers(api, permit, namespace, config_maps, &shows).await?);
    }
    if let Look::Compare { manifest, set } = &read.look {
        return value(&compare(api, permit, manifest, set.as_deref()).await?);
    }
    Err(elsewhere())
}

/// What applying would change, and what windlass itself set that no manifest says, a line for each field.
async fn compare(
    api: &Api,
    permit: &Permit,
    manifest: &Value,
    set: Option<&str>,
) -> Result<Vec<String>, CallError> {
    let asked = Asked::of(manifest, set)?;
    let object = locate(api, permit, &asked.name).await?;
    let rehearsed = rehearse(api, permit, &object, &asked).await?;
    Ok(match &rehearsed.found {
        None => vec!["it is not there".into()],
        Some(found) => {
            let mut lines = lines(found, &rehearsed.result);
            lines.extend(beside(found, &asked.manifest, MANAGER));
            lines
        }
    })
}

/// Applies what was rehearsed, with the mark.
pub(super) async fn apply(
    api: &Api,
    permit: &ChangePermit,
    effect: &Effect,
    object: &ObjectName,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    if let Change::Prune { set, .. } = &effect.change {
        return prune::apply(api, permit, set, prepared).await;
    }
    if let Change::Patch { .. } = &effect.change {
        let object = locate(api, permit, object).await.map_err(not_done)?;
        return change::apply(api, permit, &object, prepared).await;
    }
    let asked = Asked::by(&effect.change).map_err(not_done)?;
    let Seen { object, there } = seen(prepared).map_err(not_done)?;
    match there {
        None => create(api, permit, &object, &asked).await?,
        Some(there) if there.write => write(api, permit, &object, &asked, there).await?,
        Some(_) => {}
    }
    Ok(done(prepared))
}

fn seen(prepared: &Prepared) -> Result<Seen, CallError> {
    serde_json::from_value(prepared.before.clone()).map_err(|error| internal(&error))
}

fn done(prepared: &Prepared) -> Applied {
    Applied {
        answer: prepared.foreseen.clone(),
        after: prepared.after.clone(),
        sweep: None,
    }
}

/// Makes the object. Applying cannot demand that there is none: one that another hand made meanwhile shows by who writes its fields, and
/// what of it came from us is given up again at once, which leaves the other's as it is.
async fn create(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    asked: &Asked,
) -> Result<(), ApplyFailure> {
    let end = permit.deadline();
    let body = asked.body(&mark(permit, permit.effect()), None);
    let made = match api.apply(end, object, &body, false, false).await {
        Ok(made) => made,
        Err(failure) if !failure.writers().is_empty() => {
            return Err(not_done(conflict(object, failure)));
        }
        Err(failure) => return Err(failed(failure)),
    };
    let mut entries = made["metadata"]["managedFields"].as_array().into_iter();
    if entries.all(|all| all.iter().all(|entry| entry["manager"] == MANAGER)) {
        return Ok(());
    }
    let nothing = json!({
        "apiVersion": asked.manifest["apiVersion"],
        "kind": asked.manifest["kind"],
        "metadata": {"name": object.name, "namespace": object.namespace},
    });
    let given_up = api.apply(end, object, &nothing, false, false).await;
    given_up.map_err(|failure| ApplyFailure {
        error: failure.into(),
        in_doubt: true,
        sweep: None,
    })?;
    let message = format!("{object} was made by another hand since it was looked for");
    Err(not_done(CallError::new(ErrorKind::Conflict, message)))
}

/// Changes the object as it was seen. Where it is another one by then, with the same in the fields that count, it is tried as it is now.
async fn write(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    asked: &Asked,
    mut there: There,
) -> Result<(), ApplyFailure> {
    let end = permit.deadline();
    let own = mark(permit, permit.effect());
    for _ in 0..TRIES {
        permit.still_ours().await.map_err(not_done)?;
        let body = asked.body(&own, Some(&there.before));
        match api.apply(end, object, &body, there.own, false).await {
            Ok(_) => return Ok(()),
            Err(failure) if is_outdated(&failure) => {
                again(api, permit, object, asked, &mut there)
                    .await
                    .map_err(not_done)?;
            }
            Err(failure) if !failure.writers().is_empty() => {
                return Err(not_done(conflict(object, failure)));
            }
            Err(failure) => return Err(failed(failure)),
        }
    }
    Err(not_done(never_still(object)))
}

async fn again(
    api: &Api,
    permit: &Permit,
    object: &Object,
    asked: &Asked,
    there: &mut There,
) -> Result<(), CallError> {
    // Rehearsed once more, because who else writes its fields may have changed with it.
    let rehearsed = rehearse(api, permit, object, asked).await?;
    let found = rehearsed.found.ok_or_else(|| changed(object))?;
    if !is_as_before(&found, &there.before) {
        return Err(changed(object));
    }
    there.before.version = bare(&found).version;
    there.own = rehearsed.own;
    Ok(())
}

/// Asks the object whether the effect happened.
pub(super) async fn confirm(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &ObjectName,
    prepared: &Prepared,
    number: u64,
) -> Result<Confirmed, CallError> {
    if let Change::Prune { .. } = &effect.change {
        return prune::confirm(api, permit, prepared).await;
    }
    if let Change::Patch { .. } = &effect.change {
        let object = locate(api, permit, object).await?;
        return change::confirm(api, permit, &object, prepared, number).await;
    }
    let Seen { object, there } = seen(prepared)?;
    if let Some(there) = there {
        return confirm_before(api, permit, &object, &there.before, number).await;
    }
    Ok(match api.find(permit.deadline(), &object).await? {
        None => Confirmed::NotDone {
            why: format!("there is no {object}"),
            sweep: None,
        },
        Some(found) if is_marked(&found, &mark(permit, number)) => Confirmed::Done(done(prepared)),
        Some(_) => Confirmed::CannotTell(format!("{object} was made by another hand")),
    })
}

fn is_marked(object: &Value, own: &str) -> bool {
    mark_of(object).as_deref() == Some(own)
}

/// Takes back: deletes the object that an effect of this run made, if it still is what was made.
pub(super) async fn delete_made(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    made: &Value,
) -> Result<Reverted, CallError> {
    let Some(found) = api.find(permit.deadline(), object).await? else {
        return Ok(Reverted::NothingToDo(format!("there is no {object}")));
    };
    if !is_marked(&found, &mark(permit, permit.effect())) {
        return Ok(Reverted::LeftAlone(format!(
            "{object} was made or changed by another hand"
        )));
    }
    if !has_part(&found, made) {
        return Ok(Reverted::LeftAlone(format!(
            "{object} was changed by another hand since it was made"
        )));
    }
    let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
    let options = prune::options(uid, None, false);
    jobs::gone(api, permit, object, uid, &options)
        .await
        .map_err(|failure| failure.error)?;
    Ok(Reverted::Restored(format!("{object} is gone")))
}
