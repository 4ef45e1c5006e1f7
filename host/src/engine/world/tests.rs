//! Situations that random schedules seldom reach, or whose end needs its own rule.

use super::schedule::{self, Act, At, End, Schedule, Script, Step, Trouble};
use super::target::World;
use super::{Stage, Task};
use crate::engine::{Audience, Engine, Finished, Hooks, Plan, Seat, brake};
use crate::journal::{Entry, Outcome, Phase, Stamped, State, Status};
use std::sync::Arc;
use std::time::Duration;

const SET: Step = Step::Set { table: 0, value: 1 };
const REBUILD: Step = Step::Rebuild { index: 0 };

/// Steps whose errors the procedure gets over.
fn swallowing(steps: impl IntoIterator<Item = Step>) -> Schedule {
    let act = |step| Act {
        step,
        swallows: true,
    };
    schedule(steps.into_iter().map(act).collect(), End::Well)
}

fn schedule(acts: Vec<Act>, end: End) -> Schedule {
    Schedule {
        script: Script { acts, end },
        budget: (None, None),
        plan: None,
        start: Vec::new(),
        shifts: Vec::new(),
    }
}

fn at(moment: u16, trouble: Trouble) -> At {
    At { moment, trouble }
}

/// One run, process by process.
struct Life {
    stage: Stage,
    world: Arc<World>,
}

impl Life {
    fn new() -> Self {
        let stage = Stage::new();
        let world = World::new(stage.clock.clone(), Arc::clone(&stage.disk_is_full));
        Self { stage, world }
    }

    fn go(&self, schedule: &Schedule, task: &Task, troubles: &[At]) -> Option<Finished> {
        let shift = self.stage.shift(schedule, &self.world, task, troubles);
        self.stage.runtime.block_on(shift).unwrap()
    }

    fn start(&self, schedule: &Schedule, troubles: &[At]) -> Option<Finished> {
        self.go(schedule, &Task::Start, troubles)
    }

    fn resume(&self, schedule: &Schedule) -> Option<Finished> {
        self.go(schedule, &Task::Follow(schedule::Order::Resume), &[])
    }

    fn state(&self) -> State {
        self.stage.state(&self.world.inner().run.clone().unwrap())
    }

    fn entries(&self) -> Vec<Stamped> {
        let run = self.world.inner().run.clone().unwrap();
        self.stage.store().entries(&run).unwrap()
    }

    fn place(&self, wanted: impl Fn(&Entry) -> bool) -> usize {
        let entries = self.entries();
        let found = entries.iter().position(|stamped| wanted(&stamped.entry));
        found.unwrap()
    }

    /// How long the run was at it, in the world's own time.
    fn took(&self) -> Duration {
        let entries = self.entries();
        let (first, last) = (entries.first().unwrap(), entries.last().unwrap());
        Duration::from_millis(last.at.since(first.at))
    }

    fn plan(&self, schedule: &Schedule) -> Plan {
        let engine = Engine {
            guests: Arc::new(schedule.script.clone()),
            rooms: Arc::new(Arc::clone(&self.world)),
            clock: self.stage.clock.clone(),
            hooks: Hooks::default(),
        };
        let (_brake, control) = brake();
        let audience = Audience::default();
        let order = self.stage.order(schedule);
        let plan = engine.plan(&order, None, Seat { control, audience });
        self.stage.runtime.block_on(plan).unwrap()
    }
}

#[test]
fn a_sweep_that_a_dead_process_was_in_is_no_hurdle() {
    let mut schedule = swallowing([REBUILD, Step::Rebuild { index: 1 }]);
    schedule.start = vec![
        at(0, Trouble::Breaks { times: 2 }),
        at(0, Trouble::KeepsIt { times: 3 }),
    ];
    Stage::new().play_and_die(&schedule).unwrap();
}

#[test]
fn what_a_broken_off_effect_left_is_cleared_away_before_the_next_one() {
    let life = Life::new();
    life.start(
        &swallowing([REBUILD, SET]),
        &[at(0, Trouble::Breaks { times: 1 })],
    );
    let swept = life.place(|entry| matches!(entry, Entry::Undone { effect: 1, .. }));
    let next = life.place(|entry| matches!(entry, Entry::Intended { effect: 2, .. }));
    assert!(swept < next);
}

