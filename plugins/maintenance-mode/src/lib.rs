//! Leads users to a maintenance page, or back, and proves from outside that they see it.
//!
//! A proof that does not come about is an error, and windlass takes the change back. What the route led to before is kept in the route itself,
//! so it can be turned off by another run, or another windlass, or `undo`.
#![forbid(unsafe_code)]

mod parameters;

use parameters::{Mode, Parameters};
use windlass_sdk::notify::Message;
use windlass_sdk::{Error, Finding, Procedure, Run, text};

struct MaintenanceMode;

windlass_sdk::export!(MaintenanceMode);

impl Procedure for MaintenanceMode {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let channel = parameters.notify.as_deref();
        let what = format!("{}/{}", parameters.namespace, parameters.name);
        let (event, ended) = match parameters.mode {
            Mode::On => ("on", turn_on(&parameters, run)),
            Mode::Off => ("off", turn_off(&parameters, run)),
        };
        match &ended {
            Ok(sentence) => Message::info(format!("{what}: maintenance is {event}")).text(sentence),
            Err(error) => {
                Message::failure(format!("{what}: maintenance could not be turned {event}"))
                    .text(format!("{error}\nWhat was changed is put back."))
            }
        }
        .tell(run, channel, if ended.is_ok() { event } else { "failed" });
        ended
    }
}

fn turn_on(parameters: &Parameters, run: &Run) -> Result<String, Error> {
    let page = parameters.page()?;
    let (cluster, name) = (run.cluster(), parameters.route());
    run.step("divert");
    let before = cluster.route(&name)?;
    if cluster.divert(&name, page, parameters.port)? {
        run.info("it led to the maintenance page already");
    }
    run.step("prove");
    prove(parameters, run)?;
    let was = before.services.join(", ");
    Ok(if before.diverted {
        format!("{} stays at {was}", parameters.name)
    } else {
        format!("{}: {was} → {page}", parameters.name)
    })
}

fn turn_off(parameters: &Parameters, run: &Run) -> Result<String, Error> {
    let (cluster, name) = (run.cluster(), parameters.route());
    run.step("restore");
    let before = cluster.route(&name)?;
    if before.diverted {
        cluster.restore(&name)?;
    } else {
        run.info("it does not lead to a maintenance page");
    }
    run.step("prove");
    prove(parameters, run)?;
    let was = before.services.join(", ");
    Ok(if before.diverted {
        format!("{}: {was} → what it led to before", parameters.name)
    } else {
        format!("{} stays at {was}", parameters.name)
    })
}

/// Waits until users see what they should.
fn prove(parameters: &Parameters, run: &Run) -> Result<(), Error> {
    let Some(name) = &parameters.endpoint else {
        run.warning("nothing was proven from outside: no endpoint is named");
        return Ok(());
    };
    let endpoint = run.endpoint(name);
    let Parameters {
        status,
        passes,
        every,
        within,
        ..
    } = *parameters;
    let sample = match parameters.mode {
        Mode::On => endpoint.await_status(status, passes, every, within)?,
        Mode::Off => endpoint.await_passes(passes, every, within)?,
    };
    let times = text::count(passes, "time");
    let seen = match sample.status {
        Some(status) => format!("{name} answered {status} {times} in a row"),
        None => format!("{name} is assumed to show it {times} in a row"),
    };
    run.check("users see it", Finding::pass(seen));
    Ok(())
}
