//! The engine in a simulated world: procedures that are lists of steps, a target in memory, a clock that the test drives. A schedule says which
//! fault happens at which moment and what operators do about it. Every schedule must lead to an end, and the record of that end must be true.

mod effects;
mod judge;
mod schedule;
mod script;
mod target;
mod tests;

use super::control::{Audience, brake};
use super::unwind::Decision;
use super::{Engine, EngineError, Finished, Hooks, Order, Runs, Seat};
use crate::clock::{Clock, Millis};
use crate::grant::{Budget, Capabilities, Effective};
use crate::journal::store::Disk;
use crate::journal::{Entry, Moment, Outcome, Phase, RunId, State, Store, Watcher};
use crate::plugin;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use schedule::{At, Schedule, Trouble, schedules};
use serde_json::json;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use target::World;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// The only target.
const TARGET: &str = "orders";
/// How often an operator resumes a run that meets no more faults.
const TRIES: usize = 8;
/// Number of runs for which one journal is used.
const RUNS: usize = 500;
/// Maximum number of moments at which one process dies. The moments of a long wait are alike.
const MOMENTS: u16 = 60;

/// What schedules share.
struct Stage {
    runtime: Runtime,
    clock: Clock,
    plugin: plugin::Component,
    capabilities: Capabilities,
    disk: Disk,
    disk_is_full: Arc<AtomicBool>,
    folder: TempDir,
    /// How many runs the journal still takes, and how many schedules were played.
    left: usize,
    played: u32,
}

/// What a process is there for.
#[derive(Clone, Debug)]
enum Task {
    Start,
    Follow(schedule::Order),
    /// Goes on, and says what became of an effect that the target cannot tell about.
    Settle(Option<Decision>),
}

/// How a process ended.
enum Passed {
    Died,
    Ended(Result<Finished, EngineError>),
}

