//! A target in memory: settings of tables, indexes that are rebuilt, a lock, and what goes wrong there.

use super::super::permit::{ChangePermit, Permit};
use super::super::rooms::{RoomLockError, TargetLock, Targets};
use super::effects::{applied, change, prepared, rebuilt, sweep, take_back};
use super::schedule::{At, Trouble};
use crate::call::{Applied, ApplyFailure, Confirmed, Effect, Prepared, Read, Revert, Reverted};
use crate::clock::Clock;
use crate::contract::{CallError, ErrorKind};
use crate::database;
use crate::journal::RunId;
use crate::probe::{self, Turn};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// The only setting that tables have here.
pub(super) const SETTING: &str = "autovacuum_vacuum_scale_factor";

/// The status that stands for no seconds.
pub(super) const PASSES_AFTER: u16 = 200;

/// The target. It outlives the processes that work on it.
pub(super) struct World {
    pub(super) clock: Clock,
    inner: Mutex<Inner>,
    /// Whether the journal's disk takes nothing.
    disk_is_full: Arc<AtomicBool>,
    /// Told when the process dies.
    pub(super) died: Notify,
}

#[derive(Default)]
pub(super) struct Inner {
    /// The run, once its first entry is durable.
    pub(super) run: Option<RunId>,
    /// What is set, by table.
    pub(super) settings: BTreeMap<String, String>,
    /// Half rebuilt, by index.
    pub(super) leftovers: BTreeSet<String>,
    /// How often each effect happened, by its number.
    pub(super) happened: BTreeMap<u64, u32>,
    /// Effects that this process was told the end of.
    ended: BTreeSet<u64>,
    /// When the endpoint passes, once it was asked for.
    passes_at: Option<Instant>,
    /// Tables that another hand changed.
    pub(super) other_hands: BTreeSet<String>,
    /// What must not be.
    pub(super) faults: Vec<String>,
    /// Whose lock it is, and how often that changed.
    holder: Option<String>,
    epoch: u64,
    /// When another run gives the lock back.
    robbed_until: Option<Instant>,
    away_until: Option<Instant>,
    /// The process at work: how far it is, what goes wrong in it, and what became of it.
    pub(super) moment: u16,
    troubles: Vec<At>,
    /// What the driver has to do: it alone has the brake and the journal.
    pub(super) asked: Vec<Trouble>,
    pub(super) dead: bool,
    pub(super) disk_full: bool,
    next: Armed,
}

/// What the next call meets.
#[derive(Default)]
struct Armed {
    denies: bool,
    fails: bool,
    breaks: u8,
    keeps: u8,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    pub(super) fn new(clock: Clock, disk_is_full: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            inner: Mutex::default(),
            disk_is_full,
            died: Notify::new(),
        })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// A new process begins, in which this goes wrong. The target forgets what the one before it armed.
    pub(super) fn begin(&self, troubles: &[At]) {
        let mut inner = self.inner();
        inner.moment = 0;
        inner.troubles = troubles.to_vec();
        inner.ended.clear();
        inner.asked.clear();
        inner.dead = false;
        inner.disk_full = false;
        self.disk_is_full.store(false, Ordering::Relaxed);
        inner.next = Armed::default();
    }

    /// Ends every fault, and gives the lock back.
    pub(super) fn calm(&self) {
        let mut inner = self.inner();
        inner.away_until = None;
        if inner.robbed_until.take().is_some() {
            inner.holder = None;
        }
    }

    /// One moment passes.
    pub(super) fn pass(&self) {
        let now = self.clock.instant();
        let mut inner = self.inner();
        let moment = inner.moment;
        inner.moment = moment.saturating_add(1);
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.troubles)
            .into_iter()
            .partition(|at| at.moment <= moment);
        inner.troubles = later;
        for at in due {
            inner.meet(at.trouble, now);
        }
        if inner.dead || inner.disk_full {
            // What is gone writes nothing more either.
            self.disk_is_full.store(true, Ordering::Relaxed);
        }
        if inner.dead || !inner.asked.is_empty() {
            self.died.notify_one();
        }
    }

    /// A point at which faults can happen. A dead process stops here.
    async fn step(&self) {
        self.pass();
        tokio::task::yield_now().await;
        if self.inner().dead {
            std::future::pending::<()>().await;
        }
    }

    /// The same for a call of the target; fails while it is away.
    async fn call(&self) -> Result<(), CallError> {
        self.step().await;
        let now = self.clock.instant();
        match self.inner().away_until {
            Some(until) if until > now => Err(CallError::new(ErrorKind::Unavailable, "away")),
            _ => Ok(()),
        }
    }

    /// Waits until the endpoint passes, so many seconds after it was asked for first as the status says.
    async fn passes(&self, permit: &Permit, read: &probe::Read) -> bool {
        let probe::Look::AwaitStatus { status, within, .. } = read.look else {
            return true;
        };
        let now = self.clock.instant();
        let after = Duration::from_secs((status - PASSES_AFTER).into());
        let at = *self.inner().passes_at.get_or_insert(now + after);
        let end = permit.deadline().min(now + Duration::from_millis(within));
        tokio::time::sleep_until(at.min(end).into()).await;
        at <= end
    }

    /// Writes for a run that must have the lock.
    fn write(&self, run: &RunId, write: impl FnOnce(&mut Inner)) {
        let now = self.clock.instant();
        let mut inner = self.inner();
        inner.give_back(now);
        if inner.holder.as_deref() != Some(&run.0) {
            let holder = inner.holder.clone();
            inner
                .faults
                .push(format!("{run} wrote while {holder:?} had the lock"));
        }
        write(&mut inner);
    }
}

