//! Who is connected, and who keeps vacuum from removing dead rows.

use super::failure::{Outcome, refuse};
use super::session::{APPLICATION, Session};
use super::shown;
use super::tables::{instant, maybe_amount};
use crate::contract::ErrorKind;
use crate::contract::database_types::{
    OwnStatement, Pool, SessionFacts, XminHolder, XminHolderKind,
};
use tokio_postgres::Row;

const SEES_ALL: &str = "SELECT pg_has_role('pg_read_all_stats', 'USAGE'), current_user::text";

const HEADROOM: &str = "
    SELECT current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8
             - coalesce(current_setting('reserved_connections', true)::int8, 0),
           count(*), count(*) FILTER (WHERE a.wait_event_type = 'Lock'),
           (extract(epoch FROM clock_timestamp() - min(a.xact_start) FILTER (WHERE a.pid <> pg_backend_pid())) * 1000)::int8,
           (extract(epoch FROM clock_timestamp() - min(a.state_change)
               FILTER (WHERE a.state LIKE 'idle in transaction%')) * 1000)::int8
    FROM pg_stat_activity a WHERE a.backend_type = 'client backend'";

const POOLS: &str = "
    SELECT coalesce(a.usename, ''), split_part(a.application_name, '/', 1), coalesce(a.state, 'unknown'), count(*)
    FROM pg_stat_activity a WHERE a.backend_type = 'client backend'
    GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 1000";

/// Sessions of this login that windlass opened and that now change something. What only looks is none, whatever role it has.
const OWN: &str = "
    SELECT substr(a.application_name, length($1::text) + 1), a.pid, floor(extract(epoch FROM a.backend_start) * 1000)::int8,
           upper(split_part(btrim(a.query, E' \\n'), ' ', 1)), floor(extract(epoch FROM a.query_start) * 1000)::int8
    FROM pg_stat_activity a
    WHERE a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND a.usesysid = (SELECT m.usesysid FROM pg_stat_activity m WHERE m.pid = pg_backend_pid())
      AND starts_with(a.application_name, $1) AND a.application_name <> current_setting('application_name')
      AND a.state = 'active' AND a.query ~* '^\\s*(vacuum|analyze|reindex|drop index|alter table)\\y'
    ORDER BY a.query_start, a.pid LIMIT 1000";

/// A vacuum holds a snapshot that other vacuums ignore. Snapshots in other databases do not matter to tables of this one.
const HOLDERS: &str = "
    SELECT * FROM (
        SELECT 'session' AS kind, concat(a.usename, ' (', a.application_name, ')') AS name, a.pid,
               floor(extract(epoch FROM a.backend_start) * 1000)::int8 AS backend_start,
               coalesce(a.state, 'unknown') AS state,
               greatest(age(a.backend_xid), age(a.backend_xmin)) AS age, false AS catalog,
               floor(extract(epoch FROM a.xact_start) * 1000)::int8 AS since,
               a.application_name LIKE $1
                   AND a.usesysid = (SELECT m.usesysid FROM pg_stat_activity m WHERE m.pid = pg_backend_pid()) AS windlass
        FROM pg_stat_activity a
        WHERE a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
          AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
          AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL)
          AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
        UNION ALL
        SELECT 'prepared', p.gid, NULL, NULL, 'prepared', age(p.transaction), false,
               floor(extract(epoch FROM p.prepared) * 1000)::int8, false
        FROM pg_prepared_xacts p WHERE p.database = current_database()
        UNION ALL
        SELECT 'slot', s.slot_name, s.active_pid, NULL,
               CASE WHEN s.active THEN 'active' ELSE 'inactive' END
                   || CASE WHEN s.xmin IS NULL THEN ', catalog rows only' ELSE '' END,
               greatest(age(s.xmin), age(s.catalog_xmin)), s.xmin IS NULL, NULL, false
        FROM pg_replication_slots s WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL
        UNION ALL
        SELECT 'standby', r.application_name, r.pid,
               floor(extract(epoch FROM r.backend_start) * 1000)::int8, coalesce(r.state, 'unknown'), age(r.backend_xmin), false, NULL, false
        FROM pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
    ) h ORDER BY h.age DESC, h.kind, h.name LIMIT 1000";

/// Refuses where the role would be shown only a part: a holder that is not seen is worse than none.
pub(super) async fn must_see_all(session: &Session, database: &str) -> Outcome<()> {
    let row = session.query_one(SEES_ALL, &[]).await?;
    if row.try_get(0)? {
        return Ok(());
    }
    let role = shown::text(&row, 1)?;
    refuse(
        ErrorKind::Denied,
        format!(
            "role `{role}` sees only its own sessions and statements on `{database}`; \
             GRANT pg_monitor TO {} would allow it",
            crate::database::names::quote_ident(&role)
        ),
    )
}

/// Reads `database-read.sessions`.
pub(super) async fn read(session: &Session, database: &str) -> Outcome<SessionFacts> {
    must_see_all(session, database).await?;
    let row = session.query_one(HEADROOM, &[]).await?;
    let pools = session.query(POOLS, &[]).await?;
    let own = session.query(OWN, &[&APPLICATION]).await?;
    Ok(SessionFacts {
        limit: small(&row, 0)?,
        used: small(&row, 1)?,
        waiting_for_locks: small(&row, 2)?,
        oldest_transaction: maybe_amount(&row, 3)?,
        oldest_idle_in_transaction: maybe_amount(&row, 4)?,
        pools: pools.iter().map(pool).collect::<Outcome<_>>()?,
        under_way: own.iter().map(own_statement).collect::<Outcome<_>>()?,
    })
}

fn pool(row: &Row) -> Outcome<Pool> {
    Ok(Pool {
        user: shown::text(row, 0)?,
        application: shown::text(row, 1)?,
        state: row.try_get(2)?,
        sessions: small(row, 3)?,
    })
}

fn own_statement(row: &Row) -> Outcome<OwnStatement> {
    Ok(OwnStatement {
        run: row.try_get(0)?,
        pid: u32::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0),
        backend_start: instant(row, 2)?.unwrap_or(0),
        verb: row.try_get(3)?,
        since: instant(row, 4)?,
    })
}

fn small(row: &Row, column: usize) -> Outcome<u32> {
    Ok(u32::try_from(row.try_get::<_, i64>(column)?.max(0)).unwrap_or(u32::MAX))
}

/// Reads `database-read.xmin-holders`.
pub(super) async fn xmin_holders(session: &Session, database: &str) -> Outcome<Vec<XminHolder>> {
    must_see_all(session, database).await?;
    let ours = format!("{APPLICATION}%");
    let rows = session.query(HOLDERS, &[&ours]).await?;
    rows.iter().map(holder).collect()
}

fn holder(row: &Row) -> Outcome<XminHolder> {
    let kind = match row.try_get(0)? {
        "session" => XminHolderKind::Session,
        "prepared" => XminHolderKind::PreparedTransaction,
        "slot" => XminHolderKind::ReplicationSlot,
        _ => XminHolderKind::Standby,
    };
    Ok(XminHolder {
        kind,
        name: shown::text(row, 1)?,
        pid: row
            .try_get::<_, Option<i32>>(2)?
            .and_then(|pid| u32::try_from(pid).ok()),
        backend_start: instant(row, 3)?,
        state: row.try_get(4)?,
        age: u32::try_from(row.try_get::<_, Option<i32>>(5)?.unwrap_or(0)).unwrap_or(0),
        catalog_only: row.try_get(6)?,
        since: instant(row, 7)?,
        windlass: row.try_get(8)?,
    })
}
