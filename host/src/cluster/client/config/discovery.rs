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

/// Where objects of a kind are, in the version that the server prefers of those that have it. None where the server does not know the kind, or
/// nothing of it can be applied: then there are no such objects.
pub(super) async fn place_of(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    (group, kind): (&str, &str),
) -> Result<Option<(String, Object)>, CallError> {
    for api_version in versions(api, permit, group).await? {
        let any = ObjectName {
            api_version: api_version.clone(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()),
            name: "any".into(),
        };
        match locate(api, permit, &any).await {
            Ok(object) => return Ok(Some((api_version, object))),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Invalid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The versions of a group, as manifests write them, the preferred one first; none of a group that the server does not know.
async fn versions(api: &Api, permit: &Permit, group: &str) -> Outcome<Vec<String>> {
    if group.is_empty() {
        return Ok(vec!["v1".into()]);
    }
    let path = format!("/apis/{group}");
    let found: Value = match api.call(permit.deadline(), Method::GET, &path, None).await {
        Ok(found) => found,
        Err(failure) if failure.status == Some(404) => return Ok(Vec::new()),
        Err(failure) => return Err(failure),
    };
    let name = |version: &Value| version["groupVersion"].as_str().map(str::to_owned);
    let mut all: Vec<_> = name(&found["preferredVersion"]).into_iter().collect();
    let others = found["versions"].as_array().into_iter().flatten();
    for other in others.filter_map(name) {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    Ok(all)
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