impl Stage {
    fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let clock = {
            let _inside = runtime.enter();
            Clock::driven(Millis(1_760_000_000_000))
        };
        let disk_is_full = Arc::new(AtomicBool::new(false));
        Self {
            runtime,
            clock,
            plugin: plugin::tests::maintaining(),
            capabilities: capabilities(),
            disk: disk(&disk_is_full),
            disk_is_full,
            folder: folder(),
            left: RUNS,
            played: 0,
        }
    }

    /// Plays a schedule, then plays it again once for each moment, with the first process dying there. The error says which rule was broken.
    fn play_and_die(&mut self, schedule: &Schedule) -> Result<(), String> {
        let moments = self.play(schedule)?;
        for moment in 0..moments.min(MOMENTS) {
            let mut schedule = schedule.clone();
            let trouble = Trouble::Death;
            schedule.start.push(At { moment, trouble });
            self.play(&schedule)
                .map_err(|what| format!("dead at moment {moment}: {what}"))?;
        }
        Ok(())
    }

    /// Plays a schedule to the end of its run, and answers how many moments its first process had.
    fn play(&mut self, schedule: &Schedule) -> Result<u16, String> {
        if self.left == 0 {
            self.disk = disk(&self.disk_is_full);
            self.folder = folder();
            self.left = RUNS;
        }
        self.left -= 1;
        self.played += 1;
        let world = World::new(self.clock.clone(), Arc::clone(&self.disk_is_full));
        self.runtime.block_on(self.all_shifts(schedule, &world))
    }

    async fn all_shifts(&self, schedule: &Schedule, world: &Arc<World>) -> Result<u16, String> {
        Box::pin(self.shift(schedule, world, &Task::Start, &schedule.start)).await?;
        let moments = world.inner().moment;
        for shift in &schedule.shifts {
            let task = Task::Follow(shift.order);
            Box::pin(self.shift(schedule, world, &task, &shift.troubles)).await?;
        }
        let mut tries = 0;
        while let Some(task) = self.what_is_left(world, tries)? {
            world.calm();
            tries += 1;
            if tries > TRIES {
                return Err(format!("it does not come to an end, by {task:?}"));
            }
            Box::pin(self.shift(schedule, world, &task, &[])).await?;
        }
        let Some(run) = world.inner().run.clone() else {
            return judge::nothing_happened(world).map(|()| moments);
        };
        judge::judge(&self.state(&run), world)?;
        judge::kept_within(schedule.budget, &self.store().entries(&run).unwrap())?;
        Ok(moments)
    }

    fn state(&self, run: &RunId) -> State {
        self.store().state(run).unwrap()
    }

    /// The journal, for those who look.
    fn store(&self) -> Store {
        let watcher: Watcher = Arc::new(|_, _, _| {});
        self.disk_is_full.store(false, Ordering::Relaxed);
        Store::on(&self.disk, self.clock.clone(), watcher)
    }

    /// Returns what an operator must do next so that the run ends.
    fn what_is_left(&self, world: &World, tries: usize) -> Result<Option<Task>, String> {
        let Some(run) = world.inner().run.clone() else {
            return Ok(None);
        };
        let state = self.state(&run);
        if let Phase::Stopped { diverged: true, .. } = state.phase() {
            return Err("the procedure diverged".into());
        }
        let decision = state.open_effect().map(|open| Decision {
            effect: open.number,
            happened: world.inner().happened.contains_key(&open.number),
            by: "ana".into(),
        });
        Ok(match state.outcome() {
            None => Some(Task::Settle(decision)),
            // An object that is held now can be free later.
            Some(Outcome::Stuck) if tries < 2 => Some(Task::Follow(schedule::Order::Undo)),
            Some(_) => None,
        })
    }

    async fn shift(
        &self,
        schedule: &Schedule,
        world: &Arc<World>,
        task: &Task,
        troubles: &[At],
    ) -> Result<Option<Finished>, String> {
        world.begin(troubles);
        let seen = Arc::clone(world);
        let watcher: Watcher = Arc::new(move |moment, run, stamped| {
            seen.pass();
            if moment == Moment::AfterCommit && matches!(stamped.entry, Entry::Begin(_)) {
                seen.inner().run = Some(run.clone());
            }
        });
        let store = Store::on(&self.disk, self.clock.clone(), watcher);
        let passed = Box::pin(self.process(schedule, world, task, &store)).await;
        // The process has ended: its disk does not refuse the judge.
        self.disk_is_full.store(false, Ordering::Relaxed);
        let full = world.inner().disk_full;
        match passed {
            Passed::Died => Ok(None),
            Passed::Ended(Ok(finished)) => Ok(Some(finished)),
            Passed::Ended(Err(error)) if judge::may_fail_with(&error, full) => Ok(None),
            Passed::Ended(Err(error)) => Err(format!("{task:?}: {error:?}")),
        }
    }

    async fn process(
        &self,
        schedule: &Schedule,
        world: &Arc<World>,
        task: &Task,
        store: &Store,
    ) -> Passed {
        let engine = Engine {
            guests: Arc::new(schedule.script.clone()),
            rooms: Arc::new(Arc::clone(world)),
            clock: self.clock.clone(),
            hooks: Hooks::default(),
        };
        let dir = Dir::open_ambient_dir(self.folder.path(), ambient_authority()).unwrap();
        let runs = Runs::new(&engine, store.clone(), dir);
        let (brake, control) = brake();
        let audience = Audience::default();
        let seat = Seat { control, audience };
        let mut work = std::pin::pin!(self.work(&runs, world, (schedule, task), seat));
        loop {
            tokio::select! {
                biased;
                () = world.died.notified() => {}
                ended = &mut work => {
                    let dead = world.inner().dead;
                    return if dead { Passed::Died } else { Passed::Ended(ended) };
                }
                () = tokio::time::sleep(Duration::from_millis(100)) => world.pass(),
            }
            if world.inner().dead {
                return Passed::Died;
            }
            let asked = std::mem::take(&mut world.inner().asked);
            for trouble in asked {
                let run = world.inner().run.clone();
                match (trouble, run) {
                    (Trouble::Cancel, Some(run)) => {
                        // Another process asks, on a disk that may be full by now.
                        let _ = store.request_cancel(&run, "ben");
                    }
                    (Trouble::Cancel, None) => {}
                    (_, _) => drop(brake.press()),
                }
            }
        }
    }

    async fn work(
        &self,
        runs: &Runs<'_>,
        world: &World,
        (schedule, task): (&Schedule, &Task),
        seat: Seat,
    ) -> Result<Finished, EngineError> {
        let order = self.order(schedule);
        let run = world.inner().run.clone();
        let (Some(run), false) = (run, matches!(task, Task::Start)) else {
            return match task {
                Task::Start => runs.start(&order, seat).await,
                Task::Follow(_) | Task::Settle(_) => Err(EngineError::Empty(RunId("none".into()))),
            };
        };
        match task {
            Task::Start => runs.start(&order, seat).await,
            Task::Follow(schedule::Order::Resume) => runs.resume(&run, &order, seat, None).await,
            Task::Follow(schedule::Order::Undo) => runs.undo(&run, "eve", seat, None).await,
            Task::Follow(schedule::Order::Cancel) => runs.cancel(&run, "eve", seat).await,
            Task::Follow(schedule::Order::TakeBack) => {
                runs.take_back(&run, "eve", seat, None).await
            }
            Task::Settle(decision) => runs.resume(&run, &order, seat, decision.as_ref()).await,
        }
    }

    fn order(&self, schedule: &Schedule) -> Order {
        let (calls, effects) = schedule.budget;
        Order {
            plugin: self.plugin.clone(),
            target: TARGET.into(),
            parameters: json!({}),
            effective: Effective {
                needs: self.capabilities.clone(),
                grant: self.capabilities.clone(),
                budget: Budget {
                    calls,
                    effects,
                    duration: None,
                },
                ..Effective::nothing()
            },
            grants: Vec::new(),
            lineage: Vec::new(),
            plan: schedule.plan.clone(),
            by: "ana".into(),
        }
    }
}

