//! What an operator has to know of a cluster before the first run: who we are there, and whether the target can be locked.

use super::Connected;
use super::api::Api;
use crate::contract::CallError;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;

/// What was found. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// As the server says, such as "v1.36.3".
    pub version: String,
    /// Whom the server takes us for.
    pub user: String,
    /// The namespace that the target is about.
    pub namespace: String,
    /// What of the Lease in that namespace may not be done, of "get", "create" and "update".
    pub lacking: Vec<String>,
}

/// Asks the server who we are and what we may do with the lock.
pub(super) async fn probe(room: &Connected, end: Instant) -> Result<Probe, CallError> {
    let version: Value = room.api.call(end, Method::GET, "/version", None).await?;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let body = Some(("application/json", &review));
    let who: Value = room.api.call(end, Method::POST, path, body).await?;
    let mut lacking = Vec::new();
    for verb in ["get", "create", "update"] {
        let lease = json!({
            "group": "coordination.k8s.io", "resource": "leases", "verb": verb, "namespace": room.namespace,
        });
        if !may(&room.api, end, &lease).await? {
            lacking.push(verb.to_owned());
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Probe {
        version: text(&version["gitVersion"]),
        user: text(&who["status"]["userInfo"]["username"]),
        namespace: room.namespace.clone(),
        lacking,
    })
}

/// Whether the server lets us do this.
pub(super) async fn may(api: &Api, end: Instant, what: &Value) -> Result<bool, CallError> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": what},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let body = Some(("application/json", &review));
    let answer: Value = api.call(end, Method::POST, path, body).await?;
    Ok(answer["status"]["allowed"] == true)
}
