//! What the pods say after a rollout. Pure.

use windlass_sdk::cluster::{PodFacts, WorkloadFacts};
use windlass_sdk::{Finding, text};

/// Whether the pods of a workload run, and run what they should. Pods that were asked to end do not count.
pub(crate) fn pods(workload: &WorkloadFacts, pods: &[PodFacts]) -> Finding {
    let there: Vec<_> = pods.iter().filter(|pod| !pod.ending).collect();
    let wanted: Vec<_> = workload
        .containers
        .iter()
        .filter(|container| !container.init)
        .collect();
    let runs_it = |pod: &PodFacts| {
        wanted
            .iter()
            .all(|container| pod.images.contains(&container.image))
    };
    if there.len() < workload.desired as usize {
        return Finding::fail(format!(
            "{} of {} pods are there",
            there.len(),
            workload.desired
        ));
    }
    if let Some(pod) = there.iter().find(|pod| !pod.ready) {
        let why = pod.waiting.as_deref().unwrap_or("it is not ready");
        return Finding::fail(format!("{}: {why}", pod.name));
    }
    if let Some(pod) = there.iter().find(|pod| !runs_it(pod)) {
        return Finding::fail(format!("{} runs {}", pod.name, pod.images.join(", ")));
    }
    if let Some(pod) = there.iter().find(|pod| pod.restarts > 0 && !pod.ending) {
        return Finding::inconclusive(format!("{} was restarted {} times", pod.name, pod.restarts));
    }
    Finding::pass(format!("{} ready", text::count(there.len(), "pod")))
}

#[cfg(test)]
mod tests {
    use super::pods;
    use windlass_sdk::Verdict;
    use windlass_sdk::cluster::{
        Container, PodFacts, Rollout, RolloutState, WorkloadFacts, WorkloadKind, WorkloadName,
    };

    fn workload(desired: u32) -> WorkloadFacts {
        WorkloadFacts {
            name: WorkloadName {
                kind: WorkloadKind::Deployment,
                namespace: "shop".into(),
                name: "web".into(),
            },
            uid: "u".into(),
            desired,
            updated: desired,
            ready: desired,
            available: desired,
            paused: false,
            containers: vec![Container {
                name: "app".into(),
                image: "shop:2".into(),
                init: false,
            }],
            selector: "app=web".into(),
            revision: Some(1),
            rollout: Rollout {
                state: RolloutState::Complete,
                message: String::new(),
            },
            managers: Vec::new(),
        }
    }

    fn pod(name: &str) -> PodFacts {
        PodFacts {
            name: name.into(),
            uid: name.into(),
            node: None,
            phase: "Running".into(),
            ready: true,
            ending: false,
            restarts: 0,
            waiting: None,
            images: vec!["shop:2".into()],
            owner: None,
            started: None,
        }
    }

    #[test]
    fn every_wanted_pod_has_to_run_the_wanted_image() {
        let judged = |all: &[PodFacts]| pods(&workload(2), all).verdict;
        let (a, b) = (pod("a"), pod("b"));
        assert_eq!(judged(&[a.clone(), b.clone()]), Verdict::Pass);
        assert_eq!(judged(&[]), Verdict::Fail);
        assert_eq!(
            judged(&[
                a.clone(),
                PodFacts {
                    ending: true,
                    ..b.clone()
                }
            ]),
            Verdict::Fail
        );
        assert_eq!(
            judged(&[
                a.clone(),
                PodFacts {
                    ready: false,
                    ..b.clone()
                }
            ]),
            Verdict::Fail
        );
        assert_eq!(
            judged(&[
                a.clone(),
                PodFacts {
                    images: vec!["shop:1".into()],
                    ..b.clone()
                }
            ]),
            Verdict::Fail
        );
        assert_eq!(
            judged(&[a, PodFacts { restarts: 1, ..b }]),
            Verdict::Inconclusive
        );
        assert_eq!(pods(&workload(0), &[]).verdict, Verdict::Pass);
    }
}
