//! Renews certificates one by one, and has those that use them load them.
//!
//! Which are due and whether they are valid is decided in [`judge`], without a host; this file asks and records.
#![forbid(unsafe_code)]

mod judge;
mod parameters;
mod served;

use parameters::Parameters;
use windlass_sdk::cluster::{CertificateFacts, CertificateState, WorkloadKind, WorkloadName};
use windlass_sdk::notify::Message;
use windlass_sdk::{Cluster, Error, Finding, Procedure, Run, text};

struct CertRenewal;

windlass_sdk::export!(CertRenewal);

impl Procedure for CertRenewal {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let channel = parameters.notify.as_deref();
        let cluster = run.cluster();
        let whole = format!("{} on {}", parameters.namespace, cluster.name());
        Message::info(format!("{whole}: renewing certificates")).tell(run, channel, "start");
        let ended = renew_all(&parameters, run, &cluster);
        match &ended {
            Ok(sentence) => Message::success(format!("{whole}: {sentence}")),
            Err(error) => Message::failure(format!("{whole}: certificates were not renewed"))
                .text(error.to_string()),
        }
        .tell(run, channel, "end");
        ended
    }
}

fn renew_all(parameters: &Parameters, run: &Run, cluster: &Cluster) -> Result<String, Error> {
    run.step("look");
    let now = run.now();
    let found = judge::meant(parameters, cluster.certificates(&parameters.namespace)?)?;
    let due: Vec<_> = found
        .iter()
        .filter(|one| judge::is_due(parameters, one, now))
        .collect();
    if let Some(busy) = due
        .iter()
        .find(|one| one.state == CertificateState::Issuing)
    {
        return Err(Error::failed(format!(
            "{} is being issued already",
            busy.name.name
        )));
    }
    let shown = served::look(parameters, run, cluster, &found)?;
    run.step("renew");
    for (done, certificate) in due.iter().enumerate() {
        run.progress(done as u64, due.len() as u64, &certificate.name.name);
        let renewed = renew(parameters, run, cluster, certificate);
        renewed.map_err(|error| with_those_before(error, &due[..done]))?;
    }
    if due.is_empty() {
        served::check(run, &shown);
    } else {
        restart(parameters, run, cluster)?;
        served::wait(parameters, run, cluster, shown)?;
    }
    run.step("check");
    check(parameters, run, cluster, &due)?;
    Ok(format!(
        "{} of {} renewed",
        due.len(),
        text::count(found.len(), "certificate")
    ))
}

/// One at a time: an issuer that refuses the first is not asked for the others, and its limits are not used up.
fn renew(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    certificate: &CertificateFacts,
) -> Result<(), Error> {
    let revision = cluster.renew(&certificate.name)?;
    let renewed = cluster.await_certificate(&certificate.name, revision, parameters.within)?;
    run.info(format!(
        "{}: revision {revision} → {}",
        certificate.name.name, renewed.revision
    ));
    Ok(())
}

/// What a failure leaves: what was renewed before it stays renewed.
fn with_those_before(error: Error, renewed: &[&CertificateFacts]) -> Error {
    let names: Vec<_> = renewed.iter().map(|one| one.name.name.as_str()).collect();
    if names.is_empty() {
        return error;
    }
    Error {
        message: format!(
            "{}; renewed before it, and staying so: {}",
            error.message,
            names.join(", ")
        ),
        ..error
    }
}

fn restart(parameters: &Parameters, run: &Run, cluster: &Cluster) -> Result<(), Error> {
    if parameters.restart.is_empty() {
        return Ok(());
    }
    run.step("restart");
    for name in &parameters.restart {
        let workload = WorkloadName {
            kind: WorkloadKind::Deployment,
            namespace: parameters.namespace.clone(),
            name: name.clone(),
        };
        cluster.restart(&workload)?;
        cluster.await_rollout(&workload, parameters.within)?;
    }
    Ok(())
}

fn check(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    due: &[&CertificateFacts],
) -> Result<(), Error> {
    let found = judge::meant(parameters, cluster.certificates(&parameters.namespace)?)?;
    let now = run.now();
    let validity = Finding::of_each(&found, |one| judge::validity(parameters, one, now));
    run.check("certificates are valid for long enough", validity);
    if due.is_empty() {
        return Ok(());
    }
    let renewed = Finding::of_each(due, |before| {
        let name = &before.name.name;
        let after = found.iter().find(|one| one.name.name == *name);
        match after.and_then(|after| after.not_after) {
            Some(end) if Some(end) > before.not_after => {
                let longer = end.saturating_sub(before.not_after.unwrap_or_default());
                Finding::pass(format!("{name}: {} longer", text::duration(longer)))
            }
            Some(_) => Finding::fail(format!("{name}: it ends when it did before")),
            None => Finding::fail(format!("{name}: it is gone")),
        }
    });
    run.check("they end later than before", renewed);
    Ok(())
}
