//! Invariants: what holds, what does not, and what could not be told.

use super::{granted, health};
use crate::world::World;
use xtask::postgres::{NEWEST, OLDEST};

/// Declares invariants, each a name, a query and what is expected.
fn declare(world: &World, invariants: &[(&str, &str, &str)]) {
    for (name, sql, expect) in invariants {
        let lines = format!(
            "[database.orders.invariants.{name}]\nsql = '''{sql}'''\nexpect = \"{expect}\"\nmax-rows = 10\n"
        );
        world.configure(&lines);
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

/// Queries that cannot be evaluated, and why.
const HOPELESS: [(&str, &str, &str); 7] = [
    (
        "a-writes",
        "SELECT public.poke()",
        "it tries to write (SQLSTATE 25006)",
    ),
    (
        "b-escapes",
        "SELECT 1) x) y; DROP TABLE sessions; SELECT count(*) FROM (SELECT FROM (SELECT 1",
        "it cannot be evaluated (SQLSTATE 42601)",
    ),
    (
        "c-unlocks",
        "SELECT set_config('transaction_read_only', 'off', false), public.poke()",
        "SQLSTATE",
    ),
    (
        "d-lasts",
        "SELECT pg_sleep(3600)",
        "it took longer than the statement timeout (SQLSTATE 57014)",
    ),
    (
        "e-quotes",
        "SELECT FROM public.accounts WHERE ('canary-' || aid)::integer > 0",
        "it cannot be evaluated (SQLSTATE 22P02)",
    ),
    (
        "f-misnamed",
        "SELECT FROM acounts",
        "a table that it names does not exist",
    ),
    (
        "g-forbidden",
        "SELECT FROM public.safe",
        "the role may not read what it names",
    ),
];

#[test]
fn what_cannot_be_evaluated_is_told_and_hides_nothing_else() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::bloated_on(major));
        let tables = "CREATE FUNCTION poke() RETURNS integer LANGUAGE sql
                          AS 'INSERT INTO public.sessions DEFAULT VALUES RETURNING 1';
                      CREATE TABLE safe (n integer)";
        world.session().batch_execute(tables).unwrap();
        world.configure("statement-timeout = \"500ms\"\n");
        declare(
            &world,
            &HOPELESS.map(|(name, sql, _)| (name, sql, "some-rows")),
        );
        declare(
            &world,
            &[("h-holds", "SELECT FROM public.accounts", "some-rows")],
        );
        let report = health(&world, &[]).expect(4);
        let names = HOPELESS.map(|(name, ..)| format!("invariant {name}"));
        assert_eq!(report.not_passed(), names);
        for (name, _, why) in HOPELESS {
            let found = report.check(&format!("invariant {name}"));
            assert!(
                found.starts_with("inconclusive: not evaluated: "),
                "{found}"
            );
            assert!(found.contains(why), "{found}");
        }
        assert!(report.check("invariant h-holds").starts_with("pass: "));
        assert_eq!(world.sql("SELECT count(*) FROM sessions"), ["0"]);
        assert_no_rows_in_journal(&world);
    }
}

/// The server's errors quote rows; they must not be kept.
fn assert_no_rows_in_journal(world: &World) {
    let files = std::fs::read_dir(world.state()).unwrap();
    for path in files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("canary-"), "rows in {}", path.display());
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
