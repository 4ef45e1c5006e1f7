//! What is beside the tables of one database: other databases of the server, libraries, names of another encoding, work that goes on.

use super::{ALONE, granted, health};
use crate::report::run_with;
use crate::world::{VARIABLE, World};
use postgres::Client;
use xtask::postgres::{NEWEST, connect};

/// One more database on the world's server, dropped with this.
struct Beside {
    admin: Client,
    name: String,
    url: String,
}

impl Beside {
    fn of(world: &World, kind: &str, options: &str) -> Self {
        let name = format!("{}_{kind}", world.database());
        let mut admin = world.session();
        let owner = world.sql(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()",
        );
        admin
            .batch_execute(&format!(
                "CREATE DATABASE {name} OWNER {} TEMPLATE template0 {options}",
                owner[0]
            ))
            .unwrap();
        let url = world.url().replace(world.database(), &name);
        Self { admin, name, url }
    }

    fn session(&self) -> Client {
        connect(&self.url).unwrap()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        self.admin.batch_execute(&drop).unwrap();
    }
}

#[test]
fn the_oldest_database_of_the_server_counts_for_wraparound_and_is_named() {
    let world = granted(World::bloated_on(NEWEST));
    let old = Beside::of(&world, "old", "");
    let mut session = world.session();
    session
        .batch_execute(
            "DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$",
        )
        .unwrap();
    session.batch_execute("VACUUM (FREEZE)").unwrap();
    let age = format!(
        "SELECT age(datfrozenxid) FROM pg_database WHERE datname = '{}'",
        old.name
    );
    assert!(world.sql(&age)[0].parse::<u32>().unwrap() >= 3000);
    let report = health(&world, &["max-wraparound-age=2900"]).expect(1);
    let found = report.check("wraparound");
    assert!(found.starts_with("fail: "), "{found}");
    let named = world.sql(
        "SELECT datname FROM pg_database WHERE age(datfrozenxid) = (SELECT max(age(datfrozenxid)) FROM pg_database)",
    );
    assert!(
        named
            .iter()
            .any(|name| found.contains(&format!("database {name}"))),
        "{found} {named:?}"
    );
}

