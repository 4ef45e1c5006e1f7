//! One connection to one database: how it is opened, what it may do, how its statement is cancelled.

use super::connect::{Connected, Driver, Way, connect, sent};
use super::failure::{ConnectFailure, Failure, Outcome};
use super::pool;
use super::room::Room;
use super::wire::Peer;
use crate::contract::{CallError, ErrorKind};
use crate::journal::RunId;
use futures_util::TryStreamExt as _;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, CancelToken, Row, SimpleQueryMessage, SimpleQueryRow};

/// The oldest server this room knows.
pub(super) const OLDEST_MAJOR: u32 = 14;
/// The newest server this room was tried on.
pub(super) const NEWEST_MAJOR: u32 = 18;

const OPENING: Duration = Duration::from_secs(30);
const CANCELLING: Duration = Duration::from_secs(10);
/// What a server may take beyond its own timeout before it counts as gone.
const LATE: Duration = Duration::from_secs(10);
const CLOSING: Duration = Duration::from_secs(5);
const MOST_WARNINGS: usize = 100;
const CODE_LENGTH: usize = 5;
/// How much of one answer is kept, and what a row and each of its columns take beyond their bytes.
const MOST_BYTES: usize = 48 << 20;
const ROW_BYTES: usize = 200;
const COLUMN_BYTES: usize = 24;
/// How many rows of one answer are looked at where none is kept.
const MOST_ROWS: usize = 10_000_000;
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
    driven: Driven,
    peer: Arc<Peer>,
    cancel: CancelToken,
    way: Way,
    warnings: Warnings,
    run: RunId,
    version: u32,
    /// Whether the database takes any bytes for text.
    any_bytes: bool,
    pid: i32,
    backend_start: i64,
    standby: bool,
    /// How long an answer is waited for.
    limit: Duration,
}

/// Codes: the texts may be in any language, and of any length.
type Warnings = Arc<Mutex<Vec<SqlState>>>;

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
           -- Such a database takes any bytes for names, and else the server gives nothing of a list in which one is not UTF-8.
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
    SET LOCAL TimeZone = 'UTC';";

const NO_TRANSACTION_TIMEOUT: &str = "SET LOCAL transaction_timeout = 0;";

/// Else the server gives nothing of a list in which one name is not UTF-8.
const ANY_BYTES: &str = "SET LOCAL client_encoding = 'SQL_ASCII';";

