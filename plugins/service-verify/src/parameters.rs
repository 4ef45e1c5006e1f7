//! What an operator can choose.

use windlass_sdk::Error;
use windlass_sdk::parameters::Span;

/// Most looks of one watch.
const MOST_LOOKS: u64 = 2_000;

/// Which services, and how they are looked at.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The namespace of the services.
    pub namespace: String,
    /// A label selector of their workloads. Empty: all of the namespace, and pods that no workload runs too.
    #[serde(default)]
    pub selector: String,
    /// Endpoints that have to pass.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// Keep how it is now as the baseline of later runs, and judge nothing.
    #[serde(default)]
    pub baseline: bool,
    /// How often an endpoint has to pass in a row.
    #[serde(default = "three")]
    pub passes: u32,
    /// From one look to the next.
    #[serde(default = "five_seconds")]
    pub every: Span,
    /// How long rollouts and endpoints may take to become well.
    #[serde(default = "five_minutes")]
    pub within: Span,
    /// For how long it is watched afterwards that all stays well. Absent: not at all.
    #[serde(default)]
    pub watch: Option<Span>,
    /// How often a pod may have been restarted since the baseline.
    #[serde(default)]
    pub max_restarts: u32,
}

fn three() -> u32 {
    3
}

fn five_seconds() -> Span {
    Span::seconds(5)
}

fn five_minutes() -> Span {
    Span::minutes(5)
}

impl Parameters {
    /// What the baseline is kept under: one for each namespace and selector.
    pub(crate) fn key(&self) -> String {
        format!("baseline 1 {} {}", self.namespace, self.selector)
    }

    /// How many looks the watch has.
    pub(crate) fn looks(&self) -> Result<u64, Error> {
        let every = self.every.as_milliseconds();
        if every < 100 {
            return Err("`every` is at least 100ms".into());
        }
        let watch = self.watch.map_or(0, Span::as_milliseconds);
        match watch.div_ceil(every) {
            looks if looks <= MOST_LOOKS => Ok(looks),
            looks => Err(Error::failed(format!(
                "a watch has at most {MOST_LOOKS} looks, not {looks}: choose a longer `every`"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    fn looks(more: &str) -> Result<u64, String> {
        let text = format!("{{\"namespace\": \"shop\"{more}}}");
        let parameters: Parameters = serde_json::from_str(&text).unwrap();
        parameters.looks().map_err(|error| error.message)
    }

    #[test]
    fn a_watch_has_an_end() {
        assert_eq!(looks(""), Ok(0));
        assert_eq!(looks(", \"watch\": \"10min\""), Ok(120));
        assert_eq!(looks(", \"watch\": \"11s\""), Ok(3));
        assert!(looks(", \"every\": \"0ms\"").is_err());
        assert!(looks(", \"watch\": \"12h\"").is_err());
        assert_eq!(looks(", \"watch\": \"12h\", \"every\": \"1min\""), Ok(720));
    }
}
