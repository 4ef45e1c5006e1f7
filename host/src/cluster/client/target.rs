//! What an operator says about a cluster: where it is, as whom to work there.

use crate::secret::Secret;
use std::path::PathBuf;
use thiserror::Error;

/// One named cluster, as the operator configured it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The logical name that grants and procedures use.
    pub name: String,
    /// The text of a kubeconfig.
    pub kubeconfig: Secret,
    /// The folder of its file: what it names by a relative path is looked for there, as kubectl does. None if it was not in a file.
    pub folder: Option<PathBuf>,
    /// The context in it, if not its current one.
    pub context: Option<String>,
    /// The namespace that this target is about, if not that of the context; the lock is kept there.
    pub namespace: Option<String>,
}

/// A cluster cannot be used as configured. Nothing of a kubeconfig is repeated.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TargetError {
    #[error("the cluster `{0}` is configured twice")]
    Twice(String),
    #[error("the kubeconfig of `{0}` is none")]
    Malformed(String),
    #[error("the kubeconfig of `{name}` has no context `{context}`")]
    NoContext { name: String, context: String },
    #[error("the kubeconfig of `{0}` names a proxy, which is not supported")]
    Proxy(String),
    #[error(
        "the kubeconfig of `{0}` says insecure-skip-tls-verify, and whoever answers would be given its credentials: \
         name the server's certificate-authority instead"
    )]
    Unverified(String),
    #[error(
        "the kubeconfig of `{0}` leads nowhere: server, certificate or credentials cannot be used"
    )]
    Unusable(String),
    #[error("`{namespace}`, the namespace of `{name}`, is no name of one")]
    Namespace { name: String, namespace: String },
}
