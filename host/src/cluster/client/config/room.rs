//! Whether the namespace has room for the pods of a workload as it would be.

use super::super::api::{Api, Outcome};
use super::super::list::Listed;
use crate::cluster::object::resource::Resource;
use crate::cluster::object::{Kind, Object};
use crate::cluster::quota::{Pods, is_more_first, misfits};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::Value;

/// Sentences for a plan, which quotas that the run itself raises may prove wrong; in a run, what does not fit is refused.
pub(super) async fn check(
    api: &Api,
    permit: &Permit,
    object: &Object,
    found: Option<&Value>,
    then: &Value,
) -> Result<Vec<String>, CallError> {
    let Some(namespace) = object.namespace.as_deref() else {
        return Ok(Vec::new());
    };
    if !is_concerned(object, found, then) {
        return Ok(Vec::new());
    }
    let quotas = all(api, permit, namespace, "ResourceQuota", "resourcequotas").await;
    let limits = all(api, permit, namespace, "LimitRange", "limitranges").await;
    let (quotas, limits) = match (quotas, limits) {
        (Ok(quotas), Ok(limits)) => (quotas, limits),
        (Err(failure), _) | (_, Err(failure)) if failure.status == Some(403) => {
            return Ok(vec![
                "whether quotas leave room for it is not known: no right to list them".into(),
            ]);
        }
        (Err(failure), _) | (_, Err(failure)) => return Err(failure.into()),
    };
    let there = found.map_or_else(Pods::default, |found| Pods::there(found, &limits));
    let wanted = Pods::wanted(then, &limits);
    let first = has_another_template(found, then) && is_more_first(then);
    let misfits = misfits(&quotas, &limits, &there, &wanted, first);
    if misfits.is_empty() || permit.is_plan() {
        return Ok(misfits);
    }
    let message = format!(
        "{object} would get pods that do not fit: {}",
        misfits.join("; ")
    );
    Err(CallError::new(ErrorKind::Limit, message))
}

/// Whether it is a workload that would have other pods, or more.
fn is_concerned(object: &Object, found: Option<&Value>, then: &Value) -> bool {
    let has_more = found.is_none_or(|found| found["spec"]["replicas"] != then["spec"]["replicas"]);
    object.kind.workload().is_some() && (has_more || has_another_template(found, then))
}

fn has_another_template(found: Option<&Value>, then: &Value) -> bool {
    let template = |workload: &Value| workload["spec"]["template"]["spec"].clone();
    found.is_none_or(|found| template(found) != template(then))
}

async fn all(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    kind: &str,
    plural: &str,
) -> Outcome<Vec<Value>> {
    let kind = Kind::of(Resource::new("", "v1", kind, plural)?);
    let listed: Listed<Value> = api
        .list(permit.deadline(), kind, Some(namespace), &[], Some)
        .await?;
    Ok(listed.items)
}
