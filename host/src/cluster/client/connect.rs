//! From a kubeconfig to a connection. Nothing is read from the environment, and no proxy is used.

use super::target::{Target, TargetError};
use crate::cluster::object::check_namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::Path;
use std::time::Duration;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A client, and the namespace that the target is about. Does not connect yet; a credential plugin that the kubeconfig names is run with the first
/// request.
pub(super) async fn connect(target: &Target) -> Result<(kube::Client, String), TargetError> {
    let name = || target.name.clone();
    let mut kubeconfig = Kubeconfig::from_yaml(target.kubeconfig.expose())
        .map_err(|_| TargetError::Malformed(name()))?;
    if let Some(folder) = &target.folder {
        resolve(&mut kubeconfig, folder);
    }
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
    let clusters = || {
        let known = kubeconfig.clusters.iter();
        known.filter_map(|known| known.cluster.as_ref())
    };
    if clusters().any(|cluster| cluster.proxy_url.is_some()) {
        return Err(TargetError::Proxy(name()));
    }
    if clusters().any(|cluster| cluster.insecure_skip_tls_verify == Some(true)) {
        return Err(TargetError::Unverified(name()));
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

/// Paths are relative to the kubeconfig's own folder, and so is a program with a folder in its name (client-go, `ResolveLocalPaths`).
fn resolve(kubeconfig: &mut Kubeconfig, folder: &Path) {
    let absolute = |path: &mut Option<String>| {
        if let Some(path) = path {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
    };
    for known in &mut kubeconfig.clusters {
        if let Some(cluster) = &mut known.cluster {
            absolute(&mut cluster.certificate_authority);
        }
    }
    for known in &mut kubeconfig.auth_infos {
        let Some(user) = &mut known.auth_info else {
            continue;
        };
        absolute(&mut user.client_certificate);
        absolute(&mut user.client_key);
        absolute(&mut user.token_file);
        if let Some(exec) = &mut user.exec
            && exec
                .command
                .as_ref()
                .is_some_and(|command| command.contains('/'))
        {
            absolute(&mut exec.command);
        }
    }
}
