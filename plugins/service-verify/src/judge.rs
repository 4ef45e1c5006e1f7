//! What is said of workloads, pods and endpoints. Pure.
//!
//! What was so before the change is not blamed on it: it is inconclusive, and a person decides.

use crate::baseline::{Baseline, called, counts, images, is_well};
use windlass_sdk::cluster::{PodFacts, WorkloadFacts, has_ended, is_of};
use windlass_sdk::probe::Sample;
use windlass_sdk::{Error, Finding, Kind, text};

const NO_BASELINE: &str = "there is no baseline: keep one before the change, with baseline=true";

/// Whether each workload is rolled out and ready, and none is gone.
pub(crate) fn workloads(found: &[WorkloadFacts], before: Option<&Baseline>) -> Finding {
    let gone = before.into_iter().flat_map(|before| {
        let names: Vec<_> = found
            .iter()
            .map(|workload| called(&workload.name))
            .collect();
        let gone = before
            .workloads
            .keys()
            .filter(move |name| !names.contains(name));
        gone.map(|name| Finding::fail(format!("{name} is gone")))
    });
    let there = found.iter().map(|facts| workload(facts, before));
    Finding::of_each(there.chain(gone), |finding| finding)
}

fn workload(facts: &WorkloadFacts, before: Option<&Baseline>) -> Finding {
    let name = called(&facts.name);
    let before = before.and_then(|before| before.workloads.get(&name));
    if facts.desired == 0 && before.is_some_and(|before| before.desired > 0) {
        return Finding::inconclusive(format!("{name}: nothing is wanted of it any more"));
    }
    let ready = format!("{} of {} ready", facts.ready, facts.desired);
    if is_well(facts) {
        return Finding::pass(format!("{name}: {ready}"));
    }
    let evidence = format!("{name}: {ready}, {}", facts.rollout.message);
    match before {
        Some(before) if !before.well && before.images == images(facts) => {
            Finding::inconclusive(format!("{evidence}; it was not well before either"))
        }
        _ if facts.paused => Finding::inconclusive(evidence),
        _ => Finding::fail(evidence),
    }
}

/// Pods that do not count: those that came to their end, and those that a workload has beyond all that it wants.
pub(crate) fn notes(found: &[PodFacts], workloads: &[WorkloadFacts]) -> Vec<String> {
    let note = |pod: &PodFacts| {
        let why = pod.waiting.as_deref().unwrap_or(&pod.phase);
        let name = &pod.name;
        if pod.phase == "Failed" && has_ended(pod) && !counts(pod) && !pod.ending {
            return Some(format!(
                "{name} has come to its end and does not count: {why}"
            ));
        }
        is_beyond(pod, workloads)
            .then(|| format!("{name} is not ready, but its workload has all that it wants: {why}"))
    };
    found.iter().filter_map(note).collect()
}

/// Whether it is not ready, and one more than its workload wants by its controller's count.
fn is_beyond(pod: &PodFacts, workloads: &[WorkloadFacts]) -> bool {
    let mut all = workloads.iter();
    let has_all = |workload: &WorkloadFacts| is_of(pod, &workload.name) && is_well(workload);
    counts(pod) && !pod.ready && all.any(has_all)
}

/// Whether each pod is ready that counts.
pub(crate) fn pods(
    found: &[PodFacts],
    workloads: &[WorkloadFacts],
    before: Option<&Baseline>,
) -> Finding {
    let wanted: u32 = workloads.iter().map(|workload| workload.desired).sum();
    let none = if wanted == 0 {
        Finding::pass("none is wanted")
    } else {
        Finding::fail(format!("none is there, and {wanted} are wanted"))
    };
    let count = |pod: &&PodFacts| counts(pod) && !is_beyond(pod, workloads);
    Finding::of_each_or(none, found.iter().filter(count), |pod| {
        if pod.ready {
            return Finding::pass(&pod.name);
        }
        let why = pod.waiting.as_deref().unwrap_or(&pod.phase);
        let evidence = format!("{} is not ready: {why}", pod.name);
        if before.is_some_and(|before| before.had_trouble(pod)) {
            Finding::inconclusive(format!("{evidence}; it was not before either"))
        } else {
            Finding::fail(evidence)
        }
    })
}

/// Whether pods were restarted more often since the baseline than they may. New ones count from zero.
pub(crate) fn restarts(found: &[PodFacts], most: u32, before: Option<&Baseline>) -> Finding {
    let Some(before) = before else {
        return Finding::inconclusive(NO_BASELINE);
    };
    let since = |pod: &PodFacts| {
        let known = before.pods.get(&pod.uid);
        let restarts = pod.restarts;
        restarts.saturating_sub(known.map_or(0, |known| known.restarts))
    };
    let found: Vec<_> = found.iter().filter(|pod| counts(pod)).collect();
    let all: u64 = found.iter().map(|pod| u64::from(since(pod))).sum();
    let too_many = found.iter().filter(|pod| since(pod) > most);
    let too_many: Vec<_> = too_many.collect();
    let none = Finding::pass(format!(
        "{} of {} since the baseline",
        text::count(all, "restart"),
        text::count(found.len(), "pod")
    ));
    Finding::of_each_or(none, too_many, |pod| {
        let evidence = format!(
            "{}: {} since the baseline",
            pod.name,
            text::count(since(pod), "restart")
        );
        if before.had_trouble(pod) {
            Finding::inconclusive(format!("{evidence}; it was not ready before either"))
        } else {
            Finding::fail(evidence)
        }
    })
}

