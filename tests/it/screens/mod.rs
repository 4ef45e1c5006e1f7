//! What people see, invocation by invocation: the answer first, the next command last, within 80 columns.
#![expect(
    clippy::too_many_lines,
    reason = "whole screens stand in the tests, and they are long"
)]

mod grant;
mod health;
mod impostor;
mod looking;
mod run;
mod start;

use crate::world::World;
use serde_json::Value;
use std::fs;
use xtask::postgres::NEWEST;

const COLUMNS: usize = 80;
const TUNED: [&str; 6] = [
    "--set",
    "min-size=8kB",
    "--set",
    "min-dead-rows=100",
    "--set",
    "tune-autovacuum=true",
];

/// What is never broken into lines, because people copy it: digests and addresses.
fn is_for_copying(line: &str) -> bool {
    line.split_whitespace()
        .any(|word| word.len() >= 64 || word.contains("://"))
}

/// The invocation as a snapshot, after a look at its width and at what it is made of.
fn screen(world: &World, words: &[&str]) -> String {
    let output = world.windlass(words);
    let all = output.all();
    for line in all.lines().filter(|line| !is_for_copying(line)) {
        let width = windlass::text::width(line);
        assert!(width <= COLUMNS, "{width} columns: {line}\n{output}");
        assert_eq!(line, line.trim_end(), "blanks at the end:\n{output}");
    }
    for raw in ["Some(", "None", "Err(", "os error", "{target}", "\u{1b}"] {
        assert!(!all.contains(raw), "{raw:?} in {output}");
    }
    world.redact(&format!("$ windlass {}\n{output}", words.join(" ")))
}

fn tuned<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &TUNED].concat()
}

/// A bloated world with a grant for `pg-optimize`.
fn granted() -> World {
    let world = World::bloated_on(NEWEST);
    world.grant("pg-optimize", "orders");
    world
}

fn runs(world: &World) -> Value {
    world
        .windlass(&["runs", "--output", "json"])
        .expect(0)
        .json()["runs"]
        .clone()
}

#[test]
fn completions() {
    let world = World::on(NEWEST);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.windlass(&["completions", shell]).expect(0);
        assert!(script.stdout.contains("windlass"), "{shell}");
        assert_eq!(script.stderr, "");
    }
}

#[test]
fn every_command_speaks_json() {
    let world = granted();
    fs::create_dir(world.path().join("empty")).unwrap();
    let plan = tuned(&["plan", "pg-optimize", "--target", "orders"]);
    let run = tuned(&["run", "pg-optimize", "--target", "orders"]);
    let speaks = |schema: &str, code: i32, words: &[&str]| {
        let words = [words, &["--output", "json"]].concat();
        let output = world.windlass(&words).expect(code);
        let document = output.json();
        assert_eq!(document["schema"], schema, "{output}");
        if schema == "windlass.error/1" {
            assert_eq!(document["code"], code, "{output}");
            assert_eq!(output.stderr, "", "an error is told once");
        }
        document
    };
    speaks("windlass.doctor/1", 0, &["doctor"]);
    speaks("windlass.completions/1", 0, &["completions", "bash"]);
    speaks("windlass.inspect/1", 0, &["inspect", "pg-health"]);
    speaks(
        "windlass.grant/1",
        0,
        &[
            "grant",
            "pg-health",
            "--target",
            "orders",
            "--approved-by",
            "tester",
        ],
    );
    speaks(
        "windlass.grant-check/1",
        0,
        &["grant", "check", "grants/pg-health.orders.toml"],
    );
    speaks("windlass.plan/1", 0, &plan);
    speaks("windlass.runs/1", 0, &["runs"]);
    speaks("windlass.report/1", 0, &run);
    let name = runs(&world)[0]["run"].as_str().unwrap().to_owned();
    speaks("windlass.report/1", 0, &["show", &name]);
    speaks("windlass.report/1", 0, &["resume", &name]);
    speaks("windlass.report/1", 0, &["undo", &name]);
    speaks("windlass.audit/1", 0, &["audit", "verify"]);
    let report = speaks(
        "windlass.report/1",
        4,
        &["run", "pg-health", "--target", "orders"],
    );
    assert_eq!(report["standing"], "inconclusive", "{report}");

    let error = "windlass.error/1";
    speaks(error, 2, &["init"]);
    speaks(error, 2, &["build", "empty"]);
    speaks(error, 2, &["inspect", "nothing"]);
    speaks(
        error,
        2,
        &[
            "grant",
            "pg-health",
            "--target",
            "orders",
            "--approved-by",
            "tester",
        ],
    );
    speaks(error, 2, &["grant", "check", "windlass.toml"]);
    speaks(error, 2, &["plan", "pg-health", "--target", "nowhere"]);
    speaks(
        error,
        2,
        &["run", "pg-health", "--target", "orders", "--set", "a=b"],
    );
    speaks(error, 2, &["resume", "nothing"]);
    speaks(error, 2, &["undo", "nothing"]);
    speaks(error, 2, &["cancel", "nothing"]);
    speaks(error, 2, &["cancel", &name]);
    speaks(error, 2, &["show", "nothing"]);
    speaks(error, 2, &["frobnicate"]);
    speaks(error, 2, &["show"]);
    speaks(error, 2, &["completions", "rc"]);
    speaks(error, 2, &["doctor", "--target", "nowhere"]);
    fs::remove_file(world.path().join("grants/pg-health.orders.toml")).unwrap();
    speaks(error, 3, &["run", "pg-health", "--target", "orders"]);
    fs::write(world.state().join("journal.db"), "no database").unwrap();
    speaks(error, 4, &["runs"]);
    fs::remove_file(world.path().join("windlass.toml")).unwrap();
    speaks("windlass.doctor/1", 2, &["doctor"]);
    speaks(error, 2, &["runs"]);
    speaks("windlass.init/1", 0, &["init"]);
}
