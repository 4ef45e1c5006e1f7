//! Standbys and slots as this server sees them.

use super::failure::Outcome;
use super::session::Session;
use super::sessions::must_see_all;
use super::shown;
use super::tables::maybe_amount;
use crate::contract::database_types::{ReplicationFacts, ReplicationSlot, Standby};

/// The end of the log: of what is written on a primary, of what has arrived on a standby.
const END: &str = "(CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    ELSE pg_current_wal_lsn() END)";

/// A standby says what it has replayed. What only receives the log, as a backup does, or changes of rows, as a subscription does, is none.
const STANDBYS: &str = "
    SELECT r.application_name, coalesce(r.state, 'unknown'), coalesce(r.sync_state IN ('sync', 'quorum'), false),
           pg_wal_lsn_diff({end}, r.replay_lsn)::int8, (extract(epoch FROM r.replay_lag) * 1000)::int8
    FROM pg_stat_replication r
    WHERE r.replay_lsn IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
    ORDER BY r.application_name, r.pid LIMIT 1000";

const SLOTS: &str = "
    SELECT s.slot_name, s.active, coalesce(s.wal_status, 'unused'), pg_wal_lsn_diff({end}, s.restart_lsn)::int8
    FROM pg_replication_slots s ORDER BY s.slot_name LIMIT 1000";

/// Reads `database-read.replication`.
pub(super) async fn read(session: &Session, database: &str) -> Outcome<ReplicationFacts> {
    must_see_all(session, database).await?;
    let mut facts = ReplicationFacts {
        standbys: Vec::new(),
        slots: Vec::new(),
    };
    for row in session.query(&STANDBYS.replace("{end}", END), &[]).await? {
        facts.standbys.push(Standby {
            name: shown::text(&row, 0)?,
            state: row.try_get(1)?,
            synchronous: row.try_get(2)?,
            lag_bytes: maybe_amount(&row, 3)?,
            lag: maybe_amount(&row, 4)?,
        });
    }
    for row in session.query(&SLOTS.replace("{end}", END), &[]).await? {
        facts.slots.push(ReplicationSlot {
            name: row.try_get(0)?,
            active: row.try_get(1)?,
            wal_status: row.try_get(2)?,
            retained_bytes: maybe_amount(&row, 3)?,
        });
    }
    Ok(facts)
}
