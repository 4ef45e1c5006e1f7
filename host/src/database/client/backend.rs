//! Cancelling the statement of a session that windlass itself opened. It is done as the login role, which opened that session too.

use super::failure::{Outcome, refuse};
use super::lock;
use super::purpose::Purpose;
use super::room::{Room, within};
use super::session::{APPLICATION, Session};
use super::work::{self, applied, in_doubt, not_done};
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Undo};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a statement may take to notice that it is cancelled.
const NOTICING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(250);

/// What was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Before {
    active: bool,
    /// When its statement began, in microseconds since 1970: tells one statement from the next.
    statement: Option<i64>,
}

/// Milliseconds since 1970 name the start, as the contract does.
const BACKEND: &str = "
    SELECT a.state = 'active', floor(extract(epoch FROM a.query_start) * 1000000)::int8,
           starts_with(a.application_name, $3)
               AND a.usesysid = (SELECT m.usesysid FROM pg_stat_activity m WHERE m.pid = pg_backend_pid())
               AND a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    FROM pg_stat_activity a
    WHERE a.pid = $1 AND floor(extract(epoch FROM a.backend_start) * 1000)::int8 = $2";

const CANCEL: &str = "
    SELECT pg_cancel_backend(a.pid)
    FROM pg_stat_activity a
    WHERE a.pid = $1 AND floor(extract(epoch FROM a.backend_start) * 1000)::int8 = $2
      AND starts_with(a.application_name, $3) AND a.state = 'active'
      AND floor(extract(epoch FROM a.query_start) * 1000000)::int8 IS NOT DISTINCT FROM $4
      AND a.usesysid = (SELECT m.usesysid FROM pg_stat_activity m WHERE m.pid = pg_backend_pid())";

/// Looks at the session; changes nothing.
pub(super) async fn prepare(
    room: &Room,
    permit: &Permit,
    pid: u32,
    backend_start: u64,
) -> Result<Prepared, CallError> {
    let watch = room.open(Purpose::Watch, permit, permit.deadline()).await?;
    let before = look(&watch, pid, backend_start)
        .await
        .and_then(|found| match found {
            Some(before) => Ok(before),
            None => refuse(
                ErrorKind::NotFound,
                format!("there is no session {pid} of that start"),
            ),
        })
        .map_err(|failure| failure.into_call(room.name()))?;
    Ok(Prepared {
        before: work::to_value(&before)?,
        foreseen: work::to_value(&before.active)?,
        undo: Undo::Impossible("the statement's work is lost; it can be started again".into()),
        touches: Vec::new(),
        now: if before.active {
            "active".into()
        } else {
            "idle".into()
        },
        details: Vec::new(),
        after: if before.active {
            "cancelled".into()
        } else {
            String::new()
        },
    })
}

/// The session if it is there; a refusal if it is another's.
async fn look(watch: &Session, pid: u32, backend_start: u64) -> Outcome<Option<Before>> {
    let (pid, start) = key(pid, backend_start)?;
    let Some(row) = watch
        .query_opt(BACKEND, &[&pid, &start, &APPLICATION])
        .await?
    else {
        return Ok(None);
    };
    if !row.try_get::<_, Option<bool>>(2)?.unwrap_or(false) {
        return refuse(
            ErrorKind::Denied,
            format!("session {pid} was not opened by windlass as this login"),
        );
    }
    Ok(Some(Before {
        active: row.try_get::<_, Option<bool>>(0)?.unwrap_or(false),
        statement: row.try_get(1)?,
    }))
}

fn key(pid: u32, backend_start: u64) -> Result<(i32, i64), CallError> {
    let out_of_range =
        |_| CallError::new(ErrorKind::Invalid, "the pid or the start is out of range");
    Ok((
        i32::try_from(pid).map_err(out_of_range)?,
        i64::try_from(backend_start).map_err(out_of_range)?,
    ))
}

/// Asks the server to cancel the statement that was running when it was prepared. A later one is not meant.
pub(super) async fn apply(
    room: &Room,
    permit: &ChangePermit,
    pid: u32,
    backend_start: u64,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let before: Before = work::from_value(&prepared.before).map_err(not_done)?;
    let (pid, start) = key(pid, backend_start).map_err(not_done)?;
    if !before.active {
        return answer(false).map_err(in_doubt);
    }
    let watch = room
        .open(Purpose::Watch, permit, permit.deadline())
        .await
        .map_err(not_done)?;
    lock::refuse_unlocked(&watch, room)
        .await
        .map_err(|failure| not_done(failure.into_call(room.name())))?;
    work::announce(room, permit, &watch, None)
        .await
        .map_err(not_done)?;
    let cancelled = watch
        .query_opt(CANCEL, &[&pid, &start, &APPLICATION, &before.statement])
        .await
        .and_then(|row| row.map_or(Ok(false), |row| Ok(row.try_get(0)?)));
    match cancelled {
        Ok(cancelled) => answer(cancelled).map_err(in_doubt),
        Err(failure) => {
            let unknown = failure.is_lost() || failure.code().is_none();
            let error = failure.into_call(room.name());
            Err(if unknown {
                in_doubt(error)
            } else {
                not_done(error)
            })
        }
    }
}

fn answer(running: bool) -> Result<Applied, CallError> {
    let after = if running {
        "cancelled"
    } else {
        "nothing was running"
    };
    applied(&running, after.into(), None)
}

/// Asks whether the session still does what it did.
pub(super) async fn confirm(
    room: &Room,
    permit: &Permit,
    pid: u32,
    backend_start: u64,
    before: &Before,
) -> Result<Confirmed, CallError> {
    if !before.active {
        return answer(false).map(Confirmed::Done);
    }
    let watch = room.open(Purpose::Watch, permit, permit.deadline()).await?;
    let deadline = permit.deadline().min(permit.clock().instant() + NOTICING);
    let ended = within(permit, deadline, ended(&watch, pid, backend_start, before)).await;
    match ended {
        // Nobody can say whether it was cancelled or came to its end.
        Ok(Ok(())) => applied(&true, "no longer running".into(), None).map(Confirmed::Done),
        Ok(Err(failure)) => Err(failure.into_call(room.name())),
        Err(_) => Ok(Confirmed::NotDone {
            why: format!("session {pid} still runs the same statement"),
            sweep: None,
        }),
    }
}

async fn ended(watch: &Session, pid: u32, backend_start: u64, before: &Before) -> Outcome<()> {
    loop {
        let now = look(watch, pid, backend_start).await?;
        if now.is_none_or(|now| !now.active || now.statement != before.statement) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
