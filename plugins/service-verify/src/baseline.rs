//! How the services were, as one run keeps it for the next. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_sdk::Instant;
use windlass_sdk::cluster::{
    PodFacts, RolloutState, WorkloadFacts, WorkloadKind, WorkloadName, has_ended,
};
use windlass_sdk::probe::Sample;

/// How the services were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) at: Instant,
    /// By kind and name.
    pub(crate) workloads: BTreeMap<String, Workload>,
    /// By uid.
    pub(crate) pods: BTreeMap<String, Pod>,
    /// By name.
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) desired: u32,
    pub(crate) images: Vec<String>,
    /// Whether it was rolled out and all of it ready.
    pub(crate) well: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pod {
    pub(crate) owner: Option<String>,
    pub(crate) restarts: u32,
    pub(crate) ready: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) passed: bool,
    pub(crate) latency: u64,
}

/// What a workload is called.
pub(crate) fn called(name: &WorkloadName) -> String {
    let kind = match name.kind {
        WorkloadKind::Deployment => "Deployment",
        WorkloadKind::StatefulSet => "StatefulSet",
        WorkloadKind::DaemonSet => "DaemonSet",
    };
    format!("{kind}/{}", name.name)
}

/// Its images, those of containers that run before the others included.
pub(crate) fn images(workload: &WorkloadFacts) -> Vec<String> {
    let containers = workload.containers.iter();
    containers
        .map(|container| container.image.clone())
        .collect()
}

/// Whether a workload is rolled out and all of it ready, as its controller counts. One that no controller rolls out by itself (`OnDelete`, a
/// partition) is well with all its pods.
pub(crate) fn is_well(workload: &WorkloadFacts) -> bool {
    let rolled_out = match workload.rollout.state {
        RolloutState::Complete => true,
        RolloutState::Paused => !workload.paused,
        RolloutState::Progressing | RolloutState::Failed => false,
    };
    rolled_out && workload.ready >= workload.desired
}

/// Whether a pod is one that should be ready: it was not asked to end, and is not one that came to its end. One that failed counts only where
/// no controller starts another.
pub(crate) fn counts(pod: &PodFacts) -> bool {
    !pod.ending && !(has_ended(pod) && (pod.owner.is_some() || pod.phase == "Succeeded"))
}

impl Baseline {
    pub(crate) fn of(
        at: Instant,
        workloads: &[WorkloadFacts],
        pods: &[PodFacts],
        samples: &[(String, Sample)],
    ) -> Self {
        let workload = |facts: &WorkloadFacts| {
            let kept = Workload {
                desired: facts.desired,
                images: images(facts),
                well: is_well(facts),
            };
            (called(&facts.name), kept)
        };
        let pod = |facts: &PodFacts| {
            let kept = Pod {
                owner: facts.owner.clone(),
                restarts: facts.restarts,
                ready: facts.ready,
            };
            (facts.uid.clone(), kept)
        };
        let endpoint = |(name, sample): &(String, Sample)| {
            let kept = Endpoint {
                passed: sample.passed,
                latency: sample.latency,
            };
            (name.clone(), kept)
        };
        Self {
            at,
            workloads: workloads.iter().map(workload).collect(),
            pods: pods.iter().filter(|pod| counts(pod)).map(pod).collect(),
            endpoints: samples.iter().map(endpoint).collect(),
        }
    }

    /// Whether the pod, or another of the same owner, was not ready before. A change of a template makes another owner, so that what fails
    /// since is not taken for an old fault.
    pub(crate) fn had_trouble(&self, pod: &PodFacts) -> bool {
        if let Some(before) = self.pods.get(&pod.uid) {
            return !before.ready;
        }
        let mut siblings = self.pods.values();
        pod.owner.is_some() && siblings.any(|before| before.owner == pod.owner && !before.ready)
    }
}
