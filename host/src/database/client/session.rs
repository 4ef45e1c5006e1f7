//! One connection to one database: how it is opened, what it may do, how its statement is cancelled.

use super::answers::{Driven, Warnings, drive, first_row};
use super::connect::{Connected, Way, connect, sent};
use super::failure::ConnectFailure;
use super::pool;
use super::purpose::{
    IDENTITY, ISOLATION, Patience, Purpose, SET_ROLE, SETTINGS, milliseconds, patience,
};
use super::room::Room;
use super::wire::Peer;
use crate::contract::ErrorKind;
use crate::journal::RunId;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio_postgres::CancelToken;
use tokio_postgres::error::SqlState;

/// The oldest server this room knows.
pub(super) const OLDEST_MAJOR: u32 = 14;
/// The newest server this room was tried on.
pub(super) const NEWEST_MAJOR: u32 = 18;

const OPENING: Duration = Duration::from_secs(30);
const CANCELLING: Duration = Duration::from_secs(10);
/// What a server may take beyond its own timeout before it counts as gone.
const LATE: Duration = Duration::from_secs(10);
const CLOSING: Duration = Duration::from_secs(5);
const LONGEST_APPLICATION_NAME: usize = 63;

/// Every session of windlass carries an application name that begins so.
pub(super) const APPLICATION: &str = "windlass/";

/// An open session. Dropping it closes the connection; a statement that runs goes on at the server.
pub(super) struct Session {
    pub(super) client: tokio_postgres::Client,
    pub(super) driven: Driven,
    pub(super) peer: Arc<Peer>,
    cancel: CancelToken,
    way: Way,
    warnings: Warnings,
    run: RunId,
    version: u32,
    pid: i32,
    backend_start: i64,
    standby: bool,
    /// How long an answer is waited for.
    pub(super) limit: Duration,
}

impl Session {
    /// Opens a session for the purpose on behalf of a run.
    pub(super) async fn open(
        room: &Room,
        purpose: Purpose,
        run: &RunId,
    ) -> Result<Self, ConnectFailure> {
        match tokio::time::timeout(OPENING, Box::pin(Self::connect(room, purpose, run))).await {
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
            pid: 0,
            backend_start: 0,
            standby: false,
            limit: patience.statement.saturating_add(LATE),
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
        let sql = patience(room, Purpose::Look).of_a_look(self.major());
        let begun = self.client.batch_execute(&sql).await;
        begun.map_err(|error| self.not_opened(&error))?;
        self.take_role(room, true).await
    }

    /// Ends the transaction of a look. False where the session is not worth keeping.
    pub(super) async fn end_look(&self) -> bool {
        let ended = tokio::time::timeout(CLOSING, self.client.batch_execute("ROLLBACK")).await;
        matches!(ended, Ok(Ok(())))
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

/// A request that does not arrive is no error of its own: the caller waits for the statement's end either way.
async fn cancel(way: &Way, token: CancelToken) {
    let _ = tokio::time::timeout(CANCELLING, way.cancel(token)).await;
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
