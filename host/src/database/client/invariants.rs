//! Invariants that the operator declared: counted at the server, so no row ever leaves it.

use super::failure::{Failure, Outcome, refuse};
use super::session::Session;
use super::target::{self, Invariant, Target};
use crate::clock::Clock;
use crate::contract::database_types::{Expectation, InvariantResult};
use crate::contract::{CallError, ErrorKind};

/// The line breaks keep a comment at the end of the query from swallowing what follows.
const COUNT: &str =
    "SELECT count(*) FROM (SELECT FROM (\n{sql}\n) AS invariant LIMIT $1) AS counted";

/// Names of the declared invariants.
pub(super) fn names(target: &Target) -> Vec<&str> {
    target.invariants.keys().map(String::as_str).collect()
}

/// Evaluates one declared invariant.
pub(super) async fn check(
    session: &Session,
    target: &Target,
    name: &str,
    clock: &Clock,
) -> Outcome<InvariantResult> {
    let Some(invariant) = target.invariants.get(name) else {
        return refuse(
            ErrorKind::NotFound,
            format!(
                "no invariant of this name is declared for `{}`",
                target.name
            ),
        );
    };
    let cap = i64::try_from(invariant.max_rows).unwrap_or(i64::MAX - 1);
    let started = clock.instant();
    let sql = COUNT.replace("{sql}", bare(&invariant.sql));
    let row = session
        .query_one(&sql, &[&cap.saturating_add(1)])
        .await
        .map_err(|failure| explain(failure, name))?;
    let counted: i64 = row.try_get(0)?;
    let rows = u64::try_from(counted.min(cap)).unwrap_or(0);
    Ok(InvariantResult {
        expected: expectation(invariant),
        rows,
        capped: counted > cap,
        holds: match invariant.expect {
            target::Expectation::NoRows => counted == 0,
            target::Expectation::SomeRows => counted > 0,
        },
        took: u64::try_from(clock.instant().duration_since(started).as_millis())
            .unwrap_or(u64::MAX),
    })
}

fn bare(sql: &str) -> &str {
    sql.trim().trim_end_matches(';')
}

fn expectation(invariant: &Invariant) -> Expectation {
    match invariant.expect {
        target::Expectation::NoRows => Expectation::NoRows,
        target::Expectation::SomeRows => Expectation::SomeRows,
    }
}

/// The query is the operator's, and so is an error in it: the server's words may quote a row, so they stay here.
fn explain(failure: Failure, name: &str) -> Failure {
    if failure.is_lost() {
        return failure;
    }
    let Some(code) = failure.code().map(|code| code.code().to_owned()) else {
        return failure;
    };
    let (kind, why) = match code.as_str() {
        "42501" => (ErrorKind::Denied, "the role may not read what it names"),
        "25006" => (ErrorKind::Denied, "it tries to write"),
        "42P01" | "3F000" => (
            ErrorKind::Invalid,
            "a table that it names does not exist; tables are named with their schema",
        ),
        "57014" => (
            ErrorKind::Limit,
            "it took longer than the statement timeout",
        ),
        "55P03" => (
            ErrorKind::Conflict,
            "another session holds a lock that it needs",
        ),
        _ => (ErrorKind::Invalid, "it cannot be evaluated"),
    };
    Failure::Call(CallError::new(
        kind,
        format!("invariant `{name}`: {why} (SQLSTATE {code})"),
    ))
}
