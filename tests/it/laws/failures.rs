//! Each call of a procedure fails in turn: what is asked before anything is sent, and what was sent.

use super::last_run;
use super::world::{LawWorld, View, same, windlass};
use std::collections::BTreeSet;
use windlass::journal::{Entry, Outcome, Stamped, State, UndoState};

/// What fails. Numbers are from 1.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A look, a question, or what prepares an effect: the guest is told, and nothing is intended.
    Call(usize),
    /// An effect that is recorded as intended.
    Effect(usize),
}

pub(crate) fn fails_anywhere_and_unwinds<W: LawWorld>(case: W::Case) {
    let mut world = W::fresh(case);
    let (before, promise) = (world.wanted(), world.promise());
    windlass(&world, &[], &world.typed("run")).expect(0);
    // Each call is answered once, whether it looks, asks or changes.
    let (_, _, entries) = last_run(&world);
    let mut took_back = 0;
    for fault in faults(&entries, world.comes_back()) {
        world = world.again(case, &before);
        took_back += usize::from(fails_at(&world, fault, &before));
    }
    // Otherwise nothing of what an unwinding promises was seen.
    assert_eq!(
        took_back > 0,
        promise.unwinds,
        "{took_back} were taken back"
    );
}

/// Each call, or only the first of each verb, and each effect besides.
fn faults(entries: &[Stamped], all: bool) -> Vec<Fault> {
    let mut verbs = BTreeSet::new();
    let (mut calls, mut effects, mut faults) = (0, 0, Vec::new());
    for stamped in entries {
        let (call, is_effect) = if let Entry::Observed { call, .. } = &stamped.entry {
            (format!("{call:?}"), false)
        } else if let Entry::Intended { call, .. } = &stamped.entry {
            (format!("{call:?}"), true)
        } else {
            continue;
        };
        calls += 1;
        effects += usize::from(is_effect);
        // Up to its fields.
        let verb = call.split(" {").next().unwrap_or_default().to_owned();
        if verbs.insert(verb) || all {
            faults.push(Fault::Call(calls));
            faults.extend(is_effect.then_some(Fault::Effect(effects)));
        }
    }
    assert!(calls > effects, "{calls} calls");
    faults
}

/// Answers whether the run took an effect back.
fn fails_at<W: LawWorld>(world: &W, fault: Fault, before: &View) -> bool {
    let clutter = world.clutter();
    let (variable, number) = match fault {
        Fault::Call(number) => ("WINDLASS_TEST_FAIL_CALL", number),
        Fault::Effect(number) => ("WINDLASS_TEST_FAIL_EFFECT", number),
    };
    let fails = [(variable, &*number.to_string())];
    let output = windlass(world, &fails, &world.typed("run"));
    let (_, state, entries) = last_run(world);
    assert!(
        entries.iter().any(|stamped| injected(stamped, fault)),
        "{fault:?} was not reached: {output}"
    );
    match state.outcome() {
        // It went on without that answer.
        Some(Outcome::Succeeded) => assert_eq!(output.code, 0, "{fault:?}"),
        Some(Outcome::Inconclusive) => assert_eq!(output.code, 4, "{fault:?}"),
        Some(Outcome::FailedAndUnwound) => {
            assert_eq!(output.code, 1, "{fault:?}");
            same(&world.wanted(), before, &format!("{fault:?}"));
            let left = world.clutter();
            assert!(left.is_subset(&clutter), "{fault:?}: {left:#?}");
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
