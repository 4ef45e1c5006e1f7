//! The server itself breaks down while it works for a run.

use super::{REBUILD, TUNE, assert_stands, assert_succeeded, ready, run};
use crate::hold::{Hold, prepared, until_waits};
use crate::laws::world_view::storage_parameters;
use crate::laws::{only_run, work};
use crate::world::World;
use windlass::journal::Status;
use xtask::postgres::{NEWEST, OLDEST, Options};

fn alone(major: u32) -> World {
    ready(World::alone(major, &Options::default().durable()), "3min")
}

/// Crashes the server while the run's statement waits. The run is left in doubt: there is nobody to ask.
fn crash(world: &mut World, parameters: &[&'static str], statement: &str) {
    let running = world.start(&[], &run(parameters));
    until_waits(world, statement);
    world.server().crash();
    let left = running.wait().expect(4);
    assert!(left.stdout.contains("in doubt"), "{left}");
    let id = assert_stands(world, "in doubt", "resume");
    // Nobody can be asked yet, and nothing else is done meanwhile.
    let early = world.windlass(&["resume", &id.0]);
    assert_ne!(early.code, 0, "{early}");
    assert_stands(world, "in doubt", "resume");
    world.server().restart().unwrap();
    let sql = format!("ROLLBACK PREPARED '{}'", prepared(world, "accounts"));
    world.session().batch_execute(&sql).unwrap();
}

#[test]
fn a_rebuild_is_held_in_doubt_until_the_server_is_back() {
    for major in [OLDEST, NEWEST] {
        let mut world = alone(major);
        std::mem::forget(Hold::writer(&world, "accounts"));
        crash(&mut world, REBUILD, "REINDEX");
        let id = assert_stands(&world, "in doubt", "resume");
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

#[test]
fn parameters_are_as_before_until_the_server_is_back() {
    for major in [OLDEST, NEWEST] {
        let mut world = alone(major);
        std::mem::forget(Hold::maintainer(&world, "accounts"));
        let before = storage_parameters(&world);
        crash(&mut world, TUNE, "LOCK TABLE");
        assert_eq!(storage_parameters(&world), before);
        let id = assert_stands(&world, "in doubt", "resume");
        assert_succeeded(&world, world.windlass(&["resume", &id.0]));
        assert_ne!(storage_parameters(&world), before);
        assert_eq!(work(&world).len(), 1);
    }
}
