//! REINDEX INDEX CONCURRENTLY of one index.

use super::catalog::{self, Index};
use super::failure::{Outcome, refuse};
use super::indexes;
use super::leftovers;
use super::rights::{lacks_right, same_object};
use super::room::Room;
use super::session::Session;
use super::tables::amount;
use super::text;
use super::work::{self, Ended, Work, applied, in_doubt, not_done};
use crate::call::{Applied, ApplyFailure, Prepared, Revert, Touch, Undo};
use crate::contract::database_maintain::Rebuilt;
use crate::contract::database_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::database::call::dotted;
use crate::database::names::quote_object;
use crate::engine::ChangePermit;
use serde::{Deserialize, Serialize};

/// What was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) oid: u32,
    pub(super) table: ObjectName,
    pub(super) table_oid: u32,
    pub(super) bytes: u64,
    pub(super) definition: String,
    /// Invalid indexes of the table that were there already; none of them is ours.
    pub(super) invalid: Vec<u32>,
}

const BYTES: &str = "SELECT pg_relation_size($1::oid::regclass)";

/// A rebuild ends by waiting for each transaction that might still use the old index. One that is already older than we would wait makes
/// it fail at the very end, with all its work lost.
const IN_THE_WAY: &str = "
    SELECT concat('session ', a.pid, ' (', coalesce(a.state, 'unknown'), ')'), a.xact_start AS began,
           extract(epoch FROM clock_timestamp() - a.xact_start)::int8
    FROM pg_stat_activity a
    WHERE a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
      AND a.xact_start < clock_timestamp() - make_interval(secs => $2)
      AND (a.backend_xmin IS NOT NULL OR EXISTS (
          SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.relation IN ($1::oid, $3::oid)))
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    ORDER BY began LIMIT 1";

/// Looks at the index; changes nothing.
pub(super) async fn prepare(
    session: &Session,
    room: &Room,
    name: &ObjectName,
) -> Outcome<Prepared> {
    work::refuse_standby(session, room)?;
    let index = catalog::index(session, name).await?;
    check(session, &index).await?;
    let bytes = bytes(session, index.oid).await?;
    let bloat = indexes::bloat_of(session, index.oid, bytes).await?;
    let foreseen = bytes.saturating_sub(bloat.unwrap_or(0));
    let invalid = catalog::invalid_indexes(session, index.table_oid).await?;
    let before = Before {
        oid: index.oid,
        table: index.table.clone(),
        table_oid: index.table_oid,
        bytes,
        definition: index.definition.clone(),
        invalid: invalid.iter().map(|index| index.oid).collect(),
    };
    Ok(Prepared {
        before: work::to_value(&before)?,
        foreseen: work::to_value(&rebuilt(bytes, foreseen))?,
        undo: Undo::NotNeeded("same index, rebuilt".into()),
        touches: vec![touch(room, &index)],
        now: text::bytes(bytes),
        after: match bloat {
            Some(_) => format!("~{}", text::bytes(foreseen)),
            None => String::new(),
        },
    })
}

/// The table that an index belongs to, for the gate.
pub(super) fn touch(room: &Room, index: &Index) -> Touch {
    Touch::Table {
        database: room.name().to_owned(),
        schema: index.table.schema.clone(),
        table: index.table.name.clone(),
    }
}

async fn check(session: &Session, index: &Index) -> Outcome<()> {
    let name = dotted(&index.name);
    let conflict = |why: &str| refuse(ErrorKind::Conflict, format!("`{name}` {why}"));
    if index.kind != 'i' {
        return conflict("is the index of a partition parent; rebuild those of its partitions");
    }
    if index.temporary {
        return conflict("belongs to a temporary table");
    }
    if let Some(why) = indexes::not_rebuildable(index.exclusion) {
        return conflict(&format!("cannot be rebuilt concurrently: {why}"));
    }
    if !index.valid {
        return conflict(if index.in_work {
            "is being built or dropped by another session"
        } else {
            "is invalid; it is dropped, not rebuilt"
        });
    }
    if !index.maintained {
        let why = lacks_right(session, &index.table, "maintain").await?;
        return refuse(ErrorKind::Denied, why);
    }
    Ok(())
}

