//! What an operator can choose.

use windlass_sdk::cluster::{Namespaced, namespaced};
use windlass_sdk::parameters::Span;

/// One CronJob, and how old its newest backup may be.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The namespace of the CronJob.
    pub namespace: String,
    /// The CronJob whose template makes the backup.
    pub cron_job: String,
    /// Only look whether the newest backup is fresh; no job is made.
    #[serde(default)]
    pub only_check: bool,
    /// How long ago the newest backup may have ended.
    #[serde(default = "a_day")]
    pub max_age: Span,
    /// How long the new job may take.
    #[serde(default = "an_hour")]
    pub within: Span,
    /// How many of the last lines of each pod's log are kept. 0: none.
    #[serde(default = "fifty")]
    #[schemars(range(max = 1000))]
    pub lines: u32,
    /// A channel that is told when a run starts and how it ended. Absent: nobody is.
    #[serde(default)]
    pub notify: Option<String>,
}

fn a_day() -> Span {
    Span::hours(24)
}

fn an_hour() -> Span {
    Span::hours(1)
}

fn fifty() -> u32 {
    50
}

impl Parameters {
    pub(crate) fn cron_job(&self) -> Namespaced {
        namespaced(&self.namespace, &self.cron_job)
    }
}
