//! Normalised statements and their cumulative cost, from `pg_stat_statements`.

use super::failure::{Outcome, refuse};
use super::session::Session;
use super::sessions::must_see_all;
use super::shown;
use super::tables::{amount, instant};
use super::tidy::tidy;
use crate::contract::ErrorKind;
use crate::contract::database_types::{Statement, StatementStatistics};
use crate::database::names::quote_ident;

const MOST_STATEMENTS: u32 = 5_000;

const EXTENSION: &str = "
    SELECT n.nspname, to_regclass(format('%I.pg_stat_statements_info', n.nspname)) IS NOT NULL,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attname = 'total_exec_time' AND NOT a.attisdropped
                   AND a.attrelid = to_regclass(format('%I.pg_stat_statements', n.nspname)))
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_stat_statements'";

const STATEMENTS: &str = "
    SELECT s.queryid::text, left(min(s.query), 20000), sum(s.calls)::int8,
           (sum(s.total_exec_time) * 1000)::int8, sum(s.rows)::int8
    FROM {schema}.pg_stat_statements s
    WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND s.queryid IS NOT NULL
    GROUP BY s.queryid ORDER BY sum(s.total_exec_time) DESC, s.queryid LIMIT $1";

const SINCE: &str = "SELECT floor(extract(epoch FROM i.stats_reset) * 1000)::int8 FROM {schema}.pg_stat_statements_info i";

/// Reads `database-read.statements`.
pub(super) async fn read(
    session: &Session,
    database: &str,
    limit: u32,
) -> Outcome<StatementStatistics> {
    let Some(extension) = session.query_opt(EXTENSION, &[]).await? else {
        return refuse(
            ErrorKind::NotFound,
            format!("pg_stat_statements is not installed in `{database}`"),
        );
    };
    if !extension.try_get::<_, bool>(2)? {
        return refuse(
            ErrorKind::NotFound,
            format!(
                "pg_stat_statements in `{database}` is too old; ALTER EXTENSION pg_stat_statements UPDATE"
            ),
        );
    }
    must_see_all(session, database).await?;
    let schema = quote_ident(&shown::text(&extension, 0)?);
    let limit = i64::from(limit.min(MOST_STATEMENTS));
    let rows = match session
        .query(&STATEMENTS.replace("{schema}", &schema), &[&limit])
        .await
    {
        Err(failure) if failure.code().is_some_and(|code| code.code() == "55000") => {
            return refuse(
                ErrorKind::NotFound,
                format!("pg_stat_statements is not in shared_preload_libraries of `{database}`"),
            );
        }
        rows => rows?,
    };
    let mut statements = Vec::new();
    for row in rows {
        statements.push(Statement {
            id: row.try_get(0)?,
            text: tidy(&shown::maybe_text(&row, 1)?.unwrap_or_default()),
            calls: amount(&row, 2)?,
            total_microseconds: amount(&row, 3)?,
            rows: amount(&row, 4)?,
        });
    }
    let since = if extension.try_get(1)? {
        instant(
            &session
                .query_one(&SINCE.replace("{schema}", &schema), &[])
                .await?,
            0,
        )?
    } else {
        None
    };
    Ok(StatementStatistics { since, statements })
}
