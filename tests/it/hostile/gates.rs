//! Each check of the gate that only shows in the middle of a run: what it would let through if it were gone is tried here.

use crate::hold::{Hold, until_gone, until_waits};
use crate::interruptions::{REBUILD, TUNE, add_second_table, ready, run};
use crate::laws::{only_run, work};
use crate::world::{Output, World};
use windlass::grant::Side;
use windlass::journal::{Entry, Outcome};
use xtask::postgres::NEWEST;

/// A world with more than one thing to do.
fn world() -> World {
    let world = ready(World::bloated_on(NEWEST), "1min");
    add_second_table(&world);
    world
}

/// Gives the key of the grant another value.
fn change_grant(world: &World, key: &str, value: &str) {
    let files = world.files();
    let grant = files.iter().find(|file| file.starts_with("grants/"));
    let grant = grant.unwrap();
    let text = world.read(grant);
    let begins = format!("{key} =");
    assert!(text.lines().any(|line| line.starts_with(&begins)), "{text}");
    let lines = text.lines().map(|line| {
        if line.starts_with(&begins) {
            format!("{key} = {value}\n")
        } else {
            format!("{line}\n")
        }
    });
    world.write(grant, &lines.collect::<String>());
}

/// The run was refused on this side, ended so, and the server was sent so many statements.
#[track_caller]
fn assert_refused(world: &World, by: Side, words: &str, ended: Outcome, statements: usize) {
    let (_, state, entries) = only_run(world);
    assert_eq!(state.outcome(), Some(ended));
    let refused = entries.iter().any(|stamped| {
        matches!(&stamped.entry, Entry::Refused { side, error, .. }
            if *side == by && error.message.contains(words))
    });
    assert!(refused, "{entries:#?}");
    let sent = work(world);
    assert_eq!(sent.len(), statements, "{sent:#?}");
}

#[test]
fn who_loses_the_lock_in_the_middle_does_nothing_more() {
    let world = world();
    let hold = Hold::writer(&world, "accounts");
    let running = world.start(&[], &run(REBUILD));
    until_waits(&world, "REINDEX");
    let holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let pid: i32 = world.sql(holder)[0].parse().unwrap();
    assert_eq!(
        world.sql(&format!("SELECT pg_terminate_backend({pid})")),
        ["t"]
    );
    until_gone(&world, pid);
    hold.release();
    running.wait().expect(3);
    let words = "the lock on `orders` was lost";
    assert_refused(&world, Side::Lock, words, Outcome::Refused, 1);
}

/// The effect's own words are covered, the table that preparing it finds is not.
#[test]
fn an_index_of_a_table_that_got_a_name_that_is_not_granted_is_not_rebuilt() {
    let world = world();
    change_grant(&world, "tables", "[\"accounts\", \"sessions\", \"second\"]");
    let hold = Hold::writer(&world, "accounts");
    let running = world.start(&[], &run(REBUILD));
    until_waits(&world, "REINDEX");
    world.as_owner("ALTER TABLE second RENAME TO private");
    hold.release();
    let ended = running.wait().expect(3);
    let hint = "tables = [\"accounts\", \"sessions\", \"second\", \"private\"]";
    assert!(ended.stderr.contains(hint), "{ended}");
    let words = "may not reindex public.second_pkey on orders: no grant covers it";
    assert_refused(&world, Side::Grant, words, Outcome::Refused, 4);
}

#[test]
fn who_has_used_up_its_effects_makes_no_more() {
    let world = world();
    change_grant(&world, "effects", "1");
    // The procedure takes it for the end of its work.
    world.windlass(&run(TUNE)).expect(0);
    let words = "the budget of 1 effects is used up";
    assert_refused(&world, Side::Budget, words, Outcome::Succeeded, 1);
}

/// Runs with a grant that ends in a moment, in the middle of the first rebuild.
fn rebuild_while_a_grant_ends(world: &World) -> Output {
    let soon = "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '4 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    let soon = world.sql(soon).remove(0);
    change_grant(world, "expires", &soon);
    let hold = Hold::writer(world, "accounts");
    let running = world.start(&[], &run(REBUILD));
    until_waits(world, "REINDEX");
    world.until(&format!("SELECT WHERE now() > '{soon}'"));
    hold.release();
    running.wait()
}

#[test]
fn a_grant_that_ends_in_the_middle_of_a_run_ends_it() {
    let world = world();
    rebuild_while_a_grant_ends(&world).expect(3);
    let words = "the grant has ended";
    assert_refused(&world, Side::GrantEnded, words, Outcome::Refused, 1);
}

#[test]
fn a_grant_that_ends_beside_a_longer_one_ends_nothing() {
    let world = world();
    let files = world.files();
    let grant = files.iter().find(|file| file.starts_with("grants/"));
    let text = world.read(grant.unwrap());
    world.write("grants/longer.toml", &text);
    rebuild_while_a_grant_ends(&world).expect(0);
    let (_, state, _) = only_run(&world);
    assert_eq!(state.outcome(), Some(Outcome::Succeeded));
    assert_eq!(state.refusals(), 0);
}