impl Inner {
    fn meet(&mut self, trouble: Trouble, now: Instant) {
        let within = |seconds: u8| Some(now + Duration::from_secs(seconds.into()));
        match trouble {
            Trouble::Death => self.dead = true,
            Trouble::Stop | Trouble::Cancel => self.asked.push(trouble),
            Trouble::Away { seconds } => self.away_until = within(seconds),
            Trouble::Robbed { seconds } => {
                self.holder = Some("another".into());
                self.epoch += 1;
                self.robbed_until = within(seconds);
            }
            Trouble::OtherHand { table } => {
                let table = table_name(table);
                self.settings.insert(table.clone(), "0.9".into());
                self.other_hands.insert(table);
            }
            Trouble::Denies => self.next.denies = true,
            Trouble::Fails => self.next.fails = true,
            Trouble::Breaks { times } => self.next.breaks = times,
            Trouble::KeepsIt { times } => self.next.keeps = times,
            Trouble::DiskFull => self.disk_full = true,
        }
    }

    fn give_back(&mut self, now: Instant) {
        if self.robbed_until.is_some_and(|until| until <= now) {
            self.robbed_until = None;
            self.holder = None;
        }
    }

    fn happens(&mut self, effect: u64) {
        *self.happened.entry(effect).or_default() += 1;
    }
}

