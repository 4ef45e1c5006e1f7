//! Where a run stands, for people: what its record says, and whether a process is still at work on it.

use super::failure::Exit;
use crate::folder::Folder;
use crate::journal::{Outcome, Phase, RunId, State};
use std::fs::TryLockError;
use std::io::Read;
use std::path::Path;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A process is at work on it.
    Running,
    /// A process is taking it back.
    Unwinding,
    /// Its process went away between two effects.
    Interrupted,
    /// Its process went away within an effect, or the target could not tell what became of one.
    InDoubt,
    /// It pauses at a safe point.
    Stopped,
    /// It is over.
    Ended(Outcome),
}

impl Standing {
    /// From its state, and whether a process is at work on it.
    pub(super) fn of(state: &State, at_work: bool) -> Self {
        match state.phase() {
            Phase::Ended(outcome) => Self::Ended(outcome),
            Phase::Running if at_work => Self::Running,
            Phase::Unwinding if at_work => Self::Unwinding,
            Phase::Running | Phase::Unwinding if state.open_effect().is_some() => Self::InDoubt,
            Phase::Running | Phase::Unwinding | Phase::Empty => Self::Interrupted,
            Phase::Stopped { .. } => Self::Stopped,
        }
    }

    /// In two or three words.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Unwinding => "unwinding",
            Self::Interrupted => "interrupted",
            Self::InDoubt => "in doubt",
            Self::Stopped => "stopped",
            Self::Ended(Outcome::Succeeded) => "succeeded",
            Self::Ended(Outcome::Inconclusive) => "inconclusive",
            Self::Ended(Outcome::FailedAndUnwound) => "failed",
            Self::Ended(Outcome::CancelledAndUnwound) => "cancelled",
            Self::Ended(Outcome::Refused) => "refused",
            Self::Ended(Outcome::Stuck) => "stuck",
            Self::Ended(Outcome::Undone) => "undone",
        }
    }

    /// The next command for this run.
    pub(super) fn next(self, run: &RunId) -> String {
        match self {
            Self::Running | Self::Unwinding => format!("windlass show {run} -f"),
            Self::Interrupted | Self::InDoubt | Self::Stopped => format!("windlass resume {run}"),
            Self::Ended(Outcome::Stuck) => format!("windlass undo {run}"),
            Self::Ended(_) => format!("windlass show {run}"),
        }
    }

    /// How a process ends that leaves a run so.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Ended(Outcome::Succeeded | Outcome::Undone) => Exit::Succeeded,
            Self::Ended(Outcome::FailedAndUnwound | Outcome::CancelledAndUnwound) => Exit::Failed,
            Self::Ended(Outcome::Refused) => Exit::Refused,
            Self::Ended(Outcome::Stuck | Outcome::Inconclusive) | Self::InDoubt => {
                Exit::NeedsPerson
            }
            Self::Stopped | Self::Interrupted | Self::Running | Self::Unwinding => Exit::Stopped,
        }
    }
}

/// Whether a process on this machine is at work on the run: it holds the lock file of the run or of its target.
pub(super) fn is_at_work(state_dir: &Path, run: &RunId, state: &State) -> bool {
    let target = state
        .begin()
        .map(|begin| begin.target.as_str())
        .unwrap_or_default();
    let Ok(folder) = Folder::open(state_dir) else {
        return false;
    };
    [target, &run.0]
        .iter()
        .any(|name| holder(&folder, name).is_some_and(|holder| holder == run.0))
}

/// Who holds a lock file, if somebody does.
fn holder(folder: &Folder, name: &str) -> Option<String> {
    let file = folder.dir().open(format!("locks/{name}.lock")).ok()?;
    let mut file = file.into_std();
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).ok()?;
            Some(holder.trim().to_owned())
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, is_at_work};
    use crate::clock::Millis;
    use crate::journal::{Begin, Entry, Outcome, RunId, Stamped, State};
    use std::io::Write;

    fn begun() -> State {
        let begin = Begin {
            format: 1,
            procedure: "pg-tidy".into(),
            version: "0.1.0".into(),
            digest: "sha256:0".into(),
            target: "orders".into(),
            parameters: serde_json::json!({}),
            grants: Vec::new(),
            plan: None,
            by: "ana".into(),
            host: "0.1.0".into(),
        };
        let entry = Entry::Begin(begin);
        State::fold(&[Stamped {
            seq: 0,
            at: Millis(1),
            entry,
        }])
        .unwrap()
    }

    #[test]
    fn a_run_without_a_process_can_be_resumed() {
        let run = RunId("251121-k3f".into());
        let mut state = begun();
        assert_eq!(Standing::of(&state, true), Standing::Running);
        let standing = Standing::of(&state, false);
        assert_eq!(standing.label(), "interrupted");
        assert_eq!(standing.next(&run), "windlass resume 251121-k3f");
        assert_eq!(standing.exit().code(), 5);
        let end = Entry::End {
            outcome: Outcome::Succeeded,
            summary: "done".into(),
        };
        state.apply(&end).unwrap();
        assert_eq!(Standing::of(&state, false).exit().code(), 0);
    }

    #[test]
    fn whoever_holds_the_lock_is_at_work() {
        let place = tempfile::tempdir().unwrap();
        let run = RunId("251121-k3f".into());
        let state = begun();
        assert!(!is_at_work(place.path(), &run, &state));
        let locks = place.path().join("locks");
        std::fs::DirBuilder::new().create(&locks).unwrap();
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .open(locks.join("orders.lock"))
            .unwrap();
        writeln!(file, "{run}").unwrap();
        assert!(!is_at_work(place.path(), &run, &state));
        file.try_lock().unwrap();
        assert!(is_at_work(place.path(), &run, &state));
        assert!(!is_at_work(
            place.path(),
            &RunId("251121-zzz".into()),
            &state
        ));
    }
}
