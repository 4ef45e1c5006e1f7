//! Makes a backup by a CronJob's own template and follows it to its end.
//!
//! What the jobs say is judged in [`judge`], without a host; this file asks and records. The evidence is copied at once: a finished job is
//! cleared away sooner or later.
#![forbid(unsafe_code)]

mod judge;
mod parameters;

use parameters::Parameters;
use windlass_sdk::cluster::{JobFacts, JobOutcome, namespaced};
use windlass_sdk::notify::Message;
use windlass_sdk::{Cluster, Error, Procedure, Run, evidence, text};

struct BackupJob;

windlass_sdk::export!(BackupJob);

impl Procedure for BackupJob {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let channel = parameters.notify.as_deref();
        let cluster = run.cluster();
        let whole = format!(
            "{}/{} on {}",
            parameters.namespace,
            parameters.cron_job,
            cluster.name()
        );
        if parameters.only_check {
            return newest(&parameters, run, &cluster);
        }
        Message::info(format!("{whole}: backing up")).tell(run, channel, "start");
        let ended = back_up(&parameters, run, &cluster);
        match &ended {
            Ok(sentence) => Message::success(format!("{whole}: {sentence}")),
            Err(error) => {
                Message::failure(format!("{whole}: the backup failed")).text(error.to_string())
            }
        }
        .tell(run, channel, "end");
        ended
    }
}

/// Looks at what is there, and makes nothing.
fn newest(parameters: &Parameters, run: &Run, cluster: &Cluster) -> Result<String, Error> {
    run.step("look");
    let jobs = jobs(parameters, cluster)?;
    let last = cluster.last_success(&parameters.cron_job())?;
    let finding = judge::freshness(&jobs, last, run.now(), parameters.max_age);
    run.check("the newest backup is fresh", finding);
    Ok(format!("{} looked at", text::count(jobs.len(), "job")))
}

fn back_up(parameters: &Parameters, run: &Run, cluster: &Cluster) -> Result<String, Error> {
    run.step("look");
    let before = jobs(parameters, cluster)?;
    if let Some(job) = judge::under_way(&before) {
        return Err(Error::failed(format!(
            "{} is under way; two backups at once are not made",
            job.name.name
        )));
    }
    run.step("back up");
    let job = cluster.job_from_cron_job(&parameters.cron_job())?;
    let name = namespaced(&parameters.namespace, &job.name.name);
    let ended = cluster.await_job(&name, parameters.within);
    run.step("keep the evidence");
    evidence::of_job(run, cluster, &job, parameters.lines);
    let ended = ended?;
    run.check("the backup is complete", judge::ended(&ended, &before));
    if ended.outcome != JobOutcome::Complete {
        return Err(Error::failed(format!("{}: {}", name.name, ended.message)));
    }
    Ok(format!("{} is complete", name.name))
}

/// Jobs of the CronJob, whoever made them.
fn jobs(parameters: &Parameters, cluster: &Cluster) -> Result<Vec<JobFacts>, Error> {
    let mut jobs = cluster.jobs(&parameters.namespace, "")?;
    jobs.retain(|job| job.cron_job.as_deref() == Some(&parameters.cron_job));
    Ok(jobs)
}
