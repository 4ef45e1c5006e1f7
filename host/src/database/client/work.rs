//! One statement that changes something: announced, sent, watched, and its end understood.

use super::catalog::{self, Index, Table};
use super::failure::{Failure, Outcome};
use super::lock;
use super::progress;
use super::purpose::{Patience, Purpose};
use super::rights::same_object;
use super::room::{Room, aftermath, stopping, within};
use super::session::Session;
use crate::call::{Applied, ApplyFailure, Revert};
use crate::contract::database_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::engine::ChangePermit;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How long a cancelled statement may take to end.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// A statement is cancelled at its deadline by whoever sent it. Where nobody is left to do that, the server does it so much later.
const ORPHANED: Duration = Duration::from_mins(1);

const CLOCK: &str = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::int8";

/// How the statement is recognised at the server after a crash. All times are the server's, in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) pid: i32,
    pub(super) backend_start: i64,
    /// Before the statement was sent.
    pub(super) at: i64,
    /// The transaction, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) xid: Option<String>,
}

/// How a statement did not end well.
pub(super) enum Ended {
    /// It is over and did not happen; the server says why.
    Refused(Failure),
    /// Whether it happened, or still will, is not known.
    Unknown(CallError),
}

/// A session for one change.
pub(super) struct Work<'a> {
    pub(super) room: &'a Room,
    pub(super) permit: &'a ChangePermit,
    pub(super) session: Session,
}

impl<'a> Work<'a> {
    /// Opens a session that may change something.
    pub(super) async fn open(room: &'a Room, permit: &'a ChangePermit) -> Result<Self, CallError> {
        Self::patient(room, permit, room.target.lock_timeout).await
    }

    /// Opens a session for a statement that waits for transactions and is in nobody's way meanwhile.
    pub(super) async fn open_concurrent(
        room: &'a Room,
        permit: &'a ChangePermit,
    ) -> Result<Self, CallError> {
        Self::patient(room, permit, room.target.transaction_wait).await
    }

    async fn patient(
        room: &'a Room,
        permit: &'a ChangePermit,
        lock: Duration,
    ) -> Result<Self, CallError> {
        let left = permit
            .deadline()
            .saturating_duration_since(permit.clock().instant());
        let purpose = Purpose::Change(Patience {
            lock,
            statement: left + ORPHANED,
        });
        let session = room.open(purpose, permit, permit.deadline()).await?;
        refuse_standby(&session, room)?;
        let work = Self {
            room,
            permit,
            session,
        };
        work.look(lock::refuse_unlocked(&work.session, room))
            .await?;
        work.look(lock::refuse_others_at_work(
            &work.session,
            room,
            permit.clock(),
        ))
        .await?;
        Ok(work)
    }

    /// The table, which must still be the one that was prepared.
    pub(super) async fn table(&self, name: &ObjectName, oid: u32) -> Result<Table, CallError> {
        let table = self.look(catalog::table(&self.session, name)).await?;
        same_object(table.oid, oid, name)?;
        Ok(table)
    }

    /// The index, which must still be the one that was prepared.
    pub(super) async fn index(&self, name: &ObjectName, oid: u32) -> Result<Index, CallError> {
        let index = self.look(catalog::index(&self.session, name)).await?;
        same_object(index.oid, oid, name)?;
        Ok(index)
    }

    /// A look before the statement is sent; it is given up at the deadline.
    pub(super) async fn look<T>(
        &self,
        work: impl Future<Output = Outcome<T>>,
    ) -> Result<T, CallError> {
        within(self.permit, self.permit.deadline(), work)
            .await?
            .map_err(|failure| failure.into_call(self.room.name()))
    }

    /// A look after the statement ended. If it fails where the server did not report success, nobody knows what the statement came to.
    pub(super) async fn look_after<T>(
        &self,
        work: impl Future<Output = Outcome<T>>,
    ) -> Result<T, ApplyFailure> {
        let looked = match within(self.permit, aftermath(self.permit), work).await {
            Ok(outcome) => outcome.map_err(|failure| failure.into_call(self.room.name())),
            Err(error) => Err(error),
        };
        looked.map_err(in_doubt)
    }

    /// Records durably how the statement is recognised.
    pub(super) async fn note(&self, xid: Option<String>) -> Result<Note, CallError> {
        announce(self.room, self.permit, &self.session, xid).await
    }

