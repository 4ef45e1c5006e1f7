//! One configured database and the session that looks at it.

use super::failure::{ConnectFailure, Outcome};
use super::purpose::Purpose;
use super::session::Session;
use super::target::{Target, TargetError, may_use_tls};
use super::tls::Tls;
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::Config;

/// How long the look after a change may take when the deadline has passed.
const AFTERMATH: Duration = Duration::from_secs(30);

/// A configured database.
pub(super) struct Room {
    pub(super) target: Target,
    pub(super) config: Config,
    pub(super) tls: Tls,
    reader: Mutex<Option<Session>>,
    lock: Mutex<Option<LockHolder>>,
    /// That a pool in the way keeps sessions apart: asked once.
    pool: tokio::sync::OnceCell<()>,
}

/// The session that holds the lock on the database, as the server names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LockHolder {
    pub(super) pid: i32,
    pub(super) application: String,
}

impl Room {
    pub(super) fn new(target: Target) -> Result<Self, TargetError> {
        let config = target.config()?;
        let tls = Tls::new(&target)?;
        Ok(Self {
            target,
            config,
            tls,
            reader: Mutex::default(),
            lock: Mutex::default(),
            pool: tokio::sync::OnceCell::new(),
        })
    }

    /// The logical name.
    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// Opens a session of its own for the purpose, in the time that is left.
    pub(super) async fn open(
        &self,
        purpose: Purpose,
        permit: &Permit,
        deadline: Instant,
    ) -> Result<Session, CallError> {
        let opened = within(permit, deadline, Session::open(self, purpose, permit.run())).await?;
        opened.map_err(|failure| self.not_opened(failure))
    }

    fn not_opened(&self, failure: ConnectFailure) -> CallError {
        if let Some(detail) = &failure.detail {
            tracing::warn!(database = self.name(), detail, "no session");
        }
        failure.for_guest(self.name())
    }

    /// The session that looks, in a read-only transaction. Give it back with [`Self::give_back`].
    pub(super) async fn reader(&self, permit: &Permit) -> Result<Session, CallError> {
        let kept = self.slot().take();
        if let Some(session) = kept.filter(|kept| !kept.is_closed() && kept.run() == permit.run())
            && let Ok(Ok(())) = within(permit, permit.deadline(), session.begin_look(self)).await
        {
            return Ok(session);
        }
        let session = self.open(Purpose::Look, permit, permit.deadline()).await?;
        within(permit, permit.deadline(), session.begin_look(self))
            .await?
            .map_err(|failure| self.not_opened(failure))?;
        Ok(session)
    }

    /// Ends the look: the transaction is closed and the session kept, or, where the look was broken off, cancelled and dropped.
    pub(super) async fn give_back<T>(
        &self,
        session: Session,
        looked: Result<Outcome<T>, CallError>,
    ) -> Result<T, CallError> {
        match looked {
            Ok(outcome) => {
                if session.end_look().await {
                    *self.slot() = Some(session);
                } else {
                    session.abandon();
                }
                outcome.map_err(|failure| failure.into_call(self.name()))
            }
            Err(broken_off) => {
                session.abandon();
                Err(broken_off)
            }
        }
    }

    /// Whether a pool in the way mixes up sessions is asked once, by the first session that meets a pool.
    pub(super) async fn refuse_shared_pool<F>(
        &self,
        ask: impl FnOnce() -> F,
    ) -> Result<(), ConnectFailure>
    where
        F: Future<Output = Result<(), ConnectFailure>>,
    {
        self.pool.get_or_try_init(ask).await.copied()
    }

    /// Remembers who holds the lock, for [`Self::lock_holder`].
    pub(super) fn locked_by(&self, holder: LockHolder) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(holder);
    }

    /// The session that took the lock last; nothing if none was taken.
    pub(super) fn lock_holder(&self) -> Option<LockHolder> {
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Session>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection might be encrypted.
    pub(super) fn may_use_tls(&self) -> bool {
        may_use_tls(&self.config)
    }
}

/// Waits for the work until the deadline, or until the operator wants the process gone.
pub(super) async fn within<F: Future>(
    permit: &Permit,
    deadline: Instant,
    work: F,
) -> Result<F::Output, CallError> {
    tokio::select! {
        biased;
        () = permit.stopped() => Err(stopping()),
        () = tokio::time::sleep_until(deadline.into()) => Err(CallError::new(
            ErrorKind::Limit,
            "the time for this call is over",
        )),
        output = work => Ok(output),
    }
}

/// The answer when the operator wants the process gone.
pub(super) fn stopping() -> CallError {
    CallError::new(ErrorKind::Cancelled, "the run is being stopped")
}

/// Until when the state after a change may be looked at: a change that ended at its deadline still has to be understood.
pub(super) fn aftermath(permit: &Permit) -> Instant {
    permit.deadline().max(permit.clock().instant() + AFTERMATH)
}
