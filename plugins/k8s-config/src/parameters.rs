//! What an operator can choose.

use windlass_sdk::Error;
use windlass_sdk::cluster::{Namespaced, namespaced};
use windlass_sdk::parameters::{Manifests, Span};

/// Manifests, and what is done about what they change.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Parameters {
    /// The namespace of all objects.
    pub namespace: String,
    /// A file or a folder of manifests.
    #[serde(default)]
    pub manifests: Manifests,
    /// Go back to what was applied before the last time, instead.
    #[serde(default)]
    pub back: bool,
    /// The name of the apply-set, which is the ConfigMap that keeps it.
    #[serde(default = "set")]
    pub set: String,
    /// Delete what the set has and the manifests lack.
    #[serde(default = "yes")]
    pub prune: bool,
    /// Restart what takes from a ConfigMap that changed.
    #[serde(default = "yes")]
    pub restart: bool,
    /// Service accounts, besides `default`, that the manifests may give to pods.
    #[serde(default)]
    #[expect(dead_code, reason = "the needs in plugin.toml are filled in with it")]
    pub service_accounts: Vec<String>,
    /// How long each rollout may take.
    #[serde(default = "ten_minutes")]
    pub within: Span,
    /// A channel that is told when a run starts and how it ended. Absent: nobody is.
    #[serde(default)]
    pub notify: Option<String>,
}

fn set() -> String {
    "k8s-config".into()
}

fn yes() -> bool {
    true
}

fn ten_minutes() -> Span {
    Span::minutes(10)
}

impl Parameters {
    /// The parent of the set.
    pub(crate) fn parent(&self) -> Namespaced {
        namespaced(&self.namespace, &self.set)
    }

    /// The key under which a state of the set is remembered.
    pub(crate) fn key(&self, state: &str) -> String {
        format!("{state} of {}/{}", self.namespace, self.set)
    }

    /// Manifests or the way back has to be chosen, and not both.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match (self.manifests.0.is_empty(), self.back) {
            (true, false) => Err("there is nothing to apply: set manifests=@PATH or back".into()),
            (false, true) => Err("manifests and back are both chosen; choose one".into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    fn check(more: &str) -> Result<(), String> {
        let text = format!("{{\"namespace\": \"shop\"{more}}}");
        let parameters: Parameters = serde_json::from_str(&text).unwrap();
        parameters.check().map_err(|error| error.message)
    }

    #[test]
    fn one_way_is_chosen() {
        let manifests = r#", "manifests": [{"file": "a.yaml", "object": {}}]"#;
        assert!(check("").unwrap_err().starts_with("there is nothing"));
        assert_eq!(check(manifests), Ok(()));
        assert_eq!(check(", \"back\": true"), Ok(()));
        assert!(check(&format!("{manifests}, \"back\": true")).is_err());
    }
}
