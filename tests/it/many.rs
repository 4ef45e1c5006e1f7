//! One procedure on many targets at once.

use crate::hold::{Hold, until};
use crate::world::{Output, Running, World};
use serde_json::Value;

/// The world's database under three names, granted together.
fn three_names() -> World {
    let world = World::bloated();
    let section = "[database.orders]\nconnection = { env = \"ORDERS_DATABASE_URL\" }\n";
    let sections: String = ["orders", "shard-1", "shard-2"]
        .iter()
        .map(|name| section.replace("orders", name))
        .collect();
    world.write("windlass.toml", &sections);
    world.grant("pg-health", "shard-1");
    let file = "grants/pg-health.shard-1.toml";
    let granted = world
        .read(file)
        .replace("target = \"shard-1\"\n", "")
        .replace("shard-1", "shard-*");
    world.write(file, &granted);
    world
}

fn column(document: &Value, key: &str) -> Vec<String> {
    let targets = document["targets"].as_array().unwrap().iter();
    targets
        .map(|target| target[key].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_pattern_means_every_target_that_it_matches_and_each_has_its_run() {
    let world = three_names();
    let run = [
        "run",
        "pg-health",
        "--target",
        "shard-*",
        "--output",
        "json",
    ];
    // The bloated world has an invalid index, which pg-health does not let pass.
    let told = world.windlass(&run);
    let document = told.json();
    assert_eq!(document["schema"], "windlass.targets/1");
    assert_eq!(column(&document, "target"), ["shard-1", "shard-2"]);
    let codes: Vec<_> = document["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["code"].as_i64().unwrap())
        .collect();
    assert_eq!(document["code"].as_i64(), Some(i64::from(told.code)));
    assert!(codes.contains(&i64::from(told.code)), "{codes:?}");
    for (run, target) in column(&document, "run").iter().zip(["shard-1", "shard-2"]) {
        let shown = world
            .windlass(&["show", run, "--output", "json"])
            .expect(0)
            .json();
        assert_eq!(shown["subject"]["target"], target);
    }
    let checks = document["targets"][0]["checks"].as_array().unwrap();
    let found = |check: &Value| check["name"] == "indexes" && check["verdict"] == "fail";
    assert!(checks.iter().any(found), "{checks:#?}");
}

#[test]
fn grants_and_plans_take_patterns_and_all_that_is_missing_is_named() {
    let world = three_names();
    std::fs::remove_file(world.path().join("grants/pg-health.shard-1.toml")).unwrap();
    let on = |verb| [verb, "pg-health", "--target", "shard-*"];
    let refused = world.windlass(&on("run")).expect(3);
    for target in ["shard-1", "shard-2"] {
        for words in [
            format!("`pg-health` has no grant for `{target}`"),
            format!("windlass grant pg-health --target {target}"),
        ] {
            assert!(refused.stderr.contains(&words), "{words}: {refused}");
        }
    }
    world.windlass(&on("grant")).expect(0);
    let planned = world.windlass(&on("plan")).expect(7);
    for target in ["shard-1", "shard-2"] {
        assert!(
            planned.stdout.contains(&format!("{target}: pg-health")),
            "{planned}"
        );
        let plan: Value =
            serde_json::from_str(&world.read(&format!("plan.{target}.json"))).unwrap();
        assert_eq!(plan["target"], target);
    }
    world.windlass(&on("run")).expect(3);
}

#[test]
fn the_record_is_exported_entry_by_entry_up_to_its_head() {
    let world = three_names();
    world.windlass(&["run", "pg-health", "--target", "shard-*"]);
    let head = world
        .windlass(&["audit", "verify", "--output", "json"])
        .expect(0)
        .json();
    let exported = world.windlass(&["audit", "export"]).expect(0).stdout;
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, entries) = lines.split_last().unwrap();
    assert_eq!(last["head"], head["head"]);
    assert_eq!(Some(entries.len() as u64), head["entries"].as_u64());
    assert_eq!(entries[0]["stamped"]["entry"]["kind"], "begin");
}

#[test]
fn nothing_begins_where_one_target_has_no_grant() {
    let world = three_names();
    let run = [
        "run",
        "pg-health",
        "--target",
        "shard-*",
        "--target",
        "orders",
    ];
    let refused = world.windlass(&run).expect(3);
    let lacks = "the grant of `pg-health` for `orders` lacks";
    assert!(refused.stderr.contains(lacks), "{refused}");
    let runs = world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn what_changes_a_target_and_what_means_none_is_refused() {
    let world = three_names();
    let changes = world
        .windlass(&["run", "pg-optimize", "--target", "shard-*"])
        .expect(2);
    assert!(
        changes.stderr.contains("runs on one at a time"),
        "{changes}"
    );
    let none = world
        .windlass(&["run", "pg-health", "--target", "shart-*"])
        .expect(2);
    assert!(
        none.stderr.contains("no target is meant by `shart-*`"),
        "{none}"
    );
    let planned = [
        "run",
        "pg-health",
        "--target",
        "shard-*",
        "--plan",
        "plan.json",
    ];
    world.windlass(&planned).expect(2);
}

#[test]
fn a_target_that_cannot_be_reached_is_a_row_and_spoils_no_other() {
    let world = three_names();
    let text = world.read("windlass.toml").replace(
        "[database.shard-2]\nconnection = { env = \"ORDERS_DATABASE_URL\" }",
        "[database.shard-2]\nconnection = { env = \"NOT_SET\" }",
    );
    world.write("windlass.toml", &text);
    let told = world
        .windlass(&["run", "pg-health", "--target", "shard-*"])
        .expect(2);
    let rows: Vec<_> = told.stdout.lines().collect();
    assert!(
        rows[1].starts_with("shard-1") && !rows[1].contains("not run"),
        "{told}"
    );
    assert!(told.stdout.contains("NOT_SET"), "{told}");
}

/// Three targets of which two are begun and wait for a table, and who holds it.
fn waiting(world: &World) -> (Running, Hold) {
    let patient = "lock-timeout = \"3min\"\nstatement-timeout = \"3min\"\n";
    let text = world.read("windlass.toml");
    let section = "[database.shard-3]\nconnection = { env = \"ORDERS_DATABASE_URL\" }\n";
    let text = (text + section).replace("_URL\" }\n", &format!("_URL\" }}\n{patient}"));
    world.write("windlass.toml", &text);
    let hold = Hold::owner(world, "accounts");
    let run = [
        "run",
        "pg-health",
        "--target",
        "shard-*",
        "--at-once",
        "2",
        "--output",
        "json",
    ];
    let running = world.start(&[], &run);
    let two = "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database()
               AND application_name LIKE 'windlass/%' AND wait_event_type = 'Lock'";
    until(world, "two runs wait", two);
    running.interrupt();
    running.until_said("Stopping after this effect.");
    (running, hold)
}

/// Both that had begun are stopped and can be resumed; the third has no run.
fn assert_in_order(world: &World, output: Output) {
    let told = output.expect(5).json();
    assert_eq!(column(&told, "state"), ["stopped", "stopped", "not run"]);
    let targets = told["targets"].as_array().unwrap();
    assert_eq!(targets[2]["summary"], "stopped before it began");
    assert_eq!(targets[2]["run"], Value::Null);
    let listed = world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json();
    let listed = listed["runs"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:#?}");
    for row in listed {
        assert_eq!(row["state"], "stopped");
    }
    for row in &targets[..2] {
        let run = row["run"].as_str().unwrap();
        // pg-health does not let the bloated world's invalid index pass.
        world.windlass(&["resume", run]).expect(1);
    }
    world.windlass(&["audit", "verify"]).expect(0);
}

#[test]
fn ctrl_c_once_lets_looks_end_and_begins_no_further_target() {
    let world = three_names();
    let (running, hold) = waiting(&world);
    hold.release();
    assert_in_order(&world, running.wait());
}

#[test]
fn ctrl_c_twice_waits_for_no_look() {
    let world = three_names();
    let (running, hold) = waiting(&world);
    running.interrupt();
    let left = running.wait();
    assert!(left.stderr.contains("Stopping now."), "{left}");
    hold.release();
    assert_in_order(&world, left);
}
