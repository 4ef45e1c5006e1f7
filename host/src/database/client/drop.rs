//! DROP INDEX CONCURRENTLY, only of invalid indexes that nobody works on.

use super::catalog::{self, Index};
use super::failure::{Outcome, refuse};
use super::obstacles::{self, Awaited};
use super::reindex::{bytes, touch};
use super::rights::lacks_right;
use super::room::Room;
use super::session::Session;
use super::text;
use super::work::{self, Ended, Work, applied, in_doubt, not_done};
use crate::call::{Applied, ApplyFailure, Prepared, Reverted, Undo};
use crate::contract::database_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::database::call::dotted;
use crate::database::names::quote_object;
use crate::engine::ChangePermit;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(250);

/// What was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) oid: u32,
    pub(super) bytes: u64,
    definition: String,
}

/// Looks at the index; changes nothing.
pub(super) async fn prepare(
    session: &Session,
    room: &Room,
    name: &ObjectName,
) -> Outcome<Prepared> {
    work::refuse_standby(session, room)?;
    let index = catalog::index(session, name).await?;
    check(&index)?;
    if !index.owned {
        return refuse(
            ErrorKind::Denied,
            lacks_right(session, &index.table, "drop indexes of").await?,
        );
    }
    obstacles::refuse_old_transactions(session, room, awaited(&index)).await?;
    let before = Before {
        oid: index.oid,
        bytes: bytes(session, index.oid).await?,
        definition: index.definition.clone().unwrap_or_default(),
    };
    Ok(Prepared {
        foreseen: work::to_value(&before.bytes)?,
        undo: Undo::NotNeeded("no query can use it".into()),
        touches: vec![touch(room, &index)],
        now: text::bytes(before.bytes),
        details: Vec::new(),
        after: "gone".into(),
        before: work::to_value(&before)?,
    })
}

fn check(index: &Index) -> Outcome<()> {
    let name = dotted(&index.name);
    let why = if index.kind != 'i' {
        "is the index of a partition parent"
    } else if index.valid {
        "is valid; only an invalid index is dropped"
    } else if index.in_work {
        "is being built or dropped by another session"
    } else {
        return Ok(());
    };
    refuse(ErrorKind::Conflict, format!("`{name}` {why}"))
}

/// Drops the index.
pub(super) async fn apply(
    room: &Room,
    permit: &ChangePermit,
    name: &ObjectName,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let before: Before = work::from_value(&prepared.before).map_err(not_done)?;
    let work = Work::open_concurrent(room, permit)
        .await
        .map_err(not_done)?;
    let index = work.index(name, before.oid).await.map_err(not_done)?;
    free(&work, &index).await.map_err(not_done)?;
    work.look(refuse_obstacles(&work, &index))
        .await
        .map_err(not_done)?;
    work.note(None).await.map_err(not_done)?;
    // Last of all: nothing may come between this look and the statement.
    let index = work.index(name, before.oid).await.map_err(not_done)?;
    check(&index)
        .map_err(|failure| failure.into_call(room.name()))
        .map_err(not_done)?;
    work.run(&sql(name))
        .await
        .map_err(|ended| work.failed(ended))?;
    answer(&before).map_err(in_doubt)
}

async fn free(work: &Work<'_>, index: &Index) -> Result<(), CallError> {
    let clock = work.permit.clock();
    work.look(obstacles::table_is_free(
        &work.session,
        work.room,
        clock,
        index.table_oid,
    ))
    .await
}

async fn refuse_obstacles(work: &Work<'_>, index: &Index) -> Outcome<()> {
    let (session, room, clock) = (&work.session, work.room, work.permit.clock());
    obstacles::refuse_hidden_transactions(session, room, clock, awaited(index)).await?;
    obstacles::refuse_old_transactions(session, room, awaited(index)).await
}

fn awaited(index: &Index) -> Awaited<'_> {
    Awaited {
        index: &index.name,
        index_oid: index.oid,
        table_oid: index.table_oid,
        snapshots: false,
    }
}

/// The answer of a drop that happened.
pub(super) fn answer(before: &Before) -> Result<Applied, CallError> {
    applied(&before.bytes, "gone".into(), None)
}

fn sql(name: &ObjectName) -> String {
    format!("DROP INDEX CONCURRENTLY {}", quote_object(name))
}

/// Drops the leftovers of a rebuild that are still there and still invalid. What another session works on is waited for.
pub(super) async fn leftovers(
    room: &Room,
    permit: &ChangePermit,
    leftovers: &[(ObjectName, u32)],
) -> Result<Reverted, CallError> {
    let work = Work::open_concurrent(room, permit).await?;
    let mut dropped = Vec::new();
    let mut kept = Vec::new();
    for (name, oid) in leftovers {
        let Some(index) = work.look(when_idle(&work, *oid)).await? else {
            continue;
        };
        if let Err(failure) = check(&index) {
            kept.push(failure.into_call(room.name()).message);
            continue;
        }
        free(&work, &index).await?;
        match work.run(&sql(&index.name)).await {
            Ok(()) => dropped.push(dotted(name)),
            // Whoever dropped it did what was to be done.
            Err(Ended::Refused(failure))
                if failure.code().is_some_and(|code| code.code() == "42704") => {}
            Err(ended) => return Err(work.failed(ended).error),
        }
    }
    Ok(match (dropped.is_empty(), kept.is_empty()) {
        (_, false) => Reverted::LeftAlone(kept.join("; ")),
        (false, true) => Reverted::Restored(format!("dropped {}", dropped.join(", "))),
        (true, true) => Reverted::NothingToDo("the leftovers are gone".into()),
    })
}

/// The index as soon as no session builds or drops one of its table; none if it is gone.
async fn when_idle(work: &Work<'_>, oid: u32) -> Outcome<Option<Index>> {
    let clock = work.permit.clock();
    let end = clock.instant() + work.room.target.transaction_wait;
    loop {
        match catalog::index_by_oid(&work.session, oid).await? {
            Some(index) if index.in_work => {
                if clock.instant() >= end {
                    return check(&index).map(|()| Some(index));
                }
                tokio::time::sleep(PAUSE).await;
            }
            found => return Ok(found),
        }
    }
}
