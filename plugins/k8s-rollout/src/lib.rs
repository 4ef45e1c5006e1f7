//! Rolls out one change of one workload, and follows it to its end.
//!
//! What is chosen is read in [`parameters`], what the pods say is judged in [`judge`], both without a host; this file asks and records. A
//! rollout that fails is an error, and windlass takes the change back.
#![forbid(unsafe_code)]

mod judge;
mod migrate;
mod parameters;

use judge::Least;
use parameters::{Change, Parameters};
use windlass_sdk::cluster::{ManagerKind, Revision, RolloutState, WorkloadFacts};
use windlass_sdk::notify::Message;
use windlass_sdk::parameters::Span;
use windlass_sdk::{Cluster, Error, Procedure, Run, text};

/// How often what users see is sampled.
const WATCHED_EVERY: Span = Span::seconds(1);

struct K8sRollout;

windlass_sdk::export!(K8sRollout);

impl Procedure for K8sRollout {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let change = parameters.change()?;
        let channel = parameters.notify.as_deref();
        let cluster = run.cluster();
        let whole = format!(
            "{}/{} on {}",
            parameters.namespace,
            parameters.name,
            cluster.name()
        );
        Message::info(format!("{whole}: rolling out")).tell(run, channel, "start");
        let ended = roll_out(&parameters, &change, run, &cluster);
        match &ended {
            Ok(sentence) => Message::success(format!("{whole}: {sentence}")),
            Err(error) => Message::failure(format!("{whole}: the rollout failed"))
                .text(format!("{error}\nWhat was changed is put back.")),
        }
        .tell(run, channel, "end");
        ended
    }
}

fn roll_out(
    parameters: &Parameters,
    change: &Change,
    run: &Run,
    cluster: &Cluster,
) -> Result<String, Error> {
    let name = parameters.workload();
    run.step("look");
    let before = cluster.workload(&name)?;
    for endpoint in &parameters.watch {
        run.endpoint(endpoint).watch(WATCHED_EVERY)?;
    }
    for manager in &before.managers {
        let (who, name) = (tool(manager.kind), &manager.name);
        run.warning(format!(
            "{who} (`{name}`) manages it too: change its source as well, or it may come back"
        ));
    }
    if let Some(job) = parameters::job("expand", &parameters.expand)? {
        run.step("expand");
        migrate::run(parameters, run, cluster, job, true)?;
    }
    run.step("change");
    let made = make(parameters, change, run, cluster, &before)?;
    run.step("follow");
    if change.is_of_replicas() {
        follow_replicas(parameters, run, cluster, &made, &before)?;
    } else if before.paused {
        run.warning("it is paused: nothing is rolled out before it proceeds");
        return Ok(format!("{}; it is paused", made.sentence));
    } else {
        cluster.await_rollout(&name, parameters.within)?;
    }
    if let Some(job) = parameters::job("contract", &parameters.contract)? {
        run.step("soak");
        run.sleep(parameters.soak.as_duration())?;
        cluster.await_rollout(&name, parameters.within)?;
        run.step("contract");
        migrate::run(parameters, run, cluster, job, false)?;
    }
    run.step("check");
    let now = cluster.workload(&name)?;
    let pods = cluster.pods(&parameters.namespace, &before.selector)?;
    for note in judge::notes(&now, &made.images, &pods) {
        run.info(note);
    }
    let least = least(change, &before, &now);
    run.check("its pods run", judge::pods(&now, least, &pods));
    Ok(made.sentence)
}

/// How much of the workload has to be well in the end.
fn least(change: &Change, before: &WorkloadFacts, now: &WorkloadFacts) -> Least {
    if !change.is_of_replicas() {
        Least::Rollout
    } else if before.rollout.state == RolloutState::Failed {
        // Pods of the rollout that was given up are not what this change is about.
        Least::Ready(before.ready.min(now.desired))
    } else {
        Least::Ready(now.desired)
    }
}

/// A number of replicas is reached whatever came of a rollout before, and whether or not the workload is paused.
fn follow_replicas(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    made: &Made,
    before: &WorkloadFacts,
) -> Result<(), Error> {
    let name = parameters.workload();
    if made.desired == 0 {
        return cluster.await_no_pods(&name, parameters.within);
    }
    if before.rollout.state == RolloutState::Failed {
        let why = &before.rollout.message;
        run.warning(format!(
            "its last rollout was given up before this run, so that new pods may not become ready and are not waited for: {why}"
        ));
        return Ok(());
    }
    cluster.await_pods(&[name], parameters.within)?;
    Ok(())
}

