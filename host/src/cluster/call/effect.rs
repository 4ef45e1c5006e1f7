//! Changes.

use super::word::{check_annotation, check_image, check_label, invalid};
use super::{Named, Subject, named};
use crate::cluster::field::edit;
use crate::cluster::manifest::{self, set};
use crate::cluster::object::resource::check_object;
use crate::cluster::object::{Kind, Object, check_name};
use crate::cluster::scope::Verb;
use crate::contract::CallError;
use crate::contract::cluster_config::FieldEdit;
use crate::contract::cluster_nodes::DrainOptions;
use crate::contract::cluster_types::{
    Namespaced, ObjectName, RouteName, WorkloadKind, WorkloadName,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A change of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The logical name.
    pub cluster: String,
    /// What is changed.
    #[serde(flatten)]
    pub change: Change,
}

/// What is changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the function of the same name in wit/cluster.wit"
)]
pub enum Change {
    SetImage {
        workload: WorkloadName,
        images: Vec<(String, String)>,
    },
    Scale {
        workload: WorkloadName,
        replicas: u32,
    },
    Restart {
        workload: WorkloadName,
    },
    Pause {
        workload: WorkloadName,
    },
    Proceed {
        workload: WorkloadName,
    },
    RollBack {
        workload: WorkloadName,
        revision_uid: String,
    },
    Annotate {
        workload: WorkloadName,
        annotations: Vec<(String, Option<String>)>,
    },
    Cordon {
        node: String,
    },
    Uncordon {
        node: String,
    },
    Label {
        node: String,
        labels: Vec<(String, Option<String>)>,
    },
    Drain {
        node: String,
        options: DrainOptions,
    },
    FromCronJob {
        cron_job: Namespaced,
    },
    DeleteJob {
        job: Namespaced,
    },
    FromManifest {
        manifest: Value,
        reversible: bool,
    },
    Divert {
        route: RouteName,
        service: String,
        port: u16,
    },
    Restore {
        route: RouteName,
    },
    Renew {
        certificate: Namespaced,
    },
    Apply {
        manifest: Value,
        set: Option<String>,
    },
    Declare {
        set: Namespaced,
        kinds: Vec<String>,
    },
    Prune {
        object: ObjectName,
        set: String,
    },
    Patch {
        object: ObjectName,
        changes: Vec<FieldEdit>,
    },
}

impl Effect {
    /// The verb that a capability must hold.
    pub fn verb(&self) -> Verb {
        match &self.change {
            Change::SetImage { .. } => Verb::SetImage,
            Change::Scale { .. } => Verb::Scale,
            Change::Restart { .. } => Verb::Restart,
            Change::Pause { .. } | Change::Proceed { .. } => Verb::Pause,
            Change::RollBack { .. } => Verb::RollBack,
            Change::Annotate { .. } => Verb::Annotate,
            Change::Cordon { .. } => Verb::Cordon,
            Change::Uncordon { .. } => Verb::Uncordon,
            Change::Label { .. } => Verb::Label,
            Change::Drain { .. } => Verb::Drain,
            Change::FromCronJob { .. } => Verb::CreateJob,
            Change::DeleteJob { .. } => Verb::DeleteJob,
            Change::FromManifest { .. } => Verb::RunJob,
            Change::Divert { .. } => Verb::Divert,
            Change::Restore { .. } => Verb::Restore,
            Change::Renew { .. } => Verb::Renew,
            Change::Apply { .. } | Change::Declare { .. } => Verb::Apply,
            Change::Prune { .. } => Verb::Prune,
            Change::Patch { .. } => Verb::Patch,
        }
    }

    /// What it is about. Fails where the name is none that an object can have.
    pub fn subject(&self) -> Result<Subject, CallError> {
        let object = match &self.change {
            Change::SetImage { workload, .. }
            | Change::Scale { workload, .. }
            | Change::Restart { workload }
            | Change::Pause { workload }
            | Change::Proceed { workload }
            | Change::RollBack { workload, .. }
            | Change::Annotate { workload, .. } => Object::workload(workload),
            Change::Cordon { node }
            | Change::Uncordon { node }
            | Change::Label { node, .. }
            | Change::Drain { node, .. } => Object::node(node),
            Change::FromCronJob { cron_job } => named(Kind::CronJob, cron_job),
            Change::DeleteJob { job } => named(Kind::Job, job),
            Change::FromManifest { manifest, .. } => manifest::job(manifest),
            Change::Divert { route, .. } | Change::Restore { route } => Object::route(route),
            Change::Renew { certificate } => named(Kind::Certificate, certificate),
            Change::Apply { manifest, .. } => return manifest::name(manifest).map(Subject::Named),
            Change::Declare { set, .. } => {
                return manifest::name(&set::parent(set, &[])).map(Subject::Named);
            }
            Change::Prune { object, .. } | Change::Patch { object, .. } => {
                check_object(object)?;
                return Ok(Subject::Named(object.clone()));
            }
        };
        object.map(Subject::Object)
    }

