//! Certificates of cert-manager: what they are, and one issued anew.

use super::api::{Api, Failure};
use super::change::{TRIES, changed, failed, internal, not_done};
use super::value;
use super::wait::{self, Step};
use super::workloads::{count, instant};
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Undo};
use crate::cluster::field::{FieldChange, Path, patch, shown};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::{CertificateFacts, CertificateState, Namespaced};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// The condition that has cert-manager issue; it is gone when that is done, and false when it failed.
const ISSUING: &str = "Issuing";
/// Why, as `cmctl renew` says it.
const REASON: &str = "ManuallyTriggered";
const MESSAGE: &str = "Certificate re-issuance manually triggered";
/// The part of the object that conditions are in. The mark of an effect cannot be written there.
const STATUS: &str = "/status";

/// What was there before.
#[derive(Serialize, Deserialize)]
struct Before {
    uid: String,
    /// Of the object, when it was looked at.
    version: String,
    revision: u32,
    /// What the condition says of when it was set: that is how ours is known.
    at: String,
    /// All that a first request needs to know of the object.
    seen: Value,
}

/// Certificates of a namespace that may be shown.
pub(super) async fn list(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    shows: &(dyn Fn(&Object) -> bool + Sync),
) -> Result<Vec<CertificateFacts>, CallError> {
    let keep = |found: Value| {
        let name = text(&found, "/metadata/name");
        let object = Object::new(Kind::Certificate, namespace, name).ok()?;
        shows(&object).then(|| facts(&found))
    };
    let kind = Kind::Certificate;
    let listed = api.list(permit.deadline(), kind, Some(namespace), &[], keep);
    let listed = listed.await.map_err(|failure| explained(failure, None))?;
    Ok(listed.items)
}

/// Waits until the certificate is ready with a revision above this one, or could not be issued.
pub(super) async fn renewed(
    api: &Api,
    permit: &Permit,
    object: &Object,
    above: u32,
    within: Duration,
) -> Result<CertificateFacts, CallError> {
    let look = |found: &Value| issued(object, found, above);
    wait::object(api, permit, object, within, look).await
}

/// Whether it is ready with a revision above this one. cert-manager tries again by itself what failed, but not soon.
fn issued(object: &Object, found: &Value, above: u32) -> Result<Step<CertificateFacts>, CallError> {
    let facts = facts(found);
    if facts.revision > above && is(found, "Ready", "True") {
        return Ok(Step::Done(facts));
    }
    if is(found, ISSUING, "False") {
        let message = format!("{object} was not issued: {}", facts.message);
        return Err(CallError::new(ErrorKind::Conflict, message));
    }
    Ok(Step::Waiting(format!(
        "revision {} is not there yet; {}",
        above.saturating_add(1),
        facts.message
    )))
}

