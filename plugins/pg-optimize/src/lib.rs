//! Repairs bloat of one PostgreSQL database while it is in use.
//!
//! What is worth doing is decided in [`choose`] and [`tune`], when nothing may be started in [`guard`], both without a host; [`work`] does it, one
//! object at a time.
#![forbid(unsafe_code)]

mod choose;
mod done;
#[cfg(test)]
mod facts;
mod guard;
mod memory;
mod parameters;
mod seen;
mod tune;
mod unknown;
mod work;

use done::Ended;
use parameters::Parameters;
use seen::Seen;
use windlass_sdk::notify::Message;
use windlass_sdk::{Database, Error, Procedure, Run};
use work::Work;

struct PgOptimize;

windlass_sdk::export!(PgOptimize);

impl Procedure for PgOptimize {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let channel = parameters.notify.as_deref();
        let database = run.database();
        let name = database.name();
        Message::info(format!("{name}: repairing bloat")).tell(run, channel, "start");
        let ended = optimize(&parameters, run, &database);
        match &ended {
            Ok(ended) => ended.message(name),
            Err(error) => Message::failure(format!("{name}: bloat is not repaired"))
                .text(format!("{error}\nWhat was set is put back.")),
        }
        .tell(run, channel, "end");
        Ok(ended?.sentence)
    }
}

fn optimize(parameters: &Parameters, run: &Run, database: &Database) -> Result<Ended, Error> {
    let seen = Seen::look(run, database, parameters)?;
    let mut work = Work::begin(run, database, parameters, &seen)?;
    work.report_unknown();
    work.report_holders();
    work.deal_with_abandoned()?;
    work.drop_leftovers()?;
    work.rebuild_indexes()?;
    work.vacuum_tables()?;
    work.analyze_tables()?;
    work.tune_autovacuum()?;
    work.finish()
}
