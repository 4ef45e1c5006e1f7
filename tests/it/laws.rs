//! The laws: what every built-in procedure must show under injected faults, against a real server.
//!
//! Each law is one function over a [`Case`]; the module at the end says which procedures they are checked for, and a test fails if
//! a folder in `plugins/` is missing there.

use crate::world::{Output, World};
use serde_json::Value;
use std::collections::BTreeSet;

/// A procedure and a world in which it has something to do.
#[derive(Clone, Copy, Debug)]
struct Case {
    procedure: &'static str,
    parameters: &'static [&'static str],
}

const OPTIMIZE: Case = Case {
    procedure: "pg-optimize",
    parameters: &[
        "--set", "min-size=8kB", "--set", "min-dead-rows=100", "--set", "tune-autovacuum=true",
    ],
};
const HEALTH: Case = Case {
    procedure: "pg-health",
    parameters: &["--set", "expected-standbys=0"],
};

/// A world with bloat in it and a grant for the procedure.
fn prepared(case: Case) -> World {
    let world = World::bloated();
    world.windlass(&["grant", case.procedure, "--target", "orders"]).expect(0);
    world
}

fn arguments<'a>(verb: &'a str, case: Case) -> Vec<&'a str> {
    let mut arguments = vec![verb, case.procedure, "--target", "orders"];
    arguments.extend(case.parameters);
    arguments
}

fn run(world: &World, case: Case, faults: &[(&str, &str)]) -> Output {
    world.windlass_with(faults, &arguments("run", case))
}

/// The entries of the only run, as JSON.
fn report(world: &World, run: &str) -> Value {
    world.windlass(&["show", run, "--output", "json"]).expect(0).json()
}

fn only_run(world: &World) -> String {
    let runs = world.windlass(&["runs", "--output", "json"]).expect(0).json();
    let runs = runs["runs"].as_array().unwrap().clone();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0]["run"].as_str().unwrap().to_owned()
}

/// Every index valid, and the same indexes by definition: a rebuild changes neither.
fn indexes(world: &World) -> BTreeSet<String> {
    let rows = world.sql(
        "select pg_get_indexdef(indexrelid) || ' ' || indisvalid from pg_index i join pg_class c on c.oid = indrelid
         join pg_namespace n on n.oid = relnamespace where nspname = 'public'",
    );
    rows.into_iter().collect()
}

fn invalid_indexes(world: &World) -> Vec<String> {
    world.sql("select indexrelid::regclass::text from pg_index where not indisvalid")
}

fn storage_parameters(world: &World) -> Vec<String> {
    world.sql(
        "select c.oid::regclass::text || ' ' || coalesce(reloptions::text, 'none') from pg_class c
         join pg_namespace n on n.oid = relnamespace where nspname = 'public' and relkind = 'r' order by 1",
    )
}

/// Everything that maintenance could change, and everything that it must not.
fn catalog(world: &World) -> Vec<String> {
    world.sql(
        "select concat_ws(' ', c.oid, relname, relfilenode, relkind, reltuples, relpages, reloptions::text, indisvalid,
                          last_vacuum, last_analyze, vacuum_count, analyze_count)
         from pg_class c join pg_namespace n on n.oid = relnamespace
         left join pg_index i on i.indexrelid = c.oid left join pg_stat_all_tables s on s.relid = c.oid
         where nspname = 'public' order by c.oid",
    )
}

fn rows(world: &World) -> Vec<String> {
    world.sql("select count(*) || ' ' || sum(hashtext(t::text)::bigint) from accounts t")
}

fn plan_changes_nothing(case: Case) {
    let world = prepared(case);
    let (before, files) = (catalog(&world), world.files());
    world.windlass(&arguments("plan", case)).expect(0);
    assert_eq!(catalog(&world), before);
    let mut expected = files;
    expected.insert("plan.json".into());
    assert_eq!(world.files(), expected);
}

fn run_follows_its_plan(case: Case) {
    let world = prepared(case);
    world.windlass(&arguments("plan", case)).expect(0);
    let plan: Value = serde_json::from_str(&world.read("plan.json")).unwrap();
    let mut bound = arguments("run", case);
    bound.extend(["--plan", "plan.json"]);
    world.windlass(&bound).expect(0);
    let report = report(&world, &only_run(&world));
    let planned: Vec<_> = plan["effects"].as_array().unwrap().iter().map(|e| e["key"].clone()).collect();
    let done: Vec<_> = report["effects"].as_array().unwrap().iter().map(|e| e["key"].clone()).collect();
    assert_eq!(planned, done);
}

/// How many live calls an undisturbed run makes: the first number at which an injected fault has no effect.
fn fails_anywhere_and_unwinds(case: Case) {
    for call in 1.. {
        let world = prepared(case);
        let (indexes_before, parameters, rows_before) = (indexes(&world), storage_parameters(&world), rows(&world));
        let number = call.to_string();
        let output = run(&world, case, &[("WINDLASS_TEST_FAIL_CALL", &number)]);
        let report = report(&world, &only_run(&world));
        if report["injected"] == 0 || output.code == 0 && !output.stderr.contains("injected") {
            assert!(call > 5, "the law was hardly tried: {call} calls");
            return;
        }
        assert_eq!(rows(&world), rows_before, "call {call}");
        if output.code == 0 {
            // The procedure went on without that answer, and said so.
            continue;
        }
        assert!([1, 4].contains(&output.code), "call {call}: {output:?}");
        assert_eq!(storage_parameters(&world), parameters, "call {call}");
        let left: Vec<_> = indexes(&world).difference(&indexes_before).cloned().collect();
        assert!(left.is_empty(), "call {call}: {left:?}");
    }
}
