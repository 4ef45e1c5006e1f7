//! `node-maintenance` planned for 500 nodes with 5,000 pods, and a wait that watches 5,000 pods go: how long, and how much memory.

use crate::figures::{Figures, Target, timed};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use xtask::kubernetes::{Cluster, Kubebed, Options, User};

const NODES: usize = 500;
const DEPLOYMENTS: usize = 50;
const REPLICAS: usize = 100;
/// Each is made, finds a node and runs at 200 requests a second at most.
const DEADLINE: &str = "--timeout=600s";

pub(crate) fn measure(figures: &mut Figures) {
    let kubebed = Kubebed::built(&|what| println!("{what}")).unwrap();
    let fleet = Fleet {
        cluster: Cluster::start(&kubebed, &Options::default().nodes(NODES)).unwrap(),
        folder: TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
    };
    fleet.configure();
    plan(figures, &fleet);
    watch(figures, &fleet);
}

fn plan(figures: &mut Figures, fleet: &Fleet) {
    let all: String = (0..DEPLOYMENTS)
        .map(|number| deployment(&format!("app-{number}"), REPLICAS))
        .collect();
    fleet.apply(&all);
    for number in 0..DEPLOYMENTS {
        fleet.roll_out(&format!("app-{number}"));
    }
    fleet.windlass(&[
        "grant",
        "node-maintenance",
        "--target",
        "staging",
        "--approved-by",
        "tester",
    ]);
    let words = [
        "plan",
        "node-maintenance",
        "--target",
        "staging",
        "--set",
        "pool=kubernetes.io/os=linux",
        "--set",
        "update=none",
        "--set",
        "namespaces=shop",
        "--out",
        "plan.json",
    ];
    // From here on it is in the cache.
    fleet.windlass(&words);
    let (mut times, mut sizes) = (vec![], vec![]);
    for _ in 0..figures.samples(5) {
        let (size, took) = timed(|| fleet.windlass(&words));
        times.push(took.as_secs_f64());
        sizes.push(size);
    }
    let name = "plan of 500 nodes and 5,000 pods";
    figures.add(name, Target::AtMost(2.0), "s", &times);
    figures.add(
        &format!("{name}, resident at most"),
        Target::AtMost(200.0),
        "MB",
        &sizes,
    );
    fleet.kubectl(&["delete", "deployments,pdb", "--all"]);
    fleet.kubectl(&["wait", "pods", "--all", "--for=delete", DEADLINE]);
}

fn watch(figures: &mut Figures, fleet: &Fleet) {
    fleet.windlass(&[
        "grant",
        "k8s-rollout",
        "--target",
        "staging",
        "--approved-by",
        "tester",
    ]);
    let mut sizes = vec![];
    for _ in 0..figures.samples(1) {
        fleet.apply(&deployment("all", DEPLOYMENTS * REPLICAS));
        fleet.roll_out("all");
        sizes.push(fleet.windlass(&[
            "run",
            "k8s-rollout",
            "--target",
            "staging",
            "--set",
            "namespace=shop",
            "--set",
            "name=all",
            "--set",
            "replicas=0",
        ]));
    }
    figures.add(
        "resident at most, a wait that watches 5,000 pods go",
        Target::AtMost(200.0),
        "MB",
        &sizes,
    );
}

fn deployment(name: &str, replicas: usize) -> String {
    let mut text = String::new();
    write!(
        text,
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  progressDeadlineSeconds: 3600
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{terminationGracePeriodSeconds: 0, containers: [{{name: app, image: 'shop:1'}}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {name}}}
spec: {{maxUnavailable: 10, selector: {{matchLabels: {{app: {name}}}}}}}
"
    )
    .unwrap();
    text
}

/// A cluster of that size, and a project whose target is a namespace of it.
struct Fleet {
    folder: TempDir,
    cluster: Cluster,
}

impl Fleet {
    fn configure(&self) {
        let kubeconfig = self.cluster.kubeconfig(User::Admin);
        let text = format!(
            "[cluster.staging]\nkubeconfig = {{ file = \"{}\" }}\nnamespace = \"shop\"\n",
            kubeconfig.display()
        );
        std::fs::write(self.path().join("windlass.toml"), text).unwrap();
        self.kubectl(&["create", "namespace", "shop"]);
        self.kubectl(&["wait", "serviceaccount/default", "--for=create", DEADLINE]);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn kubectl(&self, arguments: &[&str]) {
        let mut command = self.cluster.kubectl(User::Admin);
        let output = command
            .arg("--namespace=shop")
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }

    fn apply(&self, yaml: &str) {
        let mut file = tempfile::NamedTempFile::new_in(self.path()).unwrap();
        file.write_all(yaml.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        self.kubectl(&["apply", "--server-side", "--filename", path]);
    }

    fn roll_out(&self, name: &str) {
        self.kubectl(&["rollout", "status", &format!("deployment/{name}"), DEADLINE]);
    }

    /// Runs windlass to its end, which must be a good one. Answers the most memory that it had, in MB.
    fn windlass(&self, arguments: &[&str]) -> f64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass-under-test"));
        let mut child = command
            .current_dir(self.path())
            .args(arguments)
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || std::io::read_to_string(said).unwrap());
        let mut most = 0.0;
        let status = loop {
            most = high_water(child.id()).unwrap_or(most);
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(status.success(), "{arguments:?}: {}", said.join().unwrap());
        most
    }
}

/// The kernel's own account of the most that a process had.
fn high_water(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1024.0)
}
