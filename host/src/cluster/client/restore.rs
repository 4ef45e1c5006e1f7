//! Taking changes of fields back: each gets what it had, and what was applied before is applied again.

use super::api::{Api, Failure, MANAGER, Outcome};
use super::change::{TRIES, changed, mark, mark_of};
use super::freed;
use super::managers::is_written_by_another;
use super::nodes;
use super::routes;
use crate::call::Reverted;
use crate::cluster::call::is_mark;
use crate::cluster::field::{FieldChange, MARK, Path, changes, patch, shown};
use crate::cluster::manifest::applied::{applied, back, nothing};
use crate::cluster::object::Object;
use crate::contract::{CallError, ErrorKind};
use crate::engine::ChangePermit;
use serde_json::Value;

/// What is taken back.
#[derive(Clone)]
pub(super) struct Restored<'a> {
    pub(super) object: &'a Object,
    pub(super) uid: &'a str,
    pub(super) changes: &'a [FieldChange],
    /// The mark that the object had.
    pub(super) mark: Option<&'a str>,
    /// What was applied to it before, if that is to be so again.
    pub(super) applied: Option<&'a Value>,
}

/// Gives the fields back what they had, and with them the mark: what made or changed the object before can be taken back then. What another
/// hand changed since is left as it is.
pub(super) async fn restore(
    api: &Api,
    permit: &ChangePermit,
    restored: &Restored<'_>,
) -> Result<Reverted, CallError> {
    let Restored {
        object, changes, ..
    } = restored;
    for _ in 0..TRIES {
        let Some(found) = api.find(permit.deadline(), object).await? else {
            return Ok(Reverted::LeftAlone(format!("{object} is gone")));
        };
        if found.pointer("/metadata/uid").and_then(Value::as_str) != Some(restored.uid) {
            return Ok(Reverted::LeftAlone(format!(
                "{object} is another one of the same name"
            )));
        }
        if changes.iter().all(|change| change.is_before(&found)) {
            let pods = freed::pods(api, permit, object, changes).await?;
            return Ok(Reverted::NothingToDo(format!(
                "{object} is as it was{pods}"
            )));
        }
        let is_last = mark_of(&found) == Some(mark(permit, permit.effect()));
        let left = left_alone(object, &found, changes, is_last);
        let led_back = match left {
            None => None,
            Some(why) => match routes::back(object, &found, changes) {
                Some(changes) => Some(changes),
                None => return Ok(Reverted::LeftAlone(why)),
            },
        };
        let restored = match &led_back {
            None => restored.clone(),
            Some(changes) => Restored {
                changes,
                applied: None,
                ..restored.clone()
            },
        };
        let changes = restored.changes;
        permit.still_ours().await?;
        match put_back(api, permit, &restored, found, is_last).await {
            Ok(()) => {
                let pods = freed::pods(api, permit, object, changes).await?;
                return Ok(Reverted::Restored(told(changes) + &pods));
            }
            Err(failure) if failure.status == Some(409) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(CallError::new(
        ErrorKind::Conflict,
        format!("{object} is changed by others all the time"),
    ))
}

/// Why nothing is taken back: another hand changed one of the fields since.
fn left_alone(
    object: &Object,
    found: &Value,
    changes: &[FieldChange],
    is_last: bool,
) -> Option<String> {
    if let Some(why) = nodes::not_ours(object, found, changes) {
        return Some(why);
    }
    let mut changes = changes.iter();
    let other = changes.find(|change| is_of_another(change, found, is_last))?;
    let now = shown(other.path.get(found));
    Some(format!("{} of {object} is {now} by now", other.path))
}

/// Whether another hand changed the field. Admission may answer something else each time, so what is not as it was rehearsed is still ours where
/// no other change came after ours and the server names no other writer.
fn is_of_another(change: &FieldChange, found: &Value, is_last: bool) -> bool {
    if change.is_set(found) || change.is_before(found) {
        return false;
    }
    let is_one = |value: &Value| !value.is_object() && !value.is_array();
    let is_value = change.path.get(found).is_some_and(is_one) && change.set.is_some();
    !(is_last && is_value && !is_written_by_another(found, &change.path))
}

/// Applies again what was applied before, and gives what that leaves the values that they had.
async fn put_back(
    api: &Api,
    permit: &ChangePermit,
    restored: &Restored<'_>,
    mut found: Value,
    is_last: bool,
) -> Outcome<()> {
    let end = permit.deadline();
    let Restored { object, .. } = restored;
    let mut all = restored.changes.to_vec();
    if is_last {
        all.push(FieldChange {
            path: Path::annotation(MARK),
            before: restored.mark.map(Value::from),
            set: mark_of(&found).map(Value::from),
        });
    }
    let mut wanted = found.clone();
    for change in &all {
        change.path.put(&mut wanted, change.before.clone());
    }
    if let Some(before) = restored.applied {
        let body = applied_again(&found, before, &all, is_last);
        match api.apply(end, object, &body, true, false).await {
            Ok(answer) => found = answer,
            // The values alone may be possible.
            Err(failure) if is_refused(&failure) => {}
            Err(failure) => return Err(failure),
        }
    }
    let mut rest = changes(&found, &wanted);
    if is_last {
        let mark = Path::annotation(MARK);
        rest.push(mark.change(&found, restored.mark.map(Value::from)));
    }
    rest.retain(|change| !change.is_none());
    if rest.is_empty() {
        return Ok(());
    }
    permit.still_ours().await.map_err(Failure::from)?;
    let request = patch(&found, &rest).ok_or_else(|| Failure::from(changed(object)))?;
    api.patch(end, object, "", &request, false).await?;
    Ok(())
}

fn applied_again(found: &Value, before: &Value, all: &[FieldChange], is_last: bool) -> Value {
    let now = applied(found, MANAGER).unwrap_or_else(|| nothing(found));
    let mut body = back(&now, before, all, is_last);
    for key in ["uid", "resourceVersion"] {
        body["metadata"][key] = found["metadata"][key].clone();
    }
    body
}

fn is_refused(failure: &Failure) -> bool {
    matches!(failure.status, Some(400 | 422))
}

fn told(changes: &[FieldChange]) -> String {
    let own = changes.iter().filter(|change| !is_mark(change));
    let lines: Vec<_> = own.map(|change| change.reversed().to_string()).collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use super::is_of_another;
    use crate::cluster::field::Path;
    use serde_json::{Value, json};

    /// An object whose field has this value, written by this manager.
    fn object(value: &Value, manager: &str) -> Value {
        let entry = json!({"manager": manager, "fieldsV1": {"f:spec": {"f:a": {}}}});
        json!({"metadata": {"managedFields": [entry]}, "spec": {"a": value}})
    }

    #[test]
    fn what_admission_stored_otherwise_is_not_another_hands() {
        let change = Path::of(&["spec", "a"]).change(&json!({}), Some(json!("rehearsed")));
        let of_another = |found: &Value, is_last| is_of_another(&change, found, is_last);
        assert!(!of_another(&object(&json!("stored"), "windlass"), true));
        assert!(of_another(&object(&json!("stored"), "windlass"), false));
        assert!(of_another(&object(&json!("stored"), "kubectl"), true));
        assert!(of_another(&object(&json!(["stored"]), "windlass"), true));
        assert!(!of_another(&object(&json!("rehearsed"), "kubectl"), false));
    }
}
