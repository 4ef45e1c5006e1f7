//! The cluster that `WINDLASS_TEST_KUBECONFIG` names.

use super::cluster::home;
use super::credentials::{User, write};
use super::{Cluster, Error, VARIABLE};
use crate::shell;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the suite takes for granted, and how kubectl is asked for it.
const NEEDS: [(&str, &[&str]); 3] = [
    (
        "it does not answer its administrator",
        &["get", "--raw", "/readyz"],
    ),
    (
        "it lacks kinds of tests/testbed/crds.yaml",
        &[
            "get",
            "crd",
            "certificates.cert-manager.io",
            "certificaterequests.cert-manager.io",
            "httproutes.gateway.networking.k8s.io",
            "prometheusrules.monitoring.coreos.com",
        ],
    ),
    (
        "it has no node that is ready",
        &[
            "wait",
            "node",
            "--all",
            "--for=condition=Ready",
            "--timeout=10s",
        ],
    ),
];

impl Cluster {
    /// The one that `WINDLASS_TEST_KUBECONFIG` names, if it names one. kubectl on PATH speaks to it, and windlass is its user `windlass` by
    /// impersonation.
    pub fn given() -> Result<Option<Self>, Error> {
        match std::env::var_os(VARIABLE) {
            Some(path) if !path.is_empty() => Self::named(&PathBuf::from(path)).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn named(kubeconfig: &Path) -> Result<Self, Error> {
        let kubectl = shell::on_path("kubectl").ok_or(Error::NoKubectl)?;
        // The file may name others, which it is beside.
        let mut view = Command::new(&kubectl);
        view.arg("--kubeconfig").arg(kubeconfig).args([
            "config",
            "view",
            "--raw",
            "--flatten",
            "--minify",
            "--output=json",
        ]);
        let unfit = |failure| Error::Unfit("its kubeconfig cannot be used", failure);
        let admin = shell::output(&mut view).map_err(unfit)?;
        let home = home()?;
        let path = home.path().to_path_buf();
        let given = Self::of_somebody(kubectl, home)?;
        write(&User::Admin.kubeconfig(&path), &admin)?;
        let windlass = impersonating(&admin, User::Windlass);
        let windlass = windlass.map_err(|error| Error::Json(kubeconfig.to_path_buf(), error))?;
        write(&User::Windlass.kubeconfig(&path), &windlass)?;
        Ok(given)
    }

    /// Whether the suite can use it: one of ours serves.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_ours() {
            return Ok(());
        }
        for (lack, arguments) in NEEDS {
            let mut look = self.kubectl(User::Admin);
            look.args(arguments);
            shell::output(&mut look).map_err(|failure| Error::Unfit(lack, failure))?;
        }
        Ok(())
    }
}

/// A kubeconfig with the rights of another user.
fn impersonating(kubeconfig: &str, user: User) -> Result<String, serde_json::Error> {
    let mut kubeconfig: Value = serde_json::from_str(kubeconfig)?;
    if let Some(users) = kubeconfig["users"].as_array_mut() {
        for entry in users {
            entry["user"]["as"] = json!(user.name());
            entry["user"]["as-groups"] = json!(user.group().as_slice());
        }
    }
    Ok(kubeconfig.to_string())
}
