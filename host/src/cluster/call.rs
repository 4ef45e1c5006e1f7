//! What a guest can ask of a cluster, as values. Pure. `Display` is the line in plans and reports.

use super::field::{FieldChange, MARK};
use super::object::{Kind, Object, check_namespace, check_selector};
use super::scope::Verb;
use crate::contract::cluster_nodes::DrainOptions;
use crate::contract::cluster_types::{Namespaced, RouteName, WorkloadKind, WorkloadName};
use crate::contract::{CallError, ErrorKind};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Lines of a log that one look shows at most.
pub const MOST_LINES: u32 = 1_000;

/// A look at a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// The logical name.
    pub cluster: String,
    /// At what.
    #[serde(flatten)]
    pub look: Look,
}

/// What is looked at, or waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "read", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the function of the same name in wit/cluster.wit"
)]
pub enum Look {
    Facts,
    Workload {
        workload: WorkloadName,
    },
    Workloads {
        namespace: String,
        selector: String,
    },
    Revisions {
        workload: WorkloadName,
    },
    Pods {
        namespace: String,
        selector: String,
    },
    Logs {
        pod: Namespaced,
        container: Option<String>,
        lines: u32,
    },
    Nodes {
        selector: String,
    },
    Budgets {
        namespace: String,
    },
    Jobs {
        namespace: String,
        selector: String,
    },
    Certificates {
        namespace: String,
    },
    Route {
        route: RouteName,
    },
    AwaitRollout {
        workload: WorkloadName,
        within: u64,
    },
    AwaitNoPods {
        workload: WorkloadName,
        within: u64,
    },
    AwaitJob {
        job: Namespaced,
        within: u64,
    },
    AwaitCertificate {
        certificate: Namespaced,
        above: u32,
        within: u64,
    },
    AwaitNode {
        node: String,
        boot: String,
        version: String,
        within: u64,
    },
}

/// The names of what a call is about, as far as it names something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its kind, where grants name kinds.
    pub kind: Option<Kind>,
    /// Its name.
    pub name: Option<&'a str>,
    /// The node.
    pub node: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn workload(workload: &'a WorkloadName) -> Self {
        let kind = match workload.kind {
            WorkloadKind::Deployment => Kind::Deployment,
            WorkloadKind::StatefulSet => Kind::StatefulSet,
            WorkloadKind::DaemonSet => Kind::DaemonSet,
        };
        Self {
            kind: Some(kind),
            ..Self::of(&workload.namespace, &workload.name)
        }
    }

    fn of(namespace: &'a str, name: &'a str) -> Self {
        Self {
            namespace: Some(namespace),
            name: Some(name),
            ..Self::default()
        }
    }

    fn node(node: &'a str) -> Self {
        Self {
            node: Some(node),
            ..Self::default()
        }
    }
}

/// Where a look goes: what a capability has to cover.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// The cluster itself, or all its nodes: what is not covered is not shown.
    Cluster,
    /// A namespace: what is not covered in it is not shown.
    Namespace(String),
    /// One object.
    Object(Object),
}

impl Read {
    /// Refuses names that nothing can have.
    pub fn check(&self) -> Result<(), CallError> {
        self.place()?;
        match &self.look {
            Look::Workloads { selector, .. }
            | Look::Pods { selector, .. }
            | Look::Nodes { selector }
            | Look::Jobs { selector, .. } => check_selector(selector),
            Look::Logs {
                container: Some(container),
                ..
            } => super::object::check_name(container),
            Look::Facts
            | Look::Workload { .. }
            | Look::Revisions { .. }
            | Look::Logs { .. }
            | Look::Budgets { .. }
            | Look::Certificates { .. }
            | Look::Route { .. }
            | Look::AwaitRollout { .. }
            | Look::AwaitNoPods { .. }
            | Look::AwaitJob { .. }
            | Look::AwaitCertificate { .. }
            | Look::AwaitNode { .. } => Ok(()),
        }
    }

    /// Where it goes.
    pub fn place(&self) -> Result<Place, CallError> {
        Ok(match &self.look {
            Look::Facts | Look::Nodes { .. } => Place::Cluster,
            Look::Workloads { namespace, .. }
            | Look::Pods { namespace, .. }
            | Look::Budgets { namespace }
            | Look::Jobs { namespace, .. }
            | Look::Certificates { namespace } => {
                check_namespace(namespace)?;
                Place::Namespace(namespace.clone())
            }
            Look::Workload { workload }
            | Look::Revisions { workload }
            | Look::AwaitRollout { workload, .. }
            | Look::AwaitNoPods { workload, .. } => Place::Object(Object::workload(workload)?),
            Look::Logs { pod, .. } => Place::Object(named(Kind::Pod, pod)?),
            Look::AwaitJob { job, .. } => Place::Object(named(Kind::Job, job)?),
            Look::AwaitCertificate { certificate, .. } => {
                Place::Object(named(Kind::Certificate, certificate)?)
            }
            Look::Route { route } => Place::Object(Object::route(route)?),
            Look::AwaitNode { node, .. } => Place::Object(Object::node(node)?),
        })
    }