/// What a missing object means: where the server does not name it, it does not know its kind.
fn explained(failure: Failure, object: Option<&Object>) -> CallError {
    let is_named = |object: &Object| {
        let named = format!("\"{}\" not found", object.name);
        failure.error.message.contains(&named)
    };
    if failure.status == Some(404) && !object.is_some_and(is_named) {
        let message = format!(
            "cert-manager is not installed: {} is unknown there ({})",
            Kind::Certificate.in_scope(),
            failure.error.message
        );
        return CallError::new(ErrorKind::NotFound, message);
    }
    failure.into()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn conditions(certificate: &Value) -> &[Value] {
    let found = certificate.pointer("/status/conditions");
    found.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn condition<'a>(certificate: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut all = conditions(certificate).iter();
    all.find(|condition| condition["type"] == kind)
}

fn is(certificate: &Value, kind: &str, status: &str) -> bool {
    condition(certificate, kind).is_some_and(|condition| condition["status"] == status)
}

/// The facts of one. A message is there whenever something is not as it should be, also of one that is still valid and cannot be renewed.
fn facts(certificate: &Value) -> CertificateFacts {
    let status = &certificate["status"];
    let state = match (
        is(certificate, ISSUING, "True"),
        is(certificate, "Ready", "True"),
    ) {
        (true, _) => CertificateState::Issuing,
        (false, true) => CertificateState::Ready,
        (false, false) => CertificateState::NotReady,
    };
    let not_ready =
        || condition(certificate, "Ready").filter(|condition| condition["status"] != "True");
    let says = condition(certificate, ISSUING).or_else(not_ready);
    let names = certificate["spec"]["dnsNames"].as_array();
    CertificateFacts {
        name: Namespaced {
            namespace: text(certificate, "/metadata/namespace").to_owned(),
            name: text(certificate, "/metadata/name").to_owned(),
        },
        uid: text(certificate, "/metadata/uid").to_owned(),
        state,
        message: says
            .map_or("", |condition| text(condition, "/message"))
            .to_owned(),
        revision: count(&status["revision"]),
        not_before: instant(&status["notBefore"]),
        not_after: instant(&status["notAfter"]),
        renewal: instant(&status["renewalTime"]),
        dns_names: names
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        secret: text(certificate, "/spec/secretName").to_owned(),
    }
}

/// Looks at the certificate. In a plan the server rehearses the change.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    object: &Object,
) -> Result<Prepared, CallError> {
    let found = api
        .get(permit.deadline(), object)
        .await
        .map_err(|failure| explained(failure, Some(object)))?;
    refuse_issuing(object, &found)?;
    let at = permit.clock().now().timestamp();
    let before = Before {
        uid: text(&found, "/metadata/uid").to_owned(),
        version: text(&found, "/metadata/resourceVersion").to_owned(),
        revision: count(&found["status"]["revision"]),
        at: format!("{at:.0}"),
        seen: seen(&found),
    };
    if permit.is_plan() {
        let request = request(object, &found, &before.at)?;
        api.patch(permit.deadline(), object, STATUS, &request, true)
            .await?;
    }
    let until = shown(found.pointer("/status/notAfter"));
    let issuing = condition(&found, ISSUING).map_or("–", |now| text(now, "/status"));
    Ok(Prepared {
        before: value(&before)?,
        foreseen: json!(before.revision),
        undo: Undo::NotNeeded("the old one stays valid until the new one is there".into()),
        touches: Vec::new(),
        now: format!("revision {}, valid until {until}", before.revision),
        after: "issued anew".into(),
        details: vec![format!(
            "status.conditions[{ISSUING}]: {issuing} → True, {REASON}"
        )],
    })
}

fn refuse_issuing(object: &Object, found: &Value) -> Result<(), CallError> {
    if !is(found, ISSUING, "True") {
        return Ok(());
    }
    let said = condition(found, ISSUING).map_or("", |condition| text(condition, "/message"));
    let message = format!("{object} is being issued: {said}");
    Err(CallError::new(ErrorKind::Conflict, message))
}

/// As much of the object as [`request`] needs.
fn seen(found: &Value) -> Value {
    let metadata = |name: &str| found["metadata"][name].clone();
    let mut seen = json!({"metadata": {
        "uid": metadata("uid"), "resourceVersion": metadata("resourceVersion"), "generation": metadata("generation"),
    }});
    if found["status"].is_object() {
        seen["status"] = json!({"conditions": conditions(found)});
    }
    seen
}

/// The patch that sets the condition, for the object as it was seen.
fn request(object: &Object, seen: &Value, at: &str) -> Result<Value, CallError> {
    let set = json!({
        "type": ISSUING, "status": "True", "reason": REASON, "message": MESSAGE,
        "lastTransitionTime": at, "observedGeneration": seen["metadata"]["generation"],
    });
    let mut wanted = conditions(seen).to_vec();
    match wanted.iter_mut().find(|found| found["type"] == ISSUING) {
        Some(found) => *found = set,
        None => wanted.push(set),
    }
    let change: FieldChange =
        Path::of(&["status", "conditions"]).change(seen, Some(Value::Array(wanted)));
    patch(seen, &[change]).ok_or_else(|| changed(object))
}

/// Sets the condition. Other changes of the object in between are no hindrance, an issuance is.
pub(super) async fn apply(
    api: &Api,
    permit: &ChangePermit,
    object: &Object,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let before: Before = serde_json::from_value(prepared.before.clone())
        .map_err(|error| not_done(internal(&error)))?;
    let mut seen = before.seen.clone();
    for _ in 0..TRIES {
        permit.still_ours().await.map_err(not_done)?;
        let request = request(object, &seen, &before.at).map_err(not_done)?;
        match api
            .patch(permit.deadline(), object, STATUS, &request, false)
            .await
        {
            Ok(_) => return Ok(applied(&before)),
            Err(failure) if failure.status == Some(409) => {}
            Err(failure) => return Err(failed(failure)),
        }
        seen = api
            .get(permit.deadline(), object)
            .await
            .map_err(|failure| not_done(failure.into()))?;
        refuse_issuing(object, &seen).map_err(not_done)?;
        let revision = count(&seen["status"]["revision"]);
        if text(&seen, "/metadata/uid") != before.uid || revision != before.revision {
            return Err(not_done(changed(object)));
        }
    }
    let message = format!("{object} is changed by others all the time");
    Err(not_done(CallError::new(ErrorKind::Conflict, message)))
}

