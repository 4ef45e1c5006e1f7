//! One odd object: it is tried in vain, the others have their turn, and the run says so.

use super::{granted, make_bloated, optimize};
use crate::world::World;
use xtask::bloat;
use xtask::postgres::{NEWEST, OLDEST};

/// A table with an index of a function that, from now on, fails with this statement.
fn make_failing(world: &World, table: &str, statement: &str) {
    world.as_owner(&format!(
        "CREATE FUNCTION of_{table}(v integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN v; END';
         CREATE TABLE {table} (v integer NOT NULL);
         INSERT INTO {table} SELECT n FROM generate_series(1, 3000) n;
         CREATE INDEX {table}_of ON {table} (of_{table}(v));"
    ));
    world.as_owner(&format!("UPDATE {table} SET v = v + 1"));
    world.as_owner(&format!("DELETE FROM {table} WHERE v % 3 = 0"));
    world.as_owner(&format!("ANALYZE {table}"));
    world.as_owner(&format!(
        "CREATE OR REPLACE FUNCTION of_{table}(v integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS
         $$BEGIN {statement}; RETURN v; END$$"
    ));
}

#[test]
fn what_an_index_itself_makes_fail_ends_nothing_else() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::on(major));
        for (table, statement) in [
            ("a_divides", "v := 1 / (v - v)"),
            ("b_calls", "v := helper(v)"),
            ("c_names", "PERFORM 1 FROM of_nowhere"),
            ("d_lacks", "RAISE feature_not_supported"),
            ("e_denies", "RAISE insufficient_privilege"),
            ("f_runs_out", "RAISE configuration_limit_exceeded"),
        ] {
            make_failing(&world, table, statement);
        }
        world.as_owner("CREATE FUNCTION helper(v integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT v'");
        make_bloated(&world, "public", "z_sound", "z_sound_v");
        let report = optimize(&world, &["dead-rows=100", "modified-rows=100"]).expect(4);
        assert_eq!(
            report.done(),
            ["reindex public.z_sound_v", "reindex public.z_sound_pkey"],
            "{report:#?}"
        );
        for vain in [
            "a_divides_of",
            "b_calls_of",
            "c_names_of",
            "d_lacks_of",
            "e_denies_of",
            "f_runs_out_of",
        ] {
            report.said("warning", &format!("tried in vain public.{vain}"));
        }
        report.said("warning", "alter function … set search_path");
        let found = report.check("what was chosen was done");
        assert!(found.starts_with("inconclusive: 6 of 8 objects"), "{found}");
        let invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid";
        assert_eq!(world.sql(invalid), [""; 0]);
    }
}

#[test]
fn an_unreadable_page_fails_the_run_after_the_others_had_their_turn() {
    let world = granted(World::on(NEWEST));
    make_failing(&world, "a_broken", "RAISE data_corrupted");
    make_failing(&world, "b_broken", "RAISE index_corrupted");
    make_bloated(&world, "public", "z_sound", "z_sound_v");
    let report = optimize(&world, &["dead-rows=100", "modified-rows=100"]).expect(1);
    assert!(
        report
            .done()
            .contains(&"reindex public.z_sound_v".to_owned()),
        "{report:#?}"
    );
    for broken in ["a_broken_of", "b_broken_of"] {
        let found = report.check(&format!("public.{broken} is sound"));
        assert!(found.starts_with("fail: "), "{found}");
    }
}

#[test]
fn a_cap_on_temporary_files_is_about_the_index_that_is_too_large_for_it() {
    let world = granted(World::on(NEWEST));
    world.as_owner(
        "CREATE TABLE events (v integer NOT NULL);
         INSERT INTO events SELECT n FROM generate_series(1, 150000) n;
         CREATE INDEX events_v ON events (v);",
    );
    world.as_owner("UPDATE events SET v = v + 1");
    world.as_owner("DELETE FROM events WHERE v % 3 > 0");
    world.as_owner("ANALYZE events");
    make_bloated(&world, "public", "small", "small_v");
    let database = world.database();
    world
        .session()
        .batch_execute(&format!(
            "ALTER DATABASE {database} SET temp_file_limit = '500kB';
             ALTER DATABASE {database} SET maintenance_work_mem = '1MB';"
        ))
        .unwrap();
    let report = optimize(&world, &["dead-rows=100", "modified-rows=100"]).expect(4);
    assert_eq!(
        report.done(),
        ["reindex public.small_v", "reindex public.small_pkey"]
    );
    report.said("warning", "tried in vain public.events_v");
    report.said("warning", "temp_file_limit");
}

/// The index of a table's TOAST table.
fn toast_index(world: &World, table: &str) -> String {
    let query = format!(
        "SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.reltoastrelid = i.indrelid
         WHERE c.oid = '{table}'::regclass AND i.indisvalid"
    );
    world.sql(&query).remove(0)
}

#[test]
fn an_invalid_index_of_a_toast_table_is_named_with_its_table_and_dropped() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::on(major));
        world.grant("pg-health", "orders");
        world.as_owner("CREATE TABLE docs (id integer PRIMARY KEY, body text)");
        let index = toast_index(&world, "docs");
        let owner = world.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'docs'");
        // As a rebuild of the whole table, which is nothing that an owner may ask for by the name of such an index.
        let grant = format!("GRANT USAGE ON SCHEMA pg_toast TO {}", owner[0]);
        let revoke = format!("REVOKE USAGE ON SCHEMA pg_toast FROM {}", owner[0]);
        world.sql(&grant);
        bloat::leave_invalid_index(world.url(), &index).unwrap();
        world.sql(&revoke);
        let health = crate::report::run(&world, "pg-health", &["expected-standbys=0"]).expect(1);
        let found = health.check("indexes");
        assert!(found.contains(&format!("{index}_ccnew")), "{found}");
        assert!(found.contains("of public.docs"), "{found}");
        let report = optimize(&world, &[]).expect(4);
        let found = report.check("what needs work may be maintained");
        assert!(found.contains("USAGE on its schema"), "{found}");
        world.sql(&grant);
        let report = optimize(&world, &[]).expect(0);
        assert_eq!(report.done(), [format!("drop invalid index {index}_ccnew")]);
        let invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid";
        assert_eq!(world.sql(invalid), [""; 0]);
        let health = crate::report::run(&world, "pg-health", &["expected-standbys=0"]).expect(0);
        assert!(health.check("indexes").starts_with("pass"));
    }
}
