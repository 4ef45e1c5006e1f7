//! Kinds that are not built in: how manifests name them, what their server tells of them, and which are never taken. Pure.

use super::{check_name, check_namespace, is_label, kind_in_scope, quoted};
use crate::contract::cluster_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::grant::Pattern;
use serde::{Deserialize, Serialize};

/// A kind as its server told of it. Its names were checked when it was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    group: String,
    version: String,
    kind: String,
    plural: String,
}

impl Resource {
    /// From what discovery says. Fails where that could become another part of an address.
    pub fn new(group: &str, version: &str, kind: &str, plural: &str) -> Result<Self, CallError> {
        check_kind(group, version, kind)?;
        if !is_label(plural) {
            return Err(invalid(format!(
                "{} is no name of a resource",
                quoted(plural)
            )));
        }
        Ok(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        })
    }

    /// Empty for the core one.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Such as `v1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Such as `ConfigMap`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Such as `configmaps`.
    pub fn plural(&self) -> &str {
        &self.plural
    }
}

/// Group (empty for the core one) and version of an `apiVersion`.
pub fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The object's kind as scopes write it.
pub fn in_scope(object: &ObjectName) -> String {
    kind_in_scope(group_and_version(&object.api_version).0, &object.kind)
}

/// `configmap shop/settings`.
pub fn text_of(object: &ObjectName) -> String {
    let kind = object.kind.to_lowercase();
    match &object.namespace {
        Some(namespace) => format!("{kind} {namespace}/{}", object.name),
        None => format!("{kind} {}", object.name),
    }
}

/// Refuses names that no object can have, and kinds that are never taken.
pub fn check_object(object: &ObjectName) -> Result<(), CallError> {
    let (group, version) = group_and_version(&object.api_version);
    check_kind(group, version, &object.kind)?;
    if let Some(namespace) = &object.namespace {
        check_namespace(namespace)?;
    }
    check_name(&object.name)?;
    match never(group, &object.kind) {
        Some(why) => {
            let message = format!(
                "{} is never applied, changed or deleted from a manifest: {why}",
                kind_in_scope(group, &object.kind)
            );
            Err(CallError::new(ErrorKind::Denied, message))
        }
        None => Ok(()),
    }
}

pub(in crate::cluster) fn check_kind(
    group: &str,
    version: &str,
    kind: &str,
) -> Result<(), CallError> {
    if !group.is_empty() {
        check_name(group)?;
    }
    if !is_label(version) {
        return Err(invalid(format!("{} is no version", quoted(version))));
    }
    let is_kind = kind.len() <= 63
        && kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_kind {
        return Err(invalid(format!("{} is no kind", quoted(kind))));
    }
    Ok(())
}

/// Why a kind is never taken, whatever is granted.
fn never(group: &str, kind: &str) -> Option<&'static str> {
    match (group, kind) {
        ("", "Secret") => Some("it would get into the procedure and the journal"),
        ("", "Node") => Some("it is not the procedure's to describe"),
        ("coordination.k8s.io", "Lease") => Some("leases are the locks of those who work here"),
        (
            "rbac.authorization.k8s.io"
            | "authorization.k8s.io"
            | "authentication.k8s.io"
            | "certificates.k8s.io"
            | "authorization.openshift.io"
            | "security.openshift.io",
            _,
        ) => Some("it would give rights"),
        _ => None,
    }
}

/// Whether the patterns of a scope mean the kind of the object. What changes the cluster as a whole is meant by its full name only.
pub fn is_meant(patterns: &[Pattern], object: &ObjectName) -> bool {
    let wanted = in_scope(object);
    let (group, _) = group_and_version(&object.api_version);
    if is_far_reaching(group, object.namespace.as_deref()) {
        return patterns.iter().any(|pattern| pattern.0 == wanted);
    }
    Pattern::any(patterns, &wanted)
}

/// Whether an object of the group, there or in no namespace, reaches beyond one namespace.
pub fn is_far_reaching(group: &str, namespace: Option<&str>) -> bool {
    let groups = [
        "admissionregistration.k8s.io",
        "apiregistration.k8s.io",
        "apiextensions.k8s.io",
    ];
    namespace.is_none() || groups.contains(&group)
}

fn invalid(message: String) -> CallError {
    CallError::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::{Resource, check_object, in_scope, is_meant, text_of};
    use crate::contract::ErrorKind;
    use crate::contract::cluster_types::ObjectName;
    use crate::grant::Pattern;

    fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectName {
        ObjectName {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    #[test]
    fn kinds_that_are_never_taken() {
        for (api_version, kind) in [
            ("v1", "Secret"),
            ("v1", "Node"),
            ("coordination.k8s.io/v1", "Lease"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("rbac.authorization.k8s.io/v1beta1", "ClusterRoleBinding"),
            ("certificates.k8s.io/v1", "CertificateSigningRequest"),
        ] {
            let refused = check_object(&object(api_version, kind, Some("shop"), "a")).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Denied, "{kind}");
        }
        assert!(check_object(&object("v1", "ConfigMap", Some("shop"), "a")).is_ok());
    }

    #[test]
    fn names_that_reach_elsewhere_are_refused() {
        for (api_version, kind, namespace, name) in [
            ("v1/../../x", "ConfigMap", "shop", "a"),
            ("../v1", "ConfigMap", "shop", "a"),
            ("", "ConfigMap", "shop", "a"),
            ("apps/", "ConfigMap", "shop", "a"),
            ("v1", "configmaps/x", "shop", "a"),
            ("v1", "", "shop", "a"),
            ("v1", "ConfigMap", "shop/../x", "a"),
            ("v1", "ConfigMap", "shop", "a?force=true"),
        ] {
            let refused = check_object(&object(api_version, kind, Some(namespace), name));
            assert_eq!(refused.unwrap_err().kind, ErrorKind::Invalid, "{kind}");
        }
        for plural in ["", "a/b", "a?b", "Pods"] {
            assert!(Resource::new("", "v1", "Pod", plural).is_err());
        }
        assert!(Resource::new("", "v1", "ConfigMap", "configmaps").is_ok());
    }

    #[test]
    fn what_reaches_far_is_meant_by_its_full_name_only() {
        let means =
            |pattern: &str, object: &ObjectName| is_meant(&[Pattern(pattern.into())], object);
        let settings = object("v1", "ConfigMap", Some("shop"), "a");
        assert!(means("*", &settings) && means("v1/ConfigMap", &settings));
        assert!(!means("apps/*", &settings));
        let hook = object(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            None,
            "a",
        );
        assert!(!means("*", &hook) && means(&in_scope(&hook), &hook));
        let whole = object("v1", "Namespace", None, "a");
        assert!(!means("v1/*", &whole) && means("v1/Namespace", &whole));
        assert_eq!(text_of(&settings), "configmap shop/a");
    }
}
