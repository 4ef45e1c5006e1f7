//! What an operator can choose.

use windlass_sdk::parameters::{Size, Span};

/// Limits of what counts as healthy.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Parameters {
    /// How many standbys must be connected. Absent: as declared for the database in windlass.toml.
    pub expected_standbys: Option<u32>,
    /// How long a standby may be behind.
    pub max_lag: Span,
    /// How many bytes a standby may be behind.
    pub max_lag_bytes: Size,
    /// How much log a replication slot may hold back.
    pub max_retained: Size,
    /// Percent of the connections that must be free.
    #[schemars(range(max = 100))]
    pub min_headroom: u8,
    /// How long a session may be idle in a transaction.
    pub max_idle_in_transaction: Span,
    /// How long a transaction may be open.
    pub max_transaction_age: Span,
    /// How many sessions may wait for locks at once.
    pub max_lock_waits: u32,
    /// For how many transactions something may keep dead rows from being removed.
    pub max_horizon_age: u32,
    /// For how many transactions a table may go without being frozen. The server stops at about 2,100 million.
    pub max_wraparound_age: u32,
    /// Whether it is a failure to see no table at all.
    pub expect_tables: bool,
    /// Names of the invariants to evaluate. Empty: all that are declared.
    pub invariants: Vec<String>,
    /// Whether it is inconclusive if no invariant is declared.
    pub require_invariants: bool,
    /// How many of the statements that cost most since the last run are reported. 0: none.
    #[schemars(range(max = 100))]
    pub slow_queries: u32,
    /// A channel that is told when a run starts and how it ended. Absent: nobody is.
    pub notify: Option<String>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            expected_standbys: None,
            max_lag: Span::seconds(30),
            max_lag_bytes: Size::megabytes(64),
            max_retained: Size::megabytes(10 * 1024),
            min_headroom: 20,
            max_idle_in_transaction: Span::minutes(5),
            max_transaction_age: Span::hours(1),
            max_lock_waits: 3,
            max_horizon_age: 10_000_000,
            max_wraparound_age: 500_000_000,
            expect_tables: true,
            invariants: Vec::new(),
            require_invariants: false,
            slow_queries: 5,
            notify: None,
        }
    }
}
