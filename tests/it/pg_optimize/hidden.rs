//! What the role, the grant or the server hides is told, and never taken for nothing to do.

use super::{SMALL, granted, make_bloated, optimize};
use crate::report::{Report, run_with};
use crate::world::{VARIABLE, World};
use xtask::postgres::{NEWEST, OLDEST};

/// A role with these rights, and the connection string with which it logs in.
struct Role {
    name: String,
    url: String,
}

impl Role {
    /// Each `windlass` in the statements is the role.
    fn with(world: &World, statements: &str) -> Self {
        let url = world.stranger();
        let config: postgres::Config = url.parse().unwrap();
        let role = Self {
            name: config.get_user().unwrap().to_owned(),
            url,
        };
        role.allow(world, statements);
        role
    }

    fn allow(&self, world: &World, statements: &str) {
        let statements = statements.replace("windlass", &self.name);
        world.session().batch_execute(&statements).unwrap();
    }

    fn optimize(&self, world: &World, more: &[&str]) -> Report {
        let chosen = crate::report::with(SMALL, more);
        run_with(world, &[(VARIABLE, &self.url)], "pg-optimize", &chosen)
    }
}

#[test]
fn bloat_that_the_role_may_not_see_is_unknown_and_not_none() {
    let world = granted(World::bloated_on(NEWEST));
    let role = Role::with(&world, "GRANT pg_maintain, pg_monitor TO windlass");
    make_bloated(&world, "public", "other", "other_v");
    // The index of an empty table is smaller.
    let report = role.optimize(&world, &["min-size=16kB"]).expect(4);
    let found = report.check("bloat is known");
    assert!(
        found.starts_with("inconclusive: the bloat of 6 indexes is unknown: role `"),
        "{found}"
    );
    assert!(
        found.contains("GRANT SELECT ON public.accounts, public.other TO"),
        "{found}"
    );
    assert!(found.contains("pgstattuple"), "{found}");
    assert!(!report.summary().contains("nothing to do"), "{report:#?}");

    // One table of two: the rest is told with its number.
    role.allow(&world, "GRANT SELECT ON accounts TO windlass");
    let some = ["max-objects=1", "min-size=16kB"];
    let report = role.optimize(&world, &some).expect(0);
    assert_eq!(report.done(), ["reindex public.accounts_abalance"]);
    assert!(
        report
            .summary()
            .contains("the bloat of 2 indexes is unknown"),
        "{}",
        report.summary()
    );
    let windlass = world.windlass_with(&[(VARIABLE, &role.url)], &["doctor"]);
    let said = format!("{windlass}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("may not read the statistics of 2 of 3 tables"),
        "{said}"
    );
}

#[test]
fn a_role_that_may_maintain_nothing_has_not_nothing_to_do() {
    let world = granted(World::bloated_on(OLDEST));
    let role = Role::with(
        &world,
        "GRANT pg_monitor TO windlass; GRANT SELECT ON accounts, sessions TO windlass",
    );
    let report = role.optimize(&world, &[]).expect(4);
    assert_eq!(report.done(), [""; 0]);
    let found = report.check("what needs work may be maintained");
    assert!(
        found.starts_with("inconclusive: none of 6 objects"),
        "{found}"
    );
    assert!(found.contains("owner"), "{found}");
    assert!(!report.summary().contains("nothing to do"), "{report:#?}");
}

/// The statements of the manual for this version, with the tables' owner in the place of `app_owner`.
fn recommended(world: &World, heading: &str) -> String {
    let manual = include_str!("../../../docs/operator.md");
    let (_, rest) = manual.split_once(heading).unwrap();
    let (_, rest) = rest.split_once("```sql\n").unwrap();
    let (statements, _) = rest.split_once("```").unwrap();
    let owner = world.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'accounts'");
    statements.replace("app_owner", &owner[0])
}

