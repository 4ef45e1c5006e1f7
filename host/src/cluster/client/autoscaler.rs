//! Autoscalers: where there is one, it decides how many replicas there are, also where it has not decided yet.

use super::api::{Api, Outcome};
use super::list::Listed;
use super::managers::{conflict, is_scaled_by_controller};
use crate::cluster::field::{FieldChange, Path};
use crate::cluster::object::resource::Resource;
use crate::cluster::object::{Kind, Object};
use crate::contract::CallError;
use crate::engine::Permit;
use serde_json::Value;

/// Refuses another number of replicas where an autoscaler would put it back. Who may not list autoscalers is told so, and refused where one has
/// been at work. KEDA has one, too, for each object that it scales, unless it is paused.
pub(super) async fn refuse(
    api: &Api,
    permit: &Permit,
    object: &Object,
    found: &Value,
    changes: &[FieldChange],
) -> Result<Vec<String>, CallError> {
    let Some(namespace) = object.namespace.as_deref() else {
        return Ok(Vec::new());
    };
    if !changes.iter().any(sets_replicas) {
        return Ok(Vec::new());
    }
    match of(api, permit, namespace, object).await {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(name)) => Err(conflict(object, &format!("autoscaler `{name}`"))),
        Err(failure) if matches!(failure.status, Some(403 | 404)) => {
            if is_scaled_by_controller(found) {
                let who = "the autoscaler that last set its replicas";
                return Err(conflict(object, who));
            }
            let line =
                "whether an autoscaler sets its replicas is not known: no right to list them";
            Ok(vec![line.into()])
        }
        Err(failure) => Err(failure.into()),
    }
}

fn sets_replicas(change: &FieldChange) -> bool {
    change.path == Path::of(&["spec", "replicas"]) && !change.is_none()
}

/// The name of the one that scales the object.
async fn of(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    object: &Object,
) -> Outcome<Option<String>> {
    let (group, version) = ("autoscaling", "v2");
    let resource = Resource::new(
        group,
        version,
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    )?;
    let kind = Kind::of(resource);
    let keep = |autoscaler: Value| {
        let name = autoscaler.pointer("/metadata/name")?.as_str()?;
        scales(&autoscaler, object).then(|| name.to_owned())
    };
    let listed: Listed<String> = api
        .list(permit.deadline(), kind, Some(namespace), &[], keep)
        .await?;
    Ok(listed.items.into_iter().next())
}

/// Whether it is this one's to scale, of whichever version its manifest says.
fn scales(autoscaler: &Value, object: &Object) -> bool {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    let group = target["apiVersion"].as_str().unwrap_or_default();
    let group = group.split_once('/').map_or("", |(group, _)| group);
    let kind = target["kind"].as_str().unwrap_or_default();
    let in_scope = crate::cluster::object::kind_in_scope(group, kind);
    in_scope == object.kind.in_scope() && target["name"] == *object.name
}

#[cfg(test)]
mod tests {
    use super::scales;
    use crate::cluster::object::{Kind, Object};
    use serde_json::json;

    #[test]
    fn an_autoscaler_is_about_one_object() {
        let web = Object::new(Kind::Deployment, "shop", "web").unwrap();
        let about = |version: &str, kind: &str, name: &str| {
            let target = json!({"apiVersion": version, "kind": kind, "name": name});
            scales(&json!({"spec": {"scaleTargetRef": target}}), &web)
        };
        assert!(about("apps/v1", "Deployment", "web"));
        assert!(!about("apps/v1", "StatefulSet", "web"));
        assert!(!about("apps/v1", "Deployment", "api"));
        assert!(!about("example.com/v1", "Deployment", "web"));
    }
}
