//! One run at a time per target: a file lock on this machine, and the target's own lock across machines.

use super::control::{Event, Progress};
use super::permit::Ownership;
use super::rooms::{RoomLockError, TargetLock, Targets};
use super::runs::Seat;
use crate::clock::Millis;
use crate::journal::RunId;
use cap_std::fs::{Dir, OpenOptions};
use std::fs::TryLockError;
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long somebody waits for a lock without being told.
const SILENCE: Duration = Duration::from_secs(1);

/// The locks of one run. Dropping them, or the end of the process, lets go.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Nobody else works on this run.
    _run: Option<LockFile>,
    /// Nobody else works on this target.
    target: Option<Held>,
}

#[derive(Debug)]
struct Held {
    name: String,
    at_target: Arc<dyn TargetLock>,
    _file: LockFile,
}

/// A lock file of this machine.
#[derive(Debug)]
struct LockFile {
    _lock: std::fs::File,
    /// Says to those who look that the lock is held. They try this one, so that looking stands in nobody's way.
    _sign: std::fs::File,
}

/// Why a lock could not be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process on this machine works on the run itself.
    #[error("another process works on run {0}")]
    AtWork(RunId),
    /// Another process on this machine works on the target.
    #[error("run {holder} already works on `{target}`")]
    Taken {
        /// Logical name.
        target: String,
        /// The run, as far as it is known.
        holder: String,
    },
    /// The target says that another host works on it, or does not answer.
    #[error("`{target}` {}", if .source.is_held() { "is at work for another run" } else { "cannot be used" })]
    Target {
        /// Logical name.
        target: String,
        /// What the room says.
        #[source]
        source: RoomLockError,
    },
    /// Another run left the target in the middle of an effect or of being taken back; what follows could rest on what is not known.
    #[error("run {holder} left `{target}` in the middle of {what}")]
    Reserved {
        /// Logical name.
        target: String,
        /// The run.
        holder: RunId,
        /// What it was at.
        what: String,
    },
    /// The operator did not want to wait any longer.
    #[error("stopped while it waited for `{0}`, on which another run may be at work")]
    GivenUp(String),
    /// The lock file could not be used.
    #[error("the lock file of `{target}` could not be used")]
    File {
        /// Logical name.
        target: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl LockError {
    /// Whether another run is at work, so that it can be waited for.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::AtWork(_) | Self::Taken { .. } => true,
            Self::Target { source, .. } => source.is_held(),
            Self::Reserved { .. } | Self::GivenUp(_) | Self::File { .. } => false,
        }
    }

    /// The target, or the run that a process works on.
    pub fn target(&self) -> &str {
        match self {
            Self::AtWork(run) => &run.0,
            Self::Taken { target, .. }
            | Self::Target { target, .. }
            | Self::Reserved { target, .. }
            | Self::GivenUp(target)
            | Self::File { target, .. } => target,
        }
    }

    /// Whether another run or process has the lock. Otherwise it could not be asked for.
    pub fn is_taken(&self) -> bool {
        match self {
            Self::AtWork(_) | Self::Taken { .. } | Self::Reserved { .. } => true,
            Self::Target { source, .. } => source.is_held(),
            Self::GivenUp(_) | Self::File { .. } => false,
        }
    }
}

impl Locks {
    /// Takes the run, so that no other process goes on with it.
    pub(super) fn of_run(state_dir: &Dir, run: &RunId) -> Result<Self, LockError> {
        Ok(Self {
            _run: Some(
                lock_file(state_dir, &run.0, run)?.map_err(|_| LockError::AtWork(run.clone()))?,
            ),
            target: None,
        })
    }

    /// Takes the target too: on this machine and at the target. Waits for what may only look held there, unless the operator stops it.
    pub(super) async fn and_target(
        self,
        state_dir: &Dir,
        rooms: &dyn Targets,
        target: &str,
        run: &RunId,
        seat: &Seat,
    ) -> Result<Self, LockError> {
        let file = lock_file(state_dir, target, run)?.map_err(|holder| LockError::Taken {
            target: target.to_owned(),
            holder,
        })?;
        let mut locking = std::pin::pin!(rooms.lock(target, run));
        let mut told = false;
        let locked = loop {
            tokio::select! {
                locked = &mut locking => break locked,
                () = seat.control.wanted() => return Err(LockError::GivenUp(target.to_owned())),
                () = tokio::time::sleep(SILENCE), if !told => told = true,
            }
            seat.audience.tell(Event::Effect(Progress {
                phase: format!("waits for {target}, on which another run may be at work"),
                done: 0,
                total: 0,
                notice: true,
            }));
        };
        let at_target = locked.map_err(|source| LockError::Target {
            target: target.to_owned(),
            source,
        })?;
        let held = Held {
            name: target.to_owned(),
            at_target: Arc::from(at_target),
            _file: file,
        };
        Ok(Self {
            target: Some(held),
            ..self
        })
    }

