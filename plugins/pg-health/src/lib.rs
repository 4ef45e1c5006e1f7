//! Tells whether one PostgreSQL database is healthy, with evidence. Looks only.
//!
//! What passes and what fails is decided in [`judge`], without a host; this file asks and records.
#![forbid(unsafe_code)]

mod judge;
mod parameters;
mod slow;
mod tally;

use parameters::Parameters;
use slow::Snapshot;
use tally::Tally;
use windlass_sdk::notify::Message;
use windlass_sdk::{Database, Error, Finding, Kind, Procedure, Run};

/// How many statements a snapshot keeps.
const STATEMENTS: u32 = 500;
/// Where it is kept for the next run.
const SNAPSHOT: &str = "statements 2";

struct PgHealth;

windlass_sdk::export!(PgHealth);

impl Procedure for PgHealth {
    type Parameters = Parameters;

    fn run(parameters: Parameters, run: &Run) -> Result<String, Error> {
        let channel = parameters.notify.as_deref();
        let database = run.database();
        let name = database.name();
        Message::info(format!("{name}: looking whether it is healthy")).tell(run, channel, "start");
        let mut tally = Tally::new(run);
        let looked = look(&parameters, run, &database, &mut tally);
        match &looked {
            Ok(()) => tally.message(name),
            Err(error) => Message::failure(format!("{name}: {error}")).text(tally.sentence()),
        }
        .tell(run, channel, "end");
        looked?;
        Ok(tally.sentence())
    }
}

fn look(
    parameters: &Parameters,
    run: &Run,
    database: &Database,
    tally: &mut Tally<'_>,
) -> Result<(), Error> {
    replication(parameters, run, database, tally)?;
    sessions(parameters, run, database, tally)?;
    storage(parameters, run, database, tally)?;
    invariants(parameters, run, database, tally)?;
    if parameters.slow_queries > 0 {
        slow_queries(parameters, run, database)?;
    }
    Ok(())
}

fn replication(
    parameters: &Parameters,
    run: &Run,
    database: &Database,
    tally: &mut Tally<'_>,
) -> Result<(), Error> {
    run.step("role and replication");
    let server = database.server()?;
    tally.check("role", judge::role(&server));
    let facts = database.replication()?;
    let expected = parameters.expected_standbys.or(server.expected_standbys);
    tally.check("standbys", judge::standbys(&facts.standbys, expected));
    let lag = judge::lag(&facts.standbys, expected, parameters);
    tally.check("standby lag", lag);
    tally.check("replication slots", judge::slots(&facts.slots, parameters));
    Ok(())
}

fn sessions(
    parameters: &Parameters,
    run: &Run,
    database: &Database,
    tally: &mut Tally<'_>,
) -> Result<(), Error> {
    run.step("sessions");
    let sessions = database.sessions()?;
    tally.check("connections", judge::headroom(&sessions, parameters));
    tally.check("idle in transaction", judge::idle(&sessions, parameters));
    let holders = database.xmin_holders()?;
    let transactions = judge::transactions(&sessions, &holders, run.now(), parameters);
    tally.check("transactions", transactions);
    tally.check("lock waits", judge::lock_waits(&sessions, parameters));
    tally.check("vacuum horizon", judge::horizon(&holders, parameters));
    Ok(())
}

fn storage(
    parameters: &Parameters,
    run: &Run,
    database: &Database,
    tally: &mut Tally<'_>,
) -> Result<(), Error> {
    run.step("tables and indexes");
    let server = database.server()?;
    let coverage = database.coverage()?;
    let tables = database.tables()?;
    let indexes = database.indexes()?;
    tally.check("tables", judge::tables(&coverage, parameters));
    tally.check(
        "wraparound",
        judge::wraparound(&server, &tables, parameters),
    );
    tally.check("indexes", judge::indexes(&coverage, &indexes, &tables));
    let collations = database.collations()?;
    tally.check("collations", judge::collations(&collations));
    Ok(())
}

fn invariants(
    parameters: &Parameters,
    run: &Run,
    database: &Database,
    tally: &mut Tally<'_>,
) -> Result<(), Error> {
    run.step("invariants");
    let declared = database.invariants()?;
    if declared.is_empty() && parameters.invariants.is_empty() {
        let none = "none is declared for this database in windlass.toml";
        if parameters.require_invariants {
            tally.check("invariants", Finding::inconclusive(none));
        } else {
            run.info(format!("invariants: {none}"));
        }
    }
    let chosen = match parameters.invariants.as_slice() {
        [] => &declared,
        named => named,
    };
    for name in chosen {
        let finding = if declared.contains(name) {
            invariant(database, name)?
        } else {
            Finding::fail("it is not declared for this database in windlass.toml")
        };
        tally.check(&format!("invariant {name}"), finding);
    }
    Ok(())
}

fn invariant(database: &Database, name: &str) -> Result<Finding, Error> {
    match database.invariant(name) {
        Ok(result) => Ok(judge::invariant(&result)),
        // Its query, what that reads or how long it takes is the matter; the other checks can still be made.
        Err(error) if is_its_own(error.kind) => {
            Ok(Finding::inconclusive(format!("not evaluated: {error}")))
        }
        Err(error) => Err(error),
    }
}

fn is_its_own(kind: Kind) -> bool {
    match kind {
        Kind::Denied
        | Kind::Invalid
        | Kind::NotFound
        | Kind::Conflict
        | Kind::Limit
        | Kind::Damaged => true,
        Kind::Unavailable | Kind::Cancelled | Kind::Failed => false,
    }
}

fn slow_queries(parameters: &Parameters, run: &Run, database: &Database) -> Result<(), Error> {
    run.step("slow statements");
    let statistics = match database.statements(STATEMENTS) {
        Ok(statistics) => statistics,
        Err(error) if error.kind == Kind::NotFound => {
            run.info(format!("no report of slow statements: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let before: Option<Snapshot> = run.recall(SNAPSHOT)?;
    let now = Snapshot::of(&statistics, run.now(), STATEMENTS);
    for line in slow::report(before.as_ref(), &now, &statistics, parameters.slow_queries) {
        run.info(line);
    }
    run.remember(SNAPSHOT, &now)
}
