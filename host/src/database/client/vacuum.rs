//! VACUUM and ANALYZE of one table.

use super::catalog::{self, Table};
use super::failure::{Outcome, refuse};
use super::rights::lacks_right;
use super::room::Room;
use super::session::Session;
use super::tables::{BUSY, HELD, amount};
use super::text;
use super::work::{self, Ended, Work, applied, in_doubt, not_done};
use crate::call::{Applied, ApplyFailure, Prepared, Touch, Undo};
use crate::clock::Clock;
use crate::contract::database_maintain::Vacuumed;
use crate::contract::database_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::database::call::dotted;
use crate::database::names::quote_object;
use crate::engine::ChangePermit;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long statistics may be under way. Up to version 14 a server waits ten seconds for the process that collects them.
const STATISTICS: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);

/// What is maintained, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Vacuum { analyze: bool },
    Analyze,
}

/// What was there before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) oid: u32,
    pub(super) dead_rows: u64,
    pub(super) bytes: u64,
}

/// When the table was last vacuumed and analyzed by hand, in microseconds since 1970 by the server's clock, and what it holds now.
pub(super) struct Now {
    pub(super) dead_rows: u64,
    pub(super) bytes: u64,
    vacuumed: Option<i64>,
    analyzed: Option<i64>,
}

const NOW: &str = "
    WITH {held}, {busy}
    SELECT pg_stat_get_dead_tuples(c.oid),
           CASE WHEN b.oid IS NULL THEN pg_total_relation_size(c.oid)
                ELSE (c.relpages + coalesce(t.relpages, 0) + (
                    SELECT coalesce(sum(ic.relpages), 0) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
                    WHERE i.indrelid = c.oid))::int8 * current_setting('block_size')::int8 END,
           floor(extract(epoch FROM pg_stat_get_last_vacuum_time(c.oid)) * 1000000)::int8,
           floor(extract(epoch FROM pg_stat_get_last_analyze_time(c.oid)) * 1000000)::int8
    FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN busy b ON b.oid = c.oid
    WHERE c.oid = $1";

const PARTITIONS: &str = "
    SELECT n.nspname, c.relname
    FROM pg_partition_tree($1::oid::regclass) t
    JOIN pg_class c ON c.oid = t.relid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.level > 0 ORDER BY 1, 2";

/// Looks at the table; changes nothing.
pub(super) async fn prepare(
    session: &Session,
    room: &Room,
    table: &ObjectName,
    job: Job,
) -> Outcome<Prepared> {
    work::refuse_standby(session, room)?;
    let found = catalog::table(session, table).await?;
    check(session, &found, job).await?;
    let Some(now) = now(session, found.oid).await? else {
        return refuse(
            ErrorKind::NotFound,
            format!("there is no table `{}`", dotted(table)),
        );
    };
    let before = Before {
        oid: found.oid,
        dead_rows: now.dead_rows,
        bytes: now.bytes,
    };
    Ok(Prepared {
        before: work::to_value(&before)?,
        foreseen: match job {
            Job::Vacuum { .. } => work::to_value(&vacuumed(&before, 0, now.bytes))?,
            Job::Analyze => serde_json::Value::Null,
        },
        undo: Undo::NotNeeded(match job {
            Job::Vacuum { .. } => "rows are unchanged".into(),
            Job::Analyze => "statistics follow the rows".into(),
        }),
        touches: touches(session, room, &found).await?,
        now: match job {
            Job::Vacuum { .. } => format!("{} dead", text::rows(now.dead_rows)),
            Job::Analyze => String::new(),
        },
        details: Vec::new(),
        after: String::new(),
    })
}

async fn check(session: &Session, table: &Table, job: Job) -> Outcome<()> {
    let name = dotted(&table.name);
    if table.kind == 'p' && job != Job::Analyze {
        return refuse(
            ErrorKind::Conflict,
            format!("`{name}` is a partition parent; only its partitions are vacuumed"),
        );
    }
    if !table.maintained {
        return refuse(
            ErrorKind::Denied,
            lacks_right(session, &table.name, "maintain").await?,
        );
    }
    Ok(())
}

/// An ANALYZE of a partition parent goes into its partitions before PostgreSQL 18, which knows ONLY.
async fn touches(session: &Session, room: &Room, table: &Table) -> Outcome<Vec<Touch>> {
    let touch = |schema: String, table: String| Touch::Table {
        database: room.name().to_owned(),
        schema,
        table,
    };
    let mut touches = vec![touch(table.name.schema.clone(), table.name.name.clone())];
    if table.kind == 'p' && session.major() < 18 {
        for row in session.query(PARTITIONS, &[&table.oid]).await? {
            touches.push(touch(row.try_get(0)?, row.try_get(1)?));
        }
    }
    Ok(touches)
}

fn sql(session: &Session, table: &ObjectName, job: Job) -> String {
    let table = quote_object(table);
    // From PostgreSQL 18 on both go into children unless told otherwise.
    let only = if session.major() >= 18 { "ONLY " } else { "" };
    match job {
        Job::Analyze => format!("ANALYZE {only}{table}"),
        Job::Vacuum { analyze } => {
            let analyze = if analyze { "ANALYZE, " } else { "" };
            let ring = if session.major() >= 16 {
                ", BUFFER_USAGE_LIMIT '2MB'"
            } else {
                ""
            };
            format!("VACUUM ({analyze}SKIP_LOCKED{ring}) {only}{table}")
        }
    }
}

