//! SIGKILL around each commit: after it, and before it where something had happened that nobody has recorded then.
//!
//! One world sees a whole chain of them: who resumes the run is killed at the next boundary, until nothing is left to be killed at.

use super::kills::{Kill, Moment, resume_of};
use super::last_run;
use super::world::{LawWorld, View, Work, can_be_taken_back, runs, same, since, windlass};
use crate::world::Output;
use std::collections::BTreeSet;
use windlass::journal::{Outcome, Stamped, State};

/// Longer chains do not end.
const LONGEST: usize = 300;

pub(crate) fn crashes_anywhere_and_resumes<W: LawWorld>(case: W::Case) {
    let world = W::fresh(case);
    let before = world.wanted();
    let run = world.typed("run");
    let ended = Ended::after(&world, || windlass(&world, &[], &run).expect(0));
    let mut world = world.again(case, &before);
    for moment in [Moment::After, Moment::Before] {
        let reached = Ended::after(&world, || {
            let (output, killed) = chain(&world, moment, &world.typed("run"), resume_of);
            assert_all_tried(&ended.entries, &killed, moment);
            output.expect(0)
        });
        reached.assert_same(&ended, &format!("killed {moment:?} each entry"));
        world.assert_nothing_twice(&format!("{moment:?}"));
        world = world.again(case, &before);
    }
}

/// A run that has ended, one that was killed after its last effect, and one that was killed right before that was recorded, are taken back
/// by processes that are killed.
pub(crate) fn crashes_while_it_is_taken_back<W: LawWorld>(case: W::Case) {
    let mut world = W::fresh(case);
    let before = &world.wanted();
    windlass(&world, &[], &world.typed("run")).expect(0);
    let (_, state, entries) = last_run(&world);
    assert!(can_be_taken_back(&state), "there is nothing to take back");
    world = world.again(case, before);
    let last = |moment| Some(Kill::last(&entries, "done", moment));
    for (verb, kill) in [
        ("undo", None),
        ("undo", last(Moment::Before)),
        ("cancel", last(Moment::After)),
    ] {
        let prepare = |world: &W| match &kill {
            None => drop(windlass(world, &[], &world.typed("run")).expect(0)),
            Some(kill) => kill.happens(world, &world.typed("run")),
        };
        let words = |world: &W| [verb.to_owned(), last_run(world).0.0];
        prepare(&world);
        let already = last_run(&world).2.len();
        let ended = Ended::after(&world, || windlass(&world, &[], &words(&world)));
        assert!(
            matches!(
                ended.outcome,
                Some(Outcome::Undone | Outcome::CancelledAndUnwound)
            ),
            "{verb}: {:?}",
            ended.outcome
        );
        same(&world.wanted(), before, verb);
        for moment in [Moment::After, Moment::Before] {
            world = world.again(case, before);
            prepare(&world);
            let again = |state: &State, run: &str| {
                // Before anybody could know that it was to be taken back, it has to be said again.
                let known = state.undo_requested_by().or(state.cancel_requested_by());
                let verb = if known.is_some() { "resume" } else { verb };
                vec![verb.to_owned(), run.to_owned()]
            };
            let reached = Ended::after(&world, || {
                let (output, killed) = chain(&world, moment, &words(&world), again);
                assert_all_tried(&ended.entries[already..], &killed, moment);
                output
            });
            let context = format!("{verb} after {kill:?}, killed {moment:?} each entry");
            reached.assert_same(&ended, &context);
            same(&world.wanted(), before, &context);
        }
        world = world.again(case, before);
    }
}

/// What reached of a run, or of its taking back.
struct Ended {
    end: View,
    work: Work,
    outcome: Option<Outcome>,
    entries: Vec<Stamped>,
}

impl Ended {
    fn after<W: LawWorld>(world: &W, act: impl FnOnce() -> Output) -> Self {
        let before = world.work();
        act();
        let (_, state, entries) = last_run(world);
        Self {
            end: world.end(),
            work: since(&before, world.work()),
            outcome: state.outcome(),
            entries,
        }
    }

    fn assert_same(&self, other: &Self, context: &str) {
        assert_eq!(self.outcome, other.outcome, "{context}");
        same(&self.end, &other.end, context);
        assert_eq!(self.work, other.work, "{context}");
    }
}

/// Runs these words, and then what `next` says, until a process lives to its end. Answers what that said, and where the others were killed.
fn chain<W: LawWorld>(
    world: &W,
    moment: Moment,
    first: &[String],
    next: impl Fn(&State, &str) -> Vec<String>,
) -> (Output, BTreeSet<String>) {
    let file = world.path().join("chain").display().to_string();
    let chained = [(moment.of_a_chain(), file.as_str())];
    let mut words = first.to_vec();
    let mut output = windlass(world, &chained, &words);
    let before = runs(world);
    for _ in 0..LONGEST {
        if output.code != 128 + 9 {
            assert_eq!(runs(world), before, "a run of its own");
            let lines = world.read("chain");
            std::fs::remove_file(world.path().join("chain")).unwrap();
            let killed = lines
                .lines()
                .filter_map(|line| line.strip_prefix("killed "));
            return (output, killed.map(str::to_owned).collect());
        }
        let (run, state, _) = last_run(world);
        words = next(&state, &run.0);
        output = windlass(world, &chained, &words);
    }
    panic!("the chain does not end: {}", world.read("chain"));
}

/// Whether processes were killed at every kind of entry that there is, and as often as there are entries.
fn assert_all_tried(entries: &[Stamped], killed: &BTreeSet<String>, moment: Moment) {
    let tried: BTreeSet<_> = killed
        .iter()
        .map(|boundary| boundary.split(' ').next().unwrap())
        .collect();
    let entries: Vec<_> = entries
        .iter()
        .map(|stamped| stamped.entry.kind())
        .filter(|kind| moment.is_tried(kind))
        .collect();
    for kind in &entries {
        assert!(tried.contains(kind), "{moment:?} {kind}: {killed:#?}");
    }
    assert!(
        killed.len() >= entries.len(),
        "{moment:?}: {killed:#?} of {entries:#?}"
    );
}
