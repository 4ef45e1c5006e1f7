//! Storage parameters: the effect that has to be undone.

use super::{BEFORE, TUNED, shown, undo, undone, world};
use crate::hold::Hold;
use crate::interruptions::{TUNE, assert_whole, run};
use crate::laws::world_view::storage_parameters;
use crate::laws::{only_run, work};
use windlass::journal::{Entry, Outcome};
use xtask::postgres::{NEWEST, OLDEST};

#[test]
fn what_was_set_and_what_was_not_set_is_restored_exactly() {
    for major in [OLDEST, NEWEST] {
        let world = world(major, "3min");
        assert_eq!(storage_parameters(&world), BEFORE);
        let done = world.windlass(&run(TUNE)).expect(0);
        assert_eq!(storage_parameters(&world), TUNED);
        let (id, ..) = only_run(&world);
        let offered = format!("windlass undo {id}  takes back effects 1 and 2");
        assert!(done.stdout.contains(&offered), "{done}");

        undo(&world, 0);
        assert_eq!(storage_parameters(&world), BEFORE);
        let (text, report, markdown) = shown(&world);
        let figures = "was undone: 2 effects, 2 undone, 0 in doubt";
        assert!(text.starts_with(&format!("run {id} {figures}")), "{text}");
        assert!(!text.contains("windlass undo"), "{text}");
        for what in [
            "taken back: reset autovacuum_vacuum_scale_factor",
            "taken back: autovacuum_vacuum_scale_factor = 0.30",
        ] {
            assert!(text.contains(what), "{text}");
        }
        assert_eq!(report["standing"], "undone");
        assert_eq!(
            (undone(&report, 1), undone(&report, 2)),
            (&"restored".into(), &"restored".into())
        );
        let rollback = "| Rollback | yes: 2 of 2 effects taken back |";
        assert!(markdown.contains(rollback), "{markdown}");
    }
}

#[test]
fn what_another_hand_changed_is_left_alone_and_reported() {
    for major in [OLDEST, NEWEST] {
        let world = world(major, "3min");
        world.windlass(&run(TUNE)).expect(0);
        world
            .session()
            .batch_execute("ALTER TABLE second SET (autovacuum_vacuum_scale_factor = 0.05)")
            .unwrap();
        let (_, output) = undo(&world, 4);
        let why = "another hand changed autovacuum_vacuum_scale_factor since";
        // Lines are folded to the width.
        let said = output
            .stderr
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let line = format!("set parameters public.second: left alone: {why}");
        assert!(said.contains(&line), "{output}");
        let now = storage_parameters(&world);
        assert_eq!(now[0], BEFORE[0]);
        assert_eq!(
            now[1],
            "second {fillfactor=90,autovacuum_vacuum_scale_factor=0.05}"
        );
        let (text, report, markdown) = shown(&world);
        assert!(text.contains("was taken back in part after"), "{text}");
        assert!(text.contains("2 effects, 1 undone"), "{text}");
        let stays = format!("then effect 2 was left alone: {why}");
        let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&stays), "{text}");
        assert_eq!(report["standing"], "taken-back-in-part");
        assert_eq!(undone(&report, 2), "left-alone");
        assert_eq!(undone(&report, 1), "restored");
        let rollback = "| Rollback | yes: 1 of 2 effects taken back, 1 left alone |";
        assert!(markdown.contains(rollback), "{markdown}");
        // Nothing is tried a second time.
        let sent = work(&world).len();
        undo(&world, 4);
        assert_eq!(work(&world).len(), sent);
    }
}

#[test]
fn a_table_that_is_gone_or_has_another_name_is_no_obstacle() {
    let world = world(NEWEST, "3min");
    world.windlass(&run(TUNE)).expect(0);
    world
        .session()
        .batch_execute("DROP TABLE second; ALTER TABLE accounts RENAME TO renamed")
        .unwrap();
    undo(&world, 4);
    assert_eq!(
        storage_parameters(&world),
        ["renamed none", "sessions none"]
    );
    let (_, report, _) = shown(&world);
    assert_eq!(undone(&report, 2), "left-alone");
    assert_eq!(undone(&report, 1), "restored");
}

