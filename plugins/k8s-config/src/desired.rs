//! The objects that manifests describe: whose they are, in which order they are applied, and which ones left. Pure.

use std::collections::BTreeSet;
use windlass_sdk::Error;
use windlass_sdk::cluster::{ObjectName, WorkloadKind, WorkloadName};
use windlass_sdk::parameters::Manifests;

/// Kinds in the order in which they are applied; all others come before the workloads, which come last but for what leads to them.
const FIRST: &[&str] = &[
    "ServiceAccount",
    "ResourceQuota",
    "LimitRange",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
];
const LAST: &[&str] = &[
    "StatefulSet",
    "DaemonSet",
    "Deployment",
    "Job",
    "CronJob",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "Ingress",
    "HTTPRoute",
];

/// One object as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    pub name: ObjectName,
    pub manifest: serde_json::Value,
}

/// All objects in the order in which they are applied. What names no namespace is put into this one; another one is refused.
pub(crate) fn all(manifests: &Manifests, namespace: &str) -> Result<Vec<Desired>, Error> {
    let mut all = Vec::new();
    for manifest in &manifests.0 {
        let mut object = manifest.object.clone();
        let text = |pointer: &str| {
            let found = object.pointer(pointer).and_then(|value| value.as_str());
            found.map(str::to_owned)
        };
        let wanted = |pointer: &str| {
            let missing = || Error::failed(format!("{}: no `{pointer}`", manifest.file));
            text(pointer).ok_or_else(missing)
        };
        if let Some(other) = text("/metadata/namespace").filter(|other| other != namespace) {
            return Err(Error::failed(format!(
                "{}: it is of the namespace {other}, not of {namespace}",
                manifest.file
            )));
        }
        let name = ObjectName {
            api_version: wanted("/apiVersion")?,
            kind: wanted("/kind")?,
            namespace: Some(namespace.to_owned()),
            name: wanted("/metadata/name")?,
        };
        object["metadata"]["namespace"] = namespace.into();
        all.push(Desired {
            name,
            manifest: object,
        });
    }
    all.sort_by_key(|desired| rank(&desired.name.kind));
    Ok(all)
}

fn rank(kind: &str) -> usize {
    let place = |list: &[&str]| list.iter().position(|known| *known == kind);
    let first = place(FIRST);
    let last = || Some(FIRST.len() + 1 + place(LAST)?);
    first.or_else(last).unwrap_or(FIRST.len())
}

impl Desired {
    /// The workload that it is, if it is one that rolls out by itself.
    pub(crate) fn workload(&self) -> Option<WorkloadName> {
        let kind = match self.name.kind.as_str() {
            "Deployment" => WorkloadKind::Deployment,
            "StatefulSet" => WorkloadKind::StatefulSet,
            "DaemonSet" => WorkloadKind::DaemonSet,
            _ => return None,
        };
        let spec = &self.manifest["spec"];
        let waits = spec["paused"] == true || spec["updateStrategy"]["type"] == "OnDelete";
        let is_one = group(&self.name) == "apps" && !waits;
        is_one.then(|| WorkloadName {
            kind,
            namespace: self.name.namespace.clone().unwrap_or_default(),
            name: self.name.name.clone(),
        })
    }
}

fn group(object: &ObjectName) -> &str {
    let parts = object.api_version.split_once('/');
    parts.map_or("", |(group, _)| group)
}

/// The kinds of all objects that are wanted and that are there, as an apply-set names them.
pub(crate) fn kinds(desired: &[Desired], there: &[ObjectName]) -> Vec<String> {
    let names = desired.iter().map(|desired| &desired.name).chain(there);
    let kinds: BTreeSet<_> = names
        .map(|object| match group(object) {
            "" => object.kind.clone(),
            group => format!("{}.{group}", object.kind),
        })
        .collect();
    kinds.into_iter().collect()
}

/// What is there and no longer wanted, in the order in which it is deleted: what leads to something before what it leads to. Versions of a kind
/// do not count.
pub(crate) fn left<'a>(desired: &[Desired], there: &'a [ObjectName]) -> Vec<&'a ObjectName> {
    let key = |object: &ObjectName| {
        (
            group(object).to_owned(),
            object.kind.clone(),
            object.name.clone(),
        )
    };
    let wanted: BTreeSet<_> = desired.iter().map(|desired| key(&desired.name)).collect();
    let mut left: Vec<_> = there
        .iter()
        .filter(|object| !wanted.contains(&key(object)))
        .collect();
    left.sort_by_key(|object| std::cmp::Reverse(rank(&object.kind)));
    left
}

#[cfg(test)]
mod tests {
    use super::{all, kinds, left};
    use serde_json::json;
    use windlass_sdk::parameters::{Manifest, Manifests};

    fn manifest(api_version: &str, kind: &str, name: &str) -> Manifest {
        let metadata = json!({"name": name});
        Manifest {
            file: format!("{name}.yaml"),
            object: json!({"apiVersion": api_version, "kind": kind, "metadata": metadata}),
        }
    }

    fn some() -> Manifests {
        Manifests(vec![
            manifest("apps/v1", "Deployment", "web"),
            manifest("networking.k8s.io/v1", "NetworkPolicy", "wall"),
            manifest("v1", "Service", "web"),
            manifest("v1", "ConfigMap", "settings"),
        ])
    }

    #[test]
    fn workloads_come_after_what_they_need() {
        let desired = all(&some(), "shop").unwrap();
        let order: Vec<_> = desired.iter().map(|one| one.name.kind.as_str()).collect();
        assert_eq!(
            order,
            ["ConfigMap", "Service", "NetworkPolicy", "Deployment"]
        );
        assert_eq!(desired[0].manifest["metadata"]["namespace"], "shop");
        assert_eq!(desired[3].workload().unwrap().name, "web");
        assert_eq!(desired[0].workload(), None);
    }

    #[test]
    fn another_namespace_is_refused() {
        let mut manifests = some();
        manifests.0[0].object["metadata"]["namespace"] = json!("other");
        let why = all(&manifests, "shop").unwrap_err().message;
        assert_eq!(why, "web.yaml: it is of the namespace other, not of shop");
    }

    #[test]
    fn what_is_paused_is_not_waited_for() {
        let mut manifests = some();
        manifests.0[0].object["spec"]["paused"] = json!(true);
        let desired = all(&manifests, "shop").unwrap();
        assert_eq!(desired[3].workload(), None);
    }

    #[test]
    fn what_left_is_deleted_in_the_other_order() {
        let there: Vec<_> = all(&some(), "shop")
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect();
        let kept = all(
            &Manifests(vec![manifest("apps/v2", "Deployment", "web")]),
            "shop",
        )
        .unwrap();
        let gone: Vec<_> = left(&kept, &there)
            .into_iter()
            .map(|one| one.kind.as_str())
            .collect();
        assert_eq!(gone, ["NetworkPolicy", "Service", "ConfigMap"]);
        let all_kinds = [
            "ConfigMap",
            "Deployment.apps",
            "NetworkPolicy.networking.k8s.io",
            "Service",
        ];
        assert_eq!(kinds(&kept, &there), all_kinds);
    }
}
