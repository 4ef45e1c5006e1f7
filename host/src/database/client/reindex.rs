//! REINDEX INDEX CONCURRENTLY of one index.

use super::catalog::{self, Index};
use super::failure::{Outcome, refuse};
use super::indexes;
use super::leftovers;
use super::obstacles::{self, Awaited};
use super::rights::lacks_right;
use super::room::Room;
use super::session::Session;
use super::tables::{HELD, amount};
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
use std::ops::Range;

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

const BYTES: &str = "
    WITH {held}
    SELECT CASE WHEN h.oid IS NULL THEN pg_relation_size(c.oid)
                ELSE c.relpages * current_setting('block_size')::int8 END
    FROM pg_class c LEFT JOIN held h ON h.oid = c.oid WHERE c.oid = $1";

/// Releases whose concurrent builds may leave rows out of an index: the first four of PostgreSQL 14.
const CORRUPTING: Range<u32> = 140_000..140_004;

/// Looks at the index; changes nothing.
pub(super) async fn prepare(
    session: &Session,
    room: &Room,
    name: &ObjectName,
) -> Outcome<Prepared> {
    work::refuse_standby(session, room)?;
    let index = catalog::index(session, name).await?;
    check(session, &index).await?;
    let Some(definition) = index.definition.clone() else {
        return refuse(
            ErrorKind::Conflict,
            format!("another session holds `{}`", dotted(name)),
        );
    };
    obstacles::refuse_old_transactions(session, room, awaited(name, index.oid, index.table_oid))
        .await?;
    let bytes = bytes(session, index.oid).await?;
    let bloat = indexes::bloat_of(session, index.oid, bytes).await?;
    let foreseen = bytes.saturating_sub(bloat.unwrap_or(0));
    let invalid = catalog::invalid_indexes(session, index.table_oid).await?;
    let before = Before {
        oid: index.oid,
        table: index.table.clone(),
        table_oid: index.table_oid,
        bytes,
        definition,
        invalid: invalid.iter().map(|index| index.oid).collect(),
    };
    Ok(Prepared {
        before: work::to_value(&before)?,
        foreseen: work::to_value(&rebuilt(bytes, foreseen))?,
        undo: Undo::NotNeeded("same index, rebuilt".into()),
        touches: vec![touch(room, &index)],
        now: text::bytes(bytes),
        details: Vec::new(),
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
    if corrupts(session.version()) {
        return conflict(&format!("is not rebuilt: {CORRUPTS}"));
    }
    if index.kind != 'i' {
        return conflict("is the index of a partition parent; rebuild those of its partitions");
    }
    if index.temporary {
        return conflict("belongs to a temporary table");
    }
    if let Some(why) = indexes::not_rebuildable(index.exclusion, false) {
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

/// Why no index is rebuilt there.
pub(super) const CORRUPTS: &str = "PostgreSQL before 14.4 may leave rows out of an index that it rebuilds concurrently; update the server";

/// Whether a server of the version corrupts what it rebuilds.
pub(super) fn corrupts(version: u32) -> bool {
    CORRUPTING.contains(&version)
}

/// Rebuilds the index. What a failure leaves is found and handed back to be cleared away.
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
    let session = &work.session;
    work.index(name, before.oid).await.map_err(not_done)?;
    work.look(refuse_obstacles(&work, &before, name))
        .await
        .map_err(not_done)?;
    work.note(None).await.map_err(not_done)?;
    let sql = format!("REINDEX INDEX CONCURRENTLY {}", quote_object(name));
    let refused = match work.run(&sql).await {
        Ok(()) => None,
        Err(Ended::Unknown(error)) => return Err(in_doubt(error)),
        Err(Ended::Refused(failure)) => Some(failure.of_maintenance(room.name())),
    };
    let found = match work.look_after(look(session, room, name, &before)).await {
        Ok(found) => found,
        // What the server reported as done is done, whatever keeps us from seeing what it came to.
        Err(_) if refused.is_none() => return unseen(&before).map_err(in_doubt),
        Err(failure) => return Err(failure),
    };
    match (found, refused) {
        // The server gives up on the last wait when the new index is already in place: what is left is the old one.
        (Found::Rebuilt(applied), _) | (Found::Held(applied), None) => Ok(applied),
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
        (Found::Held(_), Some(error)) => Err(in_doubt(error)),
        (Found::Other(why), Some(error)) => Err(in_doubt(CallError::new(
            error.kind,
            format!("{}; {why}", error.message),
        ))),
    }
}

async fn refuse_obstacles(work: &Work<'_>, before: &Before, name: &ObjectName) -> Outcome<()> {
    let (session, room) = (&work.session, work.room);
    obstacles::table_is_free(session, room, work.permit.clock(), before.table_oid).await?;
    let clock = work.permit.clock();
    let awaited = awaited(name, before.oid, before.table_oid);
    obstacles::refuse_hidden_transactions(session, room, clock, awaited).await?;
    obstacles::refuse_old_transactions(session, room, awaited).await
}

fn awaited(index: &ObjectName, index_oid: u32, table_oid: u32) -> Awaited<'_> {
    Awaited {
        index,
        index_oid,
        table_oid,
        snapshots: true,
    }
}

/// Answers where nobody could look afterwards: what was not seen counts as unchanged.
fn unseen(before: &Before) -> Result<Applied, CallError> {
    let rebuilt = rebuilt(before.bytes, before.bytes);
    applied(&rebuilt, "rebuilt, not looked at since".into(), None)
}

/// What the catalog shows of a rebuild that is over.
pub(super) enum Found {
    /// A new, valid index of the same name and definition. The old one may have to be cleared away.
    Rebuilt(Applied),
    /// A new, valid index of the same name. Whether its definition is the same cannot be seen while another session holds it.
    Held(Applied),
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
    let bytes = bytes(session, index.oid).await?;
    let applied = applied(&rebuilt(before.bytes, bytes), text::bytes(bytes), sweep)?;
    Ok(match index.definition {
        Some(definition) if index.valid && definition == before.definition => {
            Found::Rebuilt(applied)
        }
        None if index.valid => Found::Held(applied),
        Some(_) | None => Found::Other(format!("`{}` is another index now", dotted(name))),
    })
}

fn is_not_found(failure: &super::failure::Failure) -> bool {
    matches!(failure, super::failure::Failure::Call(error) if error.kind == ErrorKind::NotFound)
}

/// The size of an index.
pub(super) async fn bytes(session: &Session, oid: u32) -> Outcome<u64> {
    let sql = BYTES.replace("{held}", HELD);
    amount(&session.query_one(&sql, &[&oid]).await?, 0)
}

fn rebuilt(bytes_before: u64, bytes_after: u64) -> Rebuilt {
    Rebuilt {
        bytes_before,
        bytes_after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_releases_of_14_corrupt() {
        for (version, corrupt) in [
            (130_023, false),
            (140_000, true),
            (140_003, true),
            (140_004, false),
            (140_023, false),
            (180_000, false),
        ] {
            assert_eq!(corrupts(version), corrupt, "{version}");
        }
    }
}
