//! SIGKILL around each commit: after it, and before it where something had happened that nobody has recorded then.

use super::world_view::{indexes, invalid_indexes, rows, storage_parameters};
use super::{Case, assert_once, in_parallel, messages, only_run, work};
use crate::world::World;
use std::collections::BTreeSet;
use windlass::journal::{Entry, Outcome, Stamped};

/// When a process is killed: around the n-th entry that it commits, from 1.
#[derive(Clone, Copy, Debug)]
enum Kill {
    Before(usize),
    After(usize),
}

impl Kill {
    fn run(self, world: &World, words: &[&str]) {
        let (variable, at) = match self {
            Self::Before(at) => ("WINDLASS_TEST_KILL_BEFORE", at),
            Self::After(at) => ("WINDLASS_TEST_KILL_AT", at),
        };
        let killed = world.windlass_with(&[(variable, &at.to_string())], words);
        assert_eq!(killed.code, 128 + 9, "{self:?}: {killed}");
    }
}

/// Every way to kill a process that commits these.
fn kills(entries: &[Stamped]) -> Vec<Kill> {
    let mut kills = Vec::new();
    for (stamped, number) in entries.iter().zip(1..) {
        if tells_of_a_change(&stamped.entry) {
            kills.push(Kill::Before(number));
        }
        kills.push(Kill::After(number));
    }
    kills
}

/// Whether the target has changed between the entry before and this one. Otherwise being killed before this one is being killed after
/// that one.
fn tells_of_a_change(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::Done { .. } | Entry::Failed { .. } | Entry::Undone { .. } | Entry::UndoFailed { .. }
    )
}

/// What must be the same after any way to the same end.
fn end_of(world: &World) -> (Vec<String>, Vec<String>, BTreeSet<String>, Vec<String>) {
    (
        rows(world),
        storage_parameters(world),
        indexes(world),
        invalid_indexes(world),
    )
}

pub(super) fn crashes_anywhere_and_resumes(case: Case) {
    runs_through(case);
    if case.procedure == "pg-optimize" {
        is_taken_back(case, "undo");
        is_taken_back(case, "cancel");
    }
}

fn runs_through(case: Case) {
    let undisturbed = case.world();
    case.run(&undisturbed, &[]).expect(0);
    let (end, sent) = (end_of(&undisturbed), sorted(&work(&undisturbed)));
    let entries = only_run(&undisturbed).2;
    assert!(entries.len() >= 15, "{} entries", entries.len());
    in_parallel(&kills(&entries), |kill| {
        let world = case.world();
        kill.run(&world, &case.typed("run"));
        let (run, ..) = only_run(&world);
        let resumed = world.windlass(&["resume", &run.0]);
        assert_eq!(resumed.code, 0, "{kill:?}: {resumed}");
        assert_eq!(end_of(&world), end, "{kill:?}");
        let statements = work(&world);
        assert_once(&statements, &format!("{kill:?}"));
        assert_eq!(sorted(&statements), sent, "{kill:?}");
        let ids: Vec<_> = messages(&world)
            .iter()
            .map(|request| request.headers["webhook-id"].clone())
            .collect();
        assert_once(&ids, &format!("{kill:?}"));
        let (_, state, _) = only_run(&world);
        assert_eq!(state.outcome(), Some(Outcome::Succeeded), "{kill:?}");
    });
}

/// A run that has ended, or that was killed after its last effect, is taken back by a process that is killed.
fn is_taken_back(case: Case, verb: &str) {
    let undisturbed = case.world();
    case.run(&undisturbed, &[]).expect(0);
    let last = last_effect(&only_run(&undisturbed).2);
    let prepare = |world: &World| match verb {
        "undo" => drop(case.run(world, &[]).expect(0)),
        _ => Kill::After(last).run(world, &case.typed("run")),
    };
    let world = case.world();
    let before = storage_parameters(&world);
    prepare(&world);
    let (run, _, entries) = only_run(&world);
    let already = entries.len();
    drop(world.windlass(&[verb, &run.0]));
    let (_, state, entries) = only_run(&world);
    let outcome = state.outcome();
    assert!(matches!(
        outcome,
        Some(Outcome::Undone | Outcome::CancelledAndUnwound)
    ));
    let (end, sent) = (end_of(&world), sorted(&work(&world)));
    assert_eq!(end.1, before);
    in_parallel(&kills(&entries[already..]), |kill| {
        let world = case.world();
        prepare(&world);
        let (run, ..) = only_run(&world);
        kill.run(&world, &[verb, &run.0]);
        // Before anybody could know that it was to be taken back, it has to be said again.
        let (_, state, _) = only_run(&world);
        let known = state.undo_requested_by().or(state.cancel_requested_by());
        let again = if known.is_some() { "resume" } else { verb };
        drop(world.windlass(&[again, &run.0]));
        let (_, state, _) = only_run(&world);
        assert_eq!(state.outcome(), outcome, "{verb}, {kill:?}");
        assert_eq!(end_of(&world), end, "{verb}, {kill:?}");
        assert_eq!(sorted(&work(&world)), sent, "{verb}, {kill:?}");
    });
}

/// The number of the entry that tells of the end of the last effect.
fn last_effect(entries: &[Stamped]) -> usize {
    let done = |stamped: &Stamped| matches!(stamped.entry, Entry::Done { .. });
    entries.iter().rposition(done).unwrap() + 1
}

fn sorted(statements: &[String]) -> Vec<String> {
    let mut sorted = statements.to_vec();
    sorted.sort();
    sorted
}
