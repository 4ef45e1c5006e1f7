//! Each call of a procedure fails in turn: what is asked before anything is sent, and what was sent.

use super::world_view::{indexes, rows, storage_parameters};
use super::{Case, in_parallel, only_run};
use std::sync::atomic::{AtomicUsize, Ordering};
use windlass::journal::{Entry, Outcome, Stamped, State, UndoState};

/// What fails. Numbers are from 1.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A look, a question, or what prepares an effect: the guest is told, and nothing is intended.
    Call(usize),
    /// An effect that is recorded as intended.
    Effect(usize),
}

pub(super) fn fails_anywhere_and_unwinds(case: Case) {
    let undisturbed = case.world();
    case.run(&undisturbed, &[]).expect(0);
    // Each call is answered once, whether it looks, asks or changes.
    let (_, state, entries) = only_run(&undisturbed);
    let looks = entries
        .iter()
        .filter(|stamped| matches!(stamped.entry, Entry::Observed { .. }));
    let effects = state.effects().len();
    let calls = looks.count() + effects;
    assert!(calls >= 8, "{calls} calls");
    let mut faults: Vec<_> = (1..=calls).map(Fault::Call).collect();
    faults.extend((1..=effects).map(Fault::Effect));
    let taken_back = AtomicUsize::new(0);
    in_parallel(&faults, |fault| {
        if fails_at(case, *fault) {
            taken_back.fetch_add(1, Ordering::Relaxed);
        }
    });
    // Otherwise nothing of what an unwinding promises was seen.
    let restored = taken_back.into_inner() > 0;
    assert_eq!(case.procedure == "pg-optimize", restored);
}

/// Answers whether the run took an effect back.
fn fails_at(case: Case, fault: Fault) -> bool {
    let world = case.world();
    let before = (rows(&world), storage_parameters(&world), indexes(&world));
    let (variable, number) = match fault {
        Fault::Call(number) => ("WINDLASS_TEST_FAIL_CALL", number),
        Fault::Effect(number) => ("WINDLASS_TEST_FAIL_EFFECT", number),
    };
    let output = case.run(&world, &[(variable, &number.to_string())]);
    let (_, state, entries) = only_run(&world);
    assert!(
        entries.iter().any(|stamped| injected(stamped, fault)),
        "{fault:?} was not reached"
    );
    let after = (rows(&world), storage_parameters(&world), indexes(&world));
    assert_eq!(after.0, before.0, "{fault:?}");
    match state.outcome() {
        // It went on without that answer.
        Some(Outcome::Succeeded) => assert_eq!(output.code, 0, "{fault:?}"),
        Some(Outcome::Inconclusive) => assert_eq!(output.code, 4, "{fault:?}"),
        Some(Outcome::FailedAndUnwound) => {
            assert_eq!(output.code, 1, "{fault:?}");
            assert_eq!(after.1, before.1, "{fault:?}");
            assert!(after.2.is_subset(&before.2), "{fault:?}: {after:?}");
            return took_back(&state);
        }
        other => panic!("{fault:?} ended as {other:?}: {output}"),
    }
    false
}

fn took_back(state: &State) -> bool {
    let undone = |undo: &UndoState| matches!(undo, UndoState::Undone(_));
    state.effects().iter().any(|effect| undone(&effect.undo))
}

fn injected(stamped: &Stamped, fault: Fault) -> bool {
    match (&stamped.entry, fault) {
        (Entry::Observed { answer, .. }, Fault::Call(_)) => answer
            .as_ref()
            .is_err_and(|error| error.message == "injected"),
        (Entry::Failed { effect, error, .. }, Fault::Effect(number)) => {
            *effect == number as u64 && error.message == "injected"
        }
        _ => false,
    }
}
