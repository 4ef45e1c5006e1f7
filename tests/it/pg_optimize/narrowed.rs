//! A grant that is narrower than what is seen: what it does not cover is left alone, and not tried.

use super::{granted, make_bloated, optimize};
use crate::laws::only_run;
use crate::world::World;
use xtask::postgres::NEWEST;

const GRANT: &str = "grants/pg-optimize.orders.toml";

/// Looking stays on everything; the scopes that maintain get this list.
fn maintain_only(world: &World, key: &str, value: &str) {
    let mut grant: toml::Table = world.read(GRANT).parse().unwrap();
    for scope in grant["database"].as_array_mut().unwrap() {
        let verbs = scope["verbs"].as_array().unwrap();
        let looks = verbs.iter().any(|verb| verb.as_str() == Some("tables"));
        if !looks && let Some(list) = scope.get_mut(key) {
            *list = toml::Value::from(vec![value]);
        }
    }
    world.write(GRANT, &toml::to_string(&grant).unwrap());
}

#[test]
fn what_the_grant_does_not_let_it_maintain_is_left_alone_and_told() {
    for (key, value) in [("schemas", "sales"), ("tables", "inv*")] {
        let world = granted(World::bloated_on(NEWEST));
        make_bloated(&world, "sales", "invoices", "invoices_v");
        maintain_only(&world, key, value);
        let plan = [
            "plan",
            "pg-optimize",
            "--target",
            "orders",
            "--set",
            "min-size=8kB",
        ];
        world.windlass(&plan).expect(0);
        let report = optimize(&world, &[]).expect(0);
        assert_eq!(
            report.done(),
            [
                "reindex sales.invoices_v",
                "reindex sales.invoices_pkey",
                "vacuum (analyze) sales.invoices"
            ]
        );
        report.said("info", "the grant does not cover");
        assert!(
            report.summary().contains("6 objects left alone"),
            "{}",
            report.summary()
        );
        let (_, state, _) = only_run(&world);
        assert_eq!(state.refusals(), 0);
    }
}

#[test]
fn a_budget_that_is_smaller_than_the_work_lets_it_be_planned() {
    let world = granted(World::bloated_on(NEWEST));
    let grant = world.read(GRANT).replace("effects = 200", "effects = 1");
    world.write(GRANT, &grant);
    let plan = [
        "plan",
        "pg-optimize",
        "--target",
        "orders",
        "--set",
        "min-size=8kB",
    ];
    let planned = world.windlass(&plan).expect(0);
    assert!(planned.stdout.contains("would have 1 effect"), "{planned}");
    assert_eq!(optimize(&world, &[]).expect(0).done().len(), 1);
}
