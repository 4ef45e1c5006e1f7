//! The only code that touches PostgreSQL. Each function that a procedure can cause takes the proof that the gate let it through.

mod answers;
mod backend;
mod bloat;
mod catalog;
mod collations;
mod confirm;
mod connect;
mod coverage;
mod drop;
mod facts;
mod failure;
mod indexes;
mod invariants;
mod leftovers;
mod lock;
mod measure;
mod obstacles;
mod pool;
mod probe;
mod progress;
mod purpose;
mod reindex;
mod replication;
mod rights;
mod room;
mod session;
mod sessions;
mod settings;
mod shown;
#[cfg(feature = "testing")]
mod stand_in;
mod statements;
mod tables;
mod target;
mod text;
mod tidy;
mod tls;
mod vacuum;
mod view;
mod wire;
mod work;

pub use crate::secret::Secret;
pub use lock::{Lock, LockError};
pub use probe::Probe;
pub use target::{
    DEFAULT_LOCK_TIMEOUT, DEFAULT_MAX_ROWS, DEFAULT_STATEMENT_TIMEOUT, DEFAULT_TRANSACTION_WAIT,
    Expectation, Invariant, Target, TargetError,
};

use self::failure::Outcome;
use self::purpose::Purpose;
use self::room::{Room, within};
use self::session::{Session, application_name};
use self::vacuum::Job;
use self::view::View;
use super::{Effect, Read, Revert};
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared, Reverted};
use crate::contract::{CallError, ErrorKind};
use crate::engine::{ChangePermit, Permit};
use crate::journal::RunId;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// All configured databases. It connects when it is first asked.
pub struct Client {
    rooms: BTreeMap<String, Room>,
    #[cfg(feature = "testing")]
    is_stand_in: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.rooms.keys()).finish()
    }
}

impl Client {
    /// Reads the connection strings and certificates. Does not connect.
    pub fn new(targets: Vec<Target>) -> Result<Self, TargetError> {
        let mut rooms = BTreeMap::new();
        for target in targets {
            let name = target.name.clone();
            if rooms.insert(name.clone(), Room::new(target)?).is_some() {
                return Err(TargetError::Twice(name));
            }
        }
        Ok(Self {
            rooms,
            #[cfg(feature = "testing")]
            is_stand_in: false,
        })
    }

    /// Answers for any database at once and touches none: for benchmarks of what is around a room.
    #[cfg(feature = "testing")]
    pub fn stand_in() -> Self {
        Self {
            rooms: BTreeMap::new(),
            is_stand_in: true,
        }
    }

    /// Logical names of the configured databases.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        self.rooms.keys().map(String::as_str)
    }

    fn room(&self, database: &str) -> Result<&Room, CallError> {
        self.rooms.get(database).ok_or_else(|| {
            CallError::new(
                ErrorKind::NotFound,
                format!("no database `{database}` is configured"),
            )
        })
    }

    /// Looks, in a read-only transaction. Answers the JSON of the type in the contract.
    pub async fn read(&self, permit: &Permit, read: &Read) -> Result<Value, CallError> {
        #[cfg(feature = "testing")]
        if self.is_stand_in {
            return stand_in::read(read);
        }
        let room = self.room(read.database())?;
        if let Read::Invariants { .. } = read {
            return work::to_value(&invariants::names(&room.target));
        }
        let session = room.reader(permit).await?;
        let looked = within(
            permit,
            permit.deadline(),
            look(&session, room, permit, read),
        )
        .await;
        room.give_back(session, looked).await
    }

    /// Looks at what an effect would change, and says how it would be undone. Changes nothing.
    pub async fn prepare(&self, permit: &Permit, effect: &Effect) -> Result<Prepared, CallError> {
        effect.check()?;
        #[cfg(feature = "testing")]
        if self.is_stand_in {
            return Ok(stand_in::prepare(effect));
        }
        let room = self.room(effect.database())?;
        if let Effect::CancelBackend {
            pid, backend_start, ..
        } = effect
        {
            return backend::prepare(room, permit, *pid, *backend_start).await;
        }
        let session = room.reader(permit).await?;
        let looked = within(permit, permit.deadline(), prepare(&session, room, effect)).await;
        room.give_back(session, looked).await
    }

    /// Changes what was prepared, as one statement on a session of its own.
    ///
    /// At the permit's deadline the statement is cancelled. When the process is to stop, it is left to the server and in doubt.
    pub async fn apply(
        &self,
        permit: &ChangePermit,
        effect: &Effect,
        prepared: &Prepared,
    ) -> Result<Applied, ApplyFailure> {
        effect.check().map_err(work::not_done)?;
        #[cfg(feature = "testing")]
        if self.is_stand_in {
            return Ok(stand_in::apply(effect));
        }
        let room = self.room(effect.database()).map_err(work::not_done)?;
        match effect {
            Effect::Vacuum { table, .. } | Effect::Analyze { table, .. } => {
                vacuum::apply(room, permit, table, job(effect), prepared).await
            }
            Effect::Reindex { index, .. } => reindex::apply(room, permit, index, prepared).await,
            Effect::DropInvalidIndex { index, .. } => {
                drop::apply(room, permit, index, prepared).await
            }
            Effect::CancelBackend {
                pid, backend_start, ..
            } => backend::apply(room, permit, *pid, *backend_start, prepared).await,
            Effect::SetParameters {
                table, parameters, ..
            } => settings::apply(room, permit, table, parameters, prepared).await,
        }
    }

    /// Asks how an effect ended whose end was not recorded. Only looks, and waits for a session that still works on it.
    ///
    /// `note` is what [`Self::apply`] recorded before it sent the statement.
    pub async fn confirm(
        &self,
        permit: &Permit,
        effect: &Effect,
        prepared: &Prepared,
        note: Option<&Value>,
    ) -> Result<Confirmed, CallError> {
        #[cfg(feature = "testing")]
        if self.is_stand_in {
            return Ok(stand_in::confirm(effect));
        }
        confirm::confirm(
            self.room(effect.database())?,
            permit,
            effect,
            prepared,
            note,
        )
        .await
    }

    /// Takes an effect back, or clears away what a broken-off one left. May be repeated, also after a crash in its middle.
    pub async fn revert(
        &self,
        permit: &ChangePermit,
        revert: &Revert,
    ) -> Result<Reverted, CallError> {
        #[cfg(feature = "testing")]
        if self.is_stand_in {
            return Ok(stand_in::revert());
        }
        let room = self.room(revert.database())?;
        quiet(room, permit).await?;
        match revert {
            Revert::RestoreParameters {
                oid, set, before, ..
            } => settings::restore(room, permit, *oid, set, before).await,
            Revert::DropLeftovers { leftovers, .. } => {
                drop::leftovers(room, permit, leftovers).await
            }
        }
    }

    /// Locks the database for one run. The lock lives as long as its session.
    pub async fn lock(&self, database: &str, run: &RunId) -> Result<Lock, LockError> {
        #[cfg(feature = "testing")]
        if self.is_stand_in {
            return Ok(Lock::stand_in(database));
        }
        let room = self.room(database).map_err(|why| LockError::Unavailable {
            database: database.to_owned(),
            why,
        })?;
        lock::take(room, run).await
    }

    /// Connects as a run would, and says what was found. For operators: errors may quote the server.
    pub async fn probe(&self, database: &str) -> Result<Probe, CallError> {
        probe::probe(self.room(database)?).await
    }
}