    /// The names in it.
    pub fn named(&self) -> Named<'_> {
        match &self.change {
            Change::Scale { workload, replicas } => Named {
                replicas: Some(*replicas),
                ..Named::workload(workload)
            },
            Change::SetImage { workload, images } => Named {
                images,
                ..Named::workload(workload)
            },
            Change::Restart { workload }
            | Change::Pause { workload }
            | Change::Proceed { workload }
            | Change::RollBack { workload, .. }
            | Change::Annotate { workload, .. } => Named::workload(workload),
            Change::Cordon { node } | Change::Uncordon { node } | Change::Drain { node, .. } => {
                Named::node(node)
            }
            Change::Label { node, labels } => Named {
                labels,
                ..Named::node(node)
            },
            Change::FromCronJob { cron_job: object }
            | Change::DeleteJob { job: object }
            | Change::Renew {
                certificate: object,
            } => Named::of(&object.namespace, &object.name),
            Change::Divert { route, service, .. } => Named {
                service: Some(service),
                ..Named::of(&route.namespace, &route.name)
            },
            Change::Restore { route } => Named::of(&route.namespace, &route.name),
            Change::Apply { manifest, .. } => Named {
                replicas: manifest.pointer("/spec/replicas").map(edit::count),
                ..Named::manifest(manifest)
            },
            Change::FromManifest { manifest, .. } => Named::manifest(manifest),
            Change::Declare { set, .. } => Named {
                kind: Some(("", "ConfigMap")),
                ..Named::of(&set.namespace, &set.name)
            },
            Change::Prune { object, .. } => Named::any(object),
            Change::Patch { object, changes } => Named {
                fields: changes,
                replicas: edit::replicas(changes),
                ..Named::any(object)
            },
        }
    }

    /// What is done, without the object: the first column of a plan.
    pub fn action(&self) -> &'static str {
        match &self.change {
            Change::SetImage { .. } => "set image",
            Change::Scale { .. } => "scale",
            Change::Restart { .. } => "restart",
            Change::Pause { .. } => "pause",
            Change::Proceed { .. } => "proceed",
            Change::RollBack { .. } => "roll back",
            Change::Annotate { .. } => "annotate",
            Change::Cordon { .. } => "cordon",
            Change::Uncordon { .. } => "uncordon",
            Change::Label { .. } => "label",
            Change::Drain { .. } => "drain",
            Change::FromCronJob { .. } => "create job",
            Change::DeleteJob { .. } => "delete job",
            Change::FromManifest { .. } => "run",
            Change::Divert { .. } => "divert",
            Change::Restore { .. } => "restore",
            Change::Renew { .. } => "renew",
            Change::Apply { .. } => "apply",
            Change::Declare { .. } => "declare set",
            Change::Prune { .. } => "prune",
            Change::Patch { .. } => "set fields",
        }
    }

    /// What it is done to, as people write it.
    pub fn object_text(&self) -> String {
        self.subject()
            .map(|subject| subject.to_string())
            .unwrap_or_default()
    }

    /// Whether the object can always tell later if it happened. A pod that is gone does not say who evicted it, and a job that is over may
    /// be cleared away.
    pub fn leaves_a_trace(&self) -> bool {
        !matches!(
            self.change,
            Change::Drain { .. }
                | Change::Renew { .. }
                | Change::FromCronJob { .. }
                | Change::FromManifest { .. }
                | Change::DeleteJob { .. }
                | Change::Prune { .. }
        )
    }

    /// Refuses arguments that cannot be meant.
    pub fn check(&self) -> Result<(), CallError> {
        self.subject()?;
        match &self.change {
            Change::SetImage { images, .. } if images.is_empty() => {
                Err(invalid("no image is named"))
            }
            Change::SetImage { images, .. } => {
                images.iter().try_for_each(|(_, image)| check_image(image))
            }
            Change::Scale { workload, .. } if workload.kind == WorkloadKind::DaemonSet => Err(
                invalid("a daemon set has as many pods as there are nodes for it"),
            ),
            Change::Pause { workload } | Change::Proceed { workload }
                if workload.kind != WorkloadKind::Deployment =>
            {
                Err(invalid("only a deployment can be paused"))
            }
            Change::RollBack { revision_uid, .. } => check_name(revision_uid),
            Change::Annotate { annotations, .. } if annotations.is_empty() => {
                Err(invalid("no annotation is named"))
            }
            Change::Annotate { annotations, .. } => annotations
                .iter()
                .try_for_each(|(name, value)| check_annotation(name, value.as_deref())),
            Change::Label { labels, .. } if labels.is_empty() => Err(invalid("no label is named")),
            Change::Label { labels, .. } => labels
                .iter()
                .try_for_each(|(name, value)| check_label(name, value.as_deref())),
            Change::Divert { service, .. } => check_name(service),
            Change::Apply { manifest, set } => {
                set.iter().try_for_each(|set| check_name(set))?;
                manifest::check(manifest)
            }
            Change::FromManifest { manifest, .. } => manifest::check(manifest),
            Change::Declare { set, kinds } => set::check(set, kinds),
            Change::Prune { object, set } => {
                check_name(set)?;
                set::check_prunable(object)
            }
            Change::Patch { changes, .. } => edit::check(changes),
            Change::Scale { .. }
            | Change::Restart { .. }
            | Change::Pause { .. }
            | Change::Proceed { .. }
            | Change::Cordon { .. }
            | Change::Uncordon { .. }
            | Change::Drain { .. }
            | Change::FromCronJob { .. }
            | Change::DeleteJob { .. }
            | Change::Restore { .. }
            | Change::Renew { .. } => Ok(()),
        }
    }

    /// What must agree between a planned effect and the one that runs: everything that carries danger.
    pub fn plan_key(&self) -> String {
        let mut change = self.change.clone();
        if let Change::Drain { options, .. } = &mut change {
            // How long it may take is no danger.
            options.within = 0;
        }
        // As JSON, so that no name can look like two.
        let change = serde_json::to_string(&change).unwrap_or_default();
        format!("{} {} {change}", self.verb().interface(), self.cluster)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action(), self.object_text())
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Effect};
    use crate::contract::cluster_types::{WorkloadKind, WorkloadName};

    fn effect(change: Change) -> Effect {
        Effect {
            cluster: "staging".into(),
            change,
        }
    }

    fn web(kind: WorkloadKind) -> WorkloadName {
        WorkloadName {
            kind,
            namespace: "shop".into(),
            name: "web".into(),
        }
    }

    fn image(container: &str, image: &str) -> Effect {
        effect(Change::SetImage {
            workload: web(WorkloadKind::Deployment),
            images: vec![(container.into(), image.into())],
        })
    }

    #[test]
    fn a_plan_key_has_all_that_carries_danger() {
        assert_ne!(image("a", "x:1").plan_key(), image("a", "x:2").plan_key());
        assert_ne!(image("a b", "c").plan_key(), image("a", "b c").plan_key());
        assert_eq!(
            image("a", "x:1").to_string(),
            "set image deployment shop/web"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(image("app", "shop@sha256:0af").check().is_ok());
        assert!(image("app", "a b").check().is_err() && image("app", "").check().is_err());
        let scale = |kind| {
            effect(Change::Scale {
                workload: web(kind),
                replicas: 1,
            })
        };
        assert!(scale(WorkloadKind::StatefulSet).check().is_ok());
        assert!(scale(WorkloadKind::DaemonSet).check().is_err());
        let annotate = |name: &str| {
            effect(Change::Annotate {
                workload: web(WorkloadKind::Deployment),
                annotations: vec![(name.into(), None)],
            })
        };
        assert!(annotate("team.example/note").check().is_ok() && annotate("note").check().is_ok());
        for name in [
            "windlass.dev/effect",
            "a.windlass.dev/x",
            "deployment.kubernetes.io/revision",
            "a.k8s.io/b",
            "",
            "a/",
            "a/b/c",
        ] {
            assert!(annotate(name).check().is_err(), "{name}");
        }
    }

    #[test]
    fn a_label_is_one_and_not_of_windlass() {
        let label = |name: &str, value: &str| {
            effect(Change::Label {
                node: "n".into(),
                labels: vec![(name.into(), Some(value.into()))],
            })
        };
        for (name, value) in [("a.example/now", "v1.37_2"), ("upgrade", "")] {
            assert!(label(name, value).check().is_ok(), "{name}={value}");
        }
        // Whether a grant names it is not known here.
        assert!(label("node.kubernetes.io/exclude", "x").check().is_ok());
        for (name, value) in [
            ("windlass.dev/x", "a"),
            ("a.windlass.dev/x", "a"),
            ("a/", "a"),
            ("a/b/c", "a"),
            ("a", "-a"),
            ("a", "a b"),
            ("a", &"a".repeat(64)),
        ] {
            assert!(label(name, value).check().is_err(), "{name}={value}");
        }
    }
}
