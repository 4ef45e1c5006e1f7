use super::samples::*;
use super::*;
use crate::call::Reverted;
use crate::contract::{CallError, ErrorKind, Verdict};
use proptest::prelude::*;

/// Applies all but the last, which must be legal, and tells how the last one fares.
fn last(entries: &[Entry]) -> Result<State, Fault> {
    let mut state = State::default();
    let (last, before) = entries.split_last().unwrap();
    for entry in before {
        state.apply(entry).unwrap();
    }
    state.apply(last).map_err(|illegal| illegal.fault)?;
    Ok(state)
}

#[test]
fn begins_once_and_first() {
    assert_eq!(last(&[observed()]), Err(Fault::NotBegun));
    assert_eq!(last(&[begin(), begin()]), Err(Fault::BegunTwice));
    assert_eq!(last(&[begin()]).unwrap().phase(), Phase::Running);
}

#[test]
fn an_effect_at_a_time_without_gaps() {
    assert_eq!(last(&[begin(), tune(2)]), Err(Fault::Number(1)));
    assert_eq!(last(&[begin(), tune(1), tune(2)]), Err(Fault::Open(1)));
    assert_eq!(last(&[begin(), done(1, None)]), Err(Fault::NotOpen(1)));
    let doubt = [begin(), tune(1), in_doubt(1)];
    assert_eq!(last(&doubt).unwrap().open_effect().unwrap().number, 1);
    for (entry, legal) in [
        (tune(2), Err(Fault::Open(1))),
        (failed(1, None), Err(Fault::InDoubt(1))),
        (done(1, None), Ok(())),
        (not_done(1), Ok(())),
        (in_doubt(1), Ok(())),
    ] {
        let with = [&doubt[..], &[entry]].concat();
        assert_eq!(last(&with).map(drop), legal);
    }
    let again = last(&[begin(), reindex(1), not_done(1), reindex(2)]).unwrap();
    assert_eq!(again.next_effect(), 3);
}

#[test]
fn a_change_that_the_target_denied_is_not_green() {
    let denied = |denial| {
        let mut error = CallError::new(ErrorKind::Denied, "must be owner of table t");
        error.denied = denial;
        Entry::Failed {
            effect: 1,
            error,
            sweep: None,
        }
    };
    let ended = |entry: Entry, outcome| last(&[begin(), tune(1), entry, end(outcome)]).map(drop);
    let green = Err(Fault::NotGreen("the target denied a change"));
    assert_eq!(ended(denied(None), Outcome::Succeeded), green);
    assert_eq!(ended(denied(None), Outcome::Inconclusive), Ok(()));
    // What windlass itself refused is counted as a refusal.
    let by_us = denied(Some(crate::contract::Denial::Lock));
    assert_eq!(ended(by_us, Outcome::Succeeded), Ok(()));
}

#[test]
fn what_another_hand_changed_stays_and_is_no_full_reversal() {
    let applied = [begin(), tune(1), done(1, None)];
    let announced = unwinding(Outcome::FailedAndUnwound);
    let ended = |reverted, outcome| {
        let reverted = Entry::Undone {
            effect: 1,
            reverted,
        };
        let more = [
            announced.clone(),
            undoing(1, restore()),
            reverted,
            end(outcome),
        ];
        last(&[&applied[..], &more].concat()).map(drop)
    };
    let alone = || Reverted::LeftAlone("another hand changed it".into());
    let restored = || Reverted::Restored("as it was".into());
    let whole = Outcome::FailedAndUnwound;
    assert_eq!(ended(restored(), whole), Ok(()));
    assert_eq!(ended(alone(), whole), Err(Fault::NotTakenBack(1)));
    assert_eq!(ended(alone(), Outcome::TakenBackInPart), Ok(()));
    let in_part = Outcome::TakenBackInPart;
    assert_eq!(ended(restored(), in_part), Err(Fault::NotAnnounced));
}

