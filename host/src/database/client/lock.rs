//! One run at a time for each database: an advisory lock on a session of its own.

use super::failure::{Failure, Outcome, refuse};
use super::purpose::Purpose;
use super::room::{LockHolder, Room};
use super::session::{APPLICATION, Session, application_name};
use crate::clock::Clock;
use crate::contract::{CallError, ErrorKind};
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

/// A session of another run that holds, or waits for, what only work on a table takes. The host that sent it may be gone, and the lock with
/// it, while the server works on.
const AT_WORK: &str = "
    SELECT a.application_name, a.pid
    FROM pg_stat_activity a
    WHERE starts_with(a.application_name, $1) AND a.application_name <> $2
      AND a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation'
                  AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
    ORDER BY a.pid LIMIT 1";

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
    #[error("{}", .why.message)]
    Unavailable {
        /// Logical name.
        database: String,
        /// Why; its message names the database.
        why: CallError,
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
            Self::Unavailable { database, .. } => {
                Some(format!("windlass doctor --target {database}"))
            }
        }
    }
}

/// Proof that no other run works on the database, for as long as its session lives.
pub struct Lock {
    held: Held,
    database: String,
}

enum Held {
    /// As long as this session lives.
    By(Box<Session>),
    /// See [`super::Client::stand_in`].
    #[cfg(feature = "testing")]
    Always,
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
        match &self.held {
            Held::By(session) => !session.is_closed(),
            #[cfg(feature = "testing")]
            Held::Always => true,
        }
    }

    /// The lock of a database that is not there.
    #[cfg(feature = "testing")]
    pub(super) fn stand_in(database: &str) -> Self {
        Self {
            held: Held::Always,
            database: database.to_owned(),
        }
    }

    /// The logical name of the locked database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Gives the lock back at once. Dropping it does the same a moment later.
    pub async fn release(self) {
        match &self.held {
            Held::By(session) => {
                // The server frees it with the session if this does not arrive.
                let _ = session
                    .query_one("SELECT pg_advisory_unlock($1)", &[&KEY])
                    .await;
            }
            #[cfg(feature = "testing")]
            Held::Always => {}
        }
    }
}

/// Takes the lock or says who has it.
pub(super) async fn take(room: &Room, run: &RunId) -> Result<Lock, LockError> {
    let unavailable = |why: CallError| LockError::Unavailable {
        database: room.name().to_owned(),
        why,
    };
    let session = Session::open(room, Purpose::Hold, run)
        .await
        .map_err(|failure| unavailable(failure.for_operator(room.name())))?;
    let mut attempts = ATTEMPTS;
    loop {
        match attempt(&session).await {
            Ok(None) => {
                room.locked_by(LockHolder {
                    pid: session.pid(),
                    application: application_name(run),
                });
                return Ok(Lock {
                    held: Held::By(Box::new(session)),
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

/// Refuses to change a server that does not know of the lock: after a failover the session that holds it may look alive for a while, and
/// another run may have locked the new primary. Without a lock there is nothing to ask for.
pub(super) async fn refuse_unlocked(session: &Session, room: &Room) -> Outcome<()> {
    let Some(ours) = room.lock_holder() else {
        return Ok(());
    };
    let row = session.query_opt(HOLDER, &[&KEY]).await?;
    let holder = row.map(|row| {
        Ok::<_, Failure>((
            row.try_get::<_, Option<String>>(0)?,
            row.try_get::<_, Option<i32>>(1)?,
        ))
    });
    if holder.transpose()? == Some((Some(ours.application), Some(ours.pid))) {
        return Ok(());
    }
    refuse(
        ErrorKind::Unavailable,
        format!("the lock on database `{}` was lost", room.name()),
    )
}

/// Refuses to change a database while the server works on what another run sent, after as long a wait as for any lock.
pub(super) async fn refuse_others_at_work(
    session: &Session,
    room: &Room,
    clock: &Clock,
) -> Outcome<()> {
    let end = clock.instant() + room.target.lock_timeout;
    while let Some(other) = others_at_work(session).await? {
        if clock.instant() >= end {
            return refuse(
                ErrorKind::Conflict,
                format!(
                    "the server still works on a statement of another run: {other}; nothing else is changed on `{}` meanwhile",
                    room.name()
                ),
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// The session in which the server works for another run, if there is one.
pub(super) async fn others_at_work(session: &Session) -> Outcome<Option<String>> {
    let own = application_name(session.run());
    let row = session.query_opt(AT_WORK, &[&APPLICATION, &own]).await?;
    row.map(|row| {
        let (application, pid): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
        Ok(format!("{application} (session {pid})"))
    })
    .transpose()
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
