//! How each program of a cluster is called.

use super::credentials::User;
use std::path::Path;

/// For all that is asked of the API server by its own programs: nothing is to wait for its turn.
const RATE: [&str; 2] = ["--kube-api-qps=200", "--kube-api-burst=400"];

/// The API server on this port.
pub(super) fn api_server(home: &Path, port: u16) -> Vec<String> {
    let at = |name: &str| home.join(name).display().to_string();
    vec![
        format!("--etcd-servers=unix://{}", at("etcd/client")),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        // One for documentation: loopback is refused here, and where there is no default route none can be guessed.
        "--advertise-address=192.0.2.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--tls-cert-file={}", at("server.crt")),
        format!("--tls-private-key-file={}", at("server.key")),
        format!("--client-ca-file={}", at("ca.crt")),
        format!("--token-auth-file={}", at("tokens.csv")),
        "--authorization-mode=Node,RBAC".to_owned(),
        // So that a namespace can say where its pods run: tests with nodes of their own do.
        "--enable-admission-plugins=PodNodeSelector,PodTolerationRestriction".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", at("accounts.pub")),
        format!("--service-account-signing-key-file={}", at("accounts.key")),
        format!("--kubelet-client-certificate={}", at("server.crt")),
        format!("--kubelet-client-key={}", at("server.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

/// What makes the API server record each request before it does anything about it.
pub(super) fn audit(policy: &Path, log: &Path) -> Vec<String> {
    vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", log.display()),
        "--audit-log-mode=blocking".to_owned(),
    ]
}

/// The controller manager.
pub(super) fn controller_manager(home: &Path) -> Vec<String> {
    let at = |name: &str| home.join(name).display().to_string();
    let mut flags = client(&User::ControllerManager.kubeconfig(home));
    flags.extend([
        "--use-service-account-credentials=true".to_owned(),
        format!("--service-account-private-key-file={}", at("accounts.key")),
        format!("--root-ca-file={}", at("ca.crt")),
    ]);
    flags
}

/// The scheduler.
pub(super) fn scheduler(home: &Path) -> Vec<String> {
    client(&User::Scheduler.kubeconfig(home))
}

/// What both have: they serve nobody, and there is one of each.
fn client(kubeconfig: &Path) -> Vec<String> {
    let mut flags = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
        "--profiling=false".to_owned(),
    ];
    flags.extend(RATE.map(str::to_owned));
    flags
}

/// KWOK, which is all the kubelets, on this port. `logs` says what pods log.
pub(super) fn kwok(home: &Path, stages: &Path, logs: &Path, port: u16) -> Vec<String> {
    let at = |name: &str| home.join(name).display().to_string();
    vec![
        format!("--kubeconfig={}", User::Kwok.kubeconfig(home).display()),
        format!("--config={}", stages.display()),
        format!("--config={}", logs.display()),
        "--manage-all-nodes=true".to_owned(),
        "--v=WARN".to_owned(),
        "--cidr=10.244.0.0/16".to_owned(),
        "--node-ip=127.0.0.1".to_owned(),
        format!("--node-port={port}"),
        format!("--server-address=127.0.0.1:{port}"),
        "--node-lease-duration-seconds=40".to_owned(),
        format!("--tls-cert-file={}", at("server.crt")),
        format!("--tls-private-key-file={}", at("server.key")),
    ]
}
