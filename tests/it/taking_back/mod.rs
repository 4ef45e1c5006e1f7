//! Taking back what a run did: exactly, with respect for other hands, and again where it did not work the first time.

mod sweep;
mod undo;

use crate::interruptions::{add_second_table, assert_whole, ready};
use crate::laws::only_run;
use crate::world::{Output, World};
use serde_json::Value;
use windlass::journal::RunId;

/// A world whose tables `accounts` and `second` are tuned; `second` has other parameters already, one of them set to what is too late.
fn world(major: u32, lock_timeout: &str) -> World {
    let world = ready(World::bloated_on(major), lock_timeout);
    add_second_table(&world);
    world
        .session()
        .batch_execute(
            "ALTER TABLE second SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.30)",
        )
        .unwrap();
    world
}

const BEFORE: [&str; 3] = [
    "accounts none",
    "second {fillfactor=90,autovacuum_vacuum_scale_factor=0.30}",
    "sessions none",
];
const TUNED: [&str; 3] = [
    "accounts {autovacuum_vacuum_scale_factor=0.02}",
    "second {fillfactor=90,autovacuum_vacuum_scale_factor=0.02}",
    "sessions none",
];

/// Undoes the only run, and looks whether its record is whole afterwards.
#[track_caller]
fn undo(world: &World, code: i32) -> (RunId, Output) {
    let (run, ..) = only_run(world);
    let output = world.windlass(&["undo", &run.0]).expect(code);
    assert_whole(world);
    (run, output)
}

/// The report of the only run in its three forms.
#[track_caller]
fn shown(world: &World) -> (String, Value, String) {
    let (run, ..) = only_run(world);
    let show = |form: &str| {
        world
            .windlass(&["show", &run.0, "--format", form])
            .expect(0)
    };
    (
        show("text").stdout,
        show("json").json(),
        show("markdown").stdout,
    )
}

/// What became of an effect's undo, in the report.
fn undone(report: &Value, effect: usize) -> &Value {
    &report["effects"][effect - 1]["undone"]["state"]
}
