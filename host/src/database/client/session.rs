//! One connection to one database: how it is opened, what it may do, how its statement is cancelled.

use super::failure::ConnectFailure;
use super::room::Room;
use crate::contract::ErrorKind;
use crate::journal::RunId;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{AsyncMessage, CancelToken, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The oldest server this room knows.
pub(super) const OLDEST_MAJOR: u32 = 14;
/// The newest server this room was tried on.
pub(super) const NEWEST_MAJOR: u32 = 18;

const OPENING: Duration = Duration::from_secs(30);
const CANCELLING: Duration = Duration::from_secs(10);
const MOST_WARNINGS: usize = 100;
const LONGEST_APPLICATION_NAME: usize = 63;

/// Every session of windlass carries an application name that begins so.
pub(super) const APPLICATION: &str = "windlass/";

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

/// An open session. Dropping it closes the connection; a statement that runs goes on at the server.
pub(super) struct Session {
    client: tokio_postgres::Client,
    cancel: CancelToken,
    tls: MakeRustlsConnect,
    warnings: Arc<Mutex<Vec<DbError>>>,
    run: RunId,
    version: u32,
    pid: i32,
    backend_start: i64,
    standby: bool,
}

/// What is looked at under a lock must be what is there then, not when the transaction began. Sent first and without a snapshot: a standby
/// gives none to a transaction that is to be serializable.
const ISOLATION: &str = "SET default_transaction_isolation = 'read committed'";

const SETTINGS: &str = "
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

/// Asks the function behind `pg_stat_activity`: to plan the view takes a new session three times as long.
const IDENTITY: &str = "
    SELECT a.pid, floor(extract(epoch FROM a.backend_start) * 1000000)::int8, pg_is_in_recovery()
    FROM pg_stat_get_activity(pg_backend_pid()) a";

/// Nothing means what the login itself is set to.
const SET_ROLE: &str = "SELECT pg_catalog.set_config('role', $1, false)";

impl Session {
    /// Opens a session for the purpose on behalf of a run.
    pub(super) async fn open(
        room: &Room,
        purpose: Purpose,
        run: &RunId,
    ) -> Result<Self, ConnectFailure> {
        match tokio::time::timeout(OPENING, Self::connect(room, purpose, run)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ConnectFailure::new(
                ErrorKind::Unavailable,
                "the server did not answer in time",
            )),
        }
    }

    async fn connect(room: &Room, purpose: Purpose, run: &RunId) -> Result<Self, ConnectFailure> {
        let tls = room.tls.connector().map_err(|error| ConnectFailure {
            kind: ErrorKind::Unavailable,
            reason: "TLS cannot be used on this machine".into(),
            detail: Some(error.to_string()),
        })?;
        let driver = |error: tokio_postgres::Error| ConnectFailure::from_driver(&error);
        let (client, connection) = room.config.connect(tls.clone()).await.map_err(driver)?;
        let version = version_number(connection.parameter("server_version").unwrap_or_default());
        let major = version / 10_000;
        let warnings = Arc::default();
        tokio::spawn(drive(connection, Arc::clone(&warnings)));
        if major < OLDEST_MAJOR {
            return Err(ConnectFailure::new(
                ErrorKind::Invalid,
                format!("the server is PostgreSQL {major}; windlass needs {OLDEST_MAJOR} or newer"),
            ));
        }
        client.batch_execute(ISOLATION).await.map_err(driver)?;
        let settings = settings(room, purpose, run);
        let [name, lock, statement, read_only] = &settings;
        client
            .query_one(SETTINGS, &[name, lock, statement, read_only])
            .await
            .map_err(driver)?;
        let identity = client.query_one(IDENTITY, &[]).await.map_err(driver)?;
        let session = Self {
            cancel: client.cancel_token(),
            client,
            tls,
            warnings,
            run: run.clone(),
            version,
            pid: identity.try_get(0).map_err(driver)?,
            backend_start: identity.try_get(1).map_err(driver)?,
            standby: identity.try_get(2).map_err(driver)?,
        };
        session.take_role(room, purpose).await?;
        Ok(session)
    }

    async fn take_role(&self, room: &Room, purpose: Purpose) -> Result<(), ConnectFailure> {
        match purpose {
            Purpose::Look | Purpose::Change(_) => {}
            Purpose::Watch | Purpose::Hold => return Ok(()),
        }
        let taken = self.client.query_one(SET_ROLE, &[&room.target.role]).await;
        taken
            .map(drop)
            .map_err(|error| ConnectFailure::from_role(&error))
    }

    /// Whether the server's end of the connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// On whose behalf it was opened.
    pub(super) fn run(&self) -> &RunId {
        &self.run
    }

    /// The server's major version.
    pub(super) fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// Major version times 10,000 plus minor.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// The server process.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// When the server process started, in microseconds since 1970: with the pid it names the session once and for all.
    pub(super) fn backend_start(&self) -> i64 {
        self.backend_start
    }

    /// Whether the server only replays another's log.
    pub(super) fn is_standby(&self) -> bool {
        self.standby
    }

    /// Asks the server to cancel the statement that runs. Whether it did shows in how the statement ends.
    pub(super) async fn cancel(&self) {
        cancel(self.cancel.clone(), self.tls.clone()).await;
    }

    /// Closes the session and cancels what it still does, without waiting.
    pub(super) fn abandon(self) {
        tokio::spawn(cancel(self.cancel.clone(), self.tls.clone()));
    }

    /// The warnings since the last time, in codes: their text may be in any language.
    pub(super) fn take_warnings(&self) -> Vec<SqlState> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings
            .drain(..)
            .map(|warning| warning.code().clone())
            .collect()
    }
}

