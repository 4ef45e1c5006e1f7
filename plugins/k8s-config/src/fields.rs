//! Fields that are set in one object: which object it is, and what they get. Pure.

use windlass_sdk::Error;
use windlass_sdk::cluster::{FieldEdit, ObjectName, WorkloadKind, WorkloadName};

/// Kinds that need not be written in full.
const KINDS: &[(&str, &str)] = &[
    ("v1", "ConfigMap"),
    ("v1", "LimitRange"),
    ("v1", "ResourceQuota"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1", "CronJob"),
    ("keda.sh/v1alpha1", "ScaledObject"),
];

/// `deployment/web`, or in full `apps/v1/Deployment/web`.
pub(crate) fn object(written: &str, namespace: &str) -> Result<ObjectName, Error> {
    let parts: Vec<_> = written.split('/').collect();
    let known = |kind: &str| {
        let mut kinds = KINDS.iter();
        kinds.find(|(_, known)| known.eq_ignore_ascii_case(kind))
    };
    let (api_version, kind, name) = match parts[..] {
        [kind, name] => {
            let (api_version, kind) = known(kind).ok_or_else(|| unknown(written))?;
            ((*api_version).to_owned(), *kind, name)
        }
        [version, kind, name] => (version.to_owned(), kind, name),
        [group, version, kind, name] => (format!("{group}/{version}"), kind, name),
        _ => return Err(unknown(written)),
    };
    Ok(ObjectName {
        api_version,
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    })
}

fn unknown(written: &str) -> Error {
    let kinds: Vec<_> = KINDS.iter().map(|(_, kind)| kind.to_lowercase()).collect();
    Error::failed(format!(
        "`{written}` is no object: write KIND/NAME with one of {}, or in full such as apps/v1/Deployment/web",
        kinds.join(", ")
    ))
}

/// What each field gets: JSON where it is JSON, else text; `null` takes the field away. Where Kubernetes has texts only, a number is one too.
pub(crate) fn edits(object: &ObjectName, written: &[String]) -> Result<Vec<FieldEdit>, Error> {
    let edit = |text: &String| {
        let (path, value) = text
            .split_once('=')
            .filter(|(path, _)| !path.is_empty())
            .ok_or_else(|| Error::failed(format!("`{text}` is not FIELD=VALUE")))?;
        let is_json = serde_json::from_str::<serde_json::Value>(value)
            .is_ok_and(|value| !is_text(object, path) || value.is_string() || value.is_null());
        let value = if is_json {
            value.to_owned()
        } else {
            serde_json::Value::from(value).to_string()
        };
        Ok(FieldEdit {
            path: path.to_owned(),
            value: Some(value),
        })
    };
    written.iter().map(edit).collect()
}

fn is_text(object: &ObjectName, path: &str) -> bool {
    let is_variable = path.contains(".env[") && path.ends_with("].value");
    let is_name = path.starts_with("metadata.labels") || path.starts_with("metadata.annotations");
    object.kind == "ConfigMap" || is_variable || is_name
}

/// The workload that the object is, if it is one.
pub(crate) fn workload(object: &ObjectName) -> Option<WorkloadName> {
    let kind = match (object.api_version.as_str(), object.kind.as_str()) {
        ("apps/v1", "Deployment") => WorkloadKind::Deployment,
        ("apps/v1", "StatefulSet") => WorkloadKind::StatefulSet,
        ("apps/v1", "DaemonSet") => WorkloadKind::DaemonSet,
        _ => return None,
    };
    Some(WorkloadName {
        kind,
        namespace: object.namespace.clone().unwrap_or_default(),
        name: object.name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::{edits, object, workload};

    fn values(of: &str, written: &[&str]) -> Vec<String> {
        let written: Vec<_> = written.iter().map(|text| (*text).to_owned()).collect();
        let edits = edits(&object(of, "shop").unwrap(), &written).unwrap();
        edits.into_iter().filter_map(|edit| edit.value).collect()
    }

    #[test]
    fn an_object_is_named_by_a_known_kind_or_in_full() {
        let web = object("deployment/web", "shop").unwrap();
        assert_eq!(web, object("apps/v1/Deployment/web", "shop").unwrap());
        assert_eq!(workload(&web).unwrap().name, "web");
        let thing = object("v1/Thing/a", "shop").unwrap();
        assert_eq!((&*thing.api_version, &*thing.kind), ("v1", "Thing"));
        assert_eq!(workload(&thing), None);
        for wrong in ["web", "thing/a", "a/b/c/d/e"] {
            let why = object(wrong, "shop").unwrap_err().message;
            assert!(why.contains("horizontalpodautoscaler"), "{why}");
        }
    }

    #[test]
    fn a_value_is_json_or_text() {
        let limits = "spec.template.spec.containers[app].resources";
        let some = [
            "spec.replicas=2",
            &format!("{limits}.limits.memory=512Mi"),
            &format!("{limits}={{\"limits\": {{}}}}"),
            "spec.paused=null",
        ];
        let read = ["2", "\"512Mi\"", "{\"limits\": {}}", "null"];
        assert_eq!(values("deployment/web", &some), read);
        let variable = "spec.template.spec.containers[app].env[SIZE].value=10";
        assert_eq!(values("deployment/web", &[variable]), ["\"10\""]);
        let data = ["data.a=true", "data.b=\"x\"", "data.c=a=b", "data.d=null"];
        let texts = ["\"true\"", "\"x\"", "\"a=b\"", "null"];
        assert_eq!(values("configmap/settings", &data), texts);
        let web = object("deployment/web", "shop").unwrap();
        for wrong in ["spec.replicas", "=1"] {
            assert!(edits(&web, &[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
