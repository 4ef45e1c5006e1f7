//! What the server is and what room it has.

use super::failure::Outcome;
use super::session::Session;
use super::tables::{amount, maybe_amount};
use super::target::Target;
use crate::contract::database_types::ServerFacts;

const SERVER: &str = "
    SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int4,
           pg_is_in_recovery(), floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::int8,
           pg_database_size(current_database())";

/// Whether the role may measure all of [`USED`]. Asked first: a function that may not be called fails its statement even where it is
/// not reached.
const MEASURES: &str = "
    SELECT pg_has_role('pg_read_all_stats', 'USAGE') AND has_function_privilege('pg_ls_waldir()', 'EXECUTE')";

/// What lies on the volume of the data directory: the two built-in tablespaces and the log.
const USED: &str = "
    SELECT pg_tablespace_size('pg_default') + pg_tablespace_size('pg_global')
           + (SELECT coalesce(sum(size), 0)::int8 FROM pg_ls_waldir())";

/// Reads the facts of `database-read.server`. The free space is unknown where its size is not declared or its use cannot be measured.
pub(super) async fn server(session: &Session, target: &Target) -> Outcome<ServerFacts> {
    let row = session.query_one(SERVER, &[]).await?;
    let free_bytes = match target.disk_size {
        Some(size) => used(session).await?.map(|used| size.saturating_sub(used)),
        None => None,
    };
    Ok(ServerFacts {
        version: row.try_get(0)?,
        version_number: u32::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0),
        is_standby: row.try_get(2)?,
        started: amount(&row, 3)?,
        database_bytes: amount(&row, 4)?,
        free_bytes,
        expected_standbys: target.expected_standbys,
    })
}

async fn used(session: &Session) -> Outcome<Option<u64>> {
    if !session.query_one(MEASURES, &[]).await?.try_get(0)? {
        return Ok(None);
    }
    maybe_amount(&session.query_one(USED, &[]).await?, 0)
}