#[test]
fn collations_of_another_version_of_their_library_fail_with_the_indexes_that_depend_on_them() {
    let world = granted(World::bloated_on(NEWEST));
    assert!(
        health(&world, &[])
            .expect(0)
            .check("collations")
            .starts_with("pass: ")
    );
    world.as_owner(
        "CREATE COLLATION german (provider = icu, locale = 'de');
         CREATE TABLE names (name text COLLATE german PRIMARY KEY, other text COLLATE \"C\");
         CREATE INDEX names_other ON names (other);",
    );
    world.sql("UPDATE pg_collation SET collversion = '0.1' WHERE collname = 'german'");
    let report = health(&world, &[]).expect(1);
    let found = report.check("collations");
    assert!(found.contains("public.german"), "{found}");
    assert!(found.contains("0.1"), "{found}");
    assert!(
        found.contains("1 index depends on it: public.names_pkey"),
        "{found}"
    );

    let icu = Beside::of(&world, "icu", "LOCALE_PROVIDER icu ICU_LOCALE 'und'");
    icu.session()
        .batch_execute("CREATE TABLE names (name text PRIMARY KEY)")
        .unwrap();
    let target = [(VARIABLE, icu.url.as_str())];
    let report = run_with(&world, &target, "pg-health", &[ALONE]).expect(0);
    assert!(report.check("collations").starts_with("pass: "));
    world.sql(&format!(
        "UPDATE pg_database SET datcollversion = '0.1' WHERE datname = '{}'",
        icu.name
    ));
    let report = run_with(&world, &target, "pg-health", &[ALONE]).expect(1);
    let found = report.check("collations");
    assert!(found.contains("the database's own"), "{found}");
    assert!(
        found.contains("1 index depends on it: public.names_pkey"),
        "{found}"
    );
}

#[test]
fn a_name_that_is_not_utf_8_is_shown_escaped_and_everything_else_goes_on() {
    let world = granted(World::bloated_on(NEWEST));
    world.grant("pg-optimize", "orders");
    let ascii = Beside::of(
        &world,
        "ascii",
        "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    let mut session = ascii.session();
    session
        .batch_execute(
            "CREATE TABLE \"naïve\" (id integer PRIMARY KEY, v integer);
             INSERT INTO \"naïve\" SELECT n, n FROM generate_series(1, 3000) n;
             SET client_encoding = 'SQL_ASCII';
             DO $$ BEGIN
                 EXECUTE format('CREATE TABLE %I (id integer PRIMARY KEY, v integer)', convert_from('\\x636166e9', 'SQL_ASCII'));
                 EXECUTE format('INSERT INTO %I SELECT n, n FROM generate_series(1, 3000) n', convert_from('\\x636166e9', 'SQL_ASCII'));
             END $$",
        )
        .unwrap();
    for table in ["'naïve'", "convert_from('\\x636166e9', 'SQL_ASCII')"] {
        let each = [
            "UPDATE %I SET v = v + 1",
            "UPDATE %I SET v = v + 1",
            "ANALYZE %I",
        ];
        for statement in each {
            let run = format!("DO $$ BEGIN EXECUTE format('{statement}', {table}); END $$");
            session.batch_execute(&run).unwrap();
        }
    }
    drop(session);
    let target = [(VARIABLE, ascii.url.as_str())];
    let report = run_with(&world, &target, "pg-health", &[ALONE]).expect(0);
    assert_eq!(report.check("tables"), "pass: 2 tables seen");

    let small = ["min-size=8kB", "min-dead-rows=100"];
    let report = run_with(&world, &target, "pg-optimize", &small).expect(0);
    let done = report.done();
    assert!(
        done.contains(&"reindex public.naïve_pkey".to_owned()),
        "{done:?}"
    );
    assert!(!done.iter().any(|done| done.contains("caf")), "{done:?}");
    report.said("info", "left alone public.caf\\xe9");
    report.said("info", "is not UTF-8");
    let doctor = format!("{}", world.windlass_with(&target, &["doctor"]));
    assert!(
        doctor.contains("not UTF-8") && doctor.contains("caf\\xe9"),
        "{doctor}"
    );
}

#[test]
fn an_index_that_a_session_builds_now_is_told_and_does_not_fail() {
    let world = granted(World::bloated_on(NEWEST));
    let rebuilding = crate::pg_optimize::Rebuilding::of(&world, "accounts_pkey");
    let report = health(&world, &[]).expect(0);
    let found = report.check("indexes");
    assert!(found.starts_with("pass: 5 indexes"), "{found}");
    assert!(
        found.contains("public.accounts_pkey_ccnew is being built or dropped now"),
        "{found}"
    );
    rebuilding.let_go().unwrap();
    let found = health(&world, &[]).expect(0).check("indexes");
    assert_eq!(found, "pass: 5 indexes seen, all valid");
}

#[test]
fn what_the_grant_does_not_show_is_counted() {
    let world = granted(World::bloated_on(NEWEST));
    let file = "grants/pg-health.orders.toml";
    let grant = world.read(file);
    let narrowed = |from: &str, to: &str| {
        world.write(file, &grant.replace(from, to));
        health(&world, &[])
    };
    let report = narrowed("tables = [\"*\"]", "tables = [\"acc*\"]").expect(0);
    assert_eq!(
        report.check("tables"),
        "pass: 1 of 2 tables seen, the others are not granted"
    );
    assert_eq!(
        report.check("indexes"),
        "pass: 4 of 5 indexes seen, all valid; the others are of tables that are not granted"
    );
    let report = narrowed("schemas = [\"*\"]", "schemas = [\"public\", \"pulbic\"]").expect(0);
    assert_eq!(
        report.check("tables"),
        "pass: 2 tables seen; there is no schema `pulbic`"
    );
}
