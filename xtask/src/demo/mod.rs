//! `cargo xtask demo`: a bloated database, repaired in front of you. Every command is shown as it would be typed, with what it prints.

pub(crate) mod cluster;
mod look;
mod stage;

use crate::setup;
use crate::suite::cargo;
use crate::trouble::Trouble;
use look::Look;
use stage::Stage;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use xtask::shell;

/// Runs the whole show. Anything that does not go as announced is an error.
pub(crate) fn demo() -> Result<(), Trouble> {
    let start = Instant::now();
    heading("Setting up");
    setup::compiler()?;
    let program = build()?;
    let stage = Stage::set(&program)?;

    heading("What can pg-optimize do? Its binary says so");
    stage.windlass(&["inspect", "pg-optimize"])?;

    heading("May it? Only what a grant says, for this very binary");
    stage.windlass(&[
        "grant",
        "pg-optimize",
        "--target",
        "orders",
        "--approved-by",
        "tester",
    ])?;

    heading("What would it do? A plan looks, and changes nothing");
    let before = Look::at(&stage.url)?;
    stage.windlass(&["plan", "pg-optimize", "--target", "orders"])?;
    if Look::at(&stage.url)? != before {
        return Err(unexpected("the plan changed something"));
    }

    heading("Do it: what the plan contains, and nothing else");
    stage.windlass(&[
        "run",
        "pg-optimize",
        "--target",
        "orders",
        "--plan",
        "plan.json",
    ])?;
    let after = Look::at(&stage.url)?;
    after.check_repaired(&before)?;

    heading("What was done? The journal tells, and cannot be changed unnoticed");
    let run = stage.latest_run()?;
    stage.windlass(&["show", &run])?;
    stage.windlass(&["audit", "verify"])?;
    before.print_against(&after);

    heading("Once more: nothing is left to do");
    stage.windlass(&["plan", "pg-optimize", "--target", "orders"])?;
    stage.windlass(&["run", "pg-optimize", "--target", "orders"])?;
    if Look::at(&stage.url)? != after {
        return Err(unexpected("the second run changed something"));
    }
    drop(stage);
    println!(
        "\nThat was it, in {} s. What was started is stopped and removed.",
        start.elapsed().as_secs()
    );
    Ok(())
}

/// Builds windlass, and answers where cargo put it.
fn build() -> Result<PathBuf, Trouble> {
    // Of the whole workspace, as the suite builds it: alone, dependencies would have other features and be built once more.
    let build = ["build", "--locked", "--workspace", "--bin", "windlass"];
    shell::run(cargo().args(build))?;
    // There is nothing left to build now; this only asks for the path.
    let mut again = cargo();
    again
        .args(build)
        .args(["--message-format", "json", "--quiet"]);
    let said = shell::output(&mut again)?;
    said.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "windlass")
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .ok_or_else(|| unexpected("cargo built no program `windlass`"))
}

fn unexpected(what: &str) -> Trouble {
    Trouble::Unexpected(format!("the demo did not go as it should: {what}"))
}

fn heading(text: &str) {
    println!("\n── {text} ──\n");
}

/// Runs windlass as someone would who stands in the project's folder, and shows it.
fn show(program: &Path, arguments: &[&str], project: &Path, url: &str) -> Result<(), Trouble> {
    println!("$ windlass {}", arguments.join(" "));
    // What windlass prints comes after the line above, whatever standard output is.
    let _ = std::io::stdout().flush();
    let mut command = windlass(program, arguments, project, url);
    let status = command
        .status()
        .map_err(|error| shell::Failure::Start("windlass".to_owned(), error))?;
    println!();
    if status.success() {
        return Ok(());
    }
    Err(unexpected(&format!(
        "`windlass {}` ended with {status}",
        arguments.join(" ")
    )))
}

fn windlass(program: &Path, arguments: &[&str], project: &Path, url: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(project)
        .env(stage::VARIABLE, url)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null());
    command
}
