//! A run that is bound to a plan does nothing else.

use crate::interruptions::add_second_table;
use crate::laws::{only_run, work};
use crate::world::World;
use windlass::engine::Plan;
use windlass::grant::Side;
use windlass::journal::{Entry, Outcome};
use xtask::postgres::NEWEST;

#[test]
fn an_effect_that_the_plan_does_not_contain_is_refused_and_named_and_the_rest_is_done() {
    let world = World::bloated_on(NEWEST);
    world.grant("pg-optimize", "orders");
    let chosen = ["--set", "min-size=8kB", "--set", "min-dead-rows=100"];
    let mut typed = vec!["plan", "pg-optimize", "--target", "orders"];
    typed.extend(chosen);
    world.windlass(&typed).expect(0);
    // What nobody planned for.
    add_second_table(&world);
    let bound = ["run", "pg-optimize", "--target", "orders"];
    let bound = [&bound[..], &["--plan", "plan.json"]].concat();
    let run = world.windlass(&bound).expect(0);
    let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("public.second") && said.contains("is not in plan"),
        "{run}"
    );
    let (_, state, entries) = only_run(&world);
    assert_eq!(state.outcome(), Some(Outcome::Succeeded));
    let by_plan = |entry: &Entry| {
        matches!(
            entry,
            Entry::Refused {
                side: Side::Plan,
                ..
            }
        )
    };
    assert!(entries.iter().any(|stamped| by_plan(&stamped.entry)));
    let sent = work(&world);
    assert!(
        !sent.iter().any(|statement| statement.contains("second")),
        "{sent:#?}"
    );
    let planned: Plan = serde_json::from_str(&world.read("plan.json")).unwrap();
    assert_eq!(sent.len(), planned.effects.len(), "{sent:#?}");
}

#[test]
fn a_run_that_could_do_nothing_of_what_it_wanted_is_for_a_person() {
    let world = World::on(NEWEST);
    world.grant("pg-optimize", "orders");
    let chosen = ["--set", "min-size=8kB", "--set", "min-dead-rows=100"];
    let typed = ["plan", "pg-optimize", "--target", "orders"];
    world.windlass(&[&typed[..], &chosen].concat()).expect(0);
    add_second_table(&world);
    let bound = ["run", "pg-optimize", "--target", "orders"];
    let bound = [&bound[..], &["--plan", "plan.json"]].concat();
    let run = world.windlass(&bound).expect(4);
    assert!(run.stderr.contains("is not in plan") || run.stdout.contains("is not in plan"));
    assert_eq!(work(&world), [""; 0]);
    assert_eq!(only_run(&world).1.outcome(), Some(Outcome::Inconclusive));
}

/// A world with a plan in `plan.json` that has effects, and what was typed for it.
fn planned() -> World {
    let world = World::bloated_on(NEWEST);
    world.grant("pg-optimize", "orders");
    world.windlass(&typed("plan", &[])).expect(0);
    world
}

fn typed(verb: &'static str, more: &[&'static str]) -> Vec<&'static str> {
    let words = [verb, "pg-optimize", "--target", "orders"];
    let chosen = ["--set", "min-size=8kB", "--set", "min-dead-rows=100"];
    [&words[..], &chosen, more].concat()
}

const BOUND: &[&str] = &["--plan", "plan.json"];

/// The run is refused for this reason, and nothing was begun.
#[track_caller]
fn refuses(world: &World, words: &[&str], code: i32, why: &str) {
    let output = world.windlass(words).expect(code);
    let said: Vec<_> = output.stderr.split_whitespace().collect();
    assert!(said.join(" ").contains(why), "{output}");
    assert_eq!(work(world), [""; 0]);
}

#[test]
fn a_plan_for_something_else_is_refused() {
    let world = planned();
    let other = "[database.billing]\nconnection = { env = \"ORDERS_DATABASE_URL\" }\n";
    world.configure(other);
    let grant = world.read("grants/pg-optimize.orders.toml");
    let elsewhere = grant.replace("\"orders\"", "\"billing\"");
    world.write("grants/pg-optimize.billing.toml", &elsewhere);
    let on_billing: Vec<_> = typed("run", BOUND)
        .into_iter()
        .map(|word| if word == "orders" { "billing" } else { word })
        .collect();
    refuses(&world, &on_billing, 3, "it is a plan for target `orders`");

    let more = [BOUND, &["--set", "max-objects=1"]].concat();
    refuses(
        &world,
        &typed("run", &more),
        3,
        "it was made with other parameters",
    );

    world.grant("pg-health", "orders");
    let health = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--plan",
        "plan.json",
    ];
    refuses(
        &world,
        &health,
        3,
        "it is a plan for pg-optimize 0.1.0, and this is pg-health 0.1.0",
    );
}

