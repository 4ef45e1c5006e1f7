//! Whole processes: how long until they are at work, and what they hold.

use crate::figures::{Figures, Target, timed};
use crate::guest::Call;
use crate::project::Project;
use crate::server;
use rustix::process::{Pid, WaitOptions};
use std::process::Command;

/// Runs that wait at once in one process.
const RUNS: u32 = 200;

pub(crate) fn measure(figures: &mut Figures) {
    start(figures);
    memory(figures);
    resume(figures);
}

fn start(figures: &mut Figures) {
    let project = Project::new("postgresql://nobody@127.0.0.1:1/none", &[]);
    project.put(Call::Sleep);
    project.grant("./measured.wasm");
    let run = [
        "run",
        "./measured.wasm",
        "--target",
        "orders",
        "--set",
        "calls=1",
    ];
    // From here on it is in the cache.
    project.is_killed_at("waiting", &run);
    let (mut versions, mut calls) = (vec![], vec![]);
    for _ in 0..figures.samples(41) {
        let version = timed(|| project.succeeds(&["--version"])).1;
        versions.push(version.as_secs_f64() * 1e3);
        calls.push(
            timed(|| project.is_killed_at("waiting", &run))
                .1
                .as_secs_f64()
                * 1e3,
        );
    }
    figures.add("`windlass --version`", Target::None, "ms", &versions);
    figures.add(
        "process start to first host call, cached",
        Target::AtMost(20.0),
        "ms",
        &calls,
    );
}

fn memory(figures: &mut Figures) {
    let shard = "postgresql://nobody@127.0.0.1:1/none".to_owned();
    let project = Project::new(&shard, &vec![shard.clone(); RUNS as usize]);
    project.put(Call::Sleep);
    project.grant("./measured.wasm");
    project.grant_on_shards("./measured.wasm", "measured");
    let one = [
        "run",
        "./measured.wasm",
        "--target",
        "orders",
        "--set",
        "calls=1",
    ];
    let all = [
        "run",
        "./measured.wasm",
        "--target",
        "shard-*",
        "--at-once",
        "200",
        "--set",
        "calls=1",
    ];
    let (mut idle, mut each) = (vec![], vec![]);
    for _ in 0..figures.samples(5) {
        let one = resident(&project, 1, &one);
        let all = resident(&project, RUNS, &all);
        idle.push(one / 1024.0);
        each.push((all - one) / f64::from(RUNS - 1));
    }
    figures.add(
        "resident, one run that waits",
        Target::AtMost(25.0),
        "MB",
        &idle,
    );
    figures.add(
        "resident, each further run that waits",
        Target::None,
        "kB",
        &each,
    );
}

/// Kilobytes of a process that has stopped itself when so many runs wait.
fn resident(project: &Project, runs: u32, arguments: &[&str]) -> f64 {
    let place = format!("waiting:{runs}");
    let mut command: Command = project.windlass(&[("WINDLASS_TEST_PAUSE_AT", &place)], arguments);
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::UNTRACED)
        .unwrap()
        .unwrap();
    assert!(status.stopped(), "it ended: {status:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let number = line.split_whitespace().next().unwrap();
    number.parse().unwrap()
}

/// The effect under way is in doubt, so the server is asked before the next one begins.
fn resume(figures: &mut Figures) {
    let server = server::start();
    let url = server::bloated(&server, "orders", 1_000);
    let project = Project::new(&url, &[]);
    project.put(Call::Analyze);
    project.grant("./measured.wasm");
    let run = [
        "run",
        "./measured.wasm",
        "--target",
        "orders",
        "--set",
        "calls=100",
    ];
    let (mut resumed, mut asked) = (vec![], vec![]);
    for _ in 0..figures.samples(21) {
        project.is_killed_at("noted:2", &run);
        let name = newest(&project);
        let took = timed(|| project.is_killed_at("intended", &["resume", &name])).1;
        resumed.push(took.as_secs_f64() * 1e3);
        let four = || {
            for _ in 0..4 {
                xtask::postgres::connect(&url)
                    .unwrap()
                    .batch_execute("SELECT 1")
                    .unwrap();
            }
        };
        asked.push(timed(four).1.as_secs_f64() * 1e3);
        project.succeeds(&["undo", &name]);
    }
    figures.add(
        "SIGKILL to next effect after `resume`, server's time included",
        Target::AtMost(100.0),
        "ms",
        &resumed,
    );
    figures.add(
        "of that, what four bare connections cost there",
        Target::None,
        "ms",
        &asked,
    );
}

fn newest(project: &Project) -> String {
    let runs = project.succeeds(&["runs", "--output", "json", "--limit", "1"]);
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    runs["runs"][0]["run"].as_str().unwrap().to_owned()
}