async fn look(session: &Session, room: &Room, permit: &Permit, read: &Read) -> Outcome<Value> {
    let database = read.database();
    let view = View {
        effective: permit.effective(),
        database,
    };
    let value = match read {
        Read::Server { .. } => work::to_value(&facts::server(session, &room.target).await?),
        Read::Coverage { .. } => work::to_value(&coverage::read(session, view).await?),
        Read::Collations { .. } => work::to_value(&collations::read(session, view).await?),
        Read::Tables { .. } => work::to_value(&tables::read(session, view).await?),
        Read::Indexes { .. } => work::to_value(&indexes::read(session, view).await?),
        Read::XminHolders { .. } => {
            work::to_value(&sessions::xmin_holders(session, database).await?)
        }
        Read::Sessions { .. } => work::to_value(&sessions::read(session, database).await?),
        Read::Replication { .. } => work::to_value(&replication::read(session, database).await?),
        Read::Statements { limit, .. } => {
            work::to_value(&statements::read(session, database, *limit).await?)
        }
        Read::Invariants { .. } => work::to_value(&invariants::names(&room.target)),
        Read::Invariant { name, .. } => {
            work::to_value(&invariants::check(session, &room.target, name, permit.clock()).await?)
        }
    };
    Ok(value?)
}

async fn prepare(session: &Session, room: &Room, effect: &Effect) -> Outcome<Prepared> {
    match effect {
        Effect::Vacuum { table, .. } | Effect::Analyze { table, .. } => {
            vacuum::prepare(session, room, table, job(effect)).await
        }
        Effect::Reindex { index, .. } => reindex::prepare(session, room, index).await,
        Effect::DropInvalidIndex { index, .. } => drop::prepare(session, room, index).await,
        Effect::SetParameters {
            table, parameters, ..
        } => settings::prepare(session, room, table, parameters).await,
        Effect::CancelBackend { .. } => {
            failure::refuse(ErrorKind::Invalid, "a session is prepared on its own")
        }
    }
}

fn job(effect: &Effect) -> Job {
    match effect {
        Effect::Vacuum { analyze, .. } => Job::Vacuum { analyze: *analyze },
        Effect::Analyze { .. }
        | Effect::Reindex { .. }
        | Effect::DropInvalidIndex { .. }
        | Effect::CancelBackend { .. }
        | Effect::SetParameters { .. } => Job::Analyze,
    }
}

/// Another login's session may be seen without its state; then it counts as at work.
const OTHERS_AT_WORK: &str = "
    SELECT a.pid FROM pg_stat_activity a
    WHERE a.application_name = $1 AND a.pid <> pg_backend_pid() AND a.state IS DISTINCT FROM 'idle'
      AND a.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    LIMIT 1";

/// After a crash the server may still work on what the run's last process sent, or another run's. Taking back begins when that is over.
async fn quiet(room: &Room, permit: &Permit) -> Result<(), CallError> {
    let watch = room.open(Purpose::Watch, permit, permit.deadline()).await?;
    work::refuse_standby(&watch, room)?;
    within(permit, permit.deadline(), others_ended(&watch, permit))
        .await?
        .map_err(|failure| failure.into_call(room.name()))
}

async fn others_ended(watch: &Session, permit: &Permit) -> Outcome<()> {
    let name = application_name(permit.run());
    while watch.query_opt(OTHERS_AT_WORK, &[&name]).await?.is_some()
        || lock::others_at_work(watch).await?.is_some()
    {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}