/// Runs the statement and makes sure that the server did not skip the table.
pub(super) async fn apply(
    room: &Room,
    permit: &ChangePermit,
    table: &ObjectName,
    job: Job,
    prepared: &Prepared,
) -> Result<Applied, ApplyFailure> {
    let before: Before = work::from_value(&prepared.before).map_err(not_done)?;
    let work = Work::open(room, permit).await.map_err(not_done)?;
    let session = &work.session;
    work.table(table, before.oid).await.map_err(not_done)?;
    let note = work.note(None).await.map_err(not_done)?;
    work.run(&sql(session, table, job))
        .await
        .map_err(|ended: Ended| work.failed_maintenance(ended))?;
    let warnings = session.take_warnings();
    if warnings.iter().any(|code| code.code() == "55P03") {
        return Err(not_done(held(&work, table, before.oid, note.at).await));
    }
    let looking = recorded(session, permit.clock(), before.oid, job, note.at);
    let Recorded { now, known } = match work.look_after(looking).await {
        Ok(recorded) => recorded,
        // Without a warning it is done, whatever keeps us from seeing what it came to.
        Err(_) if warnings.is_empty() => return unseen(job, &before).map_err(in_doubt),
        Err(failure) => return Err(failure),
    };
    let Some(now) = now else {
        return Err(not_done(gone(table)));
    };
    // Without a warning the statement did its work, and only the statistics are late.
    if !known && !warnings.is_empty() {
        return Err(not_done(denied(&work, table).await?));
    }
    answer(job, &before, &now).map_err(in_doubt)
}

/// What the server's statistics say after a statement.
pub(super) struct Recorded {
    /// Nothing if the table is gone.
    pub(super) now: Option<Now>,
    /// Whether they know of the statement. That they do not is no proof that it did not happen.
    pub(super) known: bool,
}

/// Looks whether the server's statistics know of a statement that is over. From PostgreSQL 15 on they do at once, before that in a moment.
pub(super) async fn recorded(
    session: &Session,
    clock: &Clock,
    oid: u32,
    job: Job,
    since: i64,
) -> Outcome<Recorded> {
    let end = clock.instant() + STATISTICS;
    loop {
        let now = now(session, oid).await?;
        let known = now.as_ref().is_none_or(|now| now.shows(job, since));
        if known || session.major() >= 15 || clock.instant() >= end {
            return Ok(Recorded { now, known });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Another session holds the table, and the server skipped it, or the second half of the work.
async fn held(work: &Work<'_>, table: &ObjectName, oid: u32, since: i64) -> CallError {
    let name = dotted(table);
    let now = work
        .look_after(now(&work.session, oid))
        .await
        .ok()
        .flatten();
    let text = if now.is_some_and(|now| now.shows(Job::Vacuum { analyze: false }, since)) {
        format!("`{name}` was vacuumed; another session held it when it was to be analyzed")
    } else {
        format!("another session holds `{name}`; the server skipped it")
    };
    CallError::new(ErrorKind::Conflict, text)
}

async fn denied(work: &Work<'_>, table: &ObjectName) -> Result<CallError, ApplyFailure> {
    let why = work
        .look_after(lacks_right(&work.session, table, "maintain"))
        .await?;
    let text = format!("the server skipped `{}`: {why}", dotted(table));
    Ok(CallError::new(ErrorKind::Denied, text))
}

/// Answers from before and now.
pub(super) fn answer(job: Job, before: &Before, now: &Now) -> Result<Applied, CallError> {
    match job {
        Job::Vacuum { .. } => applied(
            &vacuumed(before, now.dead_rows, now.bytes),
            format!("{} dead", text::rows(now.dead_rows)),
            None,
        ),
        Job::Analyze => applied(&(), String::new(), None),
    }
}

/// Answers where nobody could look afterwards: what was not seen counts as unchanged.
fn unseen(job: Job, before: &Before) -> Result<Applied, CallError> {
    let now = Now {
        dead_rows: before.dead_rows,
        bytes: before.bytes,
        vacuumed: None,
        analyzed: None,
    };
    Ok(Applied {
        after: "done, not looked at since".into(),
        ..answer(job, before, &now)?
    })
}

fn vacuumed(before: &Before, dead_rows_after: u64, bytes_after: u64) -> Vacuumed {
    Vacuumed {
        dead_rows_before: before.dead_rows,
        dead_rows_after,
        bytes_before: before.bytes,
        bytes_after,
    }
}

/// What the server knows of the table now; nothing if it is gone.
pub(super) async fn now(session: &Session, oid: u32) -> Outcome<Option<Now>> {
    let sql = NOW.replace("{held}", HELD).replace("{busy}", BUSY);
    let Some(row) = session.query_opt(&sql, &[&oid]).await? else {
        return Ok(None);
    };
    Ok(Some(Now {
        dead_rows: amount(&row, 0)?,
        bytes: amount(&row, 1)?,
        vacuumed: row.try_get(2)?,
        analyzed: row.try_get(3)?,
    }))
}

impl Now {
    /// Whether the job was done since the instant.
    pub(super) fn shows(&self, job: Job, since: i64) -> bool {
        let after = |at: Option<i64>| at.is_some_and(|at| at >= since);
        match job {
            Job::Vacuum { analyze } => after(self.vacuumed) && (!analyze || after(self.analyzed)),
            Job::Analyze => after(self.analyzed),
        }
    }
}

fn gone(table: &ObjectName) -> CallError {
    CallError::new(
        ErrorKind::NotFound,
        format!("`{}` was dropped meanwhile", dotted(table)),
    )
}
