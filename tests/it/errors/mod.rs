//! What goes wrong, and what is said then: which file and line or which target, what holds nevertheless, what to do next.
#![expect(
    clippy::too_many_lines,
    reason = "whole screens stand in the tests, and they are long"
)]

mod component;
mod database;
mod files;
mod grants;
mod journal;
mod pools;

use crate::world::World;
use windlass::journal::Store;
use xtask::postgres::NEWEST;

/// A bloated world with a grant for `pg-optimize`.
fn granted() -> World {
    let world = World::bloated_on(NEWEST);
    grant(&world, "pg-optimize");
    world
}

fn grant(world: &World, procedure: &str) {
    world.grant(procedure, "orders");
}

/// `pg-optimize` with parameters that give it something to do in a bloated world.
fn typed(verb: &'static str) -> Vec<&'static str> {
    let mut words = vec![verb, "pg-optimize", "--target", "orders"];
    words.extend(["--set", "min-size=8kB", "--set", "min-dead-rows=100"]);
    words
}

/// Names of the runs, newest first.
fn runs(world: &World) -> Vec<String> {
    let store = Store::open_read_only(&world.state()).unwrap();
    let runs = store.runs().unwrap().into_iter();
    runs.map(|(run, _)| run.0).collect()
}

/// What the objects of the database are, so that a change would show.
fn objects(world: &World) -> Vec<String> {
    world.sql(
        "SELECT oid, relfilenode, relname, reloptions FROM pg_class
         WHERE relnamespace = 'public'::regnamespace ORDER BY oid",
    )
}

/// From the error on: what was told before depends on how far the run came.
fn error_of(world: &World, text: &str) -> String {
    let text = world.redact(text);
    let start = text.find("error:").unwrap_or_default();
    text[start..].to_owned()
}
