//! What is written besides entries. The chain does not cover it, but for contents that an entry names by their digest.

use super::super::entry::RunId;
use super::body::Blob;
use super::name;
use crate::clock::Millis;
use rusqlite::{Connection, OptionalExtension, params};

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

/// How many names are tried: each is taken by one chance in a million.
const NAMES: usize = 100;

/// Takes a free name of this moment.
pub(super) fn reserve(connection: &Connection, now: Millis) -> rusqlite::Result<Option<RunId>> {
    let mut statement = connection
        .prepare_cached("INSERT INTO run (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?;
    for _ in 0..NAMES {
        let name = name::name(now, chance());
        if statement.execute([&name])? == 1 {
            return Ok(Some(RunId(name)));
        }
    }
    Ok(None)
}

/// From the kernel; what it does not fill stays zero, and then the next name is as good as this one.
fn chance() -> u32 {
    let mut bytes = [0; 4];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u32::from_le_bytes(bytes)
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

/// The channel knows how the run stands with so many entries.
pub(super) fn tell(
    connection: &Connection,
    run: &RunId,
    channel: &str,
    entries: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO told (run, channel, entries) VALUES (?1, ?2, ?3)
             ON CONFLICT (run, channel) DO UPDATE SET entries = ?3",
        )?
        .execute(params![run.0, channel, entries.cast_signed()])
        .map(drop)
}

/// One statement, so that no other process comes in between.
pub(super) fn reserve_time(
    connection: &Connection,
    channel: &str,
    apart: u64,
    (now, latest): (Millis, Millis),
) -> rusqlite::Result<Option<Millis>> {
    let (apart, now, latest) = (
        apart.cast_signed(),
        now.0.cast_signed(),
        latest.0.cast_signed(),
    );
    let next: Option<i64> = connection
        .prepare_cached(
            "INSERT INTO pace (channel, next) VALUES (?1, ?3 + ?2)
             ON CONFLICT (channel) DO UPDATE SET next = max(next, ?3) + ?2 WHERE max(next, ?3) <= ?4
             RETURNING next",
        )?
        .query_row(params![channel, apart, now, latest], |row| row.get(0))
        .optional()?;
    Ok(next.map(|next| Millis((next - apart).cast_unsigned())))
}
