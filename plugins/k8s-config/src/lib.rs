//! Applies manifests to a namespace, or sets fields of one object, and follows what they change.
//!
//! Which objects there are, in which order, and which ones left is decided in [`desired`], which fields are meant in [`fields`], without a
//! host; this file asks and records. A rollout that fails is an error, and windlass takes back all that was changed.
#![forbid(unsafe_code)]

mod desired;
mod fields;
mod parameters;

use desired::{Desired, all, kinds, left};
use parameters::{Parameters, Way};
use windlass_sdk::cluster::{Applied, ObjectName, WorkloadName};
use windlass_sdk::notify::Message;
use windlass_sdk::parameters::Manifests;
use windlass_sdk::{Cluster, Error, Finding, Kind, Procedure, Run, text};

struct K8sConfig;

windlass_sdk::export!(K8sConfig);

impl Procedure for K8sConfig {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let way = parameters.way()?;
        let channel = parameters.notify.as_deref();
        let cluster = run.cluster();
        let whole = format!("{} on {}", parameters.namespace, cluster.name());
        let (doing, undone) = match way {
            Way::Manifests | Way::Back => (
                "applying manifests".into(),
                "the manifests were not applied".into(),
            ),
            Way::Fields(object, _) => (
                format!("setting fields of {object}"),
                format!("the fields of {object} were not set"),
            ),
        };
        Message::info(format!("{whole}: {doing}")).tell(run, channel, "start");
        let ended = match way {
            Way::Manifests | Way::Back => configure(&parameters, run, &cluster),
            Way::Fields(object, written) => set_fields(&parameters, run, &cluster, object, written),
        };
        match &ended {
            Ok(sentence) => Message::success(format!("{whole}: {sentence}")),
            Err(error) => Message::failure(format!("{whole}: {undone}"))
                .text(format!("{error}\nWhat was changed is put back.")),
        }
        .tell(run, channel, "end");
        ended
    }
}

/// What one run changed.
#[derive(Default)]
struct Changes {
    created: usize,
    changed: usize,
    pruned: usize,
    /// What left the manifests and was not deleted yet.
    stay: usize,
    /// ConfigMaps that have something else in them now.
    settings: Vec<String>,
    /// Workloads that have another specification now, or were restarted.
    rolling: Vec<WorkloadName>,
    restarted: usize,
}

fn configure(parameters: &Parameters, run: &Run, cluster: &Cluster) -> Result<String, Error> {
    let manifests = remembered(parameters, run)?;
    let desired = all(&manifests, &parameters.namespace)?;
    let mut changes = Changes::default();
    let there = apply(parameters, run, cluster, &desired, &mut changes)?;
    restart(parameters, run, cluster, &mut changes)?;
    follow(parameters, run, cluster, &changes)?;
    prune(
        parameters,
        run,
        cluster,
        left(&desired, &there),
        &mut changes,
    )?;
    run.step("check");
    let mut findings = Vec::new();
    for one in &desired {
        let differs = cluster.compare(&one.manifest, Some(&parameters.set))?;
        findings.push((format!("{}/{}", one.name.kind, one.name.name), differs));
    }
    let finding = Finding::of_each(&findings, |(name, differs)| match differs.first() {
        None => Finding::pass(name.clone()),
        Some(first) => Finding::fail(format!("{name}: {first}")),
    });
    run.check("every object is what its manifest says", finding);
    Ok(sentence(&changes))
}

fn set_fields(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    object: &str,
    written: &[String],
) -> Result<String, Error> {
    let object = fields::object(object, &parameters.namespace)?;
    let edits = fields::edits(&object, written)?;
    let mut changes = Changes::default();
    run.step("set");
    if cluster.patch(&object, &edits)? == Applied::Unchanged {
        return Ok(sentence(&changes));
    }
    changes.changed = 1;
    changes.rolling.extend(fields::workload(&object));
    if object.kind == "ConfigMap" {
        changes.settings.push(object.name.clone());
    }
    restart(parameters, run, cluster, &mut changes)?;
    follow(parameters, run, cluster, &changes)?;
    Ok(sentence(&changes))
}