/// Whether an endpoint passed so many times in a row. What the host refuses, or nobody configured, is no answer about the service.
pub(crate) fn endpoint(
    name: &str,
    awaited: Result<Sample, Error>,
    before: Option<&Baseline>,
) -> Result<Finding, Error> {
    let before = before.and_then(|before| before.endpoints.get(name));
    match awaited {
        Ok(sample) => {
            let then = before.filter(|before| before.passed);
            let then = then.map_or_else(String::new, |before| {
                format!(", {} before", text::duration(before.latency))
            });
            let now = text::duration(sample.latency);
            Ok(Finding::pass(format!("{now}{then}")))
        }
        Err(error) if error.kind == Kind::Limit => Ok(match before {
            Some(before) if !before.passed => {
                Finding::inconclusive(format!("{}; it did not pass before either", error.message))
            }
            _ => Finding::fail(error.message),
        }),
        Err(error) => Err(error),
    }
}

/// What one look of a watch finds that is not well, and was before.
pub(crate) fn troubles(
    found: &[PodFacts],
    samples: &[(String, Sample)],
    start: &Baseline,
) -> Vec<String> {
    let pods = found.iter().filter(|pod| counts(pod)).filter_map(|pod| {
        let known = start.pods.get(&pod.uid);
        if pod.restarts > known.map_or(0, |known| known.restarts) {
            return Some(format!("{} was restarted", pod.name));
        }
        let fell = known.is_some_and(|known| known.ready) && !pod.ready;
        let why = || pod.waiting.as_deref().unwrap_or(&pod.phase);
        fell.then(|| format!("{} is not ready any more: {}", pod.name, why()))
    });
    let endpoints = samples.iter().filter(|(name, sample)| {
        let known = start.endpoints.get(name);
        !sample.passed && known.is_some_and(|known| known.passed)
    });
    let endpoints = endpoints.map(|(name, sample)| format!("{name}: {}", sample.why));
    pods.chain(endpoints).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_sdk::Verdict;
    use windlass_sdk::cluster::{Container, Rollout, RolloutState, WorkloadKind, WorkloadName};

    fn web(ready: u32, state: RolloutState, image: &str) -> WorkloadFacts {
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
            containers: vec![Container {
                name: "app".into(),
                image: image.into(),
                init: false,
            }],
            selector: "app=web".into(),
            revision: Some(1),
            rollout: Rollout {
                state,
                message: "waiting".into(),
            },
            managers: Vec::new(),
            single: None,
        }
    }

    fn pod(uid: &str, owner: &str, ready: bool, restarts: u32) -> PodFacts {
        PodFacts {
            name: uid.into(),
            uid: uid.into(),
            node: None,
            phase: "Running".into(),
            ready,
            ending: false,
            restarts,
            waiting: (!ready).then(|| "CrashLoopBackOff".into()),
            images: Vec::new(),
            owner: Some(owner.into()),
            started: None,
        }
    }

    fn sample(passed: bool) -> Sample {
        Sample {
            at: 0,
            status: Some(200),
            latency: 12,
            passed,
            why: if passed {
                String::new()
            } else {
                "it answered 500, not 200".into()
            },
        }
    }

    fn baseline(workloads: &[WorkloadFacts], pods: &[PodFacts], passed: bool) -> Baseline {
        Baseline::of(0, workloads, pods, &[("shop".into(), sample(passed))])
    }

    #[test]
    fn nothing_where_something_was_expected_fails() {
        assert_eq!(workloads(&[], None).verdict, Verdict::Fail);
        let web = web(2, RolloutState::Complete, "1");
        assert_eq!(
            pods(&[], std::slice::from_ref(&web), None).verdict,
            Verdict::Fail
        );
        assert_eq!(pods(&[], &[], None).verdict, Verdict::Pass);
        let before = baseline(&[web], &[], true);
        let gone = workloads(&[], Some(&before));
        assert_eq!(gone, Finding::fail("1 of 1: Deployment/web is gone"));
    }

    #[test]
    fn an_old_fault_is_not_blamed_on_the_change_and_a_new_one_is() {
        let ill = web(1, RolloutState::Progressing, "1");
        let before = baseline(
            std::slice::from_ref(&ill),
            &[pod("a", "RS/1", false, 7)],
            true,
        );
        let verdict =
            |found: &WorkloadFacts| workloads(std::slice::from_ref(found), Some(&before)).verdict;
        assert_eq!(verdict(&ill), Verdict::Inconclusive);
        assert_eq!(
            verdict(&web(1, RolloutState::Progressing, "2")),
            Verdict::Fail
        );
        assert_eq!(verdict(&web(2, RolloutState::Complete, "2")), Verdict::Pass);
        let well = baseline(&[web(2, RolloutState::Complete, "1")], &[], true);
        assert_eq!(workloads(&[ill], Some(&well)).verdict, Verdict::Fail);

        let judged = |found: PodFacts| pods(&[found], &[], Some(&before)).verdict;
        assert_eq!(judged(pod("a", "RS/1", false, 9)), Verdict::Inconclusive);
        assert_eq!(judged(pod("b", "RS/1", false, 0)), Verdict::Inconclusive);
        assert_eq!(judged(pod("b", "RS/2", false, 0)), Verdict::Fail);
        let ended = PodFacts {
            phase: "Succeeded".into(),
            ..pod("c", "Job/1", false, 0)
        };
        assert_eq!(pods(&[ended], &[], None).verdict, Verdict::Pass);
    }

    #[test]
    fn a_pod_that_came_to_its_end_or_is_one_too_many_is_a_note() {
        let failed = |owner: Option<&str>| PodFacts {
            phase: "Failed".into(),
            waiting: Some("Evicted".into()),
            owner: owner.map(str::to_owned),
            ..pod("a", "", false, 0)
        };
        let judged = |pod: PodFacts, workloads: &[WorkloadFacts]| {
            let notes = notes(std::slice::from_ref(&pod), workloads).len();
            (pods(&[pod], workloads, None).verdict, notes)
        };
        assert_eq!(judged(failed(Some("Job/1")), &[]), (Verdict::Pass, 1));
        assert_eq!(judged(failed(None), &[]), (Verdict::Fail, 0));
        let all = web(2, RolloutState::Complete, "1");
        let beyond = [
            pod("a", "ReplicaSet/web-1", true, 0),
            pod("b", "ReplicaSet/web-2", false, 0),
        ];
        assert_eq!(
            pods(&beyond, std::slice::from_ref(&all), None).verdict,
            Verdict::Pass
        );
        assert_eq!(notes(&beyond, &[all]).len(), 1);
        let ill = web(1, RolloutState::Progressing, "1");
        assert_eq!(pods(&beyond, &[ill], None).verdict, Verdict::Fail);
    }

    #[test]
    fn a_workload_that_is_rolled_out_by_hand_is_well_with_all_its_pods() {
        let by_hand = web(2, RolloutState::Paused, "1");
        assert_eq!(
            workloads(std::slice::from_ref(&by_hand), None).verdict,
            Verdict::Pass
        );
        let paused = WorkloadFacts {
            paused: true,
            ..by_hand
        };
        assert_eq!(workloads(&[paused], None).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn restarts_count_since_the_baseline() {
        let before = baseline(
            &[],
            &[pod("a", "RS/1", true, 7), pod("b", "RS/2", false, 3)],
            true,
        );
        let judged = |found: PodFacts, most| restarts(&[found], most, Some(&before)).verdict;
        assert_eq!(judged(pod("a", "RS/1", true, 7), 0), Verdict::Pass);
        assert_eq!(judged(pod("a", "RS/1", true, 8), 0), Verdict::Fail);
        assert_eq!(judged(pod("a", "RS/1", true, 8), 1), Verdict::Pass);
        assert_eq!(judged(pod("b", "RS/2", false, 9), 0), Verdict::Inconclusive);
        assert_eq!(judged(pod("c", "RS/1", true, 1), 0), Verdict::Fail);
        let without = restarts(&[pod("a", "RS/1", true, 7)], 0, None);
        assert_eq!(without, Finding::inconclusive(NO_BASELINE));
    }

    #[test]
    fn an_endpoint_is_judged_and_a_refusal_is_not_about_it() {
        let late = || Err(Error::new(Kind::Limit, "passed 0 of 3"));
        let judged = |awaited, passed| endpoint("shop", awaited, Some(&baseline(&[], &[], passed)));
        let found = judged(Ok(sample(true)), true).unwrap();
        assert_eq!(found, Finding::pass("12 ms, 12 ms before"));
        assert_eq!(judged(late(), true).unwrap().verdict, Verdict::Fail);
        assert_eq!(
            judged(late(), false).unwrap().verdict,
            Verdict::Inconclusive
        );
        assert_eq!(
            endpoint("shop", late(), None).unwrap().verdict,
            Verdict::Fail
        );
        let denied = Error::new(Kind::Denied, "");
        assert!(judged(Err(denied), true).is_err());
    }

    #[test]
    fn a_watch_tells_what_was_well_and_is_not_any_more() {
        let start = baseline(
            &[],
            &[pod("a", "RS/1", true, 1), pod("b", "RS/1", false, 5)],
            true,
        );
        let found = [pod("a", "RS/1", false, 1), pod("b", "RS/1", false, 5)];
        assert_eq!(
            troubles(&found, &[("shop".into(), sample(false))], &start),
            [
                "a is not ready any more: CrashLoopBackOff",
                "shop: it answered 500, not 200"
            ]
        );
        let found = [pod("a", "RS/1", true, 2), pod("c", "RS/1", true, 0)];
        assert_eq!(troubles(&found, &[], &start), ["a was restarted"]);
    }
}
