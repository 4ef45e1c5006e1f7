//! What a rebuild leaves that the server gave up on.

use super::{shown, undo};
use crate::hold::Hold;
use crate::interruptions::{REBUILD, assert_whole, ready, run};
use crate::laws::only_run;
use crate::laws::world_view::invalid_indexes;
use crate::world::World;
use windlass::journal::{Outcome, Status};
use xtask::postgres::{NEWEST, OLDEST};

fn world(major: u32) -> World {
    ready(World::bloated_on(major), "300ms")
}

#[test]
fn leftovers_are_swept_at_the_end_if_nothing_holds_them_any_more() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let writer = Hold::writer(&world, "accounts");
        let running = world.start(&[("WINDLASS_TEST_PAUSE_AT", "undo-failed")], &run(REBUILD));
        running.until_paused();
        assert_eq!(invalid_indexes(&world).len(), 1);
        writer.release();
        running.go_on();
        // What it chose and could not do is told at its end.
        let output = running.wait().expect(4);
        assert_eq!(invalid_indexes(&world), [""; 0], "{output}");
        let (_, state, _) = only_run(&world);
        assert_eq!(state.outcome(), Some(Outcome::Inconclusive));
        assert!(state.effect(1).unwrap().sweep.is_some());
        assert!(output.stdout.contains("cleared away: dropped"), "{output}");
        assert_whole(&world);
    }
}

#[test]
fn leftovers_that_are_held_to_the_end_are_named_and_undo_clears_them() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let writer = Hold::writer(&world, "accounts");
        let output = world.windlass(&run(REBUILD)).expect(4);
        assert_whole(&world);
        let left = invalid_indexes(&world);
        let (id, state, _) = only_run(&world);
        assert_eq!(state.outcome(), Some(Outcome::Stuck));
        assert!(!left.is_empty());
        for index in &left {
            assert!(output.stdout.contains(index.as_str()), "{index}: {output}");
        }
        let failed = |status: &Status| matches!(status, Status::Failed { .. });
        assert!(state.effects().iter().all(|effect| failed(&effect.status)));
        let next = format!("windlass undo {id} ");
        assert!(output.stdout.contains(&next), "{output}");
        let (_, again) = undo(&world, 4);
        assert!(
            again.stderr.contains("left could not be cleared away"),
            "{again}"
        );
        assert_eq!(invalid_indexes(&world), left);

        writer.release();
        undo(&world, 0);
        assert_eq!(invalid_indexes(&world), [""; 0]);
        let (text, report, markdown) = shown(&world);
        assert_eq!(report["standing"], "undone");
        assert!(text.contains("cleared away: dropped"), "{text}");
        assert!(markdown.contains("was undone"), "{markdown}");
    }
}