/// Asked before anything is set, so each name says its schema. As the login itself, which alone is sure to see when its session began.
/// Asks the function behind `pg_stat_activity`: to plan the view takes a new session three times as long.
const IDENTITY: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
    SET LOCAL ROLE NONE;
    SELECT a.pid, (extract(epoch FROM a.backend_start) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8,
           pg_catalog.pg_is_in_recovery()
    FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a;
    ROLLBACK";

/// Nothing means what the login itself is set to.
const SET_ROLE: &str = "SELECT pg_catalog.set_config('role', $1, $2)";

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
        let application = application_name(run);
        let Connected {
            client,
            driver,
            peer,
            way,
        } = connect(room, &application).await?;
        let version = version_number(driver.parameter("server_version").unwrap_or_default());
        let any_bytes = driver.parameter("server_encoding") == Some("SQL_ASCII");
        let major = version / 10_000;
        let warnings = Warnings::default();
        let driven = Driven::spawn(drive(driver, Arc::clone(&warnings)));
        if major < OLDEST_MAJOR {
            return Err(ConnectFailure::new(
                ErrorKind::Invalid,
                format!("the server is PostgreSQL {major}; windlass needs {OLDEST_MAJOR} or newer"),
            ));
        }
        let patience = patience(room, purpose);
        let mut session = Self {
            cancel: client.cancel_token(),
            client,
            driven,
            peer,
            way,
            warnings,
            run: run.clone(),
            version,
            any_bytes,
            pid: 0,
            backend_start: 0,
            standby: false,
            limit: patience.statement + LATE,
        };
        session.learn_identity().await?;
        if session.pid != session.peer.key() {
            room.refuse_shared_pool(|| pool::refuse_shared(room, &application))
                .await?;
        }
        match purpose {
            // Set for each look: see `begin_look`.
            Purpose::Look => {}
            Purpose::Watch | Purpose::Hold => session.set(&application, patience, "on").await?,
            Purpose::Change(_) => {
                session.set(&application, patience, "off").await?;
                session.take_role(room, false).await?;
            }
        }
        Ok(session)
    }

    async fn learn_identity(&mut self) -> Result<(), ConnectFailure> {
        let row = first_row(&self.client, IDENTITY).await;
        let row = row.map_err(|error| self.not_opened(&error))?;
        let value = |column| row.as_ref().and_then(|row| row.get(column));
        let number = |column| value(column)?.parse::<i64>().ok();
        let (Some(pid), Some(start)) = (number(0), number(1)) else {
            return Err(ConnectFailure::new(
                ErrorKind::Unavailable,
                "the server does not say which session this is",
            ));
        };
        self.pid = i32::try_from(pid).unwrap_or_default();
        self.backend_start = start;
        self.standby = value(2) == Some("t");
        Ok(())
    }

    async fn set(
        &self,
        application: &String,
        patience: Patience,
        read_only: &'static str,
    ) -> Result<(), ConnectFailure> {
        let (lock, statement) = (
            milliseconds(patience.lock),
            milliseconds(patience.statement),
        );
        let set = async {
            self.client.batch_execute(ISOLATION).await?;
            self.client
                .query_one(SETTINGS, &[application, &lock, &statement, &read_only])
                .await
        };
        set.await.map(drop).map_err(|error| self.not_opened(&error))
    }

    async fn take_role(&self, room: &Room, local: bool) -> Result<(), ConnectFailure> {
        let role = &room.target.role;
        let taken = self.client.query_one(SET_ROLE, &[role, &local]).await;
        taken.map(drop).map_err(|error| match self.peer.refusal() {
            Some(_) => self.not_opened(&error),
            None => ConnectFailure::from_role(&error),
        })
    }

    fn not_opened(&self, error: &tokio_postgres::Error) -> ConnectFailure {
        match self.peer.refusal() {
            Some(why) => ConnectFailure::new(ErrorKind::Unavailable, sent(why)),
            None => ConnectFailure::from_driver(error),
        }
    }

    /// Begins the transaction of a look, in the maintenance role.
    pub(super) async fn begin_look(&self, room: &Room) -> Result<(), ConnectFailure> {
        let patience = patience(room, Purpose::Look);
        let mut sql = LOOK
            .replace("{lock}", &milliseconds(patience.lock))
            .replace("{statement}", &milliseconds(patience.statement));
        if self.major() >= 17 {
            sql.push_str(NO_TRANSACTION_TIMEOUT);
        }
        if self.any_bytes {
            sql.push_str(ANY_BYTES);
        }
        let begun = self.client.batch_execute(&sql).await;
        begun.map_err(|error| self.not_opened(&error))?;
        self.take_role(room, true).await
    }

    /// Ends the transaction of a look. False where the session is not worth keeping.
    pub(super) async fn end_look(&self) -> bool {
        let ended = tokio::time::timeout(CLOSING, self.client.batch_execute("ROLLBACK")).await;
        matches!(ended, Ok(Ok(())))
    }

    /// All rows of an answer, as long as they are of a size that can be kept.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Vec<Row>> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        self.each(sql, parameters, |row| {
            bytes += row.raw_size_bytes() + row.len() * COLUMN_BYTES + ROW_BYTES;
            rows.push(row);
            Ok(bytes <= MOST_BYTES)
        })
        .await?;
        Ok(rows)
    }

    /// Hands over the rows of an answer one by one, until it is told that this is too much.
    pub(super) async fn each(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        mut take: impl FnMut(Row) -> Outcome<bool>,
    ) -> Outcome<()> {
        let work = async {
            let parameters = parameters.iter().map(|parameter| *parameter as &dyn ToSql);
            let mut rows = pin!(self.client.query_raw(sql, parameters).await?);
            let mut count = 0_usize;
            while let Some(row) = rows.try_next().await? {
                count += 1;
                if !take(row)? || count > MOST_ROWS {
                    return Err(self.give_up("rows without end"));
                }
            }
            Ok(())
        };
        self.in_time(work).await
    }

    /// The one row of an answer.
    pub(super) async fn query_one(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Row> {
        self.in_time(async { Ok(self.client.query_one(sql, parameters).await?) })
            .await
    }

    /// The one row of an answer, if there is one.
    pub(super) async fn query_opt(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Option<Row>> {
        self.in_time(async { Ok(self.client.query_opt(sql, parameters).await?) })
            .await
    }

    /// Statements without an answer.
    pub(super) async fn batch_execute(&self, sql: &str) -> Outcome<()> {
        self.in_time(async { Ok(self.client.batch_execute(sql).await?) })
            .await
    }

    /// A server that keeps its own timeouts answers before this one; from any other nothing is waited for.
    async fn in_time<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let answered = tokio::time::timeout(self.limit, work).await;
        match answered {
            Ok(Err(failure)) if failure.is_lost() => Err(match self.peer.refusal() {
                Some(why) => refusal(why),
                None => failure,
            }),
            Ok(outcome) => outcome,
            Err(_) => Err(self.give_up("no answer in time")),
        }
    }

    /// Takes nothing more from this server.
    fn give_up(&self, why: &'static str) -> Failure {
        self.peer.refuse(why);
        self.driven.end();
        refusal(why)
    }

    /// Whether the server's end of the connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.driven.has_ended()
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
        cancel(&self.way, self.cancel.clone()).await;
    }

    /// Closes the session and cancels what it still does, without waiting.
    pub(super) fn abandon(self) {
        tokio::spawn(async move {
            self.cancel().await;
            self.driven.end();
        });
    }

    /// The warnings since the last time, in codes.
    pub(super) fn take_warnings(&self) -> Vec<SqlState> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.drain(..).collect()
    }
}