fn follow(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    changes: &Changes,
) -> Result<(), Error> {
    run.step("follow");
    for workload in &changes.rolling {
        cluster.await_rollout(workload, parameters.within)?;
    }
    Ok(())
}

/// The manifests of this run, remembered for the next one together with those before.
fn remembered(parameters: &Parameters, run: &Run) -> Result<Manifests, Error> {
    let (applied, before) = (parameters.key("applied"), parameters.key("before"));
    let last: Option<Manifests> = run.recall(&applied)?;
    let previous: Option<Manifests> = run.recall(&before)?;
    let manifests = if parameters.back {
        let nothing = || {
            Error::failed("no state is remembered to go back to: two runs have to have succeeded")
        };
        previous.clone().ok_or_else(nothing)?
    } else {
        parameters.manifests.clone()
    };
    // Applying the same again leaves the way back as it was.
    let older = if last.as_ref() == Some(&manifests) {
        previous
    } else {
        last
    };
    run.remember(&applied, &manifests)?;
    if let Some(older) = older {
        run.remember(&before, &older)?;
    }
    Ok(manifests)
}

fn apply(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    desired: &[Desired],
    changes: &mut Changes,
) -> Result<Vec<ObjectName>, Error> {
    run.step("apply");
    let parent = parameters.parent();
    let there = cluster.members(&parent)?;
    cluster.declare(&parent, &kinds(desired, &there))?;
    for one in desired {
        let applied = cluster.apply(&one.manifest, Some(&parameters.set))?;
        match applied {
            Applied::Created => changes.created += 1,
            Applied::Changed => changes.changed += 1,
            Applied::Unchanged => continue,
        }
        changes.rolling.extend(one.workload());
        if one.name.kind == "ConfigMap" && applied == Applied::Changed {
            changes.settings.push(one.name.name.clone());
        }
    }
    Ok(there)
}

/// Deletes what left the manifests, after all pods follow them. What is still taken from, by a pod or a revision that is kept, stays a member of the
/// set, so that a later run deletes it.
fn prune(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    left: Vec<&ObjectName>,
    changes: &mut Changes,
) -> Result<(), Error> {
    if !parameters.prune {
        return Ok(());
    }
    run.step("prune");
    for object in left {
        match cluster.prune(object, &parameters.set) {
            Ok(()) => changes.pruned += 1,
            Err(error) if error.kind == Kind::Conflict => {
                run.warning(&error.message);
                changes.stay += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Pods keep the variables that they began with, so who takes some from changed settings has to begin anew.
fn restart(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    changes: &mut Changes,
) -> Result<(), Error> {
    if !parameters.restart || changes.settings.is_empty() {
        return Ok(());
    }
    run.step("restart");
    for workload in cluster.consumers(&parameters.namespace, &changes.settings)? {
        cluster.restart(&workload)?;
        changes.restarted += 1;
        if !changes.rolling.contains(&workload) {
            changes.rolling.push(workload);
        }
    }
    Ok(())
}

fn sentence(changes: &Changes) -> String {
    let counts = [
        (changes.created, "created"),
        (changes.changed, "changed"),
        (changes.pruned, "pruned"),
        (changes.stay, "still in use and not pruned"),
    ];
    let mut parts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, done)| format!("{count} {done}"))
        .collect();
    if changes.restarted > 0 {
        parts.push(format!(
            "{} restarted",
            text::count(changes.restarted, "workload")
        ));
    }
    if parts.is_empty() {
        return "everything is so already".into();
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Changes, sentence};

    #[test]
    fn a_sentence_says_what_was_done() {
        assert_eq!(sentence(&Changes::default()), "everything is so already");
        let changes = Changes {
            created: 2,
            pruned: 1,
            restarted: 1,
            ..Changes::default()
        };
        assert_eq!(
            sentence(&changes),
            "2 created, 1 pruned, 1 workload restarted"
        );
    }
}
