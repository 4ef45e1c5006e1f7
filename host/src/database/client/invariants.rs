//! Invariants that the operator declared: counted at the server, so no row ever leaves it.

use super::failure::{Failure, Outcome, refuse};
use super::session::Session;
use super::target::{self, Invariant, Target};
use crate::clock::Clock;
use crate::contract::database_types::{Expectation, InvariantResult};
use crate::contract::{CallError, ErrorKind};
use crate::database::names::quote_ident;

/// The line breaks keep a comment at the end of the query from swallowing what follows.
const COUNT: &str =
    "SELECT count(*) FROM (SELECT FROM (\n{sql}\n) AS invariant LIMIT $1) AS counted";

const POWERS: &str = "
    SELECT array_remove(ARRAY[
               CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
               CASE WHEN r.rolreplication THEN 'REPLICATION' END,
               CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
               CASE WHEN pg_has_role('pg_signal_backend', 'USAGE') THEN 'pg_signal_backend' END,
               CASE WHEN pg_has_role('pg_write_server_files', 'USAGE') THEN 'pg_write_server_files' END,
               CASE WHEN pg_has_role('pg_execute_server_program', 'USAGE') THEN 'pg_execute_server_program' END
           ], NULL),
           pg_has_role(session_user, 'pg_read_all_data', '{may_become}'), current_user::text, session_user::text
    FROM pg_roles r WHERE r.rolname = current_user";

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
    only_read(session, name).await?;
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

/// A read-only transaction keeps from writing to tables, and from little else. So where the role could do more than that, one that may read
/// everything and do nothing evaluates the query, if the login can become it, as a superuser can; otherwise it is not evaluated.
async fn only_read(session: &Session, name: &str) -> Outcome<()> {
    let powers = Powers::of(session).await?;
    if powers.names.is_empty() {
        return Ok(());
    }
    if powers.can_only_read {
        return session
            .batch_execute("SET LOCAL ROLE pg_read_all_data")
            .await;
    }
    refuse(
        ErrorKind::Denied,
        format!("invariant `{name}` is not evaluated: {}", powers.why_not()),
    )
}

/// What the role could do in a query although its transaction is read-only.
pub(super) struct Powers {
    names: Vec<String>,
    can_only_read: bool,
    role: String,
    login: String,
}

impl Powers {
    pub(super) async fn of(session: &Session) -> Outcome<Self> {
        let may_become = if session.major() >= 16 {
            "SET"
        } else {
            "MEMBER"
        };
        let sql = POWERS.replace("{may_become}", may_become);
        let row = session.query_one(&sql, &[]).await?;
        Ok(Self {
            names: row.try_get(0)?,
            can_only_read: row.try_get(1)?,
            role: row.try_get(2)?,
            login: row.try_get(3)?,
        })
    }

    /// What an operator who declared invariants has to know. Nothing where the role can only read.
    pub(super) fn note(&self) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let names = self.names.join(", ");
        Some(if self.can_only_read {
            format!(
                "invariants are evaluated as pg_read_all_data: {} could do more than read ({names})",
                quote_ident(&self.role)
            )
        } else {
            format!("invariants are not evaluated: {}", self.why_not())
        })
    }

    fn why_not(&self) -> String {
        format!(
            "role `{}` could do more than read ({}); GRANT pg_read_all_data TO {} would have them evaluated as that role",
            self.role,
            self.names.join(", "),
            quote_ident(&self.login)
        )
    }
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
