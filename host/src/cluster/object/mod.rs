//! Objects of a cluster by kind, namespace and name, and the one place that makes an address of them. Pure.
//!
//! A name is checked before an address is made of it: `web-0/log` would be another resource, `x?dryRun=All` another request.

pub mod resource;

use crate::contract::cluster_types::{
    ObjectName, RouteKind, RouteName, WorkloadKind, WorkloadName,
};
use crate::contract::{CallError, ErrorKind};
use resource::{Resource, check_object};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a name of a namespace has at most (RFC 1123 label).
const LABEL: usize = 63;
/// What any other name has at most (RFC 1123 subdomain).
const SUBDOMAIN: usize = 253;

/// A kind of object that a verb of this room is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is Kubernetes' kind of that name")]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    ControllerRevision,
    Pod,
    PodDisruptionBudget,
    Node,
    Job,
    CronJob,
    Service,
    EndpointSlice,
    Lease,
    Ingress,
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
    Certificate,
    CertificateRequest,
    /// Any other, as its server told of it.
    Other(Box<Resource>),
}

impl Kind {
    /// Those that verbs of this room are about.
    const BUILT_IN: [Self; 17] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ControllerRevision,
        Self::Pod,
        Self::PodDisruptionBudget,
        Self::Node,
        Self::Job,
        Self::CronJob,
        Self::Service,
        Self::EndpointSlice,
        Self::Lease,
        Self::Ingress,
        Self::HttpRoute,
        Self::Certificate,
        Self::CertificateRequest,
    ];

    /// What its server told of: one of those built in where it is one, so that what holds for a verb's object holds for a manifest's.
    pub fn of(resource: Resource) -> Self {
        let told = (resource.group(), resource.version(), resource.plural());
        let is_it = |kind: &Self| kind.resource() == told && kind.to_string() == resource.kind();
        let built_in = Self::BUILT_IN.into_iter().find(is_it);
        built_in.unwrap_or_else(|| Self::Other(Box::new(resource)))
    }

    /// Which of the workloads it is, if it is one.
    pub fn workload(&self) -> Option<WorkloadKind> {
        let mut all = WORKLOADS.into_iter();
        all.find(|workload| Self::from(*workload) == *self)
    }

    /// API group (empty for the core one), version and plural.
    fn resource(&self) -> (&str, &str, &str) {
        match self {
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::StatefulSet => ("apps", "v1", "statefulsets"),
            Self::DaemonSet => ("apps", "v1", "daemonsets"),
            Self::ReplicaSet => ("apps", "v1", "replicasets"),
            Self::ControllerRevision => ("apps", "v1", "controllerrevisions"),
            Self::Pod => ("", "v1", "pods"),
            Self::PodDisruptionBudget => ("policy", "v1", "poddisruptionbudgets"),
            Self::Node => ("", "v1", "nodes"),
            Self::Job => ("batch", "v1", "jobs"),
            Self::CronJob => ("batch", "v1", "cronjobs"),
            Self::Service => ("", "v1", "services"),
            Self::EndpointSlice => ("discovery.k8s.io", "v1", "endpointslices"),
            Self::Lease => ("coordination.k8s.io", "v1", "leases"),
            Self::Ingress => ("networking.k8s.io", "v1", "ingresses"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "httproutes"),
            Self::Certificate => ("cert-manager.io", "v1", "certificates"),
            Self::CertificateRequest => ("cert-manager.io", "v1", "certificaterequests"),
            Self::Other(other) => (other.group(), other.version(), other.plural()),
        }
    }

    /// As manifests write it, such as `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.resource() {
            ("", version, _) => version.to_owned(),
            (group, version, _) => format!("{group}/{version}"),
        }
    }

    /// As scopes write it, such as `apps/Deployment` or `v1/Service`.
    pub fn in_scope(&self) -> String {
        kind_in_scope(self.resource().0, &self.to_string())
    }

    /// Where objects of the kind are, in a namespace or in all.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let (group, version, plural) = self.resource();
        let root = match group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
            None => format!("{root}/{plural}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ControllerRevision => "ControllerRevision",
            Self::Pod => "Pod",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Node => "Node",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Lease => "Lease",
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
            Self::Certificate => "Certificate",
            Self::CertificateRequest => "CertificateRequest",
            Self::Other(other) => other.kind(),
        })
    }
}

/// A kind as scopes write it, such as `apps/Deployment`, or `v1/Service` for those without a group.
pub fn kind_in_scope(group: &str, kind: &str) -> String {
    let group = if group.is_empty() { "v1" } else { group };
    format!("{group}/{kind}")
}

/// What runs pods.
pub const WORKLOADS: [WorkloadKind; 3] = [
    WorkloadKind::Deployment,
    WorkloadKind::StatefulSet,
    WorkloadKind::DaemonSet,
];

impl From<WorkloadKind> for Kind {
    fn from(workload: WorkloadKind) -> Self {
        match workload {
            WorkloadKind::Deployment => Self::Deployment,
            WorkloadKind::StatefulSet => Self::StatefulSet,
            WorkloadKind::DaemonSet => Self::DaemonSet,
        }
    }
}

