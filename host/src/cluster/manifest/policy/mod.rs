//! What a manifest may say: nothing that gives a pod more than its own, and nothing about an object that is not its author's to say. Pure.
//!
//! Fields are known by their names wherever they stand. A manifest may be a part of an object that is there already, and resources of
//! others have pods in places that nobody here knows.

use super::pod;
use crate::contract::{CallError, ErrorKind};
use serde_json::{Map, Value};

/// The service account that each pod may be given.
const DEFAULT: &str = "default";
/// Kernel parameters that belong to the pod alone.
const SAFE_SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// What a manifest gives to pods and a grant has to name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Service accounts other than `default`.
    pub accounts: Vec<String>,
    /// What pods run and take from, as grants write it: `image/shop:2`, `secret/db`.
    pub contents: Vec<String>,
}

/// Looks at a whole manifest. Returns what it gives to pods and a grant has to name; fails on what no grant can allow.
pub fn manifest(manifest: &Value) -> Result<Given, CallError> {
    let mut walk = Walk::default();
    let empty = Map::new();
    let is_text_only = manifest["apiVersion"] == "v1" && manifest["kind"] == "ConfigMap";
    let kind = manifest["kind"].as_str();
    let is_list = kind.is_some_and(|kind| kind.ends_with("List"));
    // A definition describes fields; it has none of them.
    let is_definition = manifest["apiVersion"]
        .as_str()
        .is_some_and(|version| version.starts_with("apiextensions.k8s.io/"));
    for (key, value) in manifest.as_object().unwrap_or(&empty) {
        match key.as_str() {
            "metadata" => own_metadata(value)?,
            "status" => return Err(invalid("status", "it is its controller's to say")),
            "items" if is_list => return Err(invalid("items", "each object has its own")),
            _ if is_text_only || is_definition => {}
            key => walk.field(key, value, key)?,
        }
    }
    Ok(walk.given)
}

/// Looks at the template of a pod, or at anything that has one in it; `at` is where it stands. Returns what [`manifest`] does.
pub fn pod_template(template: &Value, at: &str) -> Result<Given, CallError> {
    let mut walk = Walk::default();
    walk.field("template", template, at)?;
    Ok(walk.given)
}

/// What the manifest says of the object itself.
fn own_metadata(metadata: &Value) -> Result<(), CallError> {
    let Some(metadata) = metadata.as_object() else {
        return Err(invalid("metadata", "it is no object"));
    };
    for (key, value) in metadata {
        let at = format!("metadata.{key}");
        match key.as_str() {
            "name" | "namespace" => {}
            "labels" | "annotations" => names(value, &at)?,
            "ownerReferences" | "finalizers" | "managedFields" => {
                return Err(denied(&at, "it decides who deletes what"));
            }
            // Tools write fields that are nothing.
            _ if value.is_null() => {}
            _ => return Err(invalid(&at, "it is the server's to say")),
        }
    }
    Ok(())
}

