//! What a guest can ask of a cluster, as values. Pure. `Display` is the line in plans and reports.

mod effect;
mod read;
mod revert;
mod word;

pub use effect::{Change, Effect};
pub use read::{Look, MOST_LINES, Place, Read};
pub use revert::{Revert, is_mark};
pub(super) use word::is_of_kubernetes;

use super::field::edit;
use super::manifest::policy;
use super::object::resource::{group_and_version, text_of};
use super::object::{Kind, Object};
use crate::contract::CallError;
use crate::contract::cluster_config::FieldEdit;
use crate::contract::cluster_types::{Namespaced, ObjectName, WorkloadKind, WorkloadName};
use serde_json::Value;
use std::fmt;

/// What an effect is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// An object of a kind that is built in.
    Object(Object),
    /// Any object, by the names that manifests have for it: where it is, its server has to say.
    Named(ObjectName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::Named(object) => f.write_str(&text_of(object)),
        }
    }
}

/// The names of what a call is about, as far as it names something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Named<'a> {
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Group and kind, where grants name kinds.
    pub kind: Option<(&'a str, &'a str)>,
    /// Its name.
    pub name: Option<&'a str>,
    /// The node.
    pub node: Option<&'a str>,
    /// Labels that it sets.
    pub labels: &'a [(String, Option<String>)],
    /// What is said of an object, where its contents count.
    pub manifest: Option<&'a Value>,
    /// Fields that are set, where grants name fields.
    pub fields: &'a [FieldEdit],
    /// How many replicas it is to have, where that is said.
    pub replicas: Option<u32>,
    /// Images by the name of their container.
    pub images: &'a [(String, String)],
    /// The service that traffic is led to.
    pub service: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// What it gives to pods, or leads traffic to, as grants write it.
    pub fn contents(&self) -> Vec<String> {
        let images = self.images.iter();
        let images = images.map(|(_, image)| format!("image/{image}"));
        let service = self.service.map(|service| format!("service/{service}"));
        // What the policy refuses was refused before.
        let manifest = self.manifest.map(policy::manifest);
        let manifest = manifest.and_then(Result::ok).unwrap_or_default();
        let fields = edit::contents(self.fields);
        let of_pods = manifest.contents.into_iter().chain(fields);
        images.chain(service).chain(of_pods).collect()
    }

    /// Service accounts, other than `default`, that it gives to pods.
    pub fn accounts(&self) -> Vec<String> {
        // What the policy refuses was refused before.
        let manifest = self.manifest.map(policy::manifest);
        let given = manifest.and_then(Result::ok).unwrap_or_default();
        given.accounts
    }

    pub(super) fn workload(workload: &'a WorkloadName) -> Self {
        let kind = match workload.kind {
            WorkloadKind::Deployment => ("apps", "Deployment"),
            WorkloadKind::StatefulSet => ("apps", "StatefulSet"),
            WorkloadKind::DaemonSet => ("apps", "DaemonSet"),
        };
        Self {
            kind: Some(kind),
            ..Self::of(&workload.namespace, &workload.name)
        }
    }

    pub(super) fn of(namespace: &'a str, name: &'a str) -> Self {
        Self {
            namespace: Some(namespace),
            name: Some(name),
            ..Self::default()
        }
    }

    pub(super) fn any(object: &'a ObjectName) -> Self {
        Self {
            namespace: object.namespace.as_deref(),
            kind: Some((group_and_version(&object.api_version).0, &object.kind)),
            name: Some(&object.name),
            ..Self::default()
        }
    }

    pub(super) fn manifest(manifest: &'a Value) -> Self {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let kind = text("/apiVersion").zip(text("/kind"));
        Self {
            namespace: text("/metadata/namespace"),
            kind: kind.map(|(version, kind)| (group_and_version(version).0, kind)),
            name: text("/metadata/name"),
            manifest: Some(manifest),
            ..Self::default()
        }
    }

    pub(super) fn node(node: &'a str) -> Self {
        Self {
            node: Some(node),
            ..Self::default()
        }
    }
}

/// An object of this kind.
pub fn named(kind: Kind, name: &Namespaced) -> Result<Object, CallError> {
    Object::new(kind, &name.namespace, &name.name)
}
