//! Whether a second pod may run beside the only one of a deployment: what its object says against it is not tried.

use super::api::Api;
use crate::cluster::object::{Kind, check_name};
use crate::contract::cluster_types::{WorkloadFacts, WorkloadKind};
use crate::engine::Permit;
use http::Method;
use serde_json::Value;

/// Modes in which pods of several nodes may have a claim at once.
const SHARED: [&str; 2] = ["ReadWriteMany", "ReadOnlyMany"];

/// What a workload says of its pods, as far as it is asked.
pub(super) struct Pods {
    /// What speaks against a second pod.
    against: Option<String>,
    /// Names of claims that each pod has.
    claims: Vec<String>,
}

impl Pods {
    pub(super) fn of(workload: &Value) -> Self {
        let spec = &workload["spec"]["template"]["spec"];
        let volumes = spec["volumes"].as_array().into_iter().flatten();
        let claims =
            volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
        Self {
            against: against(workload),
            claims: claims.map(str::to_owned).collect(),
        }
    }

    /// Why no second pod may run, if that is so. A claim that may not be looked at is not assumed to be shared.
    pub(super) async fn single(
        self,
        api: &Api,
        permit: &Permit,
        facts: &WorkloadFacts,
    ) -> Option<String> {
        if facts.name.kind != WorkloadKind::Deployment || facts.desired != 1 {
            return None;
        }
        if self.against.is_some() {
            return self.against;
        }
        for claim in self.claims {
            let why = of_claim(api, permit, &facts.name.namespace, &claim).await;
            if why.is_some() {
                return why;
            }
        }
        None
    }
}

async fn of_claim(api: &Api, permit: &Permit, namespace: &str, claim: &str) -> Option<String> {
    if let Err(error) = check_name(claim) {
        return Some(error.message);
    }
    let pods = Kind::Pod.path(Some(namespace));
    let path = format!(
        "{}/persistentvolumeclaims/{claim}",
        pods.trim_end_matches("/pods")
    );
    let found: Value = match api.call(permit.deadline(), Method::GET, &path, None).await {
        Ok(found) => found,
        Err(failure) => {
            let why = failure.error.message;
            return Some(format!(
                "whether two pods may have the claim `{claim}` is not known: {why}"
            ));
        }
    };
    let modes = found["spec"]["accessModes"]
        .as_array()
        .into_iter()
        .flatten();
    let modes: Vec<_> = modes.filter_map(Value::as_str).collect();
    let is_shared = modes.iter().any(|mode| SHARED.contains(mode));
    (!is_shared).then(|| format!("its claim `{claim}` is {}", modes.join(", ")))
}

/// What the object itself says against a second pod.
fn against(workload: &Value) -> Option<String> {
    let strategy = &workload["spec"]["strategy"];
    if strategy["type"] == "Recreate" {
        return Some("its strategy is Recreate".into());
    }
    let surge = &strategy["rollingUpdate"]["maxSurge"];
    if *surge == 0 || *surge == "0%" || *surge == "0" {
        return Some("its maxSurge is 0".into());
    }
    let containers = workload["spec"]["template"]["spec"]["containers"].as_array();
    let ports = containers
        .into_iter()
        .flatten()
        .filter_map(|container| container["ports"].as_array())
        .flatten();
    let mut ports = ports.filter_map(|port| port["hostPort"].as_u64());
    let port = ports.find(|port| *port != 0)?;
    Some(format!("it has the port {port} of its node"))
}

#[cfg(test)]
mod tests {
    use super::against;
    use serde_json::{Value, json};

    #[test]
    fn an_object_says_whether_its_pod_must_be_the_only_one() {
        let said = |spec: Value| against(&json!({"spec": spec}));
        let surge = |most: Value| said(json!({"strategy": {"rollingUpdate": {"maxSurge": most}}}));
        assert_eq!(surge(json!("25%")), None);
        assert!(surge(json!(0)).is_some() && surge(json!("0%")).is_some());
        assert!(said(json!({"strategy": {"type": "Recreate"}})).is_some());
        let port = |port: Value| {
            let container = json!({"ports": [port]});
            said(json!({"template": {"spec": {"containers": [container]}}}))
        };
        assert_eq!(port(json!({"containerPort": 80})), None);
        let host = port(json!({"containerPort": 80, "hostPort": 80}));
        assert_eq!(host.as_deref(), Some("it has the port 80 of its node"));
    }
}
