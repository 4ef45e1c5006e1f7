//! What the server says of an effect whose end was not recorded. It only looks, and waits for a session that still works.

use super::backend;
use super::catalog;
use super::drop;
use super::failure::Outcome;
use super::progress;
use super::purpose::Purpose;
use super::reindex::{self, Found};
use super::room::{Room, within};
use super::session::{APPLICATION, Session};
use super::settings;
use super::vacuum::{self, Job, Recorded};
use super::work::{self, Note};
use crate::call::{Applied, Confirmed, Prepared, Revert};
use crate::contract::CallError;
use crate::contract::database_types::ObjectName;
use crate::database::Effect;
use crate::database::call::dotted;
use crate::database::parameters::{self, Setting};
use crate::engine::{Permit, Progress};
use serde_json::Value;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(250);
/// A session whose client is gone ends by itself. One that stays idle this long waits for a machine that will not come back.
const IDLE: i64 = 5;

/// Of another login's session the start may be hidden, never the pid and the name.
const BACKEND: &str = "
    SELECT coalesce(a.state, 'unknown'), coalesce(extract(epoch FROM clock_timestamp() - a.state_change)::int8, 0),
           a.backend_start IS NOT NULL
    FROM pg_stat_activity a
    WHERE a.pid = $1 AND starts_with(a.application_name, $3)
      AND (a.backend_start IS NULL OR floor(extract(epoch FROM a.backend_start) * 1000000)::int8 = $2)";

const RESTARTED: &str =
    "SELECT floor(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8 > $1";

/// The transaction may lie beyond what the server knows after a restore from a backup; then it cannot be asked for.
const TRANSACTION: &str = "
    SELECT CASE WHEN $1::text::xid8 < pg_snapshot_xmax(pg_current_snapshot())
           THEN coalesce(pg_xact_status($1::text::xid8), 'forgotten') ELSE 'future' END";

/// Asks for the end of the effect.
pub(super) async fn confirm(
    room: &Room,
    permit: &Permit,
    effect: &Effect,
    prepared: &Prepared,
    note: Option<&Value>,
) -> Result<Confirmed, CallError> {
    let Some(note) = note else {
        return Ok(not_done("the statement was never sent", None));
    };
    let note: Note = work::from_value(note)?;
    let watch = room.open(Purpose::Watch, permit, permit.deadline()).await?;
    if watch.is_standby() {
        return Ok(Confirmed::CannotTell(format!(
            "`{}` is a standby and may be behind; only its primary can tell",
            room.name()
        )));
    }
    if let Effect::CancelBackend {
        pid, backend_start, ..
    } = effect
    {
        let before = work::from_value(&prepared.before)?;
        return backend::confirm(room, permit, *pid, *backend_start, &before).await;
    }
    let ended = within(
        permit,
        permit.deadline(),
        ended(room, &watch, permit, &note),
    )
    .await;
    match ended {
        Ok(outcome) => {
            if let Seen::Hidden = outcome.map_err(|failure| failure.into_call(room.name()))? {
                return Ok(hidden(room, &note));
            }
        }
        Err(_) => {
            return Ok(Confirmed::CannotTell(format!(
                "session {} of `{}` still works on it",
                note.pid,
                room.name()
            )));
        }
    }
    let asked = ask(room, permit, &watch, effect, prepared, &note).await;
    asked.map_err(|failure| failure.into_call(room.name()))
}

/// Whether the session that ran the statement can be watched.
enum Seen {
    /// It is over.
    Over,
    /// It may be at work: this login is not shown what it does.
    Hidden,
}

/// The login of now may be another one than the session's, as where each lives for an hour.
fn hidden(room: &Room, note: &Note) -> Confirmed {
    Confirmed::CannotTell(format!(
        "session {} of `{}` may still work on it, and this login is not shown what it does; GRANT pg_read_all_stats to the login",
        note.pid,
        room.name()
    ))
}