#[test]
fn who_fails_on_a_refusal_was_refused_and_who_fails_later_has_failed() {
    let forbidden = Act {
        step: Step::Forbidden,
        swallows: false,
    };
    let life = Life::new();
    life.start(&schedule(vec![forbidden], End::Well), &[]);
    assert_eq!(life.state().outcome(), Some(Outcome::Refused));
    let swallowed = Act {
        swallows: true,
        ..forbidden
    };
    let later = Act {
        step: SET,
        swallows: false,
    };
    let life = Life::new();
    life.start(&schedule(vec![swallowed, later], End::WithAnError), &[]);
    assert_eq!(life.state().outcome(), Some(Outcome::FailedAndUnwound));
}

#[test]
fn who_does_not_repeat_itself_goes_no_further() {
    let other = Step::Set { table: 1, value: 1 };
    let recorded = swallowing([SET, Step::Look, Step::Sleep { seconds: 4 }]);
    for changed in [
        swallowing([other]),
        swallowing([SET]),
        swallowing([SET, other]),
        swallowing([]),
    ] {
        let life = Life::new();
        life.start(&recorded, &[at(16, Trouble::Death)]);
        let known = life.state().effects().len();
        assert_eq!(known, 1);
        life.resume(&changed);
        let phase = life.state().phase();
        assert!(
            matches!(phase, Phase::Stopped { diverged: true, .. }),
            "{phase:?}"
        );
        assert_eq!(life.state().effects().len(), known);
    }
}

#[test]
fn why_nothing_is_known_is_told() {
    let life = Life::new();
    let troubles = [
        at(0, Trouble::Breaks { times: 1 }),
        at(8, Trouble::Away { seconds: 90 }),
    ];
    let finished = life.start(&swallowing([SET]), &troubles).unwrap();
    assert!(life.state().open_effect().is_some());
    let why = finished.left.unwrap();
    assert!(why.contains("orders could not be asked: away"), "{why}");
}

#[test]
fn a_wait_that_broke_off_is_waited_to_its_end_and_no_longer() {
    let schedule = swallowing([Step::Await { seconds: 200 }]);
    let undisturbed = Life::new();
    undisturbed.start(&schedule, &[]);
    let life = Life::new();
    // Some six seconds of ten.
    life.start(&schedule, &[at(60, Trouble::Death)]);
    life.resume(&schedule);
    assert_eq!(life.state().outcome(), Some(Outcome::Succeeded));
    for life in [undisturbed, life] {
        let took = life.took();
        assert!(
            took >= Duration::from_secs(10) && took < Duration::from_secs(11),
            "{took:?}"
        );
    }
}

#[test]
fn a_wish_to_cancel_ends_a_wait() {
    for step in [Step::Await { seconds: 9 }, Step::Sleep { seconds: 9 }] {
        let life = Life::new();
        life.start(&swallowing([SET, step]), &[at(20, Trouble::Cancel)]);
        assert_eq!(life.state().outcome(), Some(Outcome::CancelledAndUnwound));
        assert!(life.took() < Duration::from_secs(4), "{:?}", life.took());
    }
}

#[test]
fn a_bound_run_does_what_is_planned_and_that_once() {
    let life = Life::new();
    let plan = life.plan(&swallowing([SET]));
    let mut bound = swallowing([SET, SET, Step::Set { table: 1, value: 1 }]);
    bound.plan = Some(plan);
    let done = |life: &Life| {
        let state = life.state();
        let done = state.effects().iter();
        let done = done.filter(|effect| matches!(effect.status, Status::Done { .. }));
        (done.count(), state.refusals())
    };
    life.start(&bound, &[]);
    assert_eq!(done(&life), (1, 2));
    // One that failed may be tried again; what a dead process did is used up.
    let life = Life::new();
    life.start(&bound, &[at(0, Trouble::Fails)]);
    assert_eq!(done(&life), (1, 1));
    for moment in 0..24 {
        let life = Life::new();
        life.start(&bound, &[at(moment, Trouble::Death)]);
        if life.world.inner().run.is_some() {
            life.resume(&bound);
            assert_eq!(done(&life), (1, 2), "dead at moment {moment}");
        }
    }
}
