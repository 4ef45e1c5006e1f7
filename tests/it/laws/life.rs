//! The whole life of a procedure in one world: planned, run as planned within a narrow grant, taken back, and taken back again.

use super::only_run;
use super::world::{LawWorld, View, can_be_taken_back, same, windlass};
use serde_json::Value;
use windlass::call::Undo;
use windlass::grant::Capabilities;
use windlass::journal::{Call, Entry, Outcome, UndoState};

pub(crate) fn one_life<W: LawWorld>(case: W::Case) {
    let world = W::fresh(case);
    let granted = world.narrow();
    let before = world.wanted();
    plan_changes_nothing(&world);
    run_follows_its_plan(&world);
    observed_within_granted(&world, &granted);
    unwinds_twice_the_same(&world, &before);
}

fn plan_changes_nothing<W: LawWorld>(world: &W) {
    let (before, mut files, work) = (world.everything(), world.files(), world.work());
    windlass(world, &[], &world.typed("plan")).expect(0);
    same(&world.everything(), &before, "a plan changed");
    files.insert("plan.json".into());
    assert_eq!(world.files(), files);
    assert!(!world.state().exists(), "a plan made a journal");
    assert_eq!(world.work(), work, "a plan did something");
}

fn run_follows_its_plan<W: LawWorld>(world: &W) {
    let plan: Value = serde_json::from_str(&world.read("plan.json")).unwrap();
    let mut bound = world.typed("run");
    bound.extend(["--plan".to_owned(), "plan.json".to_owned()]);
    windlass(world, &[], &bound).expect(0);
    let (_, state, _) = only_run(world);
    let planned = plan["effects"].as_array().unwrap().iter();
    let planned: Vec<_> = planned
        .map(|effect| effect["key"].as_str().unwrap().to_owned())
        .collect();
    let done = state.effects().iter();
    let done: Vec<_> = done.map(|effect| effect.call.plan_key()).collect();
    assert_eq!(done, planned);
    assert_eq!(done.len(), world.promise().effects, "{done:#?}");
}

fn observed_within_granted<W: LawWorld>(world: &W, granted: &Capabilities) {
    let (_, state, entries) = only_run(world);
    let mut reads = 0;
    for stamped in &entries {
        assert!(!matches!(stamped.entry, Entry::Refused { .. }));
        if let Entry::Observed {
            call: Call::Read(read),
            ..
        } = &stamped.entry
        {
            assert!(granted.allows_read(read), "{read}");
            reads += 1;
        }
    }
    assert!(reads >= 1, "nothing was looked at");
    for effect in state.effects() {
        assert!(granted.allows_effect(&effect.call), "{}", effect.call);
        for touch in &effect.prepared.touches {
            assert!(granted.allows_touch(&effect.call, touch), "{touch:?}");
        }
    }
    world.assert_nothing_beyond();
}

fn unwinds_twice_the_same<W: LawWorld>(world: &W, before: &View) {
    let (run, done, _) = only_run(world);
    if !can_be_taken_back(&done) {
        assert!(!world.promise().shows);
        return;
    }
    assert_eq!(world.wanted() != *before, world.promise().shows);
    world.windlass(&["undo", &run.0]).expect(0);
    same(&world.wanted(), before, "taken back");
    let work = world.work();
    let (_, state, _) = only_run(world);
    assert_eq!(state.outcome(), Some(Outcome::Undone));
    assert_eq!(state.to_undo().len(), 0);
    for effect in state.effects() {
        let undone = matches!(effect.undo, UndoState::Undone(_));
        let can_be = matches!(effect.prepared.undo, Undo::By(_));
        assert_eq!(undone, can_be, "{}", effect.call);
    }
    world.windlass(&["undo", &run.0]).expect(0);
    same(&world.wanted(), before, "taken back twice");
    assert_eq!(world.work(), work, "the second undo did something");
}
