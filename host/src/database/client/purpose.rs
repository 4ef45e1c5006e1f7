//! What sessions are for, and what is set in them.

use super::room::Room;
use std::time::Duration;

/// What a session is for; it can do no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Looks, in the maintenance role.
    Look,
    /// Looks at windlass's own sessions: as the login role, which alone is sure to see them.
    Watch,
    /// Holds the lock, as the login role.
    Hold,
    /// Changes, in the maintenance role, with so much patience.
    Change(Patience),
}

/// How long the server lets a change wait and work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// For one lock.
    pub(super) lock: Duration,
    /// For the whole statement. It ends at the server even if the process that sent it is gone.
    pub(super) statement: Duration,
}

/// What is looked at under a lock must be what is there then, not when the transaction began. Sent first and without a snapshot: a standby
/// gives none to a transaction that is to be serializable.
pub(super) const ISOLATION: &str = "SET default_transaction_isolation = 'read committed'";

pub(super) const SETTINGS: &str = "
    SELECT pg_catalog.set_config('role', 'none', false),
           pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false),
           pg_catalog.set_config('application_name', $1, false),
           pg_catalog.set_config('lock_timeout', $2, false),
           pg_catalog.set_config('statement_timeout', $3, false),
           pg_catalog.set_config('default_transaction_read_only', $4, false),
           pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', false),
           pg_catalog.set_config('idle_session_timeout', '0', false),
           CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 170000
               THEN pg_catalog.set_config('transaction_timeout', '0', false) END,
           -- A row that the role may not see must be an error, not a count that is too small.
           pg_catalog.set_config('row_security', 'off', false),
           -- Whoever is silent for a minute is gone, and with the session goes its lock.
           pg_catalog.set_config('tcp_keepalives_idle', '30', false),
           pg_catalog.set_config('tcp_keepalives_interval', '10', false),
           pg_catalog.set_config('tcp_keepalives_count', '3', false),
           pg_catalog.set_config('tcp_user_timeout', '60000', false),
           pg_catalog.set_config('client_min_messages', 'warning', false),
           pg_catalog.set_config('TimeZone', 'UTC', false),
           -- Such a database takes names of any bytes, and the server gives none of a list in which one is not UTF-8.
           CASE WHEN pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'
               THEN pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) END,
           -- What the server acknowledged must survive its crash, or asking it later would be worthless.
           pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit')
               WHEN 'off' THEN 'local' ELSE pg_catalog.current_setting('synchronous_commit') END, false)";

/// What a look needs is set for its transaction only: nothing of it is left in a session that a pool may give to others.
const LOOK: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
    SET LOCAL ROLE NONE;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SET LOCAL lock_timeout = {lock};
    SET LOCAL statement_timeout = {statement};
    SET LOCAL idle_in_transaction_session_timeout = '60s';
    SET LOCAL row_security = off;
    SET LOCAL tcp_keepalives_idle = 30;
    SET LOCAL tcp_keepalives_interval = 10;
    SET LOCAL tcp_keepalives_count = 3;
    SET LOCAL tcp_user_timeout = 60000;
    SET LOCAL client_min_messages = warning;
    SET LOCAL TimeZone = 'UTC';
    SELECT set_config('client_encoding', 'SQL_ASCII', true) WHERE current_setting('server_encoding') = 'SQL_ASCII';";

const NO_TRANSACTION_TIMEOUT: &str = "SET LOCAL transaction_timeout = 0;";

/// Asked before anything is set, so each name says its schema. As the login itself, which alone is sure to see when its session began.
/// Asks the function behind `pg_stat_activity`: to plan the view takes a new session three times as long.
pub(super) const IDENTITY: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
    SET LOCAL ROLE NONE;
    SELECT a.pid, (extract(epoch FROM a.backend_start) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8,
           pg_catalog.pg_is_in_recovery()
    FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a;
    ROLLBACK";

/// Nothing means what the login itself is set to.
pub(super) const SET_ROLE: &str = "SELECT pg_catalog.set_config('role', $1, $2)";

/// How patient a session for the purpose is.
pub(super) fn patience(room: &Room, purpose: Purpose) -> Patience {
    match purpose {
        Purpose::Look | Purpose::Watch | Purpose::Hold => Patience {
            lock: room.target.lock_timeout,
            statement: room.target.statement_timeout,
        },
        Purpose::Change(patience) => patience,
    }
}

impl Patience {
    /// What begins the transaction of a look.
    pub(super) fn of_a_look(self, major: u32) -> String {
        let mut sql = LOOK
            .replace("{lock}", &milliseconds(self.lock))
            .replace("{statement}", &milliseconds(self.statement));
        if major >= 17 {
            sql.push_str(NO_TRANSACTION_TIMEOUT);
        }
        sql
    }
}

/// As the server takes a timeout. Zero would be none.
pub(super) fn milliseconds(span: Duration) -> String {
    span.as_millis().clamp(1, i32::MAX as u128).to_string()
}
