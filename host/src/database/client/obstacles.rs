//! What stands in the way of work on an index that goes on beside everyone else's.

use super::failure::{Outcome, refuse};
use super::reindex::Before;
use super::room::Room;
use super::session::Session;
use super::tables::amount;
use super::text;
use crate::clock::Clock;
use crate::contract::ErrorKind;
use crate::contract::database_types::ObjectName;
use crate::database::call::dotted;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);

/// Who holds the table, or waits for it, so that no other work on its indexes can begin. Autovacuum has no user, and gives way when asked.
const HOLDER: &str = "
    SELECT l.pid FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.relation = $1 AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid AND a.usesysid IS NULL)
    LIMIT 1";

/// A rebuild ends by waiting for each transaction that might still use the old index. One that is old already may well grow older than the
/// wait, and then all the work is lost.
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

/// Waits for the table as long as for any lock. The statement itself is more patient: it waits for transactions, and holds nobody up.
pub(super) async fn table_is_free(
    session: &Session,
    room: &Room,
    clock: &Clock,
    table: u32,
) -> Outcome<()> {
    let end = clock.instant() + room.target.lock_timeout;
    while session.query_opt(HOLDER, &[&table]).await?.is_some() {
        if clock.instant() >= end {
            return refuse(
                ErrorKind::Conflict,
                format!(
                    "another session of `{}` holds a lock that is needed; waiting for it was given up",
                    room.name()
                ),
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Refuses a rebuild that would have to wait for a transaction that is older than the wait for a lock.
pub(super) async fn refuse_old_transactions(
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
