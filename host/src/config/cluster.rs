//! A named cluster and how its kubeconfig is found. It is not read before the cluster is used.

use super::secret::{SecretSource, Sought};
use super::{ConfigError, Environment};
use crate::cluster::Target;
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;

/// A section `[cluster.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawCluster {
    kubeconfig: SecretSource,
    context: Option<String>,
    namespace: Option<String>,
    pub(super) tell: Option<Vec<Spanned<String>>>,
}

/// A cluster as the operator configured it. Holds no secret.
#[derive(Clone, Debug)]
pub struct ClusterTarget {
    /// Its logical name.
    pub name: String,
    /// The context of the kubeconfig, if not its current one.
    pub context: Option<String>,
    /// The namespace that the target is about, if not that of the context.
    pub namespace: Option<String>,
    kubeconfig: SecretSource,
}

impl ClusterTarget {
    pub(super) fn new(name: String, raw: RawCluster, folder: &Path) -> Self {
        Self {
            name,
            context: raw.context,
            namespace: raw.namespace,
            kubeconfig: raw.kubeconfig.relative_to(folder),
        }
    }

    /// The target with its kubeconfig, read now from where the file says.
    pub fn resolve(&self, environment: &Environment) -> Result<Target, ConfigError> {
        let whose = format!("target `{}`", self.name);
        Ok(Target {
            name: self.name.clone(),
            kubeconfig: self
                .kubeconfig
                .read(&whose, Sought::Kubeconfig, environment)?,
            folder: self.kubeconfig.folder().map(Path::to_path_buf),
            context: self.context.clone(),
            namespace: self.namespace.clone(),
        })
    }
}