/// Rebuilds the index. What a failure leaves is found and handed back to be cleared away.
pub(super) async fn apply(
    room: &Room,
    permit: &ChangePermit,
    name: &ObjectName,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let before: Before = work::from_value(&prepared.before).map_err(not_done)?;
    let work = Work::open(room, permit).await.map_err(not_done)?;
    let session = &work.session;
    let index = work
        .look(catalog::index(session, name))
        .await
        .map_err(not_done)?;
    same_object(index.oid, before.oid, name).map_err(not_done)?;
    work.look(refuse_obstacles(session, room, &before, name))
        .await
        .map_err(not_done)?;
    work.note(None).await.map_err(not_done)?;
    let sql = format!("REINDEX INDEX CONCURRENTLY {}", quote_object(name));
    let refused = match work.run(&sql).await {
        Ok(()) => None,
        Err(Ended::Unknown(error)) => return Err(in_doubt(error)),
        Err(Ended::Refused(failure)) => Some(failure.into_call(room.name())),
    };
    let found = work.look_after(look(session, room, name, &before)).await?;
    match (found, refused) {
        // The server gives up on the last wait when the new index is already in place: what is left is the old one.
        (Found::Rebuilt(applied), _) => Ok(applied),
        (Found::Unchanged { sweep }, Some(error)) => Err(ApplyFailure {
            error,
            in_doubt: false,
            sweep,
        }),
        (Found::Unchanged { .. } | Found::Other(_), None) => Err(in_doubt(CallError::new(
            ErrorKind::Conflict,
            format!(
                "the server reported the rebuild of `{}` as done, but the catalog does not show it",
                dotted(name)
            ),
        ))),
        (Found::Other(why), Some(error)) => Err(in_doubt(CallError::new(
            error.kind,
            format!("{}; {why}", error.message),
        ))),
    }
}

async fn refuse_obstacles(
    session: &Session,
    room: &Room,
    before: &Before,
    name: &ObjectName,
) -> Outcome<()> {
    let patience = room.target.lock_timeout.as_secs_f64();
    let row = session
        .query_opt(IN_THE_WAY, &[&before.table_oid, &patience, &before.oid])
        .await?;
    let Some(row) = row else {
        return Ok(());
    };
    let who: String = row.try_get(0)?;
    let age = text::span(amount(&row, 2)?);
    refuse(
        ErrorKind::Conflict,
        format!(
            "{who} has been open for {age}; a rebuild of `{}` would have to wait for it",
            dotted(name)
        ),
    )
}

/// What the catalog shows of a rebuild that is over.
pub(super) enum Found {
    /// A new, valid index of the same name and definition. The old one may have to be cleared away.
    Rebuilt(Applied),
    /// The same index as before. What the rebuild left may have to be cleared away.
    Unchanged { sweep: Option<Revert> },
    /// Neither, for this reason.
    Other(String),
}

/// Compares the index with what it was.
pub(super) async fn look(
    session: &Session,
    room: &Room,
    name: &ObjectName,
    before: &Before,
) -> Outcome<Found> {
    let left = leftovers::new_ones(session, before.table_oid, &name.name, &before.invalid).await?;
    let sweep = leftovers::sweep(room.name(), name, &left);
    let index = match catalog::index(session, name).await {
        Err(failure) if is_not_found(&failure) => {
            return Ok(Found::Other(format!("`{}` is gone", dotted(name))));
        }
        index => index?,
    };
    if index.oid == before.oid {
        return Ok(Found::Unchanged { sweep });
    }
    if !index.valid || index.definition != before.definition {
        return Ok(Found::Other(format!(
            "`{}` is another index now",
            dotted(name)
        )));
    }
    let bytes = bytes(session, index.oid).await?;
    let rebuilt = rebuilt(before.bytes, bytes);
    Ok(Found::Rebuilt(applied(
        &rebuilt,
        text::bytes(bytes),
        sweep,
    )?))
}

fn is_not_found(failure: &super::failure::Failure) -> bool {
    matches!(failure, super::failure::Failure::Call(error) if error.kind == ErrorKind::NotFound)
}

/// The size of an index.
pub(super) async fn bytes(session: &Session, oid: u32) -> Outcome<u64> {
    amount(&session.query_one(BYTES, &[&oid]).await?, 0)
}

fn rebuilt(bytes_before: u64, bytes_after: u64) -> Rebuilt {
    Rebuilt {
        bytes_before,
        bytes_after,
    }
}
