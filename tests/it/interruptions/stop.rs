//! Ctrl-C once and twice, and a run that someone else cancels.

use super::{
    REBUILD, TUNE, add_second_table, assert_stands, assert_succeeded, assert_whole, is_confirmed,
    run, world,
};
use crate::hold::{Hold, until_waits};
use crate::laws::world_view::storage_parameters;
use crate::laws::{assert_once, only_run, work};
use crate::world::{Running, World};
use windlass::journal::Outcome;
use xtask::postgres::{NEWEST, OLDEST};

#[test]
fn ctrl_c_once_stops_after_the_effect_under_way() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let hold = Hold::writer(&world, "accounts");
        let running = world.start(&[], &run(REBUILD));
        until_waits(&world, "REINDEX");
        running.interrupt();
        running.until_said("Stopping after this effect. Once more stops now");
        hold.release();
        let stopped = running.wait().expect(5);
        let id = assert_stands(&world, "stopped", "resume");
        assert!(
            stopped.stdout.contains(&format!("windlass resume {id}")),
            "{stopped}"
        );
        assert_eq!(work(&world).len(), 1);
        assert_succeeded(&world, world.windlass(&["resume", &id.0]));
        assert!(!is_confirmed(&world, 1), "its end was recorded");
        let sent = work(&world);
        assert_once(&sent, "stopped once");
        assert_eq!(sent.len(), only_run(&world).1.effects().len());
    }
}

/// As a closed SSH session does; `nohup` is for those who want the run to go on.
#[test]
fn a_lost_terminal_stops_a_run_unless_it_is_to_go_on_without() {
    for nohup in [false, true] {
        let world = world(NEWEST);
        let hold = Hold::writer(&world, "accounts");
        let windlass = env!("CARGO_BIN_EXE_windlass-under-test");
        // Whoever runs the suite may be one who goes on without a terminal.
        let command = if nohup { "nohup" } else { "env" };
        let mut command = world.command(command);
        if !nohup {
            command.arg("--default-signal=HUP");
        }
        command.arg(windlass).args(run(REBUILD));
        let running = Running::start(command);
        until_waits(&world, "REINDEX");
        running.hang_up();
        if nohup {
            hold.release();
            assert_succeeded(&world, running.wait());
        } else {
            running.until_said("Stopping after this effect.");
            hold.release();
            running.wait().expect(5);
            assert_stands(&world, "stopped", "resume");
        }
    }
}

#[test]
fn ctrl_c_twice_leaves_at_once_and_the_effect_is_adopted() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let hold = Hold::writer(&world, "accounts");
        let running = world.start(&[], &run(REBUILD));
        let pid = until_waits(&world, "REINDEX");
        running.interrupt();
        running.until_said("Stopping after this effect.");
        running.interrupt();
        let left = running.wait().expect(4);
        assert!(left.stderr.contains("Stopping now."), "{left}");
        let id = assert_stands(&world, "in doubt", "resume");
        assert!(
            left.stdout.contains(&format!("windlass resume {id}")),
            "{left}"
        );
        let resumed = world.start(&[], &["resume", &id.0]);
        resumed.until_said(&format!("session {pid} of `orders` still works on it"));
        hold.release();
        assert_succeeded(&world, resumed.wait());
        assert!(is_confirmed(&world, 1));
        assert_once(&work(&world), "stopped twice");
    }
}

/// A run that has tuned `accounts` and waits for `second`, and the parameters before.
fn tuning(world: &World) -> (Running, Hold, Vec<String>) {
    add_second_table(world);
    let before = storage_parameters(world);
    let hold = Hold::maintainer(world, "second");
    let running = world.start(&[], &run(TUNE));
    until_waits(world, "LOCK TABLE ONLY \"public\".\"second\"");
    assert_ne!(storage_parameters(world), before);
    (running, hold, before)
}

fn assert_cancelled(world: &World, before: &[String]) {
    let (_, state, _) = only_run(world);
    assert_eq!(state.outcome(), Some(Outcome::CancelledAndUnwound));
    assert_eq!(storage_parameters(world), before);
    assert_whole(world);
}

#[test]
fn a_run_that_is_cancelled_by_another_process_takes_back_what_it_did() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let (running, hold, before) = tuning(&world);
        let (id, ..) = only_run(&world);
        let asked = world.windlass(&["cancel", &id.0]).expect(0);
        assert!(asked.stdout.contains("is at work"), "{asked}");
        hold.release();
        let cancelled = running.wait().expect(1);
        assert!(
            cancelled.stdout.contains("was cancelled after"),
            "{cancelled}"
        );
        assert_cancelled(&world, &before);
        // Both were done, and both were taken back.
        assert_eq!(work(&world).len(), 4);
    }
}

#[test]
fn a_run_that_was_killed_can_be_cancelled() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let (running, hold, before) = tuning(&world);
        running.kill();
        let id = assert_stands(&world, "in doubt", "resume");
        let cancelling = world.start(&[], &["cancel", &id.0]);
        cancelling.until_said("still works on it");
        hold.release();
        cancelling.wait().expect(0);
        assert_cancelled(&world, &before);
        assert_eq!(work(&world).len(), 2);
        let again = world.windlass(&["cancel", &id.0]).expect(2);
        assert!(again.stderr.contains("has ended"), "{again}");
    }
}

#[test]
fn a_run_that_was_interrupted_between_two_effects_can_be_cancelled() {
    let world = world(NEWEST);
    add_second_table(&world);
    let before = storage_parameters(&world);
    let killed = world.windlass_with(&[("WINDLASS_TEST_KILL_AT", "done")], &run(TUNE));
    assert_eq!(killed.code, 128 + 9, "{killed}");
    assert_ne!(storage_parameters(&world), before);
    let listed = world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(listed["runs"][0]["state"], "interrupted");
    let id = listed["runs"][0]["run"].as_str().unwrap();
    world.windlass(&["cancel", id]).expect(0);
    assert_cancelled(&world, &before);
}
