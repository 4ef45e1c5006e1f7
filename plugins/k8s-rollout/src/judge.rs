//! What the pods say after a rollout. Pure.

use windlass_sdk::cluster::PodFacts;
use windlass_sdk::{Finding, text};

/// Whether so many pods run these images. Pods that were asked to end do not count.
pub(crate) fn pods(desired: u32, images: &[String], pods: &[PodFacts]) -> Finding {
    let there: Vec<_> = pods.iter().filter(|pod| !pod.ending).collect();
    let runs_them = |pod: &PodFacts| images.iter().all(|image| pod.images.contains(image));
    if there.len() < desired as usize {
        return Finding::fail(format!("{} of {desired} pods are there", there.len()));
    }
    if let Some(pod) = there.iter().find(|pod| !pod.ready) {
        let why = pod.waiting.as_deref().unwrap_or("it is not ready");
        return Finding::fail(format!("{}: {why}", pod.name));
    }
    if let Some(pod) = there.iter().find(|pod| !runs_them(pod)) {
        return Finding::fail(format!("{} runs {}", pod.name, pod.images.join(", ")));
    }
    if let Some(pod) = there.iter().find(|pod| pod.restarts > 0) {
        return Finding::inconclusive(format!("{} was restarted {} times", pod.name, pod.restarts));
    }
    Finding::pass(format!("{} ready", text::count(there.len(), "pod")))
}

#[cfg(test)]
mod tests {
    use super::pods;
    use windlass_sdk::Verdict;
    use windlass_sdk::cluster::PodFacts;

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
        let images = ["shop:2".to_owned()];
        let judged = |all: &[PodFacts]| pods(2, &images, all).verdict;
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
        assert_eq!(pods(0, &images, &[]).verdict, Verdict::Pass);
    }
}