    /// Sends one statement and waits for its end, showing how far it is. At the deadline it is cancelled.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Ended> {
        self.session.take_warnings();
        let mut statement = std::pin::pin!(self.session.batch_execute(sql));
        tokio::select! {
            biased;
            result = &mut statement => return self.ended(result, false),
            () = self.permit.stopped() => return Err(Ended::Unknown(stopping())),
            () = tokio::time::sleep_until(self.permit.deadline().into()) => {}
            () = progress::show(self.room, self.permit, self.session.pid()) => {}
        }
        self.session.cancel().await;
        match tokio::time::timeout(LAST_WORDS, statement).await {
            Ok(result) => self.ended(result, true),
            Err(_) => Err(Ended::Unknown(CallError::new(
                ErrorKind::Limit,
                "the time for this call is over, and the server did not cancel the statement",
            ))),
        }
    }

    fn ended(&self, result: Outcome<()>, cancelled: bool) -> Result<(), Ended> {
        let Err(failure) = result else {
            return Ok(());
        };
        // Only the server itself can say that a statement did not happen.
        if failure.is_lost() || failure.code().is_none() {
            return Err(Ended::Unknown(failure.into_call(self.room.name())));
        }
        let was_cancelled = failure.code().is_some_and(|code| code.code() == "57014");
        Err(Ended::Refused(match (was_cancelled, cancelled) {
            (true, true) => Failure::Call(CallError::new(
                ErrorKind::Limit,
                "the time for this call was over; the statement was cancelled",
            )),
            (true, false) => Failure::Call(CallError::new(
                ErrorKind::Conflict,
                "another session cancelled the statement",
            )),
            (false, _) => failure,
        }))
    }

    /// The failure of a statement that reads what the object has, such as the expressions of its indexes.
    pub(super) fn failed_maintenance(&self, ended: Ended) -> ApplyFailure {
        match ended {
            Ended::Refused(failure) => not_done(failure.of_maintenance(self.room.name())),
            Ended::Unknown(error) => in_doubt(error),
        }
    }

    /// The failure of a statement that left nothing behind.
    pub(super) fn failed(&self, ended: Ended) -> ApplyFailure {
        match ended {
            Ended::Refused(failure) => not_done(failure.into_call(self.room.name())),
            Ended::Unknown(error) => in_doubt(error),
        }
    }
}

/// Records durably how the session's next statement is recognised.
pub(super) async fn announce(
    room: &Room,
    permit: &ChangePermit,
    session: &Session,
    xid: Option<String>,
) -> Result<Note, CallError> {
    let row = within(permit, permit.deadline(), session.query_one(CLOCK, &[])).await?;
    let at = row
        .and_then(|row| Ok(row.try_get(0)?))
        .map_err(|failure| failure.into_call(room.name()))?;
    let note = Note {
        pid: session.pid(),
        backend_start: session.backend_start(),
        at,
        xid,
    };
    permit.note(to_value(&note)?).await?;
    Ok(note)
}

/// A change that certainly did not happen.
pub(super) fn not_done(error: CallError) -> ApplyFailure {
    ApplyFailure {
        error,
        in_doubt: false,
        sweep: None,
    }
}

/// A change of which nobody knows.
pub(super) fn in_doubt(error: CallError) -> ApplyFailure {
    ApplyFailure {
        error,
        in_doubt: true,
        sweep: None,
    }
}

/// What a change came to.
pub(super) fn applied(
    answer: &impl Serialize,
    after: String,
    sweep: Option<Revert>,
) -> Result<Applied, CallError> {
    Ok(Applied {
        answer: to_value(answer)?,
        after,
        sweep,
    })
}

/// Maintenance is impossible where another server's log is replayed.
pub(super) fn refuse_standby(session: &Session, room: &Room) -> Result<(), CallError> {
    if session.is_standby() {
        return Err(CallError::new(
            ErrorKind::Conflict,
            format!(
                "database `{}` is a standby; maintain its primary",
                room.name()
            ),
        ));
    }
    Ok(())
}

/// A value of this room for the journal.
pub(super) fn to_value(value: &impl Serialize) -> Result<Value, CallError> {
    serde_json::to_value(value).map_err(|error| unreadable(&error))
}

/// A value of this room back from the journal.
pub(super) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, CallError> {
    T::deserialize(value).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> CallError {
    CallError::new(
        ErrorKind::Invalid,
        format!("a record of this effect cannot be read: {error}"),
    )
}