    /// Takes the target's own lock again if it was lost, as after a restart of the target. Does nothing while it is held.
    pub(super) async fn renew(
        &mut self,
        rooms: &dyn Targets,
        run: &RunId,
    ) -> Result<(), LockError> {
        if let Some(held) = &mut self.target
            && !held.at_target.is_held()
        {
            let renewed = rooms.lock(&held.name, run).await;
            let renewed = renewed.map_err(|source| LockError::Target {
                target: held.name.clone(),
                source,
            })?;
            held.at_target = Arc::from(renewed);
        }
        Ok(())
    }

    /// Renews the target's own lock if it ran out and nobody took it.
    pub(super) async fn keep(&self) {
        if let Some(held) = &self.target {
            held.at_target.keep().await;
        }
    }

    /// What a change of the target rests on, to be asked for while it is under way; the locks stay where they are.
    pub(super) fn ownership(&self, grant_ends: Option<Millis>) -> Ownership {
        let target = self.target.as_ref();
        Ownership {
            lock: target.map(|held| (held.name.clone(), Arc::downgrade(&held.at_target))),
            grant_ends,
        }
    }

    /// Whether the target is still ours.
    pub(super) fn are_held(&self, target: &str) -> bool {
        self.target
            .as_ref()
            .is_some_and(|held| held.name == target && held.at_target.is_held())
    }
}

/// The locked file, or the run that holds it. Run and target names are of one alphabet, but a run's begins with a digit.
fn lock_file(
    state_dir: &Dir,
    target: &str,
    run: &RunId,
) -> Result<Result<LockFile, String>, LockError> {
    let failed = |source| LockError::File {
        target: target.to_owned(),
        source,
    };
    state_dir.create_dir_all("locks").map_err(failed)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    let open = |path: String| Ok(state_dir.open_with(path, &options)?.into_std());
    let mut file = open(format!("locks/{target}.lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            return Ok(Err(holder.trim().to_owned()));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // The name is for whoever finds the lock taken; the lock itself is the kernel's.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .map_err(failed)?;
    writeln!(file, "{run}").map_err(failed)?;
    let sign = open(sign_of(target)).map_err(failed)?;
    // Nobody but those who look has it, and they for no longer than that takes.
    sign.lock().map_err(failed)?;
    Ok(Ok(LockFile {
        _lock: file,
        _sign: sign,
    }))
}

/// The file beside the lock file.
fn sign_of(name: &str) -> String {
    format!("locks/{name}.held")
}

/// Which run on this machine holds the lock of this target, or the lock of the run of this name. Looking disturbs nobody.
pub fn holder(state_dir: &Dir, name: &str) -> Option<String> {
    let sign = state_dir.open(sign_of(name)).ok()?.into_std();
    match sign.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let holder = state_dir.read_to_string(format!("locks/{name}.lock"));
            Some(holder.ok()?.trim().to_owned())
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{holder, lock_file, sign_of};
    use crate::journal::RunId;
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    #[test]
    fn whoever_looks_is_in_nobodys_way() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let run = RunId("251121-k3f".into());
        assert_eq!(holder(&dir, "orders"), None);
        let held = lock_file(&dir, "orders", &run).unwrap().unwrap();
        assert_eq!(holder(&dir, "orders").as_deref(), Some("251121-k3f"));
        let other = RunId("251121-zzz".into());
        let taken = lock_file(&dir, "orders", &other).unwrap();
        assert_eq!(taken.err().as_deref(), Some("251121-k3f"));
        drop(held);
        assert_eq!(holder(&dir, "orders"), None);
        // Somebody is looking, and has looked before the run begins.
        let looking = dir.open(sign_of("orders")).unwrap().into_std();
        looking.try_lock_shared().unwrap();
        let begins = std::thread::spawn(move || lock_file(&dir, "orders", &run).unwrap().is_ok());
        looking.unlock().unwrap();
        assert!(begins.join().unwrap());
    }
}
