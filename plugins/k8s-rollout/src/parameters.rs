//! What an operator can choose.

use windlass_sdk::Error;
use windlass_sdk::cluster::{WorkloadKind, WorkloadName};
use windlass_sdk::parameters::{Manifest, Manifests, Span};

/// One workload, and one change of it.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a parameter that an operator sets by its name"
)]
pub(crate) struct Parameters {
    /// The namespace of the workload.
    pub namespace: String,
    /// Its kind.
    #[serde(default)]
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// New images, each as CONTAINER=IMAGE.
    #[serde(default)]
    pub images: Vec<String>,
    /// A Job that makes the database fit for both images, before the new one is rolled out. Only with images.
    #[serde(default)]
    pub expand: Manifests,
    /// A Job that takes away what only the old image needed, after the new one is rolled out. Only with images. From here on nothing can be
    /// taken back.
    #[serde(default)]
    pub contract: Manifests,
    /// How long the new pods have to run well before the contract Job is made.
    #[serde(default = "a_minute")]
    pub soak: Span,
    /// Service accounts, besides `default`, that the Jobs may run as.
    #[serde(default)]
    #[expect(dead_code, reason = "the needs in plugin.toml are filled in with it")]
    pub service_accounts: Vec<String>,
    /// Secrets that the manifests may give to pods.
    #[serde(default)]
    #[expect(dead_code, reason = "the needs in plugin.toml are filled in with it")]
    pub secrets: Vec<String>,
    /// How many replicas there should be.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// Scale it to none. How many replicas there were is kept for `start`.
    #[serde(default)]
    pub stop: bool,
    /// Scale it to as many replicas as there were when it was stopped.
    #[serde(default)]
    pub start: bool,
    /// Have each pod replaced.
    #[serde(default)]
    pub restart: bool,
    /// Go back to the revision before.
    #[serde(default)]
    pub undo: bool,
    /// Go back to this revision.
    #[serde(default)]
    pub to_revision: Option<u64>,
    /// How long the rollout may take, and each Job.
    #[serde(default = "ten_minutes")]
    pub within: Span,
    /// Endpoints that are watched meanwhile: the report tells for how long users were hit.
    #[serde(default)]
    pub watch: Vec<String>,
    /// A channel that is told when a run starts and how it ended. Absent: nobody is.
    #[serde(default)]
    pub notify: Option<String>,
}

fn a_minute() -> Span {
    Span::minutes(1)
}

fn ten_minutes() -> Span {
    Span::minutes(10)
}

/// What runs pods.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}

/// The one change that is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Container and image.
    Images(Vec<(String, String)>),
    Replicas(u32),
    Stop,
    Start,
    Restart,
    /// To this revision, or to the one before.
    RollBack(Option<u64>),
}

impl Parameters {
    pub(crate) fn workload(&self) -> WorkloadName {
        WorkloadName {
            kind: match self.kind {
                Kind::Deployment => WorkloadKind::Deployment,
                Kind::StatefulSet => WorkloadKind::StatefulSet,
                Kind::DaemonSet => WorkloadKind::DaemonSet,
            },
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// What the number of replicas before a stop is kept under.
    pub(crate) fn key(&self) -> String {
        let Self {
            kind,
            namespace,
            name,
            ..
        } = self;
        format!("replicas of {kind:?} {namespace}/{name}")
    }

    /// Exactly one change has to be chosen.
    pub(crate) fn change(&self) -> Result<Change, Error> {
        let migrates = !self.expand.0.is_empty() || !self.contract.0.is_empty();
        if migrates && self.images.is_empty() {
            return Err("expand and contract go with images: what would they migrate to?".into());
        }
        job("expand", &self.expand)?;
        job("contract", &self.contract)?;
        let mut chosen = Vec::new();
        if !self.images.is_empty() {
            chosen.push(Change::Images(images(&self.images)?));
        }
        chosen.extend(self.replicas.map(Change::Replicas));
        let rolls_back = self.undo || self.to_revision.is_some();
        for (is_chosen, change) in [
            (self.stop, Change::Stop),
            (self.start, Change::Start),
            (self.restart, Change::Restart),
            (rolls_back, Change::RollBack(self.to_revision)),
        ] {
            if is_chosen {
                chosen.push(change);
            }
        }
        match (chosen.pop(), chosen.is_empty()) {
            (Some(change), true) => Ok(change),
            (None, _) => Err(
                "no change is chosen: set images, replicas, stop, start, restart, undo or to-revision"
                    .into(),
            ),
            (Some(_), false) => Err("more than one change is chosen; make one at a time".into()),
        }
    }
}

/// The one Job of a parameter, if it is given.
pub(crate) fn job<'a>(name: &str, given: &'a Manifests) -> Result<Option<&'a Manifest>, Error> {
    match &given.0[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        more => Err(Error::failed(format!(
            "{name} is one Job, not {} manifests",
            more.len()
        ))),
    }
}

fn images(written: &[String]) -> Result<Vec<(String, String)>, Error> {
    let split = |text: &String| {
        let (container, image) = text
            .split_once('=')
            .filter(|(container, image)| !container.is_empty() && !image.is_empty())
            .ok_or_else(|| Error::failed(format!("`{text}` is not CONTAINER=IMAGE")))?;
        Ok((container.to_owned(), image.to_owned()))
    };
    written.iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::{Change, Parameters};

    fn change(more: &str) -> Result<Change, String> {
        let text = format!("{{\"namespace\": \"shop\", \"name\": \"web\"{more}}}");
        let parameters: Parameters = serde_json::from_str(&text).unwrap();
        parameters.change().map_err(|error| error.message)
    }

    #[test]
    fn one_change_is_chosen() {
        let image = vec![("app".to_owned(), "shop:2".to_owned())];
        assert_eq!(
            change(", \"images\": [\"app=shop:2\"]"),
            Ok(Change::Images(image))
        );
        assert_eq!(change(", \"replicas\": 0"), Ok(Change::Replicas(0)));
        assert_eq!(change(", \"restart\": true"), Ok(Change::Restart));
        assert_eq!(change(", \"stop\": true"), Ok(Change::Stop));
        assert_eq!(change(", \"start\": true"), Ok(Change::Start));
        assert_eq!(change(", \"undo\": true"), Ok(Change::RollBack(None)));
        assert_eq!(
            change(", \"undo\": true, \"to-revision\": 3"),
            Ok(Change::RollBack(Some(3)))
        );
        assert!(change("").unwrap_err().starts_with("no change is chosen"));
        assert!(
            change(", \"restart\": true, \"replicas\": 1")
                .unwrap_err()
                .starts_with("more than one")
        );
        assert!(
            change(", \"stop\": true, \"start\": true")
                .unwrap_err()
                .starts_with("more than one")
        );
        assert!(
            change(", \"restart\": true, \"expand\": [{\"file\": \"e\", \"object\": {}}]")
                .unwrap_err()
                .starts_with("expand and contract go with images")
        );
        assert_eq!(
            change(", \"images\": [\"app\"]").unwrap_err(),
            "`app` is not CONTAINER=IMAGE"
        );
    }
}