/// Waits until the session that ran the statement is over, says that it does, and shows its progress.
async fn ended(room: &Room, watch: &Session, permit: &Permit, note: &Note) -> Outcome<Seen> {
    let mut told = false;
    loop {
        let row = watch
            .query_opt(BACKEND, &[&note.pid, &note.backend_start, &APPLICATION])
            .await?;
        let Some(row) = row else {
            return Ok(Seen::Over);
        };
        if !row.try_get::<_, bool>(2)? {
            return Ok(Seen::Hidden);
        }
        let (state, seconds): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        if state == "idle" && seconds >= IDLE {
            return Ok(Seen::Over);
        }
        if !told {
            permit.progress(waiting(room, note));
            told = true;
        }
        progress::show_once(watch, permit, note.pid).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

fn waiting(room: &Room, note: &Note) -> Progress {
    Progress {
        phase: format!(
            "session {} of `{}` still works on it: waiting for its end instead of starting it again",
            note.pid,
            room.name()
        ),
        done: 0,
        total: 0,
        notice: true,
    }
}

async fn ask(
    room: &Room,
    permit: &Permit,
    watch: &Session,
    effect: &Effect,
    prepared: &Prepared,
    note: &Note,
) -> Outcome<Confirmed> {
    match effect {
        Effect::Vacuum { analyze, .. } => {
            let job = Job::Vacuum { analyze: *analyze };
            ask_statistics(permit, watch, job, prepared, note).await
        }
        Effect::Analyze { .. } => ask_statistics(permit, watch, Job::Analyze, prepared, note).await,
        Effect::Reindex { index, .. } => ask_index(room, watch, index, prepared).await,
        Effect::DropInvalidIndex { .. } => {
            let before: drop::Before = work::from_value(&prepared.before)?;
            Ok(match catalog::index_by_oid(watch, before.oid).await? {
                None => Confirmed::Done(drop::answer(&before)?),
                Some(_) => not_done("the index is still there", None),
            })
        }
        Effect::SetParameters { parameters, .. } => {
            ask_transaction(permit, watch, parameters, prepared, note).await
        }
        Effect::CancelBackend { .. } => Ok(Confirmed::CannotTell("it was asked already".into())),
    }
}

async fn ask_statistics(
    permit: &Permit,
    watch: &Session,
    job: Job,
    prepared: &Prepared,
    note: &Note,
) -> Outcome<Confirmed> {
    let before: vacuum::Before = work::from_value(&prepared.before)?;
    let looking = vacuum::recorded(watch, permit.clock(), before.oid, job, note.at);
    let Recorded { now, known } = within(permit, permit.deadline(), looking).await??;
    let Some(now) = now else {
        return Ok(not_done("the table no longer exists", None));
    };
    if known {
        let applied = vacuum::answer(job, &before, &now)?;
        return Ok(Confirmed::Done(by_someone(applied)));
    }
    let restarted: bool = watch.query_one(RESTARTED, &[&note.at]).await?.try_get(0)?;
    Ok(not_done(
        if restarted {
            "the server restarted since and may have forgotten its statistics; repeating is harmless"
        } else {
            "the session is over and the table's statistics show no such work since"
        },
        None,
    ))
}

/// The server's statistics say when a table was maintained last, not by whom.
fn by_someone(applied: Applied) -> Applied {
    let since = "done since, by this session or another";
    let after = match applied.after.as_str() {
        "" => since.to_owned(),
        after => format!("{after}; {since}"),
    };
    Applied { after, ..applied }
}

async fn ask_index(
    room: &Room,
    watch: &Session,
    name: &ObjectName,
    prepared: &Prepared,
) -> Outcome<Confirmed> {
    let before: reindex::Before = work::from_value(&prepared.before)?;
    Ok(match reindex::look(watch, room, name, &before).await? {
        Found::Rebuilt(applied) => Confirmed::Done(applied),
        Found::Held(_) => {
            Confirmed::CannotTell(format!("another session holds `{}`", dotted(name)))
        }
        Found::Unchanged { sweep } => not_done("the index is the one that was there before", sweep),
        Found::Other(why) => Confirmed::CannotTell(why),
    })
}

/// The transaction's own end, where the server still knows it; else the catalog, where that tells.
async fn ask_transaction(
    permit: &Permit,
    watch: &Session,
    wanted: &[Setting],
    prepared: &Prepared,
    note: &Note,
) -> Outcome<Confirmed> {
    let before: settings::Before = work::from_value(&prepared.before)?;
    let Some(xid) = &note.xid else {
        return Ok(not_done("the transaction never began", None));
    };
    let status = within(permit, permit.deadline(), status(watch, xid)).await;
    let Ok(status) = status else {
        return Ok(Confirmed::CannotTell(format!(
            "transaction {xid} is still in progress"
        )));
    };
    Ok(match status?.as_str() {
        "committed" => committed(watch, wanted, &before).await?,
        "aborted" => not_done("the server says that its transaction was aborted", None),
        other => ask_catalog(watch, wanted, &before, other).await?,
    })
}

/// Waits until the server knows how the transaction ended.
async fn status(watch: &Session, xid: &String) -> Outcome<String> {
    loop {
        let status: String = watch.query_one(TRANSACTION, &[xid]).await?.try_get(0)?;
        if status != "in progress" {
            return Ok(status);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// After a failover that lost transactions their numbers are given out again, so a commit that left no trace is not believed.
async fn committed(
    watch: &Session,
    wanted: &[Setting],
    before: &settings::Before,
) -> Outcome<Confirmed> {
    let table = catalog::table_by_oid(watch, before.oid).await?;
    let untouched = table.is_some_and(|table| {
        !parameters::agree(&table.parameters, wanted)
            && parameters::as_before(&table.parameters, wanted, &before.parameters)
    });
    if untouched {
        return Ok(Confirmed::CannotTell(
            "the server says that its transaction was committed, yet the parameters are as before"
                .into(),
        ));
    }
    Ok(Confirmed::Done(settings::answer(before, wanted)?))
}

async fn ask_catalog(
    watch: &Session,
    wanted: &[Setting],
    before: &settings::Before,
    status: &str,
) -> Outcome<Confirmed> {
    let Some(table) = catalog::table_by_oid(watch, before.oid).await? else {
        return Ok(Confirmed::CannotTell("the table no longer exists".into()));
    };
    let done = parameters::agree(&table.parameters, wanted);
    let undone = parameters::as_before(&table.parameters, wanted, &before.parameters);
    let why = if status == "future" {
        "the server has not come to that transaction yet, as if it had been restored from a backup"
    } else {
        "the server has forgotten how its transaction ended"
    };
    Ok(match (done, undone) {
        (true, false) => Confirmed::Done(settings::answer(before, wanted)?),
        (false, true) => not_done(&format!("{why}; the parameters are as before"), None),
        (true, true) | (false, false) => Confirmed::CannotTell(format!(
            "{why}, and the parameters are {}",
            if done {
                "the same either way"
            } else {
                "neither those of before nor those that were set"
            }
        )),
    })
}

fn not_done(why: &str, sweep: Option<Revert>) -> Confirmed {
    Confirmed::NotDone {
        why: why.to_owned(),
        sweep,
    }
}