/// The first row that statements answer, as texts. Any other is let go: who knows how many there are.
pub(super) async fn first_row(
    client: &tokio_postgres::Client,
    sql: &str,
) -> Result<Option<SimpleQueryRow>, tokio_postgres::Error> {
    let mut messages = pin!(client.simple_query_raw(sql).await?);
    let mut first = None;
    while let Some(message) = messages.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message {
            first.get_or_insert(row);
        }
    }
    Ok(first)
}

fn refusal(why: &str) -> Failure {
    Failure::Call(CallError::new(ErrorKind::Unavailable, sent(why)))
}

/// A request that does not arrive is no error of its own: the caller waits for the statement's end either way.
async fn cancel(way: &Way, token: CancelToken) {
    let _ = tokio::time::timeout(CANCELLING, way.cancel(token)).await;
}

/// What moves the bytes of a connection, until that ends by itself or is ended.
pub(super) struct Driven(JoinHandle<()>);

impl Driven {
    pub(super) fn spawn(driving: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(driving))
    }

    fn end(&self) {
        self.0.abort();
    }

    fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

/// Moves bytes until the connection ends, and keeps the codes of warnings.
pub(super) async fn drive(mut driver: Driver, warnings: Warnings) {
    while let Some(Ok(message)) = poll_fn(|context| driver.poll_message(context)).await {
        if let AsyncMessage::Notice(notice) = message {
            let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
            if warnings.len() < MOST_WARNINGS && notice.code().code().len() == CODE_LENGTH {
                warnings.push(notice.code().clone());
            }
        }
    }
}

fn patience(room: &Room, purpose: Purpose) -> Patience {
    match purpose {
        Purpose::Look | Purpose::Watch | Purpose::Hold => Patience {
            lock: room.target.lock_timeout,
            statement: room.target.statement_timeout,
        },
        Purpose::Change(patience) => patience,
    }
}

fn milliseconds(span: Duration) -> String {
    span.as_millis().clamp(1, i32::MAX as u128).to_string()
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
