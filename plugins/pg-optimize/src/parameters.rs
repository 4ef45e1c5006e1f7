//! What an operator can choose.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use windlass_sdk::parameters::{Size, Span};

/// Thresholds, guards, and what is done only when asked for.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Parameters {
    /// At most so many objects are worked on in one run.
    #[schemars(range(max = 200))]
    pub max_objects: u32,
    /// Smaller tables are not vacuumed and smaller indexes not rebuilt.
    pub min_size: Size,
    /// After this time nothing new is started. At most 210min: the budget of a run is 4h.
    #[serde(deserialize_with = "within_budget")]
    pub stop_after: Span,
    /// Percent of an index that must be bloat before it is rebuilt.
    #[schemars(range(min = 1, max = 99))]
    pub index_bloat: u8,
    /// Percent of a table's rows that must be dead before it is vacuumed.
    #[schemars(range(max = 100))]
    pub dead_rows: u8,
    /// Tables with fewer dead rows are not vacuumed.
    pub min_dead_rows: u64,
    /// Percent of a table's rows that must have changed before it is analyzed without being vacuumed.
    #[schemars(range(max = 100))]
    pub modified_rows: u8,
    /// Tables with fewer changed rows are not analyzed.
    pub min_modified_rows: u64,
    /// A partitioned table is analyzed when its statistics are older than this; nothing else ever does it.
    pub parent_statistics_age: Span,
    /// Nothing is started while a standby is further behind in time.
    pub max_lag: Span,
    /// Nothing is started while a standby is further behind in bytes, or a slot that nobody uses retains more.
    pub max_lag_bytes: Size,
    /// How long to wait for a standby to catch up before stopping.
    pub lag_patience: Span,
    /// The largest index that is rebuilt if the free disk space is unknown. If it is known, twice the index must be free.
    pub max_size_when_disk_unknown: Size,
    /// Transactions open for longer are reported as what keeps dead rows.
    pub report_transactions: Span,
    /// Drop indexes whose creation never finished, instead of only reporting them.
    pub drop_failed_creations: bool,
    /// Make autovacuum start earlier on the tables that needed vacuum most.
    pub tune_autovacuum: bool,
    /// Percent of a table's rows that must be dead before its autovacuum is tuned.
    #[schemars(range(max = 100))]
    pub tune_above: u8,
    /// Percent of a table's rows that may be dead before a tuned autovacuum starts.
    #[schemars(range(min = 1, max = 100))]
    pub tune_to: u8,
    /// Cancel statements that an earlier windlass run left running, instead of only reporting them.
    pub cancel_abandoned: bool,
    /// A channel that is told when a run starts and how it ended. Absent: nobody is.
    pub notify: Option<String>,
}

/// What is started last has half an hour until the budget ends the run.
const LONGEST: Span = Span::minutes(210);

fn within_budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span <= LONGEST {
        return Ok(span);
    }
    let message = format!("{span} is too long, at most {LONGEST} fits into the budget of a run");
    Err(D::Error::custom(message))
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            max_objects: 200,
            min_size: Size::megabytes(10),
            stop_after: Span::hours(3),
            index_bloat: 30,
            dead_rows: 5,
            min_dead_rows: 1000,
            modified_rows: 10,
            min_modified_rows: 1000,
            parent_statistics_age: Span::hours(7 * 24),
            max_lag: Span::seconds(30),
            max_lag_bytes: Size::megabytes(256),
            lag_patience: Span::minutes(5),
            max_size_when_disk_unknown: Size::megabytes(1024),
            report_transactions: Span::minutes(5),
            drop_failed_creations: false,
            tune_autovacuum: false,
            tune_above: 20,
            tune_to: 2,
            cancel_abandoned: false,
            notify: None,
        }
    }
}
