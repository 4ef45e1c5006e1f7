//! One run at a time on a target, and one who watches it.

use super::{REBUILD, TUNE, add_second_table, assert_succeeded, run, world};
use crate::hold::{Hold, until_waits};
use crate::laws::{only_run, work};
use windlass::clock::{Clock, Millis};
use windlass::journal::{Entry, Store};
use xtask::postgres::{NEWEST, OLDEST};

#[test]
fn a_second_run_on_a_target_is_refused_and_the_first_one_named() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let hold = Hold::writer(&world, "accounts");
        let running = world.start(&[], &run(REBUILD));
        until_waits(&world, "REINDEX");
        let (id, ..) = only_run(&world);

        let second = world.windlass(&run(REBUILD)).expect(6);
        let named = format!("run {id} already works on `orders`");
        assert!(second.stderr.contains(&named), "{second}");

        // Whoever records elsewhere knows nothing of the first one's files; the target does.
        let mut elsewhere = run(REBUILD);
        elsewhere.extend(["--state", "other"]);
        let second = world.windlass(&elsewhere).expect(6);
        let named = format!("another run works on database `orders`: windlass/{id} (session ");
        assert!(second.stderr.contains(&named), "{second}");
        let resumed = world.windlass(&["resume", &id.0]).expect(6);
        assert!(resumed.stderr.contains(&id.0), "{resumed}");

        hold.release();
        assert_succeeded(&world, running.wait());
        let (_, state, _) = only_run(&world);
        assert!(!state.effects().is_empty());
    }
}

#[test]
fn a_run_waits_for_the_end_of_another_if_it_is_told_to() {
    let world = world(NEWEST);
    let hold = Hold::writer(&world, "accounts");
    let first = world.start(&[], &run(REBUILD));
    until_waits(&world, "REINDEX");
    let soon = [&run(REBUILD)[..], &["--wait=10ms"]].concat();
    let given_up = world.windlass(&soon).expect(6);
    assert!(
        given_up.stderr.contains("--wait waits for its end"),
        "{given_up}"
    );
    let second = world.start(&[], &[&run(REBUILD)[..], &["--wait"]].concat());
    second.until_said("waiting for its end");
    hold.release();
    assert_succeeded(&world, first.wait());
    let second = second.wait();
    assert_eq!(second.code, 0, "{second}");
    assert_eq!(
        world.windlass(&["runs", "--output", "json"]).json()["runs"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

/// Its locks went with its process; what it began may still be done.
#[test]
fn a_run_that_was_left_in_the_middle_keeps_its_target() {
    let world = world(NEWEST);
    let hold = Hold::writer(&world, "accounts");
    let running = world.start(&[], &run(REBUILD));
    let pid = until_waits(&world, "REINDEX");
    running.kill();
    let (id, ..) = only_run(&world);
    let before = work(&world);
    for _ in 0..2 {
        let refused = world.windlass(&run(REBUILD)).expect(3);
        let named = format!("run {id} left `orders` in the middle of effect 1, reindex public.");
        assert!(refused.stderr.contains(&named), "{refused}");
        assert!(
            refused.stderr.contains(&format!("windlass resume {id}")),
            "{refused}"
        );
    }
    // It left no run, and the server was sent nothing more.
    only_run(&world);
    assert_eq!(work(&world), before);
    // A look at the target rests on nothing.
    let plan = ["plan", "pg-optimize", "--target", "orders"];
    world.windlass(&plan).expect(0);
    let resumed = world.start(&[], &["resume", &id.0]);
    resumed.until_said(&format!("session {pid} of `orders` still works on it"));
    hold.release();
    assert_succeeded(&world, resumed.wait());
    world.windlass(&run(REBUILD)).expect(0);
}

#[test]
fn a_run_that_was_half_taken_back_keeps_its_target() {
    let world = world(NEWEST);
    add_second_table(&world);
    let fault = [
        ("WINDLASS_TEST_FAIL_EFFECT", "2"),
        ("WINDLASS_TEST_KILL_AT", "undoing"),
    ];
    world.windlass_with(&fault, &run(TUNE)).expect(128 + 9);
    let (id, ..) = only_run(&world);
    let refused = world.windlass(&run(TUNE)).expect(3);
    let named = format!("run {id} left `orders` in the middle of taking back effect 1");
    assert!(refused.stderr.contains(&named), "{refused}");
    world.windlass(&["resume", &id.0]).expect(1);
    world.windlass(&run(TUNE)).expect(0);
}

#[test]
fn one_who_follows_a_run_sees_its_end() {
    let world = world(NEWEST);
    let hold = Hold::writer(&world, "accounts");
    let running = world.start(&[], &run(REBUILD));
    until_waits(&world, "REINDEX");
    let (id, ..) = only_run(&world);
    let mut following = world.start(&[], &["show", &id.0, "--follow"]);
    let mut document = world.start(&[], &["show", &id.0, "-f", "--output", "json"]);
    following.until_printed("… 1 reindex public.");
    assert!(following.is_at_work() && document.is_at_work());
    hold.release();
    assert_succeeded(&world, running.wait());
    let followed = following.wait().expect(0);
    assert!(
        followed.stdout.contains("✓ 1 reindex public."),
        "{followed}"
    );
    assert!(
        followed.stdout.contains(&format!("run {id} succeeded in ")),
        "{followed}"
    );
    let followed = document.wait().expect(0);
    let last: serde_json::Value =
        serde_json::from_str(followed.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["standing"], "succeeded", "{followed}");
}

#[test]
fn a_grant_that_is_taken_back_in_the_middle_of_a_run_holds_for_no_further_effect() {
    let world = world(NEWEST);
    add_second_table(&world);
    let hold = Hold::writer(&world, "accounts");
    let running = world.start(&[], &run(REBUILD));
    until_waits(&world, "REINDEX");
    let grant = "grants/pg-optimize.orders.toml";
    let text = world.read(grant);
    std::fs::remove_file(world.path().join(grant)).unwrap();
    hold.release();
    let refused = running.wait().expect(3);
    let why = "its grant was taken back since the run began";
    assert!(refused.all().contains(why), "{refused}");
    let (_, state, _) = only_run(&world);
    assert_eq!(state.effects().len(), 1);
    // As it was, it holds again.
    world.write(grant, &text);
    world.windlass(&run(REBUILD)).expect(0);
}

#[test]
fn a_clock_that_was_set_back_makes_no_grant_hold_again() {
    let world = world(NEWEST);
    let clock = Clock::system();
    clock.not_before(Millis(clock.now().0 + 200 * 24 * 3_600_000));
    let store = Store::open(&world.state(), clock.clone(), None).unwrap();
    let id = store.new_run_id(&clock).unwrap();
    let begin = serde_json::from_value(serde_json::json!({
        "format": 1, "procedure": "pg-health", "version": "0.1.0", "digest": "sha256:0", "target": "other",
        "parameters": {}, "grants": [], "plan": null, "by": "ana", "host": "0.1.0",
    }));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let recorded = store.append(&id, Entry::Begin(begin.unwrap()));
    runtime.block_on(recorded).unwrap();
    drop(store);
    let refused = world.windlass(&run(REBUILD)).expect(3);
    assert!(
        refused
            .stderr
            .contains("behind the last entry of the record; that time counts"),
        "{refused}"
    );
    assert!(refused.stderr.contains(", expired at "), "{refused}");
}
