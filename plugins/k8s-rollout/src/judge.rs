//! What is said of the pods after a rollout. Pure.
//!
//! The controller's own count decides: what is seen beyond it is a note, because a check that fails takes the release back.

use windlass_sdk::cluster::{PodFacts, RolloutState, WorkloadFacts, has_ended, is_of};
use windlass_sdk::{Finding, text};

/// How much of a workload has to be well.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Least {
    /// All its pods, and its rollout is complete.
    Rollout,
    /// So many pods, whatever its rollout is.
    Ready(u32),
}

/// Whether the workload has as many ready pods as it has to have, and is rolled out, by its controller's count. Replicas are waited for by
/// its pods, which its controller counts a moment later: so they are judged by whichever count is ahead.
pub(crate) fn pods(now: &WorkloadFacts, least: Least, pods: &[PodFacts]) -> Finding {
    let mut own = pods.iter().filter(|pod| counts(pod, now));
    let (ready, desired, whole) = match least {
        Least::Rollout => (now.ready, now.desired, true),
        Least::Ready(least) => {
            let seen = own.clone().filter(|pod| pod.ready).count();
            let seen = u32::try_from(seen).unwrap_or(u32::MAX);
            (now.ready.max(seen), least, false)
        }
    };
    if ready < desired {
        let waiting = own.find_map(|pod| Some((&pod.name, pod.waiting.as_ref()?)));
        let why = waiting.map_or_else(String::new, |(name, why)| format!("; {name}: {why}"));
        return Finding::fail(format!("{ready} of {desired} pods are ready{why}"));
    }
    match now.rollout.state {
        RolloutState::Progressing | RolloutState::Failed if whole => {
            return Finding::fail(&now.rollout.message);
        }
        RolloutState::Progressing
        | RolloutState::Failed
        | RolloutState::Complete
        | RolloutState::Paused => {}
    }
    if let Some(pod) = own.find(|pod| pod.restarts > 0) {
        return Finding::inconclusive(format!("{} was restarted {} times", pod.name, pod.restarts));
    }
    Finding::pass(format!("{} ready", text::count(ready as usize, "pod")))
}

/// What else is seen: pods that came to their end, and pods that run other images than were set.
pub(crate) fn notes(now: &WorkloadFacts, images: &[String], pods: &[PodFacts]) -> Vec<String> {
    let ended = pods
        .iter()
        .filter(|pod| is_of(pod, &now.name) && has_ended(pod))
        .map(|pod| {
            let why = pod.waiting.as_deref().unwrap_or(&pod.phase);
            format!("{} has come to its end and does not count: {why}", pod.name)
        });
    let runs_them = |pod: &&PodFacts| images.iter().all(|image| pod.images.contains(image));
    let other = pods
        .iter()
        .filter(|pod| counts(pod, now) && !runs_them(pod))
        .map(|pod| format!("{} runs {}", pod.name, pod.images.join(", ")));
    ended.chain(other).collect()
}

fn counts(pod: &PodFacts, workload: &WorkloadFacts) -> bool {
    is_of(pod, &workload.name) && !pod.ending && !has_ended(pod)
}

#[cfg(test)]
mod tests {
    use super::{Least, notes, pods};
    use windlass_sdk::Verdict;
    use windlass_sdk::cluster::{
        PodFacts, Rollout, RolloutState, WorkloadFacts, WorkloadKind, WorkloadName,
    };

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
            owner: Some("ReplicaSet/web-5d9".into()),
            started: None,
        }
    }

    fn web(ready: u32, state: RolloutState) -> WorkloadFacts {
        WorkloadFacts {
            name: WorkloadName {
                kind: WorkloadKind::Deployment,
                namespace: "shop".into(),
                name: "web".into(),
            },
            uid: "w".into(),
            desired: 2,
            updated: 2,
            ready,
            available: ready,
            paused: false,
            containers: Vec::new(),
            selector: "app=web".into(),
            revision: Some(1),
            rollout: Rollout {
                state,
                message: "old replicas are still there".into(),
            },
            managers: Vec::new(),
            single: None,
        }
    }

    #[test]
    fn the_controllers_count_decides() {
        let judged = |ready, state, least| pods(&web(ready, state), least, &[pod("a")]).verdict;
        let whole = Least::Rollout;
        assert_eq!(judged(2, RolloutState::Complete, whole), Verdict::Pass);
        assert_eq!(judged(1, RolloutState::Complete, whole), Verdict::Fail);
        assert_eq!(judged(2, RolloutState::Progressing, whole), Verdict::Fail);
        assert_eq!(judged(2, RolloutState::Failed, whole), Verdict::Fail);
        assert_eq!(
            judged(2, RolloutState::Failed, Least::Ready(2)),
            Verdict::Pass
        );
        assert_eq!(
            judged(1, RolloutState::Failed, Least::Ready(2)),
            Verdict::Fail
        );
        // Its controller has yet to count the second one.
        let both = [pod("a"), pod("b")];
        let late = web(1, RolloutState::Progressing);
        assert_eq!(pods(&late, Least::Ready(2), &both).verdict, Verdict::Pass);
        let restarted = PodFacts {
            restarts: 1,
            ..pod("a")
        };
        let of_another = PodFacts {
            owner: Some("ReplicaSet/web-other-5d9".into()),
            ..restarted.clone()
        };
        let all = web(2, RolloutState::Complete);
        assert_eq!(
            pods(&all, Least::Rollout, &[restarted]).verdict,
            Verdict::Inconclusive
        );
        assert_eq!(
            pods(&all, Least::Rollout, &[of_another]).verdict,
            Verdict::Pass
        );
    }

    #[test]
    fn what_is_beyond_its_count_is_a_note() {
        let evicted = PodFacts {
            phase: "Failed".into(),
            ready: false,
            waiting: Some("Evicted".into()),
            ..pod("b")
        };
        let other = PodFacts {
            images: vec!["mirror/shop:2".into()],
            ..pod("c")
        };
        let all = [pod("a"), evicted, other];
        let now = web(2, RolloutState::Complete);
        assert_eq!(pods(&now, Least::Rollout, &all).verdict, Verdict::Pass);
        assert_eq!(
            notes(&now, &["shop:2".into()], &all),
            [
                "b has come to its end and does not count: Evicted",
                "c runs mirror/shop:2"
            ]
        );
    }
}
