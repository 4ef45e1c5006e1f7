//! A second pod for deployments that have one, so that none is without any while its node is emptied.

use crate::parameters::Parameters;
use windlass_sdk::cluster::{
    NodeFacts, PodFacts, WorkloadFacts, WorkloadKind, WorkloadName, has_ended, is_of,
};
use windlass_sdk::{Cluster, Error, Kind, Run};

/// Starts a second pod of each deployment whose only one is on these nodes, and waits for it. Answers which.
pub(crate) fn surge(
    run: &Run,
    cluster: &Cluster,
    parameters: &Parameters,
    nodes: &[NodeFacts],
) -> Result<Vec<WorkloadName>, Error> {
    let mut surged = Vec::new();
    if !parameters.surge {
        return Ok(surged);
    }
    for namespace in &parameters.namespaces {
        for workload in cluster.workloads(namespace, "")? {
            if !is_single(&workload) {
                continue;
            }
            let pods = cluster.pods(namespace, &workload.selector)?;
            let mut own = pods.iter().filter(|pod| is_of(pod, &workload.name));
            if !own.any(|pod| is_on(pod, nodes)) {
                continue;
            }
            if let Some(why) = &workload.single {
                let name = &workload.name.name;
                run.warning(format!("{namespace}/{name} has one pod and gets no second one: {why}. It is away for a moment when that one is evicted"));
                continue;
            }
            if let Some(manager) = workload.managers.iter().find(|manager| manager.insists) {
                let (name, other) = (&workload.name.name, &manager.name);
                run.warning(format!("{namespace}/{name} has one pod and gets no second one: {other} would put it back"));
                continue;
            }
            match cluster.scale(&workload.name, 2) {
                Ok(_) => {}
                // An autoscaler that has not been at work yet, say.
                Err(error) if error.kind == Kind::Conflict => {
                    let name = &workload.name.name;
                    run.warning(format!(
                        "{namespace}/{name} has one pod and gets no second one: {error}"
                    ));
                    continue;
                }
                Err(error) => return Err(error),
            }
            let name = std::slice::from_ref(&workload.name);
            cluster.await_pods(name, parameters.drain_within)?;
            surged.push(workload.name);
        }
    }
    Ok(surged)
}

/// Gives them back the one pod that they had.
pub(crate) fn end(
    cluster: &Cluster,
    parameters: &Parameters,
    surged: &[WorkloadName],
) -> Result<(), Error> {
    if surged.is_empty() {
        return Ok(());
    }
    // Else the one that goes could be the only one that is ready.
    cluster.await_pods(surged, parameters.drain_within)?;
    for workload in surged {
        cluster.scale(workload, 1)?;
    }
    Ok(())
}

/// A paused one starts pods too; one that was not well has no pod to lose.
fn is_single(workload: &WorkloadFacts) -> bool {
    workload.name.kind == WorkloadKind::Deployment && workload.desired == 1 && !workload.paused
}

fn is_on(pod: &PodFacts, nodes: &[NodeFacts]) -> bool {
    let is_it = |node: &NodeFacts| pod.node.as_deref() == Some(node.name.as_str());
    !pod.ending && !has_ended(pod) && nodes.iter().any(is_it)
}
