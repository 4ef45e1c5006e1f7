//! `pg-health` on 200 databases of one server in one command, beside one `psql` for each database that asks the same on one connection.

use crate::figures::{Figures, Target, ratios, timed};
use crate::project::Project;
use crate::server::{administer, filled, start, url};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use xtask::postgres::{Server, client_tool};

const DATABASES: usize = 200;
/// Connections at once, of both.
const AT_ONCE: &str = "16";

pub(crate) fn measure(figures: &mut Figures) {
    let server = start();
    // An empty database is not healthy: it is the wrong one.
    filled(&server, "original", 100);
    let urls: Vec<_> = (0..DATABASES)
        .map(|number| {
            administer(
                &server,
                &format!("CREATE DATABASE shard_{number} TEMPLATE original"),
            );
            url(&server, &format!("shard_{number}"))
        })
        .collect();
    let project = Project::new(&urls[0], &urls);
    project.grant("pg-health");
    project.grant_on_shards("pg-health", "pg-health");
    let script = project.path().join("health.sql");
    std::fs::write(&script, questions(&server, &project)).unwrap();
    administer(&server, "ALTER SYSTEM SET log_statement = 'none'");
    administer(&server, "SELECT pg_reload_conf()");
    let run = [
        "run",
        "pg-health",
        "--target",
        "shard-*",
        "--at-once",
        AT_ONCE,
        "--quiet",
        "--set",
        "expected-standbys=0",
    ];
    let (mut ours, mut at_once, mut in_turn) = (vec![], vec![], vec![]);
    for _ in 0..figures.samples(7) {
        ours.push(timed(|| project.succeeds(&run)).1.as_secs_f64());
        at_once.push(timed(|| psql(&urls, &script, AT_ONCE)).1.as_secs_f64());
        in_turn.push(timed(|| psql(&urls, &script, "1")).1.as_secs_f64());
    }
    figures.add("`pg-health` on 200 databases", Target::None, "s", &ours);
    figures.add("`xargs -P 16 psql`", Target::None, "s", &at_once);
    figures.add("`xargs psql`", Target::None, "s", &in_turn);
    figures.add(
        "`pg-health` / `xargs -P 16 psql`",
        Target::AtMost(0.5),
        "",
        &ratios(&ours, &at_once),
    );
    figures.add(
        "`pg-health` / `xargs psql`",
        Target::AtMost(0.5),
        "",
        &ratios(&ours, &in_turn),
    );
}

/// Everything that one run asked, with its arguments filled in, as a script.
fn questions(server: &Server, project: &Project) -> String {
    let mark = server.log().len();
    project.succeeds(&[
        "run",
        "pg-health",
        "--target",
        "orders",
        "--set",
        "expected-standbys=0",
    ]);
    let log = server.log();
    let mut script = String::new();
    let mut statement = String::new();
    for line in log[mark..].lines() {
        if let Some(more) = line.strip_prefix('\t') {
            statement = statement + "\n" + more;
        } else if let Some((_, arguments)) = line.split_once("DETAIL:  ") {
            statement = with_arguments(&statement, arguments);
        } else {
            script = script + &std::mem::take(&mut statement) + ";\n";
            if line.contains("|windlass")
                && let Some((_, text)) = line.split_once("LOG:  ")
            {
                text.split_once(": ")
                    .map_or("", |(_, text)| text)
                    .clone_into(&mut statement);
            }
        }
    }
    script + &statement + ";\n"
}

/// `parameters: $1 = '5000', $2 = 'x'`, or with a capital letter before PostgreSQL 16.
fn with_arguments(statement: &str, arguments: &str) -> String {
    let (_, arguments) = arguments.split_once(": ").unwrap();
    let mut filled = statement.to_owned();
    // From the last, so that `$1` is not found in `$12`.
    for argument in arguments.split(", $").collect::<Vec<_>>().into_iter().rev() {
        let (number, value) = argument.trim_start_matches('$').split_once(" = ").unwrap();
        filled = filled.replace(&format!("${number}"), value);
    }
    filled
}

fn psql(urls: &[String], script: &Path, at_once: &str) {
    let psql = client_tool("psql").unwrap();
    let mut xargs = Command::new("xargs")
        .args(["-n", "1", "-P", at_once])
        .arg(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f"])
        .arg(script)
        .arg("-d")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = xargs.stdin.take().unwrap();
    stdin.write_all(urls.join("\n").as_bytes()).unwrap();
    drop(stdin);
    assert!(xargs.wait().unwrap().success());
}