/// A sweep may have been at work when its process died; the next process begins with the last one again.
#[test]
fn a_run_that_died_in_a_sweep_goes_on_with_another_one_first() {
    let resumed = Entry::Resumed {
        by: "bob".into(),
        grants: Vec::new(),
    };
    let left = [
        begin(),
        tune(1),
        failed(1, Some(leftovers())),
        tune(2),
        failed(2, Some(leftovers())),
        undoing(1, leftovers()),
    ];
    let next = undoing(2, leftovers());
    let at_once = last(&[&left[..], std::slice::from_ref(&next)].concat()).map(drop);
    assert_eq!(at_once, Err(Fault::Reverting(1)));
    assert!(last(&[&left[..], &[resumed, next]].concat()).is_ok());
}

#[test]
fn what_takes_back_is_what_was_recorded() {
    let announced = unwinding(Outcome::FailedAndUnwound);
    let applied = [begin(), tune(1), done(1, None), announced.clone()];
    let with = |more: &[Entry]| last(&[&applied[..], more].concat());
    assert_eq!(
        last(&[begin(), tune(1), done(1, None), undoing(1, restore())]),
        Err(Fault::Phase),
        "unwinding is announced"
    );
    assert_eq!(
        with(&[undoing(1, leftovers())]),
        Err(Fault::NothingToRevert(1))
    );
    let state = with(&[undoing(1, restore())]).unwrap();
    assert_eq!(state.phase(), Phase::Unwinding);
    assert_eq!(state.reverting().unwrap().number, 1);
    assert_eq!(
        with(&[undoing(1, restore()), tune(2)]),
        Err(Fault::Phase),
        "no new effect once unwinding has begun"
    );
    // A crash in the middle, and a failure, may both be tried again.
    with(&[undoing(1, restore()), resumed(), undoing(1, restore())]).unwrap();
    with(&[undoing(1, restore()), undo_failed(1), undoing(1, restore())]).unwrap();
    assert_eq!(
        with(&[undoing(1, restore()), undone(1), undoing(1, restore())]),
        Err(Fault::NothingToRevert(1))
    );
    assert_eq!(with(&[undone(1)]), Err(Fault::NotReverting(1)));
    assert_eq!(
        last(&[
            begin(),
            reindex(1),
            done(1, None),
            announced,
            undoing(1, restore())
        ]),
        Err(Fault::NothingToRevert(1))
    );
}

#[test]
fn unwinds_last_first_but_past_a_failed_undo() {
    let two = [
        begin(),
        tune(1),
        done(1, None),
        tune(2),
        done(2, None),
        unwinding(Outcome::FailedAndUnwound),
    ];
    let with = |more: &[Entry]| last(&[&two[..], more].concat());
    assert_eq!(with(&[undoing(1, restore())]), Err(Fault::LaterFirst(2)));
    with(&[undoing(2, restore()), undone(2), undoing(1, restore())]).unwrap();
    let stuck = with(&[
        undoing(2, restore()),
        undo_failed(2),
        undoing(1, restore()),
        undone(1),
        end(Outcome::Stuck),
    ])
    .unwrap();
    assert_eq!(stuck.to_undo(), [(2, restore())]);
    assert_eq!(
        with(&[undoing(2, restore()), undoing(1, restore())]),
        Err(Fault::Reverting(2))
    );
}

#[test]
fn a_sweep_does_not_end_the_procedure() {
    let swept = [
        begin(),
        reindex(1),
        failed(1, Some(leftovers())),
        undoing(1, leftovers()),
        noted(1),
        undone(1),
        reindex(2),
    ];
    let state = last(&swept).unwrap();
    assert_eq!(state.phase(), Phase::Running);
    assert_eq!(state.to_sweep(), []);
    assert!(state.effect(1).unwrap().undo_note.is_some());
    assert_eq!(
        last(&[
            begin(),
            reindex(1),
            done(1, Some(leftovers())),
            end(Outcome::Succeeded)
        ]),
        Err(Fault::NotGreen("something is left to clear away"))
    );
}

