//! Components of the suite in the hands of one who runs them, over more than one invocation.

use crate::laws::only_run;
use crate::world::World;
use windlass::cli::hostile_component;
use windlass::journal::{Outcome, Store};
use windlass::text::is_deceptive;
use xtask::postgres::NEWEST;

pub(super) const RUN: &[&str] = &["run", "./hostile.wasm", "--target", "orders"];

/// A world with this component in its folder.
pub(super) fn world(case: &str) -> World {
    let world = World::on(NEWEST);
    bring(&world, "hostile.wasm", case);
    world
}

fn bring(world: &World, file: &str, case: &str) {
    let component = hostile_component(case).unwrap();
    std::fs::write(world.path().join(file), component).unwrap();
}

pub(super) fn grant(world: &World) {
    world.grant("./hostile.wasm", "orders");
}

/// Waits until the run has begun.
fn until_begun(world: &World) {
    let begun = || {
        let store = Store::open_read_only(&world.state()).ok()?;
        (!store.runs().ok()?.is_empty()).then_some(())
    };
    let start = std::time::Instant::now();
    while begun().is_none() {
        assert!(start.elapsed() < std::time::Duration::from_mins(1));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_guest_that_never_calls_is_stopped_by_one_ctrl_c() {
    let world = world("loop-forever");
    grant(&world);
    let running = world.start(&[], RUN);
    until_begun(&world);
    running.interrupt();
    running.wait().expect(5);
    let (_, state, _) = only_run(&world);
    assert_eq!(state.outcome(), None);
}

#[test]
fn a_guest_that_never_calls_is_cancelled_by_another_process() {
    let world = world("loop-forever");
    grant(&world);
    let running = world.start(&[], RUN);
    until_begun(&world);
    let (run, ..) = only_run(&world);
    world.windlass(&["cancel", &run.0]);
    running.wait().expect(1);
    let (_, state, _) = only_run(&world);
    assert_eq!(state.outcome(), Some(Outcome::CancelledAndUnwound));
}

#[test]
fn a_component_that_was_exchanged_after_its_grant_does_not_run() {
    let world = world("random-of-4-gb");
    grant(&world);
    bring(&world, "hostile.wasm", "trap");
    let refused = world.windlass(RUN).expect(3);
    assert!(refused.stderr.contains("grant"), "{refused}");
    assert!(!world.state().exists());
    bring(&world, "hostile.wasm", "random-of-4-gb");
    world.windlass(RUN).expect(0);
}

#[test]
fn a_grant_that_comes_with_a_component_is_not_adopted() {
    let world = world("trap");
    grant(&world);
    let written = world.files();
    let written = written.iter().find(|file| file.starts_with("grants/"));
    let written = written.unwrap();
    let text = world.read(written);
    std::fs::remove_file(world.path().join(written)).unwrap();
    for beside in ["hostile.toml", "hostile.grant.toml", "hostile.wasm.toml"] {
        world.write(beside, &text);
    }
    bring(&world, "shipped.wasm", "trap");
    world.write("shipped/grants/hostile.toml", &text);
    bring(&world, "shipped/hostile.wasm", "trap");
    world.windlass(RUN).expect(3);
    world
        .windlass(&["run", "shipped/hostile.wasm", "--target", "orders"])
        .expect(3);
    assert!(!world.state().exists());
}

#[test]
fn what_a_guest_says_moves_no_cursor_in_any_form() {
    let world = world("tricks-in-messages");
    grant(&world);
    let narrated = world.windlass(RUN).expect(1);
    let (run, ..) = only_run(&world);
    let forms = [
        vec!["show", run.0.as_str()],
        vec!["show", &run.0, "--format", "markdown"],
        vec!["show", &run.0, "--output", "json"],
        vec!["runs"],
        vec!["runs", "--output", "json"],
    ];
    let shown = forms.map(|form| world.windlass(&form).expect(0).all());
    for said in shown.iter().chain([&narrated.all()]) {
        let bad = said.chars().find(|c| *c != '\n' && is_deceptive(*c));
        assert_eq!(bad, None, "{said}");
        assert!(
            !said.lines().any(|line| line.starts_with("error: forged")),
            "{said}"
        );
    }
    // It is all there, spelt out; as JSON it means what was said.
    assert!(shown[0].contains("\\u{1b}[2J"), "{}", shown[0]);
    assert!(shown[1].contains("u{1b}"), "{}", shown[1]);
    let document: serde_json::Value = serde_json::from_str(&shown[2]).unwrap();
    assert!(document.to_string().contains("\\u001b[2J"));
}
