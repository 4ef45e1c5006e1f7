//! What stands in the way of work on an index that goes on beside everyone else's.

use super::failure::{Outcome, refuse};
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

/// Who holds the table, or waits for it, so that no other work on its indexes can begin. Autovacuum has no user, and gives way when asked,
/// unless transaction numbers would run out.
const HOLDER: &str = "
    SELECT l.pid FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.relation = $1 AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid AND a.usesysid IS NULL
                      AND a.query NOT LIKE '%to prevent wraparound%')
    LIMIT 1";

/// What works concurrently waits for each transaction that uses the table, and a rebuild ends by waiting for each that might still use the
/// old index. One that is old already may well grow older than the wait, and then all the work is lost. A prepared transaction has no
/// session, holds what it locked, and no snapshot.
const IN_THE_WAY: &str = "
    SELECT w.who, w.began, extract(epoch FROM clock_timestamp() - w.began)::int8 FROM (
        SELECT concat('session ', a.pid, ' (', coalesce(a.state, 'unknown'), ')') AS who, a.xact_start AS began
        FROM pg_stat_activity a
        WHERE a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
          AND a.pid <> pg_backend_pid() AND a.backend_type NOT IN ('autovacuum worker', 'parallel worker')
          AND (($4 AND a.backend_xmin IS NOT NULL) OR EXISTS (
              SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.relation IN ($1::oid, $3::oid)))
          AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
        UNION ALL
        SELECT format('prepared transaction `%s` (prepared at %s by %s)', p.gid,
                      to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"Z\"'), p.owner), p.prepared
        FROM pg_prepared_xacts p
        JOIN pg_locks x ON x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.pid IS NULL
        WHERE p.database = current_database() AND EXISTS (
            SELECT FROM pg_locks l
            WHERE l.pid IS NULL AND l.virtualtransaction = x.virtualtransaction AND l.relation IN ($1::oid, $3::oid))
    ) w
    WHERE w.began < clock_timestamp() - make_interval(secs => $2)
    ORDER BY w.began LIMIT 1";

/// Transactions of sessions of which the role is shown neither the state nor the age. Each holds a lock on its own number, which all may see.
const HIDDEN: &str = "
    SELECT a.pid, l.virtualtransaction
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock'
      AND a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL AND a.state IS NULL
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
      AND ($2 OR EXISTS (SELECT FROM pg_locks t WHERE t.pid = a.pid AND t.granted AND t.relation IN ($1::oid, $3::oid)))";

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited<'a> {
    pub(super) index: &'a ObjectName,
    pub(super) index_oid: u32,
    pub(super) table_oid: u32,
    /// Whether old snapshots are waited for too, as by a rebuild, or only who uses the table.
    pub(super) snapshots: bool,
}

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

/// Refuses what would have to wait for a transaction that is older than the wait for a lock.
pub(super) async fn refuse_old_transactions(
    session: &Session,
    room: &Room,
    awaited: Awaited<'_>,
) -> Outcome<()> {
    let patience = room.target.lock_timeout.as_secs_f64();
    let Awaited {
        index_oid,
        table_oid,
        snapshots,
        ..
    } = awaited;
    let row = session
        .query_opt(IN_THE_WAY, &[&table_oid, &patience, &index_oid, &snapshots])
        .await?;
    let Some(row) = row else {
        return Ok(());
    };
    let who: String = row.try_get(0)?;
    let age = text::span(amount(&row, 2)?);
    let what = awaited.what();
    refuse(
        ErrorKind::Conflict,
        format!("{who} has been open for {age}; {what} would have to wait for it"),
    )
}

/// Refuses the same where the role is not shown how old a transaction is: not seen is not none. One that is still there after the wait for
/// a lock is older than that.
pub(super) async fn refuse_hidden_transactions(
    session: &Session,
    room: &Room,
    clock: &Clock,
    awaited: Awaited<'_>,
) -> Outcome<()> {
    let end = clock.instant() + room.target.lock_timeout;
    let mut old: Option<Vec<(i32, String)>> = None;
    loop {
        let mut found = hidden(session, awaited).await?;
        found.retain(|one| old.as_ref().is_none_or(|old| old.contains(one)));
        let Some((pid, _)) = found.first() else {
            return Ok(());
        };
        if clock.instant() >= end {
            let what = awaited.what();
            return refuse(
                ErrorKind::Conflict,
                format!(
                    "session {pid} is in a transaction that is not shown to this role; {what} might have to wait for it, and GRANT pg_monitor would show it"
                ),
            );
        }
        old = Some(found);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hidden(session: &Session, awaited: Awaited<'_>) -> Outcome<Vec<(i32, String)>> {
    let Awaited {
        index_oid,
        table_oid,
        snapshots,
        ..
    } = awaited;
    let rows = session
        .query(HIDDEN, &[&table_oid, &snapshots, &index_oid])
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

impl Awaited<'_> {
    fn what(&self) -> String {
        let name = dotted(self.index);
        if self.snapshots {
            format!("a rebuild of `{name}`")
        } else {
            format!("dropping `{name}`")
        }
    }
}
