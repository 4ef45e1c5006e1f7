//! What the laws ask of a world, whatever the target is.

use super::{last_run, store};
use crate::world::{Output, Project};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Deref;
use windlass::call::Undo;
use windlass::grant::Capabilities;
use windlass::journal::{Outcome, State};

/// What is seen of a target, one line for each thing.
pub(super) type View = BTreeSet<String>;
/// What a target was made to do, and how often.
pub(super) type Work = BTreeMap<String, i64>;

/// A procedure with something to do, and a target with something to do it on.
pub(super) trait LawWorld: Deref<Target = Project> + Sized {
    /// Which procedure, and what of.
    type Case: Copy + Debug;

    /// A new world with a grant for the procedure.
    fn fresh(case: Self::Case) -> Self;

    /// What the case promises.
    fn promise(&self) -> Promise;

    /// The words of a command line.
    fn typed(&self, verb: &str) -> Vec<String>;

    /// Narrows the grant to what the case needs.
    fn narrow(&self) -> Capabilities;

    /// All that a plan must leave alone: what is wanted, what is so, and what anybody counts.
    fn everything(&self) -> View;

    /// What taking back brings back.
    fn wanted(&self) -> View;

    /// What maintenance clears away and never adds to.
    fn clutter(&self) -> View {
        View::new()
    }

    /// What must be the same after any way to the same end, in any world.
    fn end(&self) -> View;

    /// What the target was made to do since the world began.
    fn work(&self) -> Work;

    /// After any way to an end: what was sent twice although it must not be?
    fn assert_nothing_twice(&self, _context: &str) {}

    /// After one run that nobody disturbed, with the narrow grant.
    fn assert_nothing_beyond(&self) {}

    /// Before the next run in the same world.
    fn rest(&self) {}

    /// Whether a run that was taken back leaves the world as it was, so that the next can be tried in the same one.
    fn comes_back(&self) -> bool;

    /// The world for the next run, after one that has ended.
    fn again(self, case: Self::Case, before: &View) -> Self {
        let (run, state, _) = last_run(&self);
        if !self.comes_back() {
            return Self::fresh(case);
        }
        if state.outcome() == Some(Outcome::Succeeded) && can_be_taken_back(&state) {
            self.windlass(&["undo", &run.0]).expect(0);
        }
        self.rest();
        same(&self.wanted(), before, "before the next run");
        self
    }
}

/// What a case has to show, so that a law which shows nothing fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// How many effects a run has.
    pub(super) effects: usize,
    /// Whether its effects are seen in what is wanted until they are taken back.
    pub(super) shows: bool,
    /// Whether a late fault finds something to take back.
    pub(super) unwinds: bool,
}

/// Runs windlass with faults.
pub(super) fn windlass(project: &Project, faults: &[(&str, &str)], words: &[String]) -> Output {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    project.windlass_with(faults, &words)
}

/// Whether the run did something that can be taken back.
pub(super) fn can_be_taken_back(state: &State) -> bool {
    let mut effects = state.effects().iter();
    effects.any(|effect| matches!(effect.prepared.undo, Undo::By(_)))
}

/// How many runs the project has had.
pub(super) fn runs(project: &Project) -> usize {
    if !project.state().exists() {
        return 0;
    }
    store(project).runs().unwrap().len()
}

#[track_caller]
pub(super) fn same(seen: &View, expected: &View, context: &str) {
    let differ: Vec<_> = seen.symmetric_difference(expected).collect();
    assert!(differ.is_empty(), "{context}: {differ:#?}");
}

/// What was done after `before`.
pub(super) fn since(before: &Work, mut now: Work) -> Work {
    for (what, times) in before {
        *now.entry(what.clone()).or_default() -= times;
    }
    now.retain(|_, times| *times != 0);
    now
}