fn applied(before: &Before) -> Applied {
    Applied {
        answer: json!(before.revision),
        after: "being issued".into(),
        sweep: None,
    }
}

/// Asks for the condition as it was set, or for what came of it.
pub(super) async fn confirm(
    api: &Api,
    permit: &Permit,
    object: &Object,
    prepared: &Prepared,
) -> Result<Confirmed, CallError> {
    let before: Before =
        serde_json::from_value(prepared.before.clone()).map_err(|error| internal(&error))?;
    let cannot_tell = |why: &str| Ok(Confirmed::CannotTell(format!("{object} {why}")));
    let Some(found) = api.find(permit.deadline(), object).await? else {
        return cannot_tell("is gone");
    };
    if text(&found, "/metadata/uid") != before.uid {
        return cannot_tell("is another one of the same name");
    }
    let not_done = |why: &str| {
        Ok(Confirmed::NotDone {
            why: why.into(),
            sweep: None,
        })
    };
    if text(&found, "/metadata/resourceVersion") == before.version {
        return not_done("the object is as it was");
    }
    let issuing = condition(&found, ISSUING);
    let is_ours = issuing.is_some_and(|condition| {
        condition["reason"] == REASON && condition["lastTransitionTime"] == before.at.as_str()
    });
    if is_ours || count(&found["status"]["revision"]) > before.revision {
        return Ok(Confirmed::Done(applied(&before)));
    }
    if issuing == condition(&before.seen, ISSUING) {
        return not_done("nobody had it issued");
    }
    cannot_tell("failed to be issued since, and whose issuance that was is not there")
}

#[cfg(test)]
mod tests {
    use super::{Object, Value, issued, request, seen};
    use crate::cluster::client::wait::Step;
    use crate::cluster::object::Kind;
    use crate::contract::ErrorKind;
    use serde_json::json;

    fn web() -> Object {
        Object::new(Kind::Certificate, "shop", "web").unwrap()
    }

    fn certificate(conditions: &Value) -> Value {
        json!({
            "metadata": {"uid": "u", "resourceVersion": "7", "generation": 2},
            "status": {"revision": 3, "conditions": conditions},
        })
    }

    #[test]
    fn the_condition_is_set_beside_the_others() {
        let found = certificate(&json!([
            {"type": "Issuing", "status": "False", "reason": "Failed"}, {"type": "Ready", "status": "True"},
        ]));
        let request = request(&web(), &seen(&found), "2026-01-01T00:00:00Z").unwrap();
        let issuing = json!({
            "type": "Issuing", "status": "True", "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 2,
        });
        assert_eq!(
            request[2],
            json!({"op": "add", "path": "/status/conditions", "value": [issuing, {"type": "Ready", "status": "True"}]})
        );
        // One that was never issued has no status.
        let mut fresh = found;
        fresh["status"] = Value::Null;
        let request = super::request(&web(), &seen(&fresh), "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(request[2]["path"], "/status");
        assert_eq!(request[3]["value"], json!([issuing]));
    }

    #[test]
    fn a_failed_issuance_is_told_in_the_issuers_words() {
        let ready = json!({"type": "Ready", "status": "True"});
        let done = issued(&web(), &certificate(&json!([ready])), 2);
        assert!(matches!(done, Ok(Step::Done(_))));
        let waiting = issued(&web(), &certificate(&json!([ready])), 3);
        assert!(matches!(waiting, Ok(Step::Waiting(_))));
        let failed = json!({"type": "Issuing", "status": "False", "reason": "Failed", "message": "order is invalid"});
        let Err(error) = issued(&web(), &certificate(&json!([ready, failed])), 3) else {
            panic!("it failed");
        };
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains("order is invalid"), "{error:?}");
    }
}
