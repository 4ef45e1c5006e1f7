//! Jobs that migrate a database in step with a rollout: one before the new image, one after it.

use crate::parameters::Parameters;
use windlass_sdk::cluster::{JobOutcome, namespaced};
use windlass_sdk::parameters::Manifest;
use windlass_sdk::{Cluster, Error, Run, evidence};

/// How many of the last lines of each pod are kept.
const LINES: u32 = 100;

/// Runs one to its end. One that fails, or takes too long, is a failure.
pub(crate) fn run(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    job: &Manifest,
    reversible: bool,
) -> Result<(), Error> {
    let manifest = in_namespace(&parameters.namespace, job)?;
    let made = cluster.job_from_manifest(&manifest, reversible)?;
    let name = namespaced(&parameters.namespace, &made.name.name);
    let ended = cluster.await_job(&name, parameters.within);
    evidence::of_job(run, cluster, &made, LINES);
    let ended = ended?;
    if ended.outcome == JobOutcome::Complete {
        return Ok(());
    }
    Err(Error::failed(format!("{}: {}", name.name, ended.message)))
}

/// The manifest in the workload's namespace. One of another namespace is a mistake.
fn in_namespace(namespace: &str, job: &Manifest) -> Result<serde_json::Value, Error> {
    let mut manifest = job.object.clone();
    let own = &mut manifest["metadata"]["namespace"];
    if own.is_null() {
        *own = namespace.into();
    } else if own != namespace {
        return Err(Error::failed(format!(
            "{}: the Job is for namespace {own}, the workload is in {namespace}",
            job.file
        )));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::in_namespace;
    use serde_json::json;
    use windlass_sdk::parameters::Manifest;

    #[test]
    fn a_job_is_made_where_the_workload_is() {
        let made = |object| {
            let file = "expand.yaml".into();
            in_namespace("shop", &Manifest { file, object })
        };
        let nowhere = made(json!({"metadata": {"name": "a"}})).unwrap();
        assert_eq!(nowhere["metadata"]["namespace"], "shop");
        let there = json!({"metadata": {"namespace": "shop"}});
        assert_eq!(made(there.clone()).unwrap(), there);
        let elsewhere = made(json!({"metadata": {"namespace": "other"}}));
        assert!(elsewhere.unwrap_err().message.starts_with("expand.yaml: "));
    }
}
