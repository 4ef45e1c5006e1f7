//! Who takes something from a ConfigMap.

use super::super::api::Api;
use super::super::list::Listed;
use super::super::workloads::facts;
use crate::cluster::object::{Kind, Object, WORKLOADS};
use crate::contract::CallError;
use crate::contract::cluster_types::WorkloadName;
use crate::engine::Permit;
use serde_json::Value;

/// The workloads of a namespace, as far as they may be shown, whose pods take something from one of these.
pub(in super::super) async fn consumers(
    api: &Api,
    permit: &Permit,
    namespace: &str,
    config_maps: &[String],
    shows: &(dyn Fn(&Object) -> bool + Sync),
) -> Result<Vec<WorkloadName>, CallError> {
    let mut all = Vec::new();
    for kind in WORKLOADS.map(Kind::from) {
        let keep = |workload: Value| {
            let name = workload.pointer("/metadata/name")?.as_str()?;
            let object = Object::new(kind.clone(), namespace, name).ok()?;
            let takes = takes_from(
                workload.pointer("/spec/template/spec")?,
                "ConfigMap",
                config_maps,
            );
            (takes && shows(&object)).then(|| facts(&kind, &workload).name)
        };
        let listed: Listed<WorkloadName> = api
            .list(permit.deadline(), kind.clone(), Some(namespace), &[], keep)
            .await?;
        all.extend(listed.items);
    }
    Ok(all)
}

/// Whether something in a pod's specification refers to one of these objects: a variable, all variables, a volume, or a part of one.
pub(super) fn takes_from(spec: &Value, kind: &str, names: &[String]) -> bool {
    let is_one = |name: &Value| {
        let name = name.as_str();
        name.is_some_and(|name| names.iter().any(|one| one == name))
    };
    match spec {
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| match (kind, key.as_str()) {
                ("ConfigMap", "configMapRef" | "configMapKeyRef" | "configMap") => {
                    is_one(&value["name"])
                }
                ("ServiceAccount", "serviceAccountName" | "serviceAccount") => is_one(value),
                _ => takes_from(value, kind, names),
            }),
        Value::Array(items) => items.iter().any(|item| takes_from(item, kind, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::takes_from;
    use serde_json::json;

    #[test]
    fn each_way_of_taking_something_is_known() {
        let names = ["settings".to_owned()];
        for spec in [
            json!({"containers": [{"envFrom": [{"configMapRef": {"name": "settings"}}]}]}),
            json!({"initContainers": [{"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}]}]}),
            json!({"volumes": [{"name": "a", "configMap": {"name": "settings"}}]}),
            json!({"volumes": [{"projected": {"sources": [{"secret": {"name": "x"}}, {"configMap": {"name": "settings"}}]}}]}),
        ] {
            assert!(takes_from(&spec, "ConfigMap", &names), "{spec}");
            let other = ["other".to_owned()];
            assert!(!takes_from(&spec, "ConfigMap", &other), "{spec}");
        }
        let account = json!({"serviceAccountName": "settings"});
        assert!(takes_from(&account, "ServiceAccount", &names));
        assert!(!takes_from(&account, "ConfigMap", &names));
        let secret =
            json!({"volumes": [{"secret": {"secretName": "settings"}}, {"name": "settings"}]});
        assert!(!takes_from(&secret, "ConfigMap", &names));
    }
}