#[test]
fn a_plan_of_another_format_or_with_problems_is_refused() {
    let world = planned();
    let text = world.read("plan.json");
    world.write(
        "plan.json",
        &text.replace("windlass.plan/1", "windlass.plan/9"),
    );
    let why = "its schema is `windlass.plan/9`, this windlass reads `windlass.plan/1`";
    refuses(&world, &typed("run", BOUND), 2, why);

    // `windlass plan` writes none with problems; somebody may have one that is whole nevertheless.
    let mut plan: Plan = serde_json::from_str(&text).unwrap();
    plan.problems.push("a look failed".into());
    plan.digest.clear();
    plan.digest = windlass_build::digest(&serde_json::to_vec(&plan).unwrap());
    world.write("plan.json", &serde_json::to_string(&plan).unwrap());
    let why = "it is no plan that can be run: a look failed";
    refuses(&world, &typed("run", BOUND), 3, why);
}

/// Killed in the middle: what is replayed uses up its part of the plan, and the rest is still allowed.
#[test]
fn a_bound_run_that_is_resumed_does_nothing_else_and_nothing_twice() {
    let undisturbed = planned();
    undisturbed.windlass(&typed("run", BOUND)).expect(0);
    let (_, state, _) = only_run(&undisturbed);
    let planned_effects = state.effects().len();
    assert!(planned_effects >= 3, "{planned_effects} effects");

    let world = planned();
    let killed = [("WINDLASS_TEST_KILL_AT", "done:2")];
    world
        .windlass_with(&killed, &typed("run", BOUND))
        .expect(128 + 9);
    let (run, ..) = only_run(&world);
    // The plan that counts is the one that was kept.
    world.write("plan.json", "{}");
    world.windlass(&["resume", &run.0]).expect(0);
    let sent = work(&world);
    crate::laws::assert_once(&sent, "resumed");
    assert_eq!(sent.len(), work(&undisturbed).len());
    assert_eq!(only_run(&world).1.effects().len(), planned_effects);
}

/// Killed before it has looked, and then there is more to see than was planned for.
#[test]
fn a_bound_run_that_is_resumed_is_still_bound() {
    let world = planned();
    world
        .windlass_with(&[("WINDLASS_TEST_KILL_AT", "begin")], &typed("run", BOUND))
        .expect(128 + 9);
    add_second_table(&world);
    let (run, ..) = only_run(&world);
    // What was not planned is passed over, and told.
    let resumed = world.windlass(&["resume", &run.0]).expect(0);
    assert!(resumed.stderr.contains("is not in plan"), "{resumed}");
    let sent = work(&world);
    assert!(
        !sent.iter().any(|text| text.contains("second")),
        "{sent:#?}"
    );
}

#[test]
fn a_run_says_what_of_its_plan_it_did_not_do() {
    let world = planned();
    world
        .session()
        .batch_execute("DROP INDEX accounts_bid")
        .unwrap();
    let run = world.windlass(&typed("run", BOUND)).expect(0);
    let told =
        "not done of its plan, 5 of 6 planned effects begun\n  reindex public.accounts_bid\n";
    assert!(run.stdout.contains(told), "{run}");
    let json = [BOUND, &["--output", "json"]].concat();
    let again = world.windlass(&typed("run", &json));
    assert!(again.json()["not-done"].is_array(), "{again}");
}

#[test]
fn the_parameter_that_differs_from_the_plan_is_named() {
    let world = planned();
    let other = [
        BOUND,
        &["--set", "max-objects=3", "--set", "tune-autovacuum=true"],
    ]
    .concat();
    let refused = world.windlass(&typed("run", &other)).expect(3);
    let told = "it was made with other parameters: `max-objects` is 3, and 200 in the plan; `tune-autovacuum` is true, and false in the plan";
    assert!(refused.stderr.contains(told), "{refused}");
}
