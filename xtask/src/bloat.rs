//! Databases that need maintenance for real: dead rows, half-empty indexes, an index that a broken-off rebuild left behind, a forgotten
//! transaction. Nothing of it is written into catalogs; it comes about as it does in production.

use crate::postgres::{Error, connect};
use crate::until;
use ::postgres::Client;
use std::time::Duration;

/// A session that was dropped is gone within this time, or something is wrong.
const DEADLINE: Duration = Duration::from_mins(1);
/// The table that [`fill`] makes; its indexes are `accounts_pkey`, `accounts_bid`, `accounts_abalance` and `accounts_bid_abalance`.
pub const TABLE: &str = "accounts";

/// Makes the tables `accounts` and `sessions`: about 600 bytes for each row of `accounts`, then each row updated and a third deleted, so
/// that most of what is there is dead, in the indexes too. Statistics are those of an ANALYZE right after.
pub fn fill(url: &str, rows: u32) -> Result<(), Error> {
    let mut session = connect(url)?;
    session.batch_execute(&format!(
        "CREATE TABLE sessions (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, started timestamptz NOT NULL DEFAULT now());
         CREATE TABLE {TABLE} (aid integer PRIMARY KEY, bid integer NOT NULL, abalance integer NOT NULL, filler char(180) NOT NULL);
         INSERT INTO {TABLE} SELECT n, n % 97, (n::bigint * 7919 % 1000003)::integer, '' FROM generate_series(1, {rows}) AS n;
         CREATE INDEX accounts_bid ON {TABLE} (bid);
         CREATE INDEX accounts_abalance ON {TABLE} (abalance);
         CREATE INDEX accounts_bid_abalance ON {TABLE} (bid, abalance);"
    ))?;
    session.batch_execute(&format!(
        "UPDATE {TABLE} SET abalance = abalance + 1, bid = (bid + 1) % 97"
    ))?;
    session.batch_execute(&format!("DELETE FROM {TABLE} WHERE aid % 3 = 0"))?;
    end(session, url)?;
    connect(url)?.batch_execute(&format!("ANALYZE {TABLE}"))?;
    Ok(())
}

/// Leaves `<index>_ccnew` behind, invalid and of full size: REINDEX CONCURRENTLY gives up when an older snapshot keeps it from its last step.
pub fn leave_invalid_index(url: &str, index: &str) -> Result<(), Error> {
    let mut older = connect(url)?;
    older.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")?;
    let mut rebuilding = connect(url)?;
    rebuilding.batch_execute("SET lock_timeout = '100ms'")?;
    let gave_up = rebuilding.batch_execute(&format!("REINDEX INDEX CONCURRENTLY {index}"));
    match gave_up {
        Err(error) if error.code() == Some(&::postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {}
        Err(error) => return Err(error.into()),
        Ok(()) => return Err(Error::Finished(index.to_owned())),
    }
    older.batch_execute("COMMIT")?;
    Ok(())
}

/// A transaction that wrote a row and was forgotten. As long as the session lives, rows that die after it stay.
pub fn forget_transaction(url: &str, application: &str) -> Result<Client, Error> {
    let mut session = connect(url)?;
    session.execute(
        "SELECT set_config('application_name', $1, false)",
        &[&application],
    )?;
    session.batch_execute("BEGIN; INSERT INTO sessions DEFAULT VALUES")?;
    Ok(session)
}

/// Ends a session and waits until the server has forgotten it: what it did is then in the server's statistics.
pub fn end(mut session: Client, url: &str) -> Result<(), Error> {
    let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[])?.get(0);
    drop(session);
    let mut watching = connect(url)?;
    let sql = "SELECT FROM pg_stat_activity WHERE pid = $1";
    let gone = until(DEADLINE, || match watching.query_opt(sql, &[&pid]) {
        Ok(Some(_)) => None,
        Ok(None) => Some(Ok(())),
        Err(error) => Some(Err(error.into())),
    });
    gone.unwrap_or(Err(Error::Stays(pid)))
}
