//! What follows from where a run stands, and whether a process is still at work on it.

use super::failure::Exit;
use crate::engine::holder;
use crate::folder::Folder;
use crate::journal::{RunId, State};
use crate::report::Standing;
use std::path::Path;

/// The next command for a run that stands so.
pub(super) fn next(standing: Standing, run: &RunId) -> String {
    match standing {
        Standing::Running | Standing::Unwinding => format!("windlass show {run} -f"),
        Standing::Interrupted | Standing::InDoubt | Standing::Stopped => {
            format!("windlass resume {run}")
        }
        Standing::Diverged | Standing::Stuck => format!("windlass undo {run}"),
        Standing::Empty
        | Standing::Succeeded
        | Standing::Inconclusive
        | Standing::Failed
        | Standing::Cancelled
        | Standing::Refused
        | Standing::Undone
        | Standing::TakenBackInPart => format!("windlass show {run}"),
    }
}

/// Whether it is over.
pub(super) fn is_over(standing: Standing) -> bool {
    match standing {
        Standing::Succeeded
        | Standing::Inconclusive
        | Standing::Failed
        | Standing::Cancelled
        | Standing::Refused
        | Standing::Stuck
        | Standing::Undone
        | Standing::TakenBackInPart => true,
        Standing::Empty
        | Standing::Running
        | Standing::Interrupted
        | Standing::InDoubt
        | Standing::Stopped
        | Standing::Diverged
        | Standing::Unwinding => false,
    }
}

/// How a process ends that leaves a run so.
pub(super) fn exit(standing: Standing) -> Exit {
    match standing {
        Standing::Succeeded | Standing::Undone => Exit::Succeeded,
        Standing::Failed | Standing::Cancelled => Exit::Failed,
        Standing::Refused => Exit::Refused,
        Standing::Stuck
        | Standing::TakenBackInPart
        | Standing::Inconclusive
        | Standing::InDoubt
        | Standing::Diverged => Exit::NeedsPerson,
        Standing::Empty
        | Standing::Stopped
        | Standing::Interrupted
        | Standing::Running
        | Standing::Unwinding => Exit::Stopped,
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
        .any(|name| holder(folder.dir(), name).is_some_and(|holder| holder == run.0))
}

#[cfg(test)]
mod tests {
    use super::{Standing, exit, is_at_work, next};
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
        assert_eq!(next(standing, &run), "windlass resume 251121-k3f");
        assert_eq!(exit(standing).code(), 5);
        let end = Entry::End {
            outcome: Outcome::Succeeded,
            summary: "done".into(),
        };
        state.apply(&end).unwrap();
        assert_eq!(exit(Standing::of(&state, false)).code(), 0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own folders")]
    fn whoever_holds_the_lock_is_at_work() {
        let place = tempfile::tempdir().unwrap();
        let run = RunId("251121-k3f".into());
        let state = begun();
        assert!(!is_at_work(place.path(), &run, &state));
        let locks = place.path().join("locks");
        std::fs::DirBuilder::new().create(&locks).unwrap();
        let write = |name: &str| {
            let mut options = std::fs::OpenOptions::new();
            let options = options.write(true).create(true).truncate(true);
            options.open(locks.join(name)).unwrap()
        };
        writeln!(write("orders.lock"), "{run}").unwrap();
        let sign = write("orders.held");
        assert!(!is_at_work(place.path(), &run, &state));
        sign.try_lock().unwrap();
        assert!(is_at_work(place.path(), &run, &state));
        assert!(!is_at_work(
            place.path(),
            &RunId("251121-zzz".into()),
            &state
        ));
    }
}
