//! One run at a time on a target, and one who watches it.

use super::{REBUILD, assert_succeeded, run, world};
use crate::hold::{Hold, until_waits};
use crate::laws::only_run;
use xtask::postgres::{NEWEST, OLDEST};

#[test]
fn a_second_run_on_a_target_is_refused_and_the_first_one_named() {
    for major in [OLDEST, NEWEST] {
        let world = world(major);
        let hold = Hold::writer(&world, "accounts");
        let running = world.start(&[], &run(REBUILD));
        until_waits(&world, "REINDEX");
        let (id, ..) = only_run(&world);

        let second = world.windlass(&run(REBUILD)).expect(3);
        let named = format!("run {id} already works on `orders`");
        assert!(second.stderr.contains(&named), "{second}");

        // Whoever records elsewhere knows nothing of the first one's files; the target does.
        let mut elsewhere = run(REBUILD);
        elsewhere.extend(["--state", "other"]);
        let second = world.windlass(&elsewhere).expect(3);
        let named = format!("another run works on database `orders`: windlass/{id} (session ");
        assert!(second.stderr.contains(&named), "{second}");
        let resumed = world.windlass(&["resume", &id.0]).expect(3);
        assert!(resumed.stderr.contains(&id.0), "{resumed}");

        hold.release();
        assert_succeeded(&world, running.wait());
        let (_, state, _) = only_run(&world);
        assert!(!state.effects().is_empty());
    }
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
