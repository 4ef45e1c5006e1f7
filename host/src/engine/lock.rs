//! One run at a time per target: a file lock on this machine, and the target's own lock across machines.

use super::rooms::Rooms;
use crate::database;
use crate::journal::RunId;
use cap_std::fs::{Dir, OpenOptions};
use std::fs::TryLockError;
use std::io::{Read as _, Seek as _, Write as _};
use thiserror::Error;

/// The locks of one run. Dropping them, or the end of the process, lets go.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Nobody else works on this run.
    _run: Option<std::fs::File>,
    /// Nobody else works on this target.
    target: Option<Held>,
}

#[derive(Debug)]
struct Held {
    name: String,
    at_target: database::Lock,
    _file: std::fs::File,
}

/// Why a lock could not be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process on this machine works on the target.
    #[error("run {holder} already works on `{target}`")]
    Taken {
        /// Logical name.
        target: String,
        /// The run, as far as it is known.
        holder: String,
    },
    /// The target says that another host works on it, or does not answer.
    #[error("`{target}` could not be locked")]
    Target {
        /// Logical name.
        target: String,
        /// What the room says.
        #[source]
        source: database::LockError,
    },
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

impl Locks {
    /// Takes the run, so that no other process goes on with it.
    pub(super) fn of_run(state_dir: &Dir, run: &RunId) -> Result<Self, LockError> {
        Ok(Self {
            _run: Some(lock_file(state_dir, &run.0, run)?),
            target: None,
        })
    }

    /// Takes the target too: on this machine and at the target.
    pub(super) async fn and_target(
        self,
        state_dir: &Dir,
        rooms: &Rooms,
        target: &str,
        run: &RunId,
    ) -> Result<Self, LockError> {
        let file = lock_file(state_dir, target, run)?;
        let at_target = rooms
            .lock(target, run)
            .await
            .map_err(|source| LockError::Target {
                target: target.to_owned(),
                source,
            })?;
        let held = Held {
            name: target.to_owned(),
            at_target,
            _file: file,
        };
        Ok(Self {
            target: Some(held),
            ..self
        })
    }

    /// Whether the target is still ours.
    pub(super) fn are_held(&self, target: &str) -> bool {
        self.target
            .as_ref()
            .is_some_and(|held| held.name == target && held.at_target.is_held())
    }
}

/// Run and target names are of one alphabet, but a run's begins with a digit.
fn lock_file(state_dir: &Dir, target: &str, run: &RunId) -> Result<std::fs::File, LockError> {
    let failed = |source| LockError::File {
        target: target.to_owned(),
        source,
    };
    state_dir.create_dir_all("locks").map_err(failed)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    let path = format!("locks/{target}.lock");
    let mut file = state_dir
        .open_with(path, &options)
        .map_err(failed)?
        .into_std();
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            let holder = holder.trim().to_owned();
            return Err(LockError::Taken {
                target: target.to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // The name is for whoever finds the lock taken; the lock itself is the kernel's.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .map_err(failed)?;
    writeln!(file, "{run}").map_err(failed)?;
    Ok(file)
}
