//! SIGKILL while a statement is under way at the server.

use super::{
    REBUILD, TUNE, VACUUM, assert_stands, assert_succeeded, is_confirmed, ready, run, world,
};
use crate::hold::{Hold, until_gone, until_waits};
use crate::laws::world_view::storage_parameters;
use crate::laws::{assert_once, only_run, work};
use crate::world::World;
use windlass::journal::Status;
use xtask::postgres::{NEWEST, OLDEST, Options};

const STILL: &str = "still works on it: waiting for its end instead of starting it again";

/// Starts a run, waits until its statement waits, and kills it. Answers the session.
fn kill_while_waiting(world: &World, parameters: &[&'static str], statement: &str) -> i32 {
    let running = world.start(&[], &run(parameters));
    let pid = until_waits(world, statement);
    assert_eq!(running.kill().code, 128 + 9);
    pid
}

/// Resumes while the session still works, lets go, and waits for the end.
fn resume_while_waiting(world: &World, pid: i32, hold: Hold) {
    let id = assert_stands(world, "in doubt", "resume");
    let resumed = world.start(&[], &["resume", &id.0]);
    resumed.until_said(&format!("session {pid} of `orders` {STILL}"));
    let sent = work(world);
    assert_once(&sent, "while it is waited for");
    hold.release();
    assert_succeeded(world, resumed.wait());
}

#[test]
fn a_rebuild_that_goes_on_without_its_host_is_adopted() {
    for major in [OLDEST, NEWEST] {
        for holds in [Hold::writer, Hold::reader, |world: &World, _: &str| {
            Hold::snapshot(world)
        }] {
            let world = world(major);
            let hold = holds(&world, "accounts");
            let pid = kill_while_waiting(&world, REBUILD, "REINDEX");
            resume_while_waiting(&world, pid, hold);
            assert!(is_confirmed(&world, 1));
            let sent = work(&world);
            assert_once(&sent, "after all");
            assert_eq!(sent.len(), only_run(&world).1.effects().len());
        }
    }
}

/// Kills the host, then the server's session too.
fn terminate(world: &World, hold: Hold) {
    let pid = kill_while_waiting(world, REBUILD, "REINDEX");
    world.sql(&format!("SELECT pg_terminate_backend({pid})"));
    until_gone(world, pid);
    hold.release();
    let id = assert_stands(world, "in doubt", "resume");
    assert_succeeded(world, world.windlass(&["resume", &id.0]));
}

#[test]
fn a_rebuild_that_was_terminated_is_swept_and_done_again() {
    for major in [OLDEST, NEWEST] {
        for holds in [Hold::writer, |world: &World, _: &str| Hold::snapshot(world)] {
            let world = world(major);
            terminate(&world, holds(&world, "accounts"));
            let (_, state, _) = only_run(&world);
            let (first, second) = (state.effect(1).unwrap(), state.effect(2).unwrap());
            assert!(matches!(first.status, Status::NotDone { .. }));
            assert!(first.sweep.is_some());
            assert!(state.to_sweep().is_empty());
            assert_eq!(first.call, second.call);
            let sent = work(&world);
            let rebuilds = |text: &&String| text.starts_with("REINDEX");
            // One was sent twice, and what the first time left was dropped.
            assert_eq!(sent.iter().filter(rebuilds).count(), state.effects().len());
            let drops = sent.iter().filter(|text| text.starts_with("DROP INDEX"));
            assert_eq!(drops.count(), 1, "{sent:#?}");
        }
    }
}

#[test]
fn a_rebuild_that_was_terminated_at_its_very_end_is_not_done_again() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        terminate(&world, Hold::reader(&world, "accounts"));
        assert!(is_confirmed(&world, 1));
        let sent = work(&world);
        assert_once(&sent, "the old index is dropped, the new one stays");
        assert!(sent.iter().any(|text| text.contains("_ccold")), "{sent:#?}");
    }
}

#[test]
fn a_vacuum_that_goes_on_without_its_host_is_adopted() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let hold = Hold::page(&world, "accounts", "aid");
        let pid = kill_while_waiting(&world, VACUUM, "VACUUM");
        resume_while_waiting(&world, pid, hold);
        assert!(
            is_confirmed(&world, 1),
            "{}",
            world.windlass(&["show", &only_run(&world).0.0])
        );
        assert_eq!(work(&world).len(), 1);
    }
}

#[test]
fn a_vacuum_that_was_terminated_is_done_again() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let hold = Hold::page(&world, "accounts", "aid");
        let pid = kill_while_waiting(&world, VACUUM, "VACUUM");
        world.sql(&format!("SELECT pg_terminate_backend({pid})"));
        until_gone(&world, pid);
        hold.release();
        let id = assert_stands(&world, "in doubt", "resume");
        assert_succeeded(&world, world.windlass(&["resume", &id.0]));
        let (_, state, _) = only_run(&world);
        assert!(matches!(
            state.effect(1).unwrap().status,
            Status::NotDone { .. }
        ));
        assert_eq!(work(&world).len(), 2);
    }
}

const TUNED: &str = "accounts {autovacuum_vacuum_scale_factor=0.02}";

#[test]
fn parameters_whose_transaction_was_aborted_are_set_again() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let hold = Hold::maintainer(&world, "accounts");
        let pid = kill_while_waiting(&world, TUNE, "LOCK TABLE");
        resume_while_waiting(&world, pid, hold);
        let (_, state, _) = only_run(&world);
        let Status::NotDone { why } = &state.effect(1).unwrap().status else {
            panic!("{state:#?}");
        };
        assert_eq!(why, "the server says that its transaction was aborted");
        assert_eq!(work(&world).len(), 1, "ALTER TABLE was sent once");
        assert_eq!(storage_parameters(&world)[0], TUNED);
    }
}

/// COMMIT waits for a standby that there is not; the server has committed by then and says so when it is allowed to.
#[test]
fn parameters_whose_transaction_was_committed_are_not_set_again() {
    for major in [OLDEST, NEWEST] {
        let options = Options::default()
            .set("synchronous_standby_names", "nobody")
            .set("synchronous_commit", "local");
        let world = ready(World::alone(major, &options), "3min");
        let mut session = world.session();
        let sql = format!(
            "ALTER DATABASE {} SET synchronous_commit = 'on'",
            world.database()
        );
        session.batch_execute(&sql).unwrap();

        let pid = kill_while_waiting(&world, TUNE, "COMMIT");
        let id = assert_stands(&world, "in doubt", "resume");
        let resumed = world.start(&[], &["resume", &id.0]);
        resumed.until_said(&format!("session {pid} of `orders` {STILL}"));
        session
            .batch_execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            .unwrap();
        world.sql("SELECT pg_reload_conf()");
        assert_succeeded(&world, resumed.wait());
        assert!(is_confirmed(&world, 1));
        assert_eq!(work(&world).len(), 1, "ALTER TABLE was sent once");
        assert_eq!(storage_parameters(&world)[0], TUNED);
    }
}