/// One object. Its names were checked when it was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; none for a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Object {
    /// An object of a namespace.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Result<Self, CallError> {
        check_namespace(namespace)?;
        check_name(name)?;
        Ok(Self {
            kind,
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        })
    }

    /// A node.
    pub fn node(name: &str) -> Result<Self, CallError> {
        check_name(name)?;
        Ok(Self {
            kind: Kind::Node,
            namespace: None,
            name: name.to_owned(),
        })
    }

    /// An object of a kind that its server told of.
    pub fn of(resource: Resource, name: &ObjectName) -> Result<Self, CallError> {
        check_object(name)?;
        Ok(Self {
            kind: Kind::of(resource),
            namespace: name.namespace.clone(),
            name: name.name.clone(),
        })
    }

    /// What runs pods.
    pub fn workload(workload: &WorkloadName) -> Result<Self, CallError> {
        let kind = Kind::from(workload.kind);
        Self::new(kind, &workload.namespace, &workload.name)
    }

    /// What leads people to services.
    pub fn route(route: &RouteName) -> Result<Self, CallError> {
        let kind = match route.kind {
            RouteKind::Ingress => Kind::Ingress,
            RouteKind::HttpRoute => Kind::HttpRoute,
        };
        Self::new(kind, &route.namespace, &route.name)
    }

    /// Its address on the server.
    pub fn path(&self) -> String {
        format!(
            "{}/{}",
            self.kind.path(self.namespace.as_deref()),
            self.name
        )
    }
}

/// `deployment shop/web`, `node node-1`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.to_string().to_lowercase();
        match &self.namespace {
            Some(namespace) => write!(f, "{kind} {namespace}/{}", self.name),
            None => write!(f, "{kind} {}", self.name),
        }
    }
}

/// Refuses what no namespace can be called: Kubernetes wants an RFC 1123 label.
pub fn check_namespace(name: &str) -> Result<(), CallError> {
    if is_label(name) {
        return Ok(());
    }
    Err(invalid("namespace", name))
}

/// Refuses what no object can be called: Kubernetes wants an RFC 1123 subdomain.
pub fn check_name(name: &str) -> Result<(), CallError> {
    if name.len() <= SUBDOMAIN && name.split('.').all(is_label_of_any_length) {
        return Ok(());
    }
    Err(invalid("object", name))
}

/// Refuses a label selector that could become another part of an address, or is longer than anybody writes.
pub fn check_selector(selector: &str) -> Result<(), CallError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./=!,() ".contains(c);
    if selector.len() <= 1_000 && selector.chars().all(fits) {
        return Ok(());
    }
    let message = format!("{} is no label selector", quoted(selector));
    Err(CallError::new(ErrorKind::Invalid, message))
}

pub(super) fn is_label(text: &str) -> bool {
    text.len() <= LABEL && is_label_of_any_length(text)
}

fn is_label_of_any_length(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.chars().all(inner) && is_edge(text.chars().next()) && is_edge(text.chars().next_back())
}

fn invalid(what: &str, name: &str) -> CallError {
    let message = format!(
        "no {what} can be called {}: lower-case letters, digits and `-` only",
        quoted(name)
    );
    CallError::new(ErrorKind::Invalid, message)
}

/// A guest's text, in an error.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::resource::Resource;
    use super::{Kind, Object, check_name, check_namespace, check_selector};

    #[test]
    fn a_kind_that_a_server_tells_of_is_the_one_built_in() {
        for kind in Kind::BUILT_IN {
            let (group, version, plural) = kind.resource();
            let told = Resource::new(group, version, &kind.to_string(), plural).unwrap();
            assert_eq!(Kind::of(told), kind);
        }
        for (group, version, kind, plural) in [
            ("", "v1", "ConfigMap", "configmaps"),
            ("extensions", "v1", "Deployment", "deployments"),
            ("apps", "v2", "Deployment", "deployments"),
            ("apps", "v1", "Other", "deployments"),
        ] {
            let told = Resource::new(group, version, kind, plural).unwrap();
            assert!(matches!(Kind::of(told), Kind::Other(_)), "{group}/{kind}");
        }
    }

    #[test]
    fn an_address_is_made_of_names_only() {
        let web = Object::new(Kind::Deployment, "shop", "web").unwrap();
        assert_eq!(web.path(), "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(web.to_string(), "deployment shop/web");
        assert_eq!(
            Object::node("n.example").unwrap().path(),
            "/api/v1/nodes/n.example"
        );
    }

    #[test]
    fn names_that_reach_elsewhere_are_refused() {
        let long = "a".repeat(254);
        for name in [
            "",
            ".",
            "..",
            "web-0/log",
            "x/exec?command=id",
            "x?dryRun=All",
            "%2f",
            "a%2fb",
            "-a",
            "a-",
            "a..b",
            "A",
            "ä",
            "a b",
            "a\0",
            "a\n",
            &long,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
            assert!(Object::new(Kind::Pod, "shop", name).is_err(), "{name:?}");
            assert!(Object::node(name).is_err(), "{name:?}");
        }
        for namespace in ["", "*", "payments/secrets/x?", "a.b", &"a".repeat(64)] {
            assert!(check_namespace(namespace).is_err(), "{namespace:?}");
            assert!(Object::new(Kind::Pod, namespace, "web").is_err());
        }
        assert!(check_name("a.b-c.d").is_ok());
        assert!(check_namespace("kube-system").is_ok());
    }

    #[test]
    fn a_selector_stays_one() {
        for selector in ["", "app=web", "tier in (front, back),!canary", "a.b/c=d"] {
            assert!(check_selector(selector).is_ok(), "{selector}");
        }
        for selector in ["a=b&limit=1", "a#b", "a?b", "a\nb", "a%26b"] {
            assert!(check_selector(selector).is_err(), "{selector}");
        }
    }
}
