//! What the server would make of a manifest, and who is in the way.

use super::super::api::{Api, Failure, MANAGER};
use super::super::change::{self, TRIES, mark};
use super::elsewhere;
use crate::cluster::call::Change;
use crate::cluster::manifest::set;
use crate::cluster::manifest::{marked, name};
use crate::cluster::object::Object;
use crate::contract::cluster_types::{Namespaced, ObjectName};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::{Value, json};

/// What is wanted: of which object, as which member.
pub(super) struct Asked {
    pub(super) name: ObjectName,
    pub(super) manifest: Value,
    pub(super) member: Option<String>,
    pub(super) declared: Option<Namespaced>,
}

impl Asked {
    pub(super) fn by(change: &Change) -> Result<Self, CallError> {
        if let Change::Apply { manifest, set } = change {
            Self::of(manifest, set.as_deref())
        } else if let Change::Declare { set, kinds } = change {
            Self::parent(set, kinds)
        } else {
            Err(elsewhere())
        }
    }

    pub(super) fn of(manifest: &Value, set: Option<&str>) -> Result<Self, CallError> {
        let name = name(manifest)?;
        let member = match (set, &name.namespace) {
            (None, _) => None,
            (Some(set), Some(namespace)) => Some(set::id(&Namespaced {
                namespace: namespace.clone(),
                name: set.to_owned(),
            })),
            (Some(_), None) => {
                let message = "what is of the whole cluster is in no set";
                return Err(CallError::new(ErrorKind::Invalid, message));
            }
        };
        Ok(Self {
            name,
            manifest: manifest.clone(),
            member,
            declared: None,
        })
    }

    fn parent(set: &Namespaced, kinds: &[String]) -> Result<Self, CallError> {
        let asked = Self::of(&set::parent(set, kinds), None)?;
        Ok(Self {
            declared: Some(set.clone()),
            ..asked
        })
    }

    pub(super) fn body(&self, mark: &str, found: Option<&change::Before>) -> Value {
        let mut body = marked(&self.manifest, self.member.as_deref(), mark);
        if let Some(before) = found {
            body["metadata"]["uid"] = json!(before.uid);
            body["metadata"]["resourceVersion"] = json!(before.version);
        }
        body
    }
}

/// What the server would make of a manifest.
pub(super) struct Rehearsed {
    pub(super) found: Option<Value>,
    pub(super) result: Value,
    pub(super) own: bool,
}

/// Has the server rehearse it. Fields that we wrote by a patch, or by taking something back, are another manager's to the server although they
/// are ours; only where nobody else's are in the way it is told to write over them, and only in the object as it was seen then.
pub(super) async fn rehearse(
    api: &Api,
    permit: &Permit,
    object: &Object,
    asked: &Asked,
) -> Result<Rehearsed, CallError> {
    let end = permit.deadline();
    for _ in 0..TRIES {
        let found = api.find(end, object).await?;
        if let (Some(found), Some(set)) = (&found, &asked.declared) {
            set::check_parent(found, set)?;
        }
        let seen = found.as_ref().map(bare);
        let body = asked.body(&mark(permit, 0), seen.as_ref());
        let first = api.apply(end, object, &body, false, true).await;
        let (result, own) = match first {
            Err(failure) if is_ours(&failure) => {
                (api.apply(end, object, &body, true, true).await, true)
            }
            other => (other, false),
        };
        match result {
            Ok(result) => {
                return Ok(Rehearsed { found, result, own });
            }
            Err(failure) if is_outdated(&failure) => {}
            Err(failure) => return Err(conflict(object, failure)),
        }
    }
    Err(never_still(object))
}

pub(super) fn bare(found: &Value) -> change::Before {
    change::Before::of(found, Vec::new(), Value::Null, "")
}

/// Whether all that is in the way was written by ourselves.
fn is_ours(failure: &Failure) -> bool {
    let writers = failure.writers();
    !writers.is_empty() && writers.iter().all(|(manager, _)| manager == MANAGER)
}

/// Whether the object was another one by then.
pub(super) fn is_outdated(failure: &Failure) -> bool {
    failure.status == Some(409) && failure.writers().is_empty()
}

/// In the way are these fields of these hands, if that is it.
pub(super) fn conflict(object: &Object, failure: Failure) -> CallError {
    let mut hands: Vec<(String, Vec<String>)> = Vec::new();
    for (manager, field) in failure.writers() {
        match hands.iter_mut().find(|(known, _)| *known == manager) {
            Some((_, fields)) => fields.push(field),
            None => hands.push((manager, vec![field])),
        }
    }
    if hands.is_empty() {
        return misfit(failure);
    }
    let hands = hands
        .iter()
        .map(|(manager, fields)| format!("{manager} writes {}", fields.join(", ")));
    let message = format!(
        "{object}: {}; leave that out of the manifest, or have it given up there",
        hands.collect::<Vec<_>>().join("; ")
    );
    CallError::new(ErrorKind::Conflict, message)
}

/// A manifest that does not fit its kind is a fault of the server's by its status, and of the manifest's by its words.
fn misfit(failure: Failure) -> CallError {
    let mut error: CallError = failure.into();
    if error
        .message
        .contains("failed to create typed patch object")
    {
        error.kind = ErrorKind::Invalid;
    }
    error
}

pub(super) fn never_still(object: &Object) -> CallError {
    let message = format!("{object} is changed by others all the time");
    CallError::new(ErrorKind::Conflict, message)
}
