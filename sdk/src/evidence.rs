//! What is copied into the record at once, because its source is soon cleared away.

use crate::cluster::{Namespaced, namespaced};
use crate::{Cluster, Run};

/// Keeps the last lines that each pod of a job wrote, and why one does not run. What cannot be read is a warning and fails nothing. Verbs:
/// `pods` and `logs`.
pub fn of_job(run: &Run, cluster: &Cluster, job: &Namespaced, lines: u32) {
    if lines == 0 {
        return;
    }
    let selector = format!("batch.kubernetes.io/job-name={}", job.name);
    let pods = match cluster.pods(&job.namespace, &selector) {
        Ok(pods) => pods,
        Err(error) => return run.warning(format!("its pods were not found: {error}")),
    };
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