#[test]
fn the_roles_that_the_manual_recommends_are_enough() {
    for (major, heading) in [
        (OLDEST, "On PostgreSQL 14 to 16"),
        (NEWEST, "On PostgreSQL 17 and newer"),
    ] {
        let world = granted(World::bloated_on(major));
        let statements = recommended(&world, heading);
        let role = Role::with(&world, "SELECT 1");
        // `windlass` in the manual is the new role, and the owner of the tables in this suite has the same name.
        let statements = statements.replace("TO windlass", &format!("TO {}", role.name));
        world.session().batch_execute(&statements).unwrap();
        let report = role.optimize(&world, &[]).expect(0);
        let rebuilt = report.done();
        let count = |verb: &str| rebuilt.iter().filter(|done| done.starts_with(verb)).count();
        assert_eq!((count("reindex"), count("vacuum")), (4, 1), "{rebuilt:?}");
        assert!(
            !report.summary().contains("unknown"),
            "{}",
            report.summary()
        );
        world.grant("pg-health", "orders");
        let alone = ["expected-standbys=0"];
        let report = run_with(&world, &[(VARIABLE, &role.url)], "pg-health", &alone);
        let left: Vec<_> = report.not_passed();
        // Dropping a leftover takes ownership on each version.
        let expected: &[&str] = if major == NEWEST { &["indexes"] } else { &[] };
        assert_eq!(left, expected);
        let doctor = world.windlass_with(&[(VARIABLE, &role.url)], &["doctor"]);
        assert!(!format!("{doctor}").contains("may not read"), "{doctor}");
    }
}

#[test]
fn pgstattuple_measures_what_statistics_do_not_tell() {
    let world = granted(World::on(NEWEST));
    world.as_owner(
        "CREATE TABLE large (id integer PRIMARY KEY, v integer);
         INSERT INTO large SELECT n, n FROM generate_series(1, 60000) n;
         DELETE FROM large WHERE id % 20 > 0",
    );
    world.as_owner("VACUUM large");
    let role = Role::with(&world, "GRANT pg_maintain, pg_monitor TO windlass");
    let report = role.optimize(&world, &["min-size=1MB"]).expect(4);
    assert_eq!(report.done(), ["analyze public.large"]);
    role.allow(&world, "CREATE EXTENSION pgstattuple");
    let report = role.optimize(&world, &["min-size=1MB"]).expect(0);
    assert_eq!(report.done(), ["reindex public.large_pkey"]);
}

#[test]
fn a_grant_for_a_schema_that_does_not_exist_has_not_nothing_to_do() {
    let world = granted(World::bloated_on(NEWEST));
    let file = "grants/pg-optimize.orders.toml";
    let grant = world.read(file);
    let narrowed = |schemas: &str| {
        let text = grant.replace("schemas = [\"*\"]", &format!("schemas = [{schemas}]"));
        world.write(file, &text);
        optimize(&world, &["max-objects=1"])
    };
    let report = narrowed("\"pulbic\"").expect(4);
    let found = report.check("something is seen");
    assert!(
        found.starts_with("inconclusive: none of the 2 tables of the database"),
        "{found}"
    );
    assert!(found.contains("there is no schema `pulbic`"), "{found}");
    // Where the rest is seen, it is told.
    let report = narrowed("\"public\", \"pulbic\"").expect(0);
    report.said("warning", "there is no schema `pulbic`");
}

#[test]
fn rows_that_the_server_has_not_counted_are_told() {
    let world = granted(World::bloated_on(NEWEST));
    world.sql("SELECT pg_stat_reset()");
    let report = optimize(&world, &["index-bloat=99"]).expect(4);
    let found = report.check("dead rows are counted");
    assert!(
        found.starts_with("inconclusive: the server has not counted"),
        "{found}"
    );
    // Counted anew, the table is known again.
    world.as_owner("ANALYZE accounts, sessions");
    let report = optimize(&world, &["index-bloat=99"]).expect(0);
    assert!(
        report
            .done()
            .contains(&"vacuum (analyze) public.accounts".to_owned())
    );
}
