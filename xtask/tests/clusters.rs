//! What a Kubernetes of ours owes to the machine that it runs on; what it owes to tests is in `tests/it/testbed`.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it is a test: a process is killed, and what follows is waited for"
)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use xtask::kubernetes::{Cluster, Error, Kubebed, Options, VARIABLE};
use xtask::shell::on_path;

fn kubebed() -> Kubebed {
    Kubebed::built(&|_| ()).unwrap()
}

#[test]
fn no_cluster_outlives_a_killed_owner() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("cluster")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(owner.stdout.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    let kubeconfig = Path::new(line.strip_prefix("export KUBECONFIG=").unwrap());
    let home = kubeconfig.parent().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(home), mode(kubeconfig)), (0o700, 0o600));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let gone = xtask::until(Duration::from_secs(20), || (!home.exists()).then_some(()));
    assert!(gone.is_some(), "{} is still there", home.display());
}

#[test]
fn a_program_that_does_not_start_is_told_with_its_log() {
    let options = Options::default().api_server_flag("--no-such-flag");
    let Err(error) = Cluster::start(&kubebed(), &options) else {
        panic!("it started");
    };
    assert!(matches!(
        &error,
        Error::Ended {
            program: "kube-apiserver",
            ..
        }
    ));
    assert!(
        error.story().contains("unknown flag: --no-such-flag"),
        "{}",
        error.story()
    );
}

#[test]
fn without_go_what_was_built_is_used() {
    let built = kubebed();
    // Nothing but what starts and ends a server.
    let path = tempfile::tempdir().unwrap();
    for name in ["sh", "rm", "sleep"] {
        symlink(on_path(name).unwrap(), path.path().join(name)).unwrap();
    }
    let mut cluster = Command::new(env!("CARGO_BIN_EXE_xtask"));
    cluster
        .arg("cluster")
        .env_remove(VARIABLE)
        .env("PATH", path.path())
        .stdin(Stdio::null());
    let output = cluster.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("Kubernetes   {} built", built.version())),
        "{said}"
    );
}
