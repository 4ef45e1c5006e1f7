//! What the server is and what room it has.

use super::failure::Outcome;
use super::session::Session;
use super::shown;
use super::tables::{age, amount};
use super::target::Target;
use crate::contract::database_types::{AgedDatabase, ServerFacts, StorageParameter};

const SERVER: &str = "
    SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int4,
           pg_is_in_recovery(), floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::int8,
           pg_database_size(current_database()), age(d.datfrozenxid), mxid_age(d.datminmxid)
    FROM pg_database d WHERE d.datname = current_database()";

/// The server stops for all databases when one of them is too old, whatever that one is for.
const OLDEST: &str = "SELECT d.datname, {age} FROM pg_database d ORDER BY 2 DESC, 1 LIMIT 1";

const AUTOVACUUM: &str = "SELECT s.name, s.setting FROM pg_settings s WHERE starts_with(s.name, 'autovacuum') ORDER BY 1";

/// Whether the role may measure all that [`USED`] does. Asked apart: the server refuses a statement for a function in it that is not reached.
const MAY_MEASURE: &str = "
    SELECT pg_has_role('pg_read_all_stats', 'USAGE') AND has_function_privilege('pg_ls_waldir()', 'EXECUTE')";

/// What lies on the volume of the data directory: the two built-in tablespaces and the log.
const USED: &str = "
    SELECT pg_tablespace_size('pg_default') + pg_tablespace_size('pg_global')
           + (SELECT coalesce(sum(size), 0)::int8 FROM pg_ls_waldir())";

/// Reads the facts of `database-read.server`. The free space is unknown where its size is not declared or its use cannot be measured.
pub(super) async fn server(session: &Session, target: &Target) -> Outcome<ServerFacts> {
    let row = session.query_one(SERVER, &[]).await?;
    let used = match target.disk_size {
        Some(_) => used(session).await?,
        None => None,
    };
    Ok(ServerFacts {
        version: row.try_get(0)?,
        version_number: u32::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0),
        is_standby: row.try_get(2)?,
        started: amount(&row, 3)?,
        database_bytes: amount(&row, 4)?,
        free_bytes: target
            .disk_size
            .zip(used)
            .map(|(size, used)| size.saturating_sub(used)),
        expected_standbys: target.expected_standbys,
        autovacuum: autovacuum(session).await?,
        frozen_age: age(&row, 5)?,
        multixact_age: age(&row, 6)?,
        oldest_frozen: oldest(session, "age(d.datfrozenxid)").await?,
        oldest_multixact: oldest(session, "mxid_age(d.datminmxid)").await?,
    })
}

async fn oldest(session: &Session, by: &str) -> Outcome<AgedDatabase> {
    let row = session.query_one(&OLDEST.replace("{age}", by), &[]).await?;
    Ok(AgedDatabase {
        name: shown::text(&row, 0)?,
        age: age(&row, 1)?,
    })
}

async fn autovacuum(session: &Session) -> Outcome<Vec<StorageParameter>> {
    let mut settings = Vec::new();
    for row in session.query(AUTOVACUUM, &[]).await? {
        settings.push(StorageParameter {
            name: row.try_get(0)?,
            value: row.try_get(1)?,
        });
    }
    Ok(settings)
}

/// Nothing where the role may not measure all.
async fn used(session: &Session) -> Outcome<Option<u64>> {
    let may_measure: bool = session.query_one(MAY_MEASURE, &[]).await?.try_get(0)?;
    if !may_measure {
        return Ok(None);
    }
    amount(&session.query_one(USED, &[]).await?, 0).map(Some)
}
