//! One run at a time for each database: an advisory lock on a session of its own.

use super::failure::Failure;
use super::room::Room;
use super::session::{Purpose, Session, application_name};
use crate::contract::CallError;
use crate::journal::RunId;
use std::time::Duration;

/// "windlass" in ASCII. Advisory locks are per database, so one number is enough.
const KEY: i64 = 0x7769_6e64_6c61_7373;

/// A process that was killed leaves a session that the server closes in a moment.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

const HOLDER: &str = "
    SELECT a.application_name, a.pid
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND (l.classid::int8 << 32 | l.objid::int8) = $1";

/// Why a database could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run works there.
    #[error("another run works on database `{database}`: {holder}")]
    Held {
        /// Logical name.
        database: String,
        /// The session that holds the lock, such as `windlass/0197-k3 (session 4711)`.
        holder: String,
    },
    /// The server could not be asked.
    #[error("{}", .error.message)]
    Unavailable {
        /// Logical name.
        database: String,
        /// Why.
        error: CallError,
    },
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => Some(
                "wait for that run to end, or look at it with `windlass runs` where it was started"
                    .into(),
            ),
            Self::Unavailable { database, .. } => Some(format!("windlass doctor {database}")),
        }
    }
}

/// Proof that no other run works on the database, for as long as its session lives.
pub struct Lock {
    session: Session,
    database: String,
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock")
            .field("database", &self.database)
            .field("held", &self.is_held())
            .finish_non_exhaustive()
    }
}

impl Lock {
    /// Whether the session that holds the lock is still connected. Asks nobody.
    pub fn is_held(&self) -> bool {
        !self.session.is_closed()
    }

    /// The logical name of the locked database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Gives the lock back at once. Dropping it does the same a moment later.
    pub async fn release(self) {
        // The server frees it with the session if this does not arrive.
        let _ = self
            .session
            .query_one("SELECT pg_advisory_unlock($1)", &[&KEY])
            .await;
    }
}

/// Takes the lock or says who has it.
pub(super) async fn take(room: &Room, run: &RunId) -> Result<Lock, LockError> {
    let unavailable = |error: CallError| LockError::Unavailable {
        database: room.name().to_owned(),
        error,
    };
    let session = Session::open(room, Purpose::Hold, run)
        .await
        .map_err(|failure| unavailable(failure.for_operator(room.name())))?;
    let mut attempts = ATTEMPTS;
    loop {
        match attempt(&session).await {
            Ok(None) => {
                return Ok(Lock {
                    session,
                    database: room.name().to_owned(),
                });
            }
            // The run's own session, from before a crash: it is about to go.
            Ok(Some(holder)) if attempts > 0 && holder.is_of(run) => {
                attempts -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            Ok(Some(holder)) => {
                return Err(LockError::Held {
                    database: room.name().to_owned(),
                    holder: holder.text,
                });
            }
            Err(failure) => return Err(unavailable(failure.into_call(room.name()))),
        }
    }
}

struct Holder {
    application: String,
    text: String,
}

impl Holder {
    fn is_of(&self, run: &RunId) -> bool {
        self.application.is_empty() || self.application == application_name(run)
    }
}

async fn attempt(session: &Session) -> Result<Option<Holder>, Failure> {
    let taken = session
        .query_one("SELECT pg_try_advisory_lock($1)", &[&KEY])
        .await?;
    if taken.try_get(0)? {
        return Ok(None);
    }
    let row = session.query_opt(HOLDER, &[&KEY]).await?;
    let (application, pid): (Option<String>, Option<i32>) = match row {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => (None, None),
    };
    let application = application.unwrap_or_default();
    let text = match pid {
        Some(pid) => format!("{application} (session {pid})"),
        None => "a session that just ended".into(),
    };
    Ok(Some(Holder { application, text }))
}