/// What a change makes of a workload.
struct Made {
    sentence: String,
    /// How many pods there are to be.
    desired: u32,
    /// What each of them is to run.
    images: Vec<String>,
}

fn make(
    parameters: &Parameters,
    change: &Change,
    run: &Run,
    cluster: &Cluster,
    before: &WorkloadFacts,
) -> Result<Made, Error> {
    let name = &parameters.workload();
    let containers = before.containers.iter().filter(|container| !container.init);
    let mut made = Made {
        sentence: "each pod replaced".into(),
        desired: before.desired,
        images: containers
            .clone()
            .map(|container| container.image.clone())
            .collect(),
    };
    match change {
        Change::Images(images) => {
            let old = cluster.set_image(name, images)?;
            let new: Vec<_> = images.iter().map(|(_, image)| image.as_str()).collect();
            made.sentence = format!("{} → {}", old.join(", "), new.join(", "));
            for (container, image) in containers.zip(&mut made.images) {
                let set = images.iter().find(|(name, _)| *name == container.name);
                if let Some((_, new)) = set {
                    image.clone_from(new);
                }
            }
        }
        Change::Replicas(_) | Change::Stop | Change::Start => {
            made.desired = wanted(parameters, change, run, before)?;
            let old = cluster.scale(name, made.desired)?;
            if *change == Change::Stop && old > 0 {
                run.remember(&parameters.key(), &old)?;
            }
            let new = text::count(made.desired as usize, "replica");
            made.sentence = format!("{old} → {new}");
        }
        Change::Restart => cluster.restart(name)?,
        Change::RollBack(wanted) => {
            let revisions = cluster.revisions(name)?;
            let revision = choose(&revisions, *wanted)?;
            if revision.current {
                run.info("this revision is rolled out already");
            }
            cluster.roll_back(name, revision)?;
            let from = before
                .revision
                .map_or_else(|| "the last one".to_owned(), |number| number.to_string());
            made.sentence = format!("back from revision {from} to {}", revision.number);
            made.images.clone_from(&revision.images);
        }
    }
    Ok(made)
}

fn tool(kind: ManagerKind) -> &'static str {
    match kind {
        ManagerKind::ArgoCd => "Argo CD",
        ManagerKind::Flux => "Flux",
        ManagerKind::Helm => "Helm",
        ManagerKind::Autoscaler => "an autoscaler",
        ManagerKind::Other => "another tool",
    }
}

/// How many replicas there are to be. What was started already is left as it is.
fn wanted(
    parameters: &Parameters,
    change: &Change,
    run: &Run,
    before: &WorkloadFacts,
) -> Result<u32, Error> {
    if let Change::Replicas(replicas) = change {
        return Ok(*replicas);
    }
    if *change == Change::Stop {
        return Ok(0);
    }
    if before.desired > 0 {
        run.info("it is not stopped");
        return Ok(before.desired);
    }
    let kept: Option<u32> = run.recall(&parameters.key())?;
    kept.ok_or_else(|| {
        Error::failed("nobody knows how many replicas it had: no run of this procedure has stopped it; set replicas")
    })
}

/// The revision of a number, or the newest that is not rolled out.
fn choose(revisions: &[Revision], wanted: Option<u64>) -> Result<&Revision, Error> {
    let mut all = revisions.iter();
    let found = match wanted {
        Some(number) => all.find(|revision| revision.number == number),
        None => all.find(|revision| !revision.current),
    };
    let known: Vec<_> = revisions
        .iter()
        .map(|revision| revision.number.to_string())
        .collect();
    found.ok_or_else(|| {
        Error::failed(format!(
            "there is no such revision; kept are {}",
            known.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::choose;
    use windlass_sdk::cluster::Revision;

    #[test]
    fn the_one_before_is_the_newest_that_is_not_rolled_out() {
        let revision = |number, current| Revision {
            number,
            uid: number.to_string(),
            images: Vec::new(),
            created: None,
            current,
        };
        let kept = [revision(5, true), revision(4, false), revision(2, false)];
        assert_eq!(choose(&kept, None).unwrap().number, 4);
        assert_eq!(choose(&kept, Some(2)).unwrap().number, 2);
        assert_eq!(
            choose(&kept, Some(3)).unwrap_err().message,
            "there is no such revision; kept are 5, 4, 2"
        );
        assert!(choose(&kept[..1], None).is_err());
    }
}
