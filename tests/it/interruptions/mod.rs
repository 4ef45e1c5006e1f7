//! Runs that are broken off while the server is really at work, and what becomes of them: nothing is done twice, nothing is forgotten,
//! and what is said is so.

mod crash;
mod exclusion;
mod kill;
mod stop;

use crate::hold::until;
use crate::laws::only_run;
use crate::laws::world_view::invalid_indexes;
use crate::world::{Output, World};
use windlass::journal::{Outcome, RunId, Status};
use xtask::postgres::connect;

/// Rebuilds the indexes of `accounts` and changes nothing else.
pub(crate) const REBUILD: &[&str] = &["min-size=8kB", "dead-rows=100"];
/// Vacuums tables and changes nothing else.
pub(crate) const VACUUM: &[&str] = &["min-size=8kB", "index-bloat=99", "min-dead-rows=100"];
/// Sets parameters of tables and changes nothing else.
pub(crate) const TUNE: &[&str] = &[
    "min-size=8kB",
    "index-bloat=99",
    "dead-rows=100",
    "min-dead-rows=100",
    "tune-autovacuum=true",
];

/// The words of a run of pg-optimize with these parameters.
pub(crate) fn run(parameters: &[&'static str]) -> Vec<&'static str> {
    let mut words = vec!["run", "pg-optimize", "--target", "orders"];
    words.extend(
        parameters
            .iter()
            .flat_map(|parameter| ["--set", *parameter]),
    );
    words
}

/// Makes a bloated world ready for runs that wait at the server for so long, without the leftover.
pub(crate) fn ready(world: World, lock_timeout: &str) -> World {
    let mut session = world.session();
    session
        .batch_execute("DROP INDEX accounts_abalance_ccnew")
        .unwrap();
    let text = world.read("windlass.toml");
    world.write(
        "windlass.toml",
        &format!(
            "{text}lock-timeout = \"{lock_timeout}\"\ntransaction-wait = \"{lock_timeout}\"\n"
        ),
    );
    world.grant("pg-optimize", "orders");
    world
}

fn world(major: u32) -> World {
    ready(World::bloated_on(major), "3min")
}

/// Makes the table `second`, a small one that is bloated too.
pub(crate) fn add_second_table(world: &World) {
    let sql = "CREATE TABLE second (id integer PRIMARY KEY, filler char(100) NOT NULL);
         INSERT INTO second SELECT n, '' FROM generate_series(1, 2000) n;
         DELETE FROM second WHERE id % 2 = 0";
    let mut session = connect(world.url()).unwrap();
    session.batch_execute(sql).unwrap();
    // What a session did may come to the statistics only when it ends: not after they are renewed.
    xtask::bloat::end(session, world.url()).unwrap();
    connect(world.url())
        .unwrap()
        .batch_execute("ANALYZE second")
        .unwrap();
    let seen = "SELECT n_dead_tup > 0 FROM pg_stat_user_tables WHERE relname = 'second'";
    until(world, "the dead rows of `second` are known", seen);
}

/// Whether the record is whole, whatever happened.
#[track_caller]
pub(crate) fn assert_whole(world: &World) {
    world.windlass(&["audit", "verify"]).expect(0);
}

/// The only run, as `windlass runs` shows it.
#[track_caller]
fn assert_stands(world: &World, state: &str, next: &str) -> RunId {
    let (run, ..) = only_run(world);
    let listed = world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json();
    let row = &listed["runs"][0];
    assert_eq!(row["state"], state, "{listed:#}");
    assert_eq!(row["next"], format!("windlass {next} {run}"), "{listed:#}");
    run
}

/// What every run that was taken up again has to come to.
#[track_caller]
fn assert_succeeded(world: &World, output: Output) {
    output.expect(0);
    let (_, state, _) = only_run(world);
    assert_eq!(state.outcome(), Some(Outcome::Succeeded));
    assert_eq!(invalid_indexes(world), [""; 0]);
    assert_whole(world);
}

/// Whether the effect is known to have happened only because the target was asked.
fn is_confirmed(world: &World, number: u64) -> bool {
    let (_, state, _) = only_run(world);
    matches!(
        state.effect(number).unwrap().status,
        Status::Done {
            confirmed: true,
            ..
        }
    )
}
