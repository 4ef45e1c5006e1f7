//! What an operator can choose.

use windlass_sdk::Error;
use windlass_sdk::cluster::{Namespaced, namespaced};
use windlass_sdk::parameters::{Manifests, Span};

/// Manifests or fields, and what is done about what they change.
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
    /// An object whose fields are set, instead: KIND/NAME such as deployment/web, or in full such as apps/v1/Deployment/web.
    #[serde(default)]
    pub object: Option<String>,
    /// What its fields get, each as FIELD=VALUE, such as spec.minReplicas=2; null takes the field away.
    #[serde(default)]
    pub fields: Vec<String>,
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
    /// Secrets that the manifests may give to pods.
    #[serde(default)]
    #[expect(dead_code, reason = "the needs in plugin.toml are filled in with it")]
    pub secrets: Vec<String>,
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

    /// Exactly one way has to be chosen.
    pub(crate) fn way(&self) -> Result<Way<'_>, Error> {
        let manifests = (!self.manifests.0.is_empty()).then_some(Way::Manifests);
        let back = self.back.then_some(Way::Back);
        let fields = match (self.object.as_deref(), &self.fields[..]) {
            (None, []) => None,
            (Some(object), fields @ [_, ..]) => Some(Way::Fields(object, fields)),
            _ => return Err("object and fields go together: which fields of which object?".into()),
        };
        let mut chosen = [manifests, back, fields].into_iter().flatten();
        match (chosen.next(), chosen.next()) {
            (Some(way), None) => Ok(way),
            (None, _) => Err(
                "there is nothing to do: set manifests=@PATH, back, or object and fields".into(),
            ),
            (Some(_), Some(_)) => {
                Err("more than one of manifests, back and fields is chosen; choose one".into())
            }
        }
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// The manifests of the parameters are applied.
    Manifests,
    /// What was applied before the last time is applied.
    Back,
    /// Fields of an object are set.
    Fields(&'a str, &'a [String]),
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    /// The way in a few words.
    fn way(more: &str) -> Result<String, String> {
        let text = format!("{{\"namespace\": \"shop\"{more}}}");
        let parameters: Parameters = serde_json::from_str(&text).unwrap();
        let way = parameters.way().map_err(|error| error.message)?;
        Ok(format!("{way:?}"))
    }

    #[test]
    fn one_way_is_chosen() {
        let manifests = r#", "manifests": [{"file": "a.yaml", "object": {}}]"#;
        let fields = r#", "object": "deployment/web", "fields": ["spec.replicas=2"]"#;
        assert!(way("").unwrap_err().starts_with("there is nothing"));
        assert_eq!(way(manifests), Ok("Manifests".into()));
        assert_eq!(way(", \"back\": true"), Ok("Back".into()));
        assert!(
            way(fields)
                .unwrap()
                .starts_with("Fields(\"deployment/web\"")
        );
        assert!(way(&format!("{manifests}, \"back\": true")).is_err());
        assert!(way(&format!("{manifests}{fields}")).is_err());
        assert!(way(r#", "object": "deployment/web""#).is_err());
    }
}
