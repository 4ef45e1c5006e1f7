//! Says whether services are well, compared with how they were before.
//!
//! It is run before a change with `baseline=true`, which keeps how things are in [`baseline`], and after it, which judges in [`judge`]; both
//! without a host. This file looks and records. It changes nothing.
#![forbid(unsafe_code)]

mod baseline;
mod judge;
mod parameters;

use baseline::{Baseline, called, images};
use parameters::Parameters;
use std::collections::BTreeMap;
use windlass_sdk::cluster::{PodFacts, RolloutState, WorkloadFacts};
use windlass_sdk::probe::Sample;
use windlass_sdk::{Error, Finding, Kind, Procedure, Run, text};

/// How much of what a watch found is told.
const TOLD: usize = 5;

struct ServiceVerify;

windlass_sdk::export!(ServiceVerify);

impl Procedure for ServiceVerify {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let looks = parameters.looks()?;
        let services = Services {
            parameters: &parameters,
            run,
        };
        if parameters.baseline {
            return services.keep();
        }
        let before: Option<Baseline> = run.recall(&parameters.key())?;
        services.compare(before.as_ref())?;
        if looks > 0 {
            services.watch(looks)?;
        }
        Ok(match before {
            Some(before) => {
                let ago = run.now().saturating_sub(before.at);
                format!("compared with {} ago", text::duration(ago))
            }
            None => "looked at without a baseline".into(),
        })
    }
}

/// The services that are looked at.
struct Services<'a> {
    parameters: &'a Parameters,
    run: &'a Run,
}

impl Services<'_> {
    /// Keeps how things are.
    fn keep(&self) -> Result<String, Error> {
        self.run.step("keep the baseline");
        let workloads = self.workloads()?;
        let there = Finding::of_each(&workloads, |facts| Finding::pass(called(&facts.name)));
        self.run.check("there is something to compare with", there);
        let pods = self.pods(&workloads)?;
        let samples = self.samples()?;
        for (name, sample) in samples.iter().filter(|(_, sample)| !sample.passed) {
            self.run
                .warning(format!("{name} does not pass already: {}", sample.why));
        }
        let kept = Baseline::of(self.run.now(), &workloads, &pods, &samples);
        let ill = kept.workloads.iter().filter(|(_, workload)| !workload.well);
        for (name, _) in ill {
            self.run.warning(format!("{name} is not well already"));
        }
        self.run.remember(&self.parameters.key(), &kept)?;
        Ok(format!(
            "kept as the baseline: {}, {}, {}",
            text::count(kept.workloads.len(), "workload"),
            text::count(kept.pods.len(), "pod"),
            text::count(kept.endpoints.len(), "endpoint")
        ))
    }

    /// Waits for what is under way, then judges.
    fn compare(&self, before: Option<&Baseline>) -> Result<(), Error> {
        let (parameters, run) = (self.parameters, self.run);
        run.step("rollouts");
        self.await_rollouts()?;
        let workloads = self.workloads()?;
        run.check("workloads", judge::workloads(&workloads, before));
        self.tell_images(&workloads, before);
        run.step("endpoints");
        for name in &parameters.endpoints {
            let endpoint = run.endpoint(name);
            let awaited =
                endpoint.await_passes(parameters.passes, parameters.every, parameters.within);
            let found = judge::endpoint(name, awaited, before)?;
            run.check(format!("endpoint {name}"), found);
        }
        run.step("pods");
        // Looked at anew: what their controllers count decides which pods matter.
        let workloads = self.workloads()?;
        let pods = self.pods(&workloads)?;
        for note in judge::notes(&pods, &workloads) {
            run.info(note);
        }
        run.check("pods", judge::pods(&pods, &workloads, before));
        let restarts = judge::restarts(&pods, parameters.max_restarts, before);
        run.check("restarts", restarts);
        Ok(())
    }

    /// Waits for each rollout that is under way; what came of it is judged later. All together may take the time of one.
    fn await_rollouts(&self) -> Result<(), Error> {
        for workload in self.workloads()? {
            if workload.rollout.state != RolloutState::Progressing {
                continue;
            }
            let cluster = self.run.cluster();
            match cluster.await_rollout(&workload.name, self.parameters.within) {
                Ok(()) => {}
                Err(error) if matches!(error.kind, Kind::Denied | Kind::Unavailable) => {
                    return Err(error);
                }
                Err(error) => self
                    .run
                    .warning(format!("{}: {error}", called(&workload.name))),
            }
        }
        Ok(())
    }

    /// Looks so many times more.
    fn watch(&self, looks: u64) -> Result<(), Error> {
        let (parameters, run) = (self.parameters, self.run);
        run.step("watch");
        let workloads = self.workloads()?;
        let start = Baseline::of(
            run.now(),
            &workloads,
            &self.pods(&workloads)?,
            &self.samples()?,
        );
        let mut seen = BTreeMap::new();
        for look in 1..=looks {
            run.sleep(parameters.every.as_duration())?;
            let troubles = judge::troubles(&self.pods(&workloads)?, &self.samples()?, &start);
            for trouble in troubles {
                if !seen.contains_key(&trouble) {
                    run.warning(&trouble);
                }
                *seen.entry(trouble).or_insert(0_u64) += 1;
            }
            run.progress(look, looks, "watching");
        }
        let all = text::count(looks, "look");
        let every = text::duration(parameters.every.as_milliseconds());
        let found = if seen.is_empty() {
            Finding::pass(format!("well in {all}, every {every}"))
        } else {
            let told = seen.iter().take(TOLD);
            let told: Vec<_> = told
                .map(|(trouble, times)| format!("{trouble} (in {times} of {all})"))
                .collect();
            Finding::fail(told.join(" · "))
        };
        run.check("it stays well", found);
        Ok(())
    }

    fn tell_images(&self, workloads: &[WorkloadFacts], before: Option<&Baseline>) {
        for facts in workloads {
            let name = called(&facts.name);
            let then = before.and_then(|before| before.workloads.get(&name));
            let now = images(facts);
            if let Some(then) = then.filter(|then| then.images != now) {
                let change = format!("{} → {}", then.images.join(", "), now.join(", "));
                self.run.info(format!("{name}: {change}"));
            }
        }
    }

    fn workloads(&self) -> Result<Vec<WorkloadFacts>, Error> {
        let Parameters {
            namespace,
            selector,
            ..
        } = self.parameters;
        self.run.cluster().workloads(namespace, selector)
    }

    /// The pods of these workloads; all of the namespace where no selector bounds them.
    fn pods(&self, workloads: &[WorkloadFacts]) -> Result<Vec<PodFacts>, Error> {
        let (cluster, namespace) = (self.run.cluster(), &self.parameters.namespace);
        if self.parameters.selector.is_empty() {
            return cluster.pods(namespace, "");
        }
        let mut found = BTreeMap::new();
        for workload in workloads {
            let pods = cluster.pods(namespace, &workload.selector)?;
            found.extend(pods.into_iter().map(|pod| (pod.uid.clone(), pod)));
        }
        Ok(found.into_values().collect())
    }

    /// One sample of each endpoint.
    fn samples(&self) -> Result<Vec<(String, Sample)>, Error> {
        let names = self.parameters.endpoints.iter();
        names
            .map(|name| Ok((name.clone(), self.run.endpoint(name).http()?)))
            .collect()
    }
}
