//! Where objects of a kind are: what the server says of its kinds, asked once for each group and version.

use super::super::api::{Api, Outcome};
use crate::cluster::object::Object;
use crate::cluster::object::resource::{Resource, group_and_version};
use crate::contract::cluster_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use http::Method;
use serde_json::Value;
use std::sync::{Arc, PoisonError};

/// The object's place on its server. Fails where the server has no such kind, or has it elsewhere than the name says.
pub(super) async fn locate(
    api: &Api,
    permit: &Permit,
    object: &ObjectName,
) -> Result<Object, CallError> {
    let (group, version) = group_and_version(&object.api_version);
    let unknown = || {
        let message = format!(
            "`{}` has no kind {} of {}",
            api.name(),
            object.kind,
            object.api_version
        );
        CallError::new(ErrorKind::NotFound, message)
    };
    let kinds = kinds(api, permit, &object.api_version, &object.kind).await;
    let kinds = kinds.map_err(|failure| match failure.status {
        Some(404) => unknown(),
        _ => failure.into(),
    })?;
    let found = kinds.iter().find(|kind| is_it(kind, &object.kind));
    let found = found.ok_or_else(unknown)?;
    let text = crate::cluster::object::resource::text_of(object);
    let misplaced = |message: String| Err(CallError::new(ErrorKind::Invalid, message));
    match (found["namespaced"] == true, &object.namespace) {
        (true, None) => return misplaced(format!("{text} is in no namespace: its kind wants one")),
        (false, Some(_)) => {
            return misplaced(format!("{text}: objects of its kind are in no namespace"));
        }
        _ => {}
    }
    let can = |verb: &str| {
        let verbs = found["verbs"].as_array();
        verbs.is_some_and(|verbs| verbs.iter().any(|one| one == verb))
    };
    if !["get", "patch", "delete"].into_iter().all(can) {
        return misplaced(format!("{text}: objects of its kind cannot be applied"));
    }
    let plural = found["name"].as_str().unwrap_or_default();
    Object::of(Resource::new(group, version, &object.kind, plural)?, object)
}

/// The version that the server prefers of a group, as manifests write it.
pub(super) async fn preferred(api: &Api, permit: &Permit, group: &str) -> Outcome<String> {
    if group.is_empty() {
        return Ok("v1".into());
    }
    let path = format!("/apis/{group}");
    let found: Value = api
        .call(permit.deadline(), Method::GET, &path, None)
        .await?;
    let version = &found["preferredVersion"]["groupVersion"];
    Ok(version.as_str().unwrap_or_default().to_owned())
}

fn is_it(kind: &Value, wanted: &str) -> bool {
    // Subresources are told under the kind that they take: `deployments/scale`.
    let is_whole = |name: &str| !name.contains('/');
    kind["kind"] == wanted && kind["name"].as_str().is_some_and(is_whole)
}

/// The kinds of a group and version. What was not there is asked for again: it may have been defined since.
async fn kinds(
    api: &Api,
    permit: &Permit,
    api_version: &str,
    wanted: &str,
) -> Outcome<Arc<Vec<Value>>> {
    let known = api.kinds().lock().unwrap_or_else(PoisonError::into_inner);
    let known = { known }.get(api_version).cloned();
    if let Some(kinds) = known.filter(|kinds| kinds.iter().any(|kind| is_it(kind, wanted))) {
        return Ok(kinds);
    }
    let path = match group_and_version(api_version) {
        ("", version) => format!("/api/{version}"),
        (group, version) => format!("/apis/{group}/{version}"),
    };
    let mut found: Value = api
        .call(permit.deadline(), Method::GET, &path, None)
        .await?;
    let kinds = found["resources"].as_array_mut().map(std::mem::take);
    let kinds = Arc::new(kinds.unwrap_or_default());
    let mut all = api.kinds().lock().unwrap_or_else(PoisonError::into_inner);
    all.insert(api_version.to_owned(), Arc::clone(&kinds));
    Ok(kinds)
}
