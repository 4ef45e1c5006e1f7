//! What a rebuild leaves that the server gave up on.

use super::{shown, undo};
use crate::hold::{Hold, until_waits};
use crate::interruptions::{REBUILD, add_second_table, assert_whole, ready, run};
use crate::laws::only_run;
use crate::laws::world_view::invalid_indexes;
use crate::world::World;
use windlass::journal::{Outcome, Status};
use xtask::postgres::{NEWEST, OLDEST};

/// Rebuilds indexes, then vacuums.
const REBUILD_AND_VACUUM: &[&str] = &["min-size=8kB", "min-dead-rows=100"];

#[test]
fn leftovers_are_swept_at_the_end_if_nothing_holds_them_any_more() {
    for major in [OLDEST, NEWEST] {
        let world = ready(World::bloated_on(major), "300ms");
        add_second_table(&world);
        let writer = Hold::writer(&world, "accounts");
        // The run comes to `second` when it is done with the indexes.
        let page = Hold::page(&world, "second", "id");
        let running = world.start(&[], &run(REBUILD_AND_VACUUM));
        until_waits(&world, "VACUUM");
        assert!(!invalid_indexes(&world).is_empty());
        writer.release();
        page.release();
        let output = running.wait().expect(0);
        assert_eq!(invalid_indexes(&world), [""; 0], "{output}");
        let (_, state, _) = only_run(&world);
        assert_eq!(state.outcome(), Some(Outcome::Succeeded));
        assert!(state.effects().iter().any(|effect| effect.sweep.is_some()));
        assert!(output.stdout.contains("cleared away: dropped"), "{output}");
        assert_whole(&world);
    }
}

#[test]
fn leftovers_that_are_held_to_the_end_are_named_and_undo_clears_them() {
    for major in [OLDEST, NEWEST] {
        let world = ready(World::bloated_on(major), "300ms");
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
        let next = format!("windlass undo {id}  tries effect");
        assert!(output.stdout.contains(&next), "{output}");
        undo(&world, 4);
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
