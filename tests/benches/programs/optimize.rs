//! `pg-optimize` beside the same statements by `psql -c`, each connecting anew, on copies of one database. Only what changes something is
//! given to psql: it need not find out what to do.

use crate::figures::{Figures, Target, ratios, timed};
use crate::project::Project;
use crate::server::{administer, bloated, start, url};
use std::process::Command;
use xtask::postgres::{Server, client_tool, connect};

/// As in the demo.
const ROWS: u32 = 400_000;
const VERBS: [&str; 5] = ["VACUUM", "ANALYZE", "REINDEX", "DROP INDEX", "ALTER TABLE"];

pub(crate) fn measure(figures: &mut Figures) {
    let server = start();
    bloated(&server, "original", ROWS);
    let psql = client_tool("psql").unwrap();
    let (mut ours, mut theirs) = (vec![], vec![]);
    let mut count = 0;
    for _ in 0..figures.samples(5) {
        let project = Project::new(&copy(&server), &[]);
        project.grant("pg-optimize");
        let mark = server.log_length();
        let run = ["run", "pg-optimize", "--target", "orders"];
        ours.push(timed(|| project.succeeds(&run)).1.as_secs_f64());
        let statements = changes(&server, mark);
        count = statements.len();
        assert!(count > 2, "there was nothing to do: {statements:?}");
        let url = copy(&server);
        let by_hand = || {
            for statement in &statements {
                let mut command = Command::new(&psql);
                command.args(["-X", "-q", "-d", &url, "-c", statement]);
                assert!(command.status().unwrap().success(), "{statement}");
            }
        };
        theirs.push(timed(by_hand).1.as_secs_f64());
    }
    figures.add(
        &format!("`pg-optimize`, {count} statements that change"),
        Target::None,
        "s",
        &ours,
    );
    figures.add(
        "the same statements by `psql -c`",
        Target::None,
        "s",
        &theirs,
    );
    figures.add(
        "`pg-optimize` / `psql -c`",
        Target::AtMost(1.0),
        "",
        &ratios(&ours, &theirs),
    );
}

/// A new copy of the original as the database `orders`, in the same place each time.
fn copy(server: &Server) -> String {
    administer(server, "DROP DATABASE IF EXISTS orders WITH (FORCE)");
    administer(server, "CREATE DATABASE orders TEMPLATE original");
    let url = url(server, "orders");
    // Statistics about dead rows are not copied with the rows. The checkpoint is nobody's business here.
    let mut session = connect(&url).unwrap();
    session.batch_execute("ANALYZE accounts, sessions").unwrap();
    session.batch_execute("CHECKPOINT").unwrap();
    url
}

fn changes(server: &Server, mark: usize) -> Vec<String> {
    let statements = server.statements(mark).into_iter();
    statements
        .filter(|statement| statement.application.starts_with("windlass"))
        .map(|statement| statement.text)
        .filter(|text| VERBS.iter().any(|verb| text.starts_with(verb)))
        .collect()
}
