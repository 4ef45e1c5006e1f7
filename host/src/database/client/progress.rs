//! How far a statement is, from the server's progress views.

use super::failure::Outcome;
use super::purpose::Purpose;
use super::room::Room;
use super::session::Session;
use crate::engine::{Permit, Progress};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(300);

/// Each phase counts what the view counts for it; a phase without a count has a total of zero.
const PROGRESS: &str = "
    SELECT v.phase,
           CASE v.phase WHEN 'scanning heap' THEN v.heap_blks_scanned WHEN 'vacuuming heap' THEN v.heap_blks_vacuumed ELSE 0 END,
           CASE WHEN v.phase IN ('scanning heap', 'vacuuming heap') THEN v.heap_blks_total ELSE 0 END
    FROM pg_stat_progress_vacuum v WHERE v.pid = $1
    UNION ALL
    SELECT i.phase,
           CASE WHEN i.lockers_total > 0 THEN i.lockers_done WHEN i.blocks_total > 0 THEN i.blocks_done ELSE i.tuples_done END,
           CASE WHEN i.lockers_total > 0 THEN i.lockers_total WHEN i.blocks_total > 0 THEN i.blocks_total ELSE i.tuples_total END
    FROM pg_stat_progress_create_index i WHERE i.pid = $1
    UNION ALL
    SELECT a.phase, a.sample_blks_scanned, a.sample_blks_total
    FROM pg_stat_progress_analyze a WHERE a.pid = $1
    LIMIT 1";

/// Shows how far the server process is, for as long as it is polled. Nothing to show, or nobody to ask, is no failure; it never ends.
pub(super) async fn show(room: &Room, permit: &Permit, pid: i32) {
    if !permit.is_progress_seen() {
        return std::future::pending().await;
    }
    tokio::time::sleep(PAUSE).await;
    if let Ok(watch) = room.open(Purpose::Watch, permit, permit.deadline()).await {
        while show_once(&watch, permit, pid).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    std::future::pending::<()>().await;
}

/// Shows how far the server process is now.
pub(super) async fn show_once(watch: &Session, permit: &Permit, pid: i32) -> Outcome<()> {
    if let Some(row) = watch.query_opt(PROGRESS, &[&pid]).await? {
        let count = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        permit.progress(Progress {
            phase: row.try_get::<_, Option<String>>(0)?.unwrap_or_default(),
            done: count(row.try_get(1)?),
            total: count(row.try_get(2)?),
            notice: false,
        });
    }
    Ok(())
}
