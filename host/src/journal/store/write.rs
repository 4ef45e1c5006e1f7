//! What is written besides entries. The chain does not cover it, but for contents that an entry names by their digest.

use super::super::entry::RunId;
use super::body::Blob;
use super::name;
use crate::clock::Millis;
use rusqlite::{Connection, params};

/// Stores content once.
pub(super) fn keep(connection: &Connection, blob: &Blob) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO blob (digest, size, packed) VALUES (?1, ?2, ?3)
             ON CONFLICT (digest) DO NOTHING",
        )?
        .execute(params![
            blob.digest,
            i64::try_from(blob.size).unwrap_or(i64::MAX),
            blob.packed
        ])
        .map(drop)
}

/// Takes the first free name of this moment.
pub(super) fn reserve(connection: &Connection, now: Millis) -> rusqlite::Result<Option<RunId>> {
    let mut statement = connection
        .prepare_cached("INSERT INTO run (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?;
    for candidate in name::candidates(now) {
        if statement.execute([&candidate])? == 1 {
            return Ok(Some(RunId(candidate)));
        }
    }
    Ok(None)
}

/// The first to ask is the one who did.
pub(super) fn request_cancel(
    connection: &Connection,
    run: &RunId,
    by: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO signal (run, cancel_by) VALUES (?1, ?2) ON CONFLICT (run) DO NOTHING",
        )?
        .execute(params![run.0, by])
        .map(drop)
}
