//! Invariants: what holds, what does not, and what could not be told.

use super::{configure, granted, health};
use crate::world::World;
use xtask::postgres::{NEWEST, OLDEST};

/// Declares invariants, each a name, a query and what is expected.
fn declare(world: &World, invariants: &[(&str, &str, &str)]) {
    for (name, sql, expect) in invariants {
        let lines = format!(
            "[database.orders.invariants.{name}]\nsql = '''{sql}'''\nexpect = \"{expect}\"\nmax-rows = 10\n"
        );
        configure(world, &lines);
    }
}

#[test]
fn they_hold_or_not_with_the_rows_counted() {
    let world = granted(World::bloated_on(NEWEST));
    let all = "SELECT aid FROM public.accounts";
    let none = "SELECT aid FROM public.accounts WHERE abalance < 0 -- never;";
    declare(
        &world,
        &[
            ("no-debts", none, "no-rows"),
            ("has-accounts", all, "some-rows"),
        ],
    );
    let report = health(&world, &[]).expect(0);
    let found = report.check("invariant no-debts");
    assert!(
        found.starts_with("pass: 0 rows, none expected ("),
        "{found}"
    );
    let found = report.check("invariant has-accounts");
    assert!(
        found.starts_with("pass: 10 rows or more, some expected ("),
        "{found}"
    );

    declare(
        &world,
        &[
            ("has-debts", none, "some-rows"),
            ("no-accounts", all, "no-rows"),
        ],
    );
    let report = health(&world, &[]).expect(1);
    let mut failed = report.not_passed();
    failed.sort_unstable();
    assert_eq!(failed, ["invariant has-debts", "invariant no-accounts"]);
    let found = report.check("invariant has-debts");
    assert!(
        found.starts_with("fail: 0 rows, some expected ("),
        "{found}"
    );
    let found = report.check("invariant no-accounts");
    assert!(
        found.starts_with("fail: 10 rows or more, none expected ("),
        "{found}"
    );

    let chosen = health(&world, &["invariants=no-debts"]).expect(0);
    assert_eq!(chosen.not_passed(), [""; 0]);
    let unknown = health(&world, &["invariants=no-depts"]).expect(1);
    assert!(
        unknown
            .check("invariant no-depts")
            .contains("it is not declared")
    );
}

#[test]
fn what_cannot_be_evaluated_is_told_and_hides_nothing_else() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::bloated_on(major));
        world
            .session()
            .batch_execute(
                "CREATE FUNCTION poke() RETURNS integer LANGUAGE sql AS 'INSERT INTO public.sessions DEFAULT VALUES RETURNING 1';
                 CREATE TABLE safe (n integer)",
            )
            .unwrap();
        configure(&world, "statement-timeout = \"500ms\"\n");
        declare(
            &world,
            &[
                ("a-writes", "SELECT public.poke()", "some-rows"),
                (
                    "b-escapes",
                    "SELECT 1) x) y; DROP TABLE sessions; SELECT count(*) FROM (SELECT FROM (SELECT 1",
                    "some-rows",
                ),
                (
                    "c-unlocks",
                    "SELECT set_config('transaction_read_only', 'off', false), public.poke()",
                    "some-rows",
                ),
                ("d-lasts", "SELECT pg_sleep(3600)", "some-rows"),
                (
                    "e-quotes",
                    "SELECT FROM public.accounts WHERE ('canary-' || aid)::integer > 0",
                    "some-rows",
                ),
                ("f-misnamed", "SELECT FROM acounts", "no-rows"),
                ("g-forbidden", "SELECT FROM public.safe", "no-rows"),
                ("h-holds", "SELECT FROM public.accounts", "some-rows"),
            ],
        );
        let report = health(&world, &[]).expect(4);
        assert_eq!(report.not_passed().len(), 7, "{:?}", report.not_passed());
        for (name, why) in [
            ("a-writes", "it tries to write (SQLSTATE 25006)"),
            ("b-escapes", "it cannot be evaluated (SQLSTATE 42601)"),
            ("c-unlocks", "SQLSTATE"),
            (
                "d-lasts",
                "it took longer than the statement timeout (SQLSTATE 57014)",
            ),
            ("e-quotes", "it cannot be evaluated (SQLSTATE 22P02)"),
            ("f-misnamed", "a table that it names does not exist"),
            ("g-forbidden", "the role may not read what it names"),
        ] {
            let found = report.check(&format!("invariant {name}"));
            assert!(
                found.starts_with("inconclusive: not evaluated: "),
                "{found}"
            );
            assert!(found.contains(why), "{found}");
        }
        assert!(report.check("invariant h-holds").starts_with("pass: "));
        assert_eq!(world.sql("SELECT count(*) FROM sessions"), ["0"]);
        let journal = std::fs::read_dir(world.state()).unwrap();
        for file in journal
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
        {
            let bytes = std::fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("canary-"), "rows in {}", file.display());
        }
    }
}

#[test]
fn whoever_requires_invariants_is_told_that_there_are_none() {
    let world = granted(World::bloated_on(NEWEST));
    health(&world, &[])
        .expect(0)
        .said("info", "invariants: none is declared");
    let report = health(&world, &["require-invariants=true"]).expect(4);
    assert_eq!(report.not_passed(), ["invariants"]);
}