    /// The names in it.
    pub fn named(&self) -> Named<'_> {
        match &self.look {
            Look::Facts | Look::Nodes { .. } => Named::default(),
            Look::Workloads { namespace, .. }
            | Look::Pods { namespace, .. }
            | Look::Budgets { namespace }
            | Look::Jobs { namespace, .. }
            | Look::Certificates { namespace } => Named {
                namespace: Some(namespace),
                ..Named::default()
            },
            Look::Workload { workload }
            | Look::Revisions { workload }
            | Look::AwaitRollout { workload, .. }
            | Look::AwaitNoPods { workload, .. } => Named::workload(workload),
            Look::Logs { pod: object, .. }
            | Look::AwaitJob { job: object, .. }
            | Look::AwaitCertificate {
                certificate: object,
                ..
            } => Named::of(&object.namespace, &object.name),
            Look::Route { route } => Named::of(&route.namespace, &route.name),
            Look::AwaitNode { node, .. } => Named::node(node),
        }
    }

    /// The verb that a capability must hold.
    pub fn verb(&self) -> Verb {
        match &self.look {
            Look::Facts => Verb::Cluster,
            Look::Workload { .. }
            | Look::Workloads { .. }
            | Look::Revisions { .. }
            | Look::AwaitRollout { .. }
            | Look::AwaitNoPods { .. } => Verb::Workloads,
            Look::Pods { .. } => Verb::Pods,
            Look::Logs { .. } => Verb::Logs,
            Look::Nodes { .. } | Look::AwaitNode { .. } => Verb::Nodes,
            Look::Budgets { .. } => Verb::Budgets,
            Look::Jobs { .. } | Look::AwaitJob { .. } => Verb::Jobs,
            Look::Certificates { .. } | Look::AwaitCertificate { .. } => Verb::Certificates,
            Look::Route { .. } => Verb::Routes,
        }
    }

    /// For how long it waits, if it does.
    pub fn waits(&self) -> Option<Duration> {
        match &self.look {
            Look::AwaitRollout { within, .. }
            | Look::AwaitNoPods { within, .. }
            | Look::AwaitJob { within, .. }
            | Look::AwaitCertificate { within, .. }
            | Look::AwaitNode { within, .. } => Some(Duration::from_millis(*within)),
            Look::Facts
            | Look::Workload { .. }
            | Look::Workloads { .. }
            | Look::Revisions { .. }
            | Look::Pods { .. }
            | Look::Logs { .. }
            | Look::Nodes { .. }
            | Look::Budgets { .. }
            | Look::Jobs { .. }
            | Look::Certificates { .. }
            | Look::Route { .. } => None,
        }
    }
}

