//! What an operator can choose.

use windlass_sdk::parameters::Span;

/// Which certificates of a namespace are renewed, and what has to load them then.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The namespace of the certificates.
    pub namespace: String,
    /// Their names. Empty: all of the namespace.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Those are renewed that are valid for less than this.
    #[serde(default = "thirty_days")]
    pub min_left: Span,
    /// Renew them however long they are valid.
    #[serde(default)]
    pub force: bool,
    /// How long one renewal, one restart, and an endpoint may take.
    #[serde(default = "ten_minutes")]
    pub within: Span,
    /// Deployments that load a certificate only when they start; restarted after the last renewal, one by one.
    #[serde(default)]
    pub restart: Vec<String>,
    /// Endpoints that show one of the certificates. In the end each has to show the one that is stored.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// How often in a row an endpoint has to show it.
    #[serde(default = "three")]
    pub passes: u32,
    /// From one look at an endpoint to the next.
    #[serde(default = "two_seconds")]
    pub every: Span,
    /// A channel that is told when a run starts and how it ended. Absent: nobody is.
    #[serde(default)]
    pub notify: Option<String>,
}

fn thirty_days() -> Span {
    Span::hours(30 * 24)
}

fn three() -> u32 {
    3
}

fn two_seconds() -> Span {
    Span::seconds(2)
}

fn ten_minutes() -> Span {
    Span::minutes(10)
}
