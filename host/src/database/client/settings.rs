//! ALTER TABLE SET and RESET of autovacuum parameters, and taking them back.

use super::catalog::{self, Table};
use super::failure::{Failure, Outcome, refuse};
use super::rights::{lacks_right, same_object};
use super::room::Room;
use super::session::Session;
use super::work::{self, Ended, Work, applied, in_doubt, not_done};
use crate::call::{self, Applied, ApplyFailure, Prepared, Reverted, Touch, Undo};
use crate::contract::database_types::{ObjectName, StorageParameter};
use crate::contract::{CallError, ErrorKind};
use crate::database::Revert;
use crate::database::call::dotted;
use crate::database::names::quote_object;
use crate::database::parameters::{self, Setting};
use crate::engine::ChangePermit;
use serde::{Deserialize, Serialize};

/// What was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) oid: u32,
    pub(super) parameters: Vec<StorageParameter>,
}

const XID: &str = "SELECT pg_current_xact_id()::text";

/// Looks at the table; changes nothing.
pub(super) async fn prepare(
    session: &Session,
    room: &Room,
    name: &ObjectName,
    settings: &[Setting],
) -> Outcome<Prepared> {
    parameters::check(settings)?;
    work::refuse_standby(session, room)?;
    let table = catalog::table(session, name).await?;
    check(session, &table).await?;
    check_settings(session, &table, settings)?;
    let before = Before {
        oid: table.oid,
        parameters: parameters::of_names(&table.parameters, settings),
    };
    let now: Vec<_> = before
        .parameters
        .iter()
        .map(|parameter| format!("{} = {}", parameter.name, parameter.value))
        .collect();
    Ok(Prepared {
        before: work::to_value(&before)?,
        foreseen: work::to_value(&before.parameters)?,
        undo: Undo::By(call::Revert::Database(Revert::RestoreParameters {
            database: room.name().to_owned(),
            table: name.clone(),
            oid: table.oid,
            set: settings.to_vec(),
            before: before.parameters,
        })),
        touches: vec![Touch::Table {
            database: room.name().to_owned(),
            schema: name.schema.clone(),
            table: name.name.clone(),
        }],
        now: if now.is_empty() {
            "not set".into()
        } else {
            now.join(", ")
        },
        details: Vec::new(),
        after: parameters::text(settings),
    })
}

async fn check(session: &Session, table: &Table) -> Outcome<()> {
    let name = dotted(&table.name);
    match table.kind {
        'r' if table.owned => Ok(()),
        'r' => refuse(
            ErrorKind::Denied,
            lacks_right(session, &table.name, "set parameters of").await?,
        ),
        'p' => refuse(
            ErrorKind::Conflict,
            format!("`{name}` is a partition parent; parameters are set on its partitions"),
        ),
        // The server cannot lock a materialized view in so many words, so nobody could say what was there before.
        _ => refuse(
            ErrorKind::Conflict,
            format!("`{name}` is a materialized view; its parameters are not set"),
        ),
    }
}

/// What the server would refuse, or take without effect, is no plan.
fn check_settings(session: &Session, table: &Table, settings: &[Setting]) -> Outcome<()> {
    parameters::check_known(settings, session.major())?;
    let toast = settings
        .iter()
        .find(|(name, value)| parameters::is_of_toast(name) && value.is_some());
    if let Some((name, _)) = toast
        && !table.toasted
    {
        return refuse(
            ErrorKind::Conflict,
            format!(
                "`{}` has no TOAST table, so `{name}` cannot be set",
                dotted(&table.name)
            ),
        );
    }
    Ok(())
}

/// Sets the parameters in one transaction, whose number is recorded before anything is changed.
pub(super) async fn apply(
    room: &Room,
    permit: &ChangePermit,
    name: &ObjectName,
    settings: &[Setting],
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    parameters::check(settings).map_err(not_done)?;
    let before: Before = work::from_value(&prepared.before).map_err(not_done)?;
    let work = Work::open(room, permit).await.map_err(not_done)?;
    let xid = work.look(begin(&work.session)).await.map_err(not_done)?;
    work.note(Some(xid)).await.map_err(not_done)?;
    // Until COMMIT is sent nothing can have happened: a lost connection rolls back.
    lock(&work, name).await.map_err(not_done)?;
    work.look(still(&work.session, name, settings, &before))
        .await
        .map_err(not_done)?;
    alter(&work, name, settings).await.map_err(not_done)?;
    work.run("COMMIT")
        .await
        .map_err(|ended| work.failed(ended))?;
    answer(&before, settings).map_err(in_doubt)
}