/// An object of this kind.
pub fn named(kind: Kind, name: &Namespaced) -> Result<Object, CallError> {
    Object::new(kind, &name.namespace, &name.name)
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = match self.place() {
            Ok(Place::Object(object)) => format!(" of {object}"),
            Ok(Place::Namespace(namespace)) => format!(" in {namespace}"),
            Ok(Place::Cluster) | Err(_) => String::new(),
        };
        match &self.look {
            Look::AwaitRollout { .. } => write!(f, "wait for the rollout{object}"),
            Look::AwaitNoPods { .. } => write!(f, "wait for the end of all pods{object}"),
            Look::AwaitJob { .. } => write!(f, "wait for the end{object}"),
            Look::AwaitCertificate { .. } => write!(f, "wait for the issuance{object}"),
            Look::AwaitNode { .. } => write!(f, "wait for the return{object}"),
            Look::Revisions { .. } => write!(f, "read revisions{object}"),
            Look::Facts
            | Look::Workload { .. }
            | Look::Workloads { .. }
            | Look::Pods { .. }
            | Look::Logs { .. }
            | Look::Nodes { .. }
            | Look::Budgets { .. }
            | Look::Jobs { .. }
            | Look::Certificates { .. }
            | Look::Route { .. } => write!(f, "{}{object}", self.verb()),
        }
    }
}

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
            Change::Drain { .. } => Verb::Drain,
            Change::FromCronJob { .. } => Verb::CreateJob,
            Change::DeleteJob { .. } => Verb::DeleteJob,
            Change::Divert { .. } => Verb::Divert,
            Change::Restore { .. } => Verb::Restore,
            Change::Renew { .. } => Verb::Renew,
        }
    }

    /// The object that it is about. Fails where the name is none that an object can have.
    pub fn object(&self) -> Result<Object, CallError> {
        match &self.change {
            Change::SetImage { workload, .. }
            | Change::Scale { workload, .. }
            | Change::Restart { workload }
            | Change::Pause { workload }
            | Change::Proceed { workload }
            | Change::RollBack { workload, .. }
            | Change::Annotate { workload, .. } => Object::workload(workload),
            Change::Cordon { node } | Change::Uncordon { node } | Change::Drain { node, .. } => {
                Object::node(node)
            }
            Change::FromCronJob { cron_job } => named(Kind::CronJob, cron_job),
            Change::DeleteJob { job } => named(Kind::Job, job),
            Change::Divert { route, .. } | Change::Restore { route } => Object::route(route),
            Change::Renew { certificate } => named(Kind::Certificate, certificate),
        }
    }

    /// The names in it.
    pub fn named(&self) -> Named<'_> {
        match &self.change {
            Change::SetImage { workload, .. }
            | Change::Scale { workload, .. }
            | Change::Restart { workload }
            | Change::Pause { workload }
            | Change::Proceed { workload }
            | Change::RollBack { workload, .. }
            | Change::Annotate { workload, .. } => Named::workload(workload),
            Change::Cordon { node } | Change::Uncordon { node } | Change::Drain { node, .. } => {
                Named::node(node)
            }
            Change::FromCronJob { cron_job: object }
            | Change::DeleteJob { job: object }
            | Change::Renew {
                certificate: object,
            } => Named::of(&object.namespace, &object.name),
            Change::Divert { route, .. } | Change::Restore { route } => {
                Named::of(&route.namespace, &route.name)
            }
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
            Change::Drain { .. } => "drain",
            Change::FromCronJob { .. } => "create job",
            Change::DeleteJob { .. } => "delete job",
            Change::Divert { .. } => "divert",
            Change::Restore { .. } => "restore",
            Change::Renew { .. } => "renew",
        }
    }

    /// What it is done to, as people write it.
    pub fn object_text(&self) -> String {
        self.object()
            .map(|object| object.to_string())
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
                | Change::DeleteJob { .. }
        )
    }

    /// Refuses arguments that cannot be meant.
    pub fn check(&self) -> Result<(), CallError> {
        self.object()?;
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
            Change::RollBack { revision_uid, .. } => super::object::check_name(revision_uid),
            Change::Annotate { annotations, .. } if annotations.is_empty() => {
                Err(invalid("no annotation is named"))
            }
            Change::Annotate { annotations, .. } => annotations
                .iter()
                .try_for_each(|(name, value)| check_annotation(name, value.as_deref())),
            Change::Divert { service, .. } => super::object::check_name(service),
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

fn invalid(message: impl Into<String>) -> CallError {
    CallError::new(ErrorKind::Invalid, message)
}

/// What a container image can look like, as far as it can be told without its registry.
fn check_image(image: &str) -> Result<(), CallError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if !image.is_empty() && image.len() <= 500 && image.chars().all(fits) {
        return Ok(());
    }
    Err(invalid(format!("{image:.80?} is no image")))
}

fn check_annotation(name: &str, value: Option<&str>) -> Result<(), CallError> {
    let (prefix, rest) = name.split_once('/').unwrap_or(("", name));
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if rest.is_empty() || rest.len() > 63 || !rest.chars().all(fits) {
        return Err(invalid(format!("{name:.80?} is no name of an annotation")));
    }
    let kept = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    if name == MARK || kept("windlass.dev") || kept("kubernetes.io") || kept("k8s.io") {
        return Err(invalid(format!("`{name}` is not for procedures to set")));
    }
    if !prefix.is_empty() {
        super::object::check_name(prefix)?;
    }
    match value {
        Some(value) if value.len() > 4_096 => Err(invalid(format!(
            "the value of `{name}` has more than 4,096 bytes"
        ))),
        _ => Ok(()),
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action(), self.object_text())
    }
}

/// How a change is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "revert", rename_all = "kebab-case")]
pub enum Revert {
    /// Give fields back what they had, where they still are what the run set.
    RestoreFields {
        /// Logical name.
        cluster: String,
        /// The object by name.
        object: Object,
        /// And by uid, for certainty.
        uid: String,
        /// What the run did, as it was done; the mark is among it.
        changes: Vec<FieldChange>,
    },
    /// Delete the job that the effect made; run and effect, which its name is made of, are those of the undo.
    DeleteJob {
        /// Logical name.
        cluster: String,
        /// The cron job that it is from.
        cron_job: Object,
    },
}

impl Revert {
    /// The logical name of the cluster.
    pub fn cluster(&self) -> &str {
        match self {
            Self::RestoreFields { cluster, .. } | Self::DeleteJob { cluster, .. } => cluster,
        }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RestoreFields { changes, .. } => {
                let own = changes.iter().filter(|change| !is_mark(change));
                let texts: Vec<_> = own
                    .map(|change| match &change.before {
                        Some(value) => format!(
                            "set {} to {}",
                            change.path,
                            super::field::shown(Some(value))
                        ),
                        None => format!("remove {}", change.path),
                    })
                    .collect();
                f.write_str(&texts.join(", "))
            }
            Self::DeleteJob { cron_job, .. } => write!(f, "delete the job of {cron_job}"),
        }
    }
}

/// Whether the change is the mark, which says who did the others.
pub fn is_mark(change: &FieldChange) -> bool {
    change.path == super::field::Path::annotation(MARK)
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
}