/// Labels and annotations.
fn names(all: &Value, at: &str) -> Result<(), CallError> {
    for (name, value) in all.as_object().into_iter().flatten() {
        let at = format!("{at}[{name}]");
        let prefix = name.split_once('/').map_or("", |(prefix, _)| prefix);
        let of = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
        if of("windlass.dev") {
            return Err(denied(&at, "windlass writes it"));
        }
        if of("applyset.kubernetes.io") {
            return Err(denied(&at, "membership of a set is not in its manifest"));
        }
        if prefix == "container.apparmor.security.beta.kubernetes.io" && value == "unconfined" {
            return Err(denied(&at, "it takes a container's confinement away"));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Walk {
    given: Given,
    /// Keys of the lists that the walk is in, the innermost last; empty outside of any.
    lists: Vec<String>,
}

impl Walk {
    fn value(&mut self, key: &str, value: &Value, at: &str) -> Result<(), CallError> {
        match value {
            Value::Object(fields) => self.object(fields, at),
            Value::Array(items) => {
                self.lists.push(key.to_owned());
                let looked = items.iter().enumerate().try_for_each(|(place, item)| {
                    let name = item.get("name").and_then(Value::as_str);
                    let at = match name {
                        Some(name) => format!("{at}[{name}]"),
                        None => format!("{at}[{place}]"),
                    };
                    self.element(key, item, &at)
                });
                self.lists.pop();
                looked
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn element(&mut self, list: &str, item: &Value, at: &str) -> Result<(), CallError> {
        let known = |fields| not_known(at, pod::unknown_in_element(list, fields));
        item.as_object().map_or(Ok(()), known)?;
        self.value("", item, at)
    }

    fn object(&mut self, fields: &Map<String, Value>, at: &str) -> Result<(), CallError> {
        if pod::is_spec(fields) {
            not_known(at, pod::unknown_in_spec(fields))?;
        }
        fields
            .iter()
            .try_for_each(|(key, value)| self.field(key, value, &format!("{at}.{key}")))
    }

    fn field(&mut self, key: &str, value: &Value, at: &str) -> Result<(), CallError> {
        if let Some(why) = too_much(key, value).or_else(|| pod::reaches_beyond(key, value)) {
            return Err(denied(at, why));
        }
        let list = self.lists.last().map_or("", String::as_str);
        if let Some(content) = pod::contents(key, value, list) {
            add(&mut self.given.contents, content);
        }
        match key {
            "serviceAccountName" | "serviceAccount" => self.account(value),
            "labels" | "annotations" => names(value, at)?,
            "metadata" => {
                for kept in ["ownerReferences", "finalizers", "managedFields"] {
                    if value.get(kept).is_some_and(|value| !value.is_null()) {
                        return Err(denied(
                            &format!("{at}.{kept}"),
                            "it decides who deletes what",
                        ));
                    }
                }
            }
            // The specification of a pod, also where it has no container: a part of one that is there already.
            "template" => {
                let spec = value.get("spec").and_then(Value::as_object);
                let unknown = spec.and_then(pod::unknown_in_spec);
                not_known(&format!("{at}.spec"), unknown)?;
            }
            _ => {}
        }
        self.value(key, value, at)
    }

    fn account(&mut self, value: &Value) {
        let Some(name) = value.as_str() else { return };
        if !name.is_empty() && name != DEFAULT {
            add(&mut self.given.accounts, name.to_owned());
        }
    }
}

fn add(all: &mut Vec<String>, one: String) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// Refuses a field by its name that is not on the list of where it stands.
fn not_known(at: &str, unknown: Option<pod::Unknown<'_>>) -> Result<(), CallError> {
    match unknown {
        Some((key, why)) => Err(denied(&format!("{at}.{key}"), why)),
        None => Ok(()),
    }
}

/// Why a field gives a pod more than its own, if it does.
fn too_much(key: &str, value: &Value) -> Option<&'static str> {
    let is_off = value.is_null() || *value == Value::Bool(false);
    let is_nothing = value.is_null() || *value == 0;
    let is_list = |value: &Value| value.as_array().is_none_or(|list| !list.is_empty());
    let found = match key {
        "privileged"
        | "allowPrivilegeEscalation"
        | "hostNetwork"
        | "hostPID"
        | "hostIPC"
        | "hostProcess" => !is_off,
        "hostPath" => !value.is_null(),
        "hostPort" => !is_nothing,
        "procMount" => !value.is_null() && value != "Default",
        "sysctls" => has_unsafe_sysctl(value),
        "capabilities" => value
            .get("add")
            .is_some_and(|added| !added.is_null() && is_list(added)),
        "seccompProfile" | "appArmorProfile" => value["type"] == "Unconfined",
        "seLinuxOptions" => !value["user"].is_null() || !value["role"].is_null(),
        _ => false,
    };
    found.then_some(match key {
        "privileged" | "hostProcess" => "it gives a container its whole node",
        "allowPrivilegeEscalation" | "capabilities" => "it gives a container more rights",
        "hostNetwork" | "hostPID" | "hostIPC" | "hostPath" | "hostPort" => {
            "it gives a pod a part of its node"
        }
        "sysctls" => "it changes the kernel for others too",
        _ => "it takes a container's confinement away",
    })
}

fn has_unsafe_sysctl(value: &Value) -> bool {
    let is_safe = |entry: &Value| {
        let name = entry["name"].as_str();
        name.is_some_and(|name| SAFE_SYSCTLS.contains(&name))
    };
    match value {
        Value::Null => false,
        Value::Array(entries) => !entries.iter().all(is_safe),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    }
}

fn denied(at: &str, why: &str) -> CallError {
    CallError::new(
        ErrorKind::Denied,
        format!("`{at}` is not for manifests: {why}"),
    )
}

fn invalid(at: &str, why: &str) -> CallError {
    CallError::new(
        ErrorKind::Invalid,
        format!("`{at}` cannot be in a manifest: {why}"),
    )
}

#[cfg(test)]
mod tests;
