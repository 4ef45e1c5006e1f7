//! The server itself breaks down while it works for a run.

use super::{
    REBUILD, TUNE, add_second_table, assert_stands, assert_succeeded, assert_whole, ready, run,
};
use crate::hold::{Hold, prepared, until_waits};
use crate::laws::world_view::storage_parameters;
use crate::laws::{only_run, work};
use crate::world::{Output, World};
use windlass::journal::Status;
use xtask::postgres::{NEWEST, OLDEST, Options};

fn alone(major: u32) -> World {
    ready(World::alone(major, &Options::default().durable()), "3min")
}

/// Crashes the server while the run's statement waits, and answers how the run's process ended.
fn crash(world: &mut World, parameters: &[&'static str], statement: &str) -> Output {
    let running = world.start(&[], &run(parameters));
    until_waits(world, statement);
    world.server().crash();
    running.wait()
}

fn restart(world: &mut World, held: &str) {
    world.server().restart().unwrap();
    let sql = format!("ROLLBACK PREPARED '{}'", prepared(world, held));
    world.session().batch_execute(&sql).unwrap();
}

#[test]
fn a_rebuild_is_held_in_doubt_until_the_server_is_back() {
    for major in [OLDEST, NEWEST] {
        let mut world = alone(major);
        // The session goes with the server, the lock does not.
        std::mem::forget(Hold::writer(&world, "accounts"));
        let left = crash(&mut world, REBUILD, "REINDEX").expect(4);
        assert!(left.stdout.contains("is in doubt after"), "{left}");
        let id = assert_stands(&world, "in doubt", "resume");
        // Nobody can be asked yet, and nothing else is done meanwhile.
        let early = world.windlass(&["resume", &id.0]).expect(4);
        let cause = "cause: database `orders`: nothing answers at the configured address";
        assert!(early.stderr.contains(cause), "{early}");
        assert_stands(&world, "in doubt", "resume");
        restart(&mut world, "accounts");
        assert_succeeded(&world, world.windlass(&["resume", &id.0]));
        let (_, state, _) = only_run(&world);
        assert!(matches!(
            state.effect(1).unwrap().status,
            Status::NotDone { .. }
        ));
        let rebuilds = work(&world);
        let rebuilds = rebuilds.iter().filter(|text| text.starts_with("REINDEX"));
        assert_eq!(rebuilds.count(), state.effects().len());
    }
}

/// What was not committed did not happen, so the run fails; what was committed before is taken back when the server is back: an undo waits.
#[test]
fn parameters_are_taken_back_as_soon_as_the_server_is_back() {
    for stopped in [false, true] {
        let mut world = alone(if stopped { OLDEST } else { NEWEST });
        add_second_table(&world);
        std::mem::forget(Hold::maintainer(&world, "second"));
        let before = storage_parameters(&world);
        let running = world.start(&[], &run(TUNE));
        until_waits(&world, "LOCK TABLE ONLY \"public\".\"second\"");
        world.server().crash();
        running.until_said("trying again");
        if stopped {
            running.interrupt();
            let left = running.wait().expect(5);
            assert!(left.stdout.contains("was interrupted"), "{left}");
            let id = assert_stands(&world, "interrupted", "resume");
            restart(&mut world, "second");
            assert_ne!(storage_parameters(&world), before);
            // Taken back now, and still a run that failed.
            world.windlass(&["resume", &id.0]).expect(1);
        } else {
            restart(&mut world, "second");
            running.wait().expect(1);
        }
        assert_eq!(storage_parameters(&world), before);
        assert_whole(&world);
    }
}
