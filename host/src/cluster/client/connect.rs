//! From a kubeconfig to a connection. Nothing is read from the environment, and no proxy is used.

use super::target::{Target, TargetError};
use crate::cluster::object::check_namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::time::Duration;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A client, and the namespace that the target is about. Does not connect yet; a credential plugin that the kubeconfig names is run with the first
/// request.
pub(super) async fn connect(target: &Target) -> Result<(kube::Client, String), TargetError> {
    let name = || target.name.clone();
    let kubeconfig = Kubeconfig::from_yaml(target.kubeconfig.expose())
        .map_err(|_| TargetError::Malformed(name()))?;
    let context = target
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone())
        .unwrap_or_default();
    if !kubeconfig
        .contexts
        .iter()
        .any(|known| known.name == context)
    {
        return Err(TargetError::NoContext {
            name: name(),
            context,
        });
    }
    if kubeconfig
        .clusters
        .iter()
        .filter_map(|known| known.cluster.as_ref())
        .any(|cluster| cluster.proxy_url.is_some())
    {
        return Err(TargetError::Proxy(name()));
    }
    let options = KubeConfigOptions {
        context: Some(context),
        ..KubeConfigOptions::default()
    };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|_| TargetError::Unusable(name()))?;
    // The library looks for proxies in the environment.
    config.proxy_url = None;
    // It would try again for a quarter of an hour what a disruption budget refuses.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    let namespace = target
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    if check_namespace(&namespace).is_err() {
        return Err(TargetError::Namespace {
            name: name(),
            namespace,
        });
    }
    let client = kube::Client::try_from(config).map_err(|_| TargetError::Unusable(name()))?;
    Ok((client, namespace))
}