#[test]
fn green_is_green_throughout() {
    for (entries, blemish) in [
        (vec![check("a", Verdict::Fail)], "a check failed"),
        (
            vec![check("a", Verdict::Inconclusive)],
            "a check could not decide",
        ),
        (vec![cancel()], "it was cancelled"),
        (vec![unwinding(Outcome::FailedAndUnwound)], "it was unwound"),
    ] {
        let run = [&[begin()], &entries[..], &[end(Outcome::Succeeded)]].concat();
        assert_eq!(last(&run), Err(Fault::NotGreen(blemish)));
    }
    let unsure = [
        begin(),
        check("a", Verdict::Inconclusive),
        end(Outcome::Inconclusive),
    ];
    assert_eq!(
        last(&unsure).unwrap().outcome(),
        Some(Outcome::Inconclusive)
    );
    assert_eq!(
        last(&[
            begin(),
            tune(1),
            done(1, None),
            unwinding(Outcome::FailedAndUnwound),
            end(Outcome::FailedAndUnwound)
        ]),
        Err(Fault::NotTakenBack(1))
    );
    assert_eq!(
        last(&[begin(), end(Outcome::FailedAndUnwound)]),
        Err(Fault::NotAnnounced)
    );
    assert_eq!(
        last(&[begin(), unwinding(Outcome::Succeeded)]),
        Err(Fault::NotAnUnwinding)
    );
    assert_eq!(
        last(&[begin(), tune(1), end(Outcome::Stuck)]),
        Err(Fault::Open(1))
    );
}

#[test]
fn after_the_end_only_undo() {
    let ended = [begin(), tune(1), done(1, None), end(Outcome::Succeeded)];
    let with = |more: &[Entry]| last(&[&ended[..], more].concat());
    for entry in [
        tune(2),
        resumed(),
        cancel(),
        stopped(),
        observed(),
        end(Outcome::Succeeded),
    ] {
        assert_eq!(with(&[entry]), Err(Fault::Phase));
    }
    let reopened = with(&[undo()]).unwrap();
    assert_eq!(
        reopened.unwinding(),
        Some((Outcome::Undone, "undone by bob"))
    );
    let undone = with(&[
        undo(),
        resumed(),
        undoing(1, restore()),
        undone(1),
        end(Outcome::Undone),
    ]);
    assert_eq!(undone.unwrap().outcome(), Some(Outcome::Undone));
    assert_eq!(
        last(&[begin(), unwinding(Outcome::Undone)]),
        Err(Fault::NotAsked)
    );
}

#[test]
fn a_stopped_run_is_resumed_cancelled_or_undone() {
    let paused = [begin(), tune(1), done(1, None), stopped()];
    let with = |more: &[Entry]| last(&[&paused[..], more].concat());
    assert_eq!(with(&[observed()]), Err(Fault::Phase));
    assert_eq!(with(&[resumed()]).unwrap().phase(), Phase::Running);
    assert_eq!(with(&[cancel(), tune(2)]), Err(Fault::Phase));
    assert_eq!(with(&[cancel(), resumed(), tune(2)]), Err(Fault::Cancelled));
    assert_eq!(with(&[undo()]).unwrap().phase(), Phase::Unwinding);
    let paused_unwinding = with(&[
        resumed(),
        unwinding(Outcome::Refused),
        undoing(1, restore()),
        stopped(),
        resumed(),
    ]);
    assert_eq!(paused_unwinding.unwrap().phase(), Phase::Unwinding);
    assert_eq!(last(&[begin(), cancel(), tune(1)]), Err(Fault::Cancelled));
}