/// All but the schema that procedures try in vain.
fn capabilities() -> Capabilities {
    serde_json::from_value(json!({
        "database": [{
            "databases": ["*"], "schemas": ["public"], "tables": ["*"],
            "verbs": ["tables", "vacuum", "analyze", "reindex", "drop-invalid-index",
                      "cancel-backend", "set-parameters"],
        }],
        "probe": [{ "endpoints": ["*"], "verbs": ["http"] }],
    }))
    .unwrap()
}

/// For the files that are locked: in memory where there is such a place, since each run makes some.
fn folder() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn disk(is_full: &Arc<AtomicBool>) -> Disk {
    let is_full = Arc::clone(is_full);
    Disk::new(move || is_full.load(Ordering::Relaxed)).unwrap()
}

/// Number of schedules, each played for all moments of its first process. `WINDLASS_SCHEDULES` sets a larger number to search for rare faults.
#[expect(clippy::disallowed_methods, reason = "no configuration is read here")]
fn cases() -> u32 {
    let more = std::env::var("WINDLASS_SCHEDULES").ok();
    more.and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

/// Tries so many schedules, and answers how many were played.
fn try_schedules(cases: u32) -> Result<u32, String> {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let stage = RefCell::new(Stage::new());
    let play = |schedule| {
        let played = stage.borrow_mut().play_and_die(&schedule);
        played.map_err(TestCaseError::fail)
    };
    let outcome = TestRunner::new(config).run(&schedules(), play);
    outcome.map_err(|error| error.to_string())?;
    Ok(stage.into_inner().played)
}

#[test]
fn whatever_goes_wrong_a_run_comes_to_a_true_end() {
    let at_once = thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap());
    let share = cases().div_ceil(at_once);
    let started = Clock::system().instant();
    let tried = thread::scope(|scope| {
        let threads = (0..at_once).map(|_| scope.spawn(move || try_schedules(share)));
        let threads: Vec<_> = threads.collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.collect::<Result<Vec<_>, _>>()
    });
    let played: u32 = tried.unwrap_or_else(|what| panic!("{what}")).iter().sum();
    let took = Clock::system().instant() - started;
    println!("{played} schedules in {:.1} s", took.as_secs_f64());
}