impl Deref for Session {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}

async fn cancel(token: CancelToken, tls: MakeRustlsConnect) {
    // A request that does not arrive is no error of its own: the caller waits for the statement's end either way.
    let _ = tokio::time::timeout(CANCELLING, token.cancel_query(tls)).await;
}

/// Moves bytes until the connection ends, and keeps the warnings.
async fn drive<S, T>(mut connection: Connection<S, T>, warnings: Arc<Mutex<Vec<DbError>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notice(notice) = message {
            let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
            if warnings.len() < MOST_WARNINGS {
                warnings.push(notice);
            }
        }
    }
}

fn settings(room: &Room, purpose: Purpose, run: &RunId) -> [String; 4] {
    let milliseconds = |span: Duration| span.as_millis().clamp(1, i32::MAX as u128).to_string();
    let look = Patience {
        lock: room.target.lock_timeout,
        statement: room.target.statement_timeout,
    };
    let (patience, read_only) = match purpose {
        Purpose::Look | Purpose::Watch | Purpose::Hold => (look, "on"),
        Purpose::Change(patience) => (patience, "off"),
    };
    [
        application_name(run),
        milliseconds(patience.lock),
        milliseconds(patience.statement),
        read_only.to_owned(),
    ]
}

/// `windlass/<run>`, in the characters and the length that the server keeps.
pub(super) fn application_name(run: &RunId) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    APPLICATION
        .chars()
        .chain(run.0.chars().map(plain))
        .take(LONGEST_APPLICATION_NAME)
        .collect()
}

/// 180004 for "18.4 (Debian 18.4-1)"; what is not released yet, as "19devel" or "17beta2", has no minor version.
fn version_number(version: &str) -> u32 {
    let word = version.split(' ').next().unwrap_or_default();
    let mut numbers = word.split('.').map(|part| {
        let digits = part.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    });
    let mut next = || numbers.next().unwrap_or(0_u32).min(9_999);
    next() * 10_000 + next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_kinds_are_read() {
        for (text, number) in [
            ("18.4", 180_004),
            ("15.18 (Debian 15.18-0+deb12u1)", 150_018),
            ("19devel", 190_000),
            ("17beta2", 170_000),
            ("", 0),
        ] {
            assert_eq!(version_number(text), number, "{text}");
        }
    }

    #[test]
    fn application_names_are_plain_and_short() {
        assert_eq!(
            application_name(&RunId("0197-k3".into())),
            "windlass/0197-k3"
        );
        assert_eq!(
            application_name(&RunId("a b\n\"ö".into())),
            "windlass/a_b___"
        );
        assert_eq!(application_name(&RunId("x".repeat(200))).len(), 63);
    }
}