/// Fails each of the last calls in turn: before, between and after the effects.
#[test]
fn a_run_that_fails_late_takes_back_what_it_did() {
    for major in [OLDEST, NEWEST] {
        let undisturbed = world(major, "3min");
        undisturbed.windlass(&run(TUNE)).expect(0);
        let (_, _, entries) = only_run(&undisturbed);
        let calls = entries
            .iter()
            .filter(|stamped| {
                matches!(
                    stamped.entry,
                    Entry::Observed { .. } | Entry::Intended { .. }
                )
            })
            .count();
        let mut taken_back = Vec::new();
        for call in calls.saturating_sub(6)..=calls {
            let world = world(major, "3min");
            let fault = [("WINDLASS_TEST_FAIL_CALL", &*call.to_string())];
            let output = world.windlass_with(&fault, &run(TUNE));
            assert_whole(&world);
            let (_, state, _) = only_run(&world);
            if state.outcome() != Some(Outcome::FailedAndUnwound) {
                continue;
            }
            let output = output.expect(1);
            assert_eq!(storage_parameters(&world), BEFORE, "{output}");
            let (_, report, _) = shown(&world);
            assert_eq!(report["counts"]["undone"], state.effects().len());
            taken_back.push(state.effects().len());
        }
        assert!(taken_back.contains(&0), "{taken_back:?}");
        assert!(taken_back.contains(&1), "{taken_back:?}");
    }
}

#[test]
fn an_undo_that_the_server_refuses_is_stuck_until_it_is_asked_again() {
    for major in [OLDEST, NEWEST] {
        let world = world(major, "300ms");
        world.windlass(&run(TUNE)).expect(0);
        let hold = Hold::maintainer(&world, "accounts");
        let (id, stuck) = undo(&world, 4);
        assert!(
            stuck.stdout.contains(&format!("run {id} is stuck after")),
            "{stuck}"
        );
        let next = format!("windlass undo {id}  tries effect 1 again, once the cause is mended");
        assert!(stuck.stdout.contains(&next), "{stuck}");
        // The other one came first and is restored already.
        assert_eq!(storage_parameters(&world), [TUNED[0], BEFORE[1], BEFORE[2]]);
        let (_, report, _) = shown(&world);
        assert_eq!(report["standing"], "stuck");
        assert_eq!(undone(&report, 1), "failed");
        undo(&world, 4);

        hold.release();
        undo(&world, 0);
        assert_eq!(storage_parameters(&world), BEFORE);
        let (text, report, _) = shown(&world);
        assert_eq!(report["standing"], "undone");
        assert!(text.contains("2 effects, 2 undone, 0 in doubt"), "{text}");
    }
}

#[test]
fn an_undo_that_was_killed_is_gone_on_with() {
    for major in [OLDEST, NEWEST] {
        let world = world(major, "3min");
        world.windlass(&run(TUNE)).expect(0);
        let hold = Hold::maintainer(&world, "accounts");
        let (id, ..) = only_run(&world);
        let undoing = world.start(&[], &["undo", &id.0]);
        crate::hold::until_waits(&world, "LOCK TABLE ONLY \"public\".\"accounts\"");
        undoing.kill();
        hold.release();
        let listed = world.windlass(&["runs"]).expect(0);
        assert!(
            listed
                .stdout
                .contains(&format!("windlass resume {}", id.without_day())),
            "{listed}"
        );
        world.windlass(&["resume", &id.0]).expect(0);
        assert_eq!(storage_parameters(&world), BEFORE);
        assert_eq!(only_run(&world).1.outcome(), Some(Outcome::Undone));
        assert_whole(&world);
    }
}