impl Targets for Arc<World> {
    fn read<'a>(
        &'a self,
        permit: &'a Permit,
        read: &'a Read,
    ) -> BoxFuture<'a, Result<Value, CallError>> {
        Box::pin(async move {
            self.call().await?;
            if let Read::Probe(read) = read {
                return Ok(json!(self.passes(permit, read).await));
            }
            let inner = self.inner();
            Ok(json!(inner.settings.keys().collect::<Vec<_>>()))
        })
    }

    fn watch<'a>(
        &'a self,
        _permit: &'a Permit,
        _read: &'a Read,
        _seen: UnboundedSender<Turn>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn prepare<'a>(
        &'a self,
        _permit: &'a Permit,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Prepared, CallError>> {
        Box::pin(async move {
            self.call().await?;
            let mut inner = self.inner();
            if std::mem::take(&mut inner.next.denies) {
                return Err(CallError::new(ErrorKind::Denied, "the role may not"));
            }
            Ok(prepared(effect, &inner))
        })
    }

    fn apply<'a>(
        &'a self,
        permit: &'a ChangePermit,
        effect: &'a Effect,
        _prepared: &'a Prepared,
    ) -> BoxFuture<'a, Result<Applied, ApplyFailure>> {
        Box::pin(async move {
            let failed = |error, in_doubt: bool, sweep| {
                if !in_doubt {
                    self.inner().ended.insert(permit.effect());
                }
                ApplyFailure {
                    error,
                    in_doubt,
                    sweep,
                }
            };
            self.call()
                .await
                .map_err(|error| failed(error, false, None))?;
            let is_ours = permit.still_ours().await;
            is_ours.map_err(|error| failed(error, false, None))?;
            if std::mem::take(&mut self.inner().next.fails) {
                let error = CallError::new(ErrorKind::Conflict, "it is in use");
                return Err(failed(error, false, None));
            }
            let breaks = once_less(&mut self.inner().next.breaks);
            let broken = || CallError::new(ErrorKind::Unavailable, "the connection broke");
            if let Some(index) = rebuilt(effect) {
                self.write(permit.run(), |inner| {
                    inner.leftovers.insert(index.name.clone());
                });
                self.step().await;
                if breaks {
                    return Err(failed(broken(), true, None));
                }
                let is_ours = permit.still_ours().await;
                is_ours.map_err(|error| failed(error, false, Some(sweep(index))))?;
            }
            self.write(permit.run(), |inner| {
                change(effect, inner);
                inner.happens(permit.effect());
            });
            self.step().await;
            if breaks {
                return Err(failed(broken(), true, None));
            }
            self.inner().ended.insert(permit.effect());
            Ok(applied())
        })
    }

    fn confirm<'a>(
        &'a self,
        _permit: &'a Permit,
        effect: &'a Effect,
        _prepared: &'a Prepared,
        number: u64,
        _note: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Confirmed, CallError>> {
        Box::pin(async move {
            self.call().await?;
            if self.inner().ended.contains(&number) {
                let fault = format!("effect {number} has an end, and was asked about");
                self.inner().faults.push(fault);
            }
            if !effect.leaves_a_trace() {
                return Ok(Confirmed::CannotTell("nothing tells".into()));
            }
            let inner = self.inner();
            if inner.happened.contains_key(&number) {
                return Ok(Confirmed::Done(applied()));
            }
            let left = rebuilt(effect).filter(|index| inner.leftovers.contains(&index.name));
            Ok(Confirmed::NotDone {
                why: "it is as before".into(),
                sweep: left.map(sweep),
            })
        })
    }

    fn revert<'a>(
        &'a self,
        permit: &'a ChangePermit,
        revert: &'a Revert,
    ) -> BoxFuture<'a, Result<Reverted, CallError>> {
        Box::pin(async move {
            self.call().await?;
            permit.still_ours().await?;
            if once_less(&mut self.inner().next.keeps) {
                return Err(CallError::new(ErrorKind::Conflict, "it is in use"));
            }
            let Revert::Database(revert) = revert else {
                return Err(CallError::new(ErrorKind::Invalid, "of another room"));
            };
            let mut reverted = Reverted::NothingToDo("nothing".into());
            self.write(permit.run(), |inner| reverted = take_back(revert, inner));
            self.step().await;
            Ok(reverted)
        })
    }

    fn lock<'a>(
        &'a self,
        target: &'a str,
        run: &'a RunId,
    ) -> BoxFuture<'a, Result<Box<dyn TargetLock>, RoomLockError>> {
        Box::pin(async move {
            let database = || target.to_owned();
            self.call()
                .await
                .map_err(|why| database::LockError::Unavailable {
                    database: database(),
                    why,
                })?;
            let now = self.clock.instant();
            let mut inner = self.inner();
            inner.give_back(now);
            if let Some(holder) = inner.holder.clone() {
                let database = database();
                return Err(database::LockError::Held { database, holder }.into());
            }
            inner.holder = Some(run.0.clone());
            inner.epoch += 1;
            let lock: Box<dyn TargetLock> = Box::new(Lock {
                epoch: inner.epoch,
                world: Arc::clone(self),
            });
            Ok(lock)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.step())
    }
}

/// Held until another run takes it.
#[derive(Debug)]
struct Lock {
    epoch: u64,
    world: Arc<World>,
}

impl TargetLock for Lock {
    fn is_held(&self) -> bool {
        self.world.inner().epoch == self.epoch
    }

    fn keep(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.world.step())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut inner = self.world.inner();
        if inner.epoch == self.epoch {
            inner.holder = None;
        }
    }
}

/// Whether it happens once more.
fn once_less(times: &mut u8) -> bool {
    let happens = *times > 0;
    *times = times.saturating_sub(1);
    happens
}

pub(super) fn table_name(table: u8) -> String {
    format!("t{table}")
}
