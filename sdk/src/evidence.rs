//! What is copied into the record at once, because its source is soon cleared away.

use crate::cluster::{JobFacts, namespaced};
use crate::{Cluster, Run};

/// Keeps the last lines that each pod of a job wrote, and why one does not run. What cannot be read, or is gone already, is a warning and
/// fails nothing. Verbs: `pods` and `logs`.
pub fn of_job(run: &Run, cluster: &Cluster, made: &JobFacts, lines: u32) {
    let job = &made.name;
    if lines == 0 {
        return;
    }
    let selector = format!("batch.kubernetes.io/job-name={}", job.name);
    let pods = match cluster.pods(&job.namespace, &selector) {
        Ok(pods) => pods,
        Err(error) => return run.warning(format!("its pods were not found: {error}")),
    };
    // What a plan foresees has no uid, and no pods.
    if pods.is_empty() && !made.uid.is_empty() {
        let name = &job.name;
        run.warning(format!(
            "the log of {name} is lost: its pods were cleared away before it was read"
        ));
    }
    for pod in pods {
        if let Some(why) = &pod.waiting {
            run.warning(format!("{}: {why}", pod.name));
            continue;
        }
        match cluster.logs(&namespaced(&job.namespace, &pod.name), None, lines) {
            Ok(log) => run.info(format!("{} said:\n{}", pod.name, log.trim_end())),
            Err(error) => run.warning(format!("the log of {} is lost: {error}", pod.name)),
        }
    }
}