/// The answer of parameters that were set.
pub(super) fn answer(before: &Before, settings: &[Setting]) -> Result<Applied, CallError> {
    applied(&before.parameters, parameters::text(settings), None)
}

async fn begin(session: &Session) -> Outcome<String> {
    session.batch_execute("BEGIN").await?;
    Ok(session.query_one(XID, &[]).await?.try_get(0)?)
}

/// The lock that ALTER TABLE will take anyway; with it held, what is looked at stays.
async fn lock(work: &Work<'_>, name: &ObjectName) -> Result<(), CallError> {
    let sql = format!(
        "LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE",
        quote_object(name)
    );
    step(work, &sql).await
}

/// One statement of the transaction. Whatever goes wrong, the transaction does not commit.
async fn step(work: &Work<'_>, sql: &str) -> Result<(), CallError> {
    work.run(sql).await.map_err(|ended| match ended {
        Ended::Refused(Failure::Driver(error)) => spell_out(error, work.room),
        ended @ (Ended::Refused(_) | Ended::Unknown(_)) => work.failed(ended).error,
    })
}

/// The server's objection to a value is about what the procedure asked for, so its words can be shown.
fn spell_out(error: tokio_postgres::Error, room: &Room) -> CallError {
    match error.as_db_error() {
        Some(answer) if answer.code().code() == "22023" => {
            CallError::new(ErrorKind::Invalid, answer.message())
        }
        _ => Failure::from(error).into_call(room.name()),
    }
}

async fn still(
    session: &Session,
    name: &ObjectName,
    settings: &[Setting],
    before: &Before,
) -> Outcome<()> {
    let table = catalog::table(session, name).await?;
    same_object(table.oid, before.oid, name)?;
    if !parameters::as_before(&table.parameters, settings, &before.parameters) {
        return refuse(
            ErrorKind::Conflict,
            format!(
                "the parameters of `{}` were changed meanwhile",
                dotted(name)
            ),
        );
    }
    Ok(())
}

async fn alter(work: &Work<'_>, name: &ObjectName, settings: &[Setting]) -> Result<(), CallError> {
    for sql in parameters::statements(&quote_object(name), settings) {
        step(work, &sql).await?;
    }
    let table = work.look(catalog::table(&work.session, name)).await?;
    if !parameters::agree(&table.parameters, settings) {
        return Err(CallError::new(
            ErrorKind::Conflict,
            format!(
                "the server did not take the parameters of `{}`",
                dotted(name)
            ),
        ));
    }
    Ok(())
}

/// Puts back what was recorded, name by name, where it still is what the run set.
pub(super) async fn restore(
    room: &Room,
    permit: &ChangePermit,
    oid: u32,
    set: &[Setting],
    before: &[StorageParameter],
) -> Result<Reverted, CallError> {
    let work = Work::open(room, permit).await?;
    let Some(table) = work.look(catalog::table_by_oid(&work.session, oid)).await? else {
        return Ok(Reverted::LeftAlone("the table no longer exists".into()));
    };
    work.look(begin(&work.session)).await?;
    lock(&work, &table.name).await?;
    let Some(locked) = work.look(catalog::table_by_oid(&work.session, oid)).await? else {
        return Ok(Reverted::LeftAlone("the table no longer exists".into()));
    };
    if locked.name != table.name {
        return Err(CallError::new(
            ErrorKind::Conflict,
            format!("`{}` was renamed meanwhile", dotted(&table.name)),
        ));
    }
    let restoration = parameters::restoration(&locked.parameters, set, before);
    if !restoration.settings.is_empty() {
        alter(&work, &locked.name, &restoration.settings).await?;
        work.run("COMMIT")
            .await
            .map_err(|ended| work.failed(ended).error)?;
    }
    Ok(reverted(&restoration))
}

fn reverted(restoration: &parameters::Restoration) -> Reverted {
    let done = parameters::text(&restoration.settings);
    match (
        restoration.left_alone.is_empty(),
        restoration.settings.is_empty(),
    ) {
        (true, true) => Reverted::NothingToDo("the parameters are as they were".into()),
        (true, false) => Reverted::Restored(done),
        (false, empty) => {
            let left = restoration.left_alone.join(", ");
            let rest = if empty {
                String::new()
            } else {
                format!("; restored: {done}")
            };
            Reverted::LeftAlone(format!("another hand changed {left} since{rest}"))
        }
    }
}