/// One of about everything, with numbers that are often right.
fn any_entry() -> impl Strategy<Value = Entry> {
    let number = 1..5_u64;
    let sweep = prop::option::of(Just(leftovers()));
    let revert = prop_oneof![Just(restore()), Just(leftovers())];
    let quiet = prop::sample::select(vec![
        begin(),
        observed(),
        stopped(),
        resumed(),
        cancel(),
        undo(),
        unwinding(Outcome::FailedAndUnwound),
        unwinding(Outcome::Undone),
        refused(),
        check("a", Verdict::Pass),
        check("a", Verdict::Fail),
        end(Outcome::Succeeded),
        end(Outcome::FailedAndUnwound),
        end(Outcome::CancelledAndUnwound),
        end(Outcome::Stuck),
        end(Outcome::Undone),
    ]);
    prop_oneof![
        2 => quiet,
        3 => number.clone().prop_map(tune),
        3 => number.clone().prop_map(reindex),
        3 => (number.clone(), sweep.clone()).prop_map(|(n, s)| done(n, s)),
        1 => (number.clone(), sweep).prop_map(|(n, s)| failed(n, s)),
        1 => number.clone().prop_map(not_done),
        1 => number.clone().prop_map(in_doubt),
        1 => number.clone().prop_map(noted),
        3 => (number.clone(), revert).prop_map(|(n, r)| undoing(n, r)),
        3 => number.clone().prop_map(undone),
        1 => number.prop_map(undo_failed),
    ]
}

/// What a run accepts of a random stream.
pub(crate) fn legal_runs() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(any_entry(), 0..200).prop_map(|stream| {
        let mut state = State::default();
        let mut accepted = vec![begin()];
        state.apply(&accepted[0]).unwrap();
        for entry in stream {
            let before = state.clone();
            match state.apply(&entry) {
                Ok(()) => accepted.push(entry),
                Err(illegal) => {
                    assert_eq!(illegal.seq, accepted.len() as u64);
                    assert_eq!(state, before, "a refused entry changes nothing");
                }
            }
        }
        accepted
    })
}

/// The rules again, told from the entries alone.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it tells only some of the rules"
)]
fn oracle(entries: &[Entry]) {
    let (mut intended, mut open, mut reverting, mut ended) = (0, None, None, false);
    for entry in entries {
        match entry {
            Entry::Intended { effect, .. } => {
                assert_eq!(
                    (*effect, open, reverting, ended),
                    (intended + 1, None, None, false)
                );
                (intended, open) = (*effect, Some(*effect));
            }
            Entry::Done { effect, .. }
            | Entry::Failed { effect, .. }
            | Entry::NotDone { effect, .. } => {
                assert_eq!(open.take(), Some(*effect));
            }
            Entry::Undoing { effect, .. } => {
                assert!(open.is_none() && reverting.is_none_or(|n| n == *effect));
                reverting = Some(*effect);
            }
            Entry::Undone { effect, .. } | Entry::UndoFailed { effect, .. } => {
                assert_eq!(reverting.take(), Some(*effect));
            }
            Entry::End { .. } => {
                assert_eq!((open, reverting, ended), (None, None, false));
                ended = true;
            }
            Entry::UndoRequested { .. } => ended = false,
            Entry::Resumed { .. } => {
                assert!(!ended);
                reverting = None;
            }
            _ => assert!(!ended),
        }
    }
}

proptest! {
    #[test]
    fn accepted_runs_obey_the_rules_and_so_do_their_prefixes(run in legal_runs(), cut in any::<prop::sample::Index>()) {
        oracle(&run);
        let stamped: Vec<_> = run
            .into_iter()
            .zip(0..)
            .map(|(entry, seq)| Stamped { seq, at: Millis(seq), entry })
            .collect();
        let state = State::fold(&stamped).unwrap();
        prop_assert_eq!(state.entries(), stamped.len() as u64);
        let cut = cut.index(stamped.len() + 1);
        let mut resumed = State::fold(&stamped[..cut]).unwrap();
        for entry in &stamped[cut..] {
            resumed.record(entry).unwrap();
        }
        prop_assert_eq!(resumed, state);
    }
}
