//! What runs on the nodes and has to be well again after each batch.

use windlass_sdk::cluster::{Namespaced, NodeFacts, RolloutState, WorkloadFacts, WorkloadName};
use windlass_sdk::parameters::Span;
use windlass_sdk::{Cluster, Error, Finding, Run, text};

/// Workloads that had all their pods and budgets that were met when the run began. What was not well then is not this run's doing.
pub(crate) struct Around {
    workloads: Vec<WorkloadName>,
    budgets: Vec<Namespaced>,
}

impl Around {
    /// Looks at the namespaces, and warns of what is not well already.
    pub(crate) fn look(run: &Run, cluster: &Cluster, namespaces: &[String]) -> Result<Self, Error> {
        let mut around = Self {
            workloads: Vec::new(),
            budgets: Vec::new(),
        };
        for namespace in namespaces {
            for workload in cluster.workloads(namespace, "")? {
                let name = format!("{namespace}/{}", workload.name.name);
                match trouble(&workload) {
                    None => around.workloads.push(workload.name),
                    Some(trouble) => run.warning(format!("{name} is not looked after: {trouble}")),
                }
            }
            for budget in cluster.budgets(namespace)? {
                if budget.healthy >= budget.desired_healthy {
                    around.budgets.push(budget.name);
                    continue;
                }
                let (has, wants) = (budget.healthy, budget.desired_healthy);
                let name = format!("budget {namespace}/{}", budget.name.name);
                run.warning(format!(
                    "{name} has {has} of {wants} healthy pods already; it will hold pods back"
                ));
            }
        }
        Ok(around)
    }

    /// Waits until these nodes are ready and all is as well as it was. Records what it found.
    pub(crate) fn check(
        &self,
        run: &Run,
        cluster: &Cluster,
        when: &str,
        nodes: &[NodeFacts],
        within: Span,
    ) -> Result<(), Error> {
        let found = self.await_all(cluster, nodes, within);
        let finding = match &found {
            Ok(evidence) => Finding::pass(evidence),
            Err(error) => Finding::fail(error.to_string()),
        };
        run.check(when, finding);
        found.map(drop)
    }

    fn await_all(
        &self,
        cluster: &Cluster,
        nodes: &[NodeFacts],
        within: Span,
    ) -> Result<String, Error> {
        for node in nodes {
            cluster.await_ready_node(&node.name, within)?;
        }
        if !self.workloads.is_empty() {
            cluster.await_pods(&self.workloads, within)?;
        }
        if !self.budgets.is_empty() {
            cluster.await_budgets(&self.budgets, within)?;
        }
        Ok(format!(
            "{} ready, {} with all pods, {} met",
            text::count(nodes.len(), "node"),
            text::count(self.workloads.len(), "workload"),
            text::count(self.budgets.len(), "budget"),
        ))
    }
}

/// Why a workload is not well. Whether a paused one would roll out says nothing about its pods.
fn trouble(workload: &WorkloadFacts) -> Option<String> {
    if workload.ready < workload.desired {
        return Some(format!(
            "{} of {} pods are ready",
            workload.ready, workload.desired
        ));
    }
    match workload.rollout.state {
        RolloutState::Complete | RolloutState::Paused => None,
        RolloutState::Progressing | RolloutState::Failed => Some(workload.rollout.message.clone()),
    }
}
