//! `cargo xtask demo --cluster`: on a real Kubernetes control plane a rollout, one that takes itself back, and a drain that a budget holds.

use super::{build, heading, unexpected};
use crate::setup;
use crate::trouble::Trouble;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;
use xtask::kubernetes::{Cluster, Options, User};
use xtask::shell;

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 3
  progressDeadlineSeconds: 10
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'shop:1'}]}
";

/// Each of the three pods is needed, so none may be evicted.
const BUDGET: &str = "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 3, selector: {matchLabels: {app: web}}}
";

/// A cluster with a shop in it, and a project folder.
struct Stage {
    program: PathBuf,
    project: TempDir,
    cluster: Cluster,
}

/// Runs the whole show. Anything that does not go as announced is an error.
pub(crate) fn demo() -> Result<(), Trouble> {
    let start = Instant::now();
    heading("Setting up");
    setup::compiler()?;
    let program = build()?;
    let stage = Stage::set(program)?;

    heading("May k8s-rollout change anything here? Only what a grant says, for this very binary");
    stage.windlass(
        &[
            "grant",
            "k8s-rollout",
            "--target",
            "staging",
            "--approved-by",
            "tester",
        ],
        0,
    )?;

    heading("What would a new image do? The server rehearses it, and nothing is changed");
    stage.windlass(&rollout("plan", "images=app=shop:2"), 0)?;
    stage.runs("shop:1")?;

    heading("Do it, and follow it until only new pods are there");
    stage.windlass(&rollout("run", "images=app=shop:2"), 0)?;
    stage.runs("shop:2")?;

    heading("An image that nobody can pull: the run fails, says why, and takes its change back");
    stage.windlass(&rollout("run", "images=app=shop:bad"), 1)?;
    stage.runs("shop:2")?;

    heading(
        "Empty a node, though a disruption budget needs each of its pods? The plan says what would hold it back",
    );
    let node = stage.node_of_web()?;
    stage.apply("budget.yaml", BUDGET)?;
    stage.waits("pdb/web", "jsonpath={.status.currentHealthy}=3")?;
    stage.windlass(
        &[
            "grant",
            "node-maintenance",
            "--target",
            "staging",
            "--approved-by",
            "tester",
        ],
        0,
    )?;
    let nodes = format!("nodes={node}");
    stage.windlass(&maintenance("plan", &nodes), 0)?;

    heading(
        "Try it all the same, for five seconds: the budget holds, the run ends, and the node works again",
    );
    stage.windlass(&maintenance("run", &nodes), 1)?;
    stage.works(&node)?;

    heading("What was done? The journal tells");
    stage.windlass(&["runs"], 0)?;
    stage.windlass(&["audit", "verify"], 0)?;
    drop(stage);
    println!(
        "\nThat was it, in {} s. What was started is stopped and removed.",
        start.elapsed().as_secs()
    );
    Ok(())
}

fn rollout<'a>(verb: &'a str, change: &'a str) -> [&'a str; 10] {
    [
        verb,
        "k8s-rollout",
        "--target",
        "staging",
        "--set",
        "namespace=shop",
        "--set",
        "name=web",
        "--set",
        change,
    ]
}

fn maintenance<'a>(verb: &'a str, nodes: &'a str) -> [&'a str; 10] {
    [
        verb,
        "node-maintenance",
        "--target",
        "staging",
        "--set",
        nodes,
        "--set",
        "update=none",
        "--set",
        "drain-within=5s",
    ]
}

impl Stage {
    fn set(program: PathBuf) -> Result<Self, Trouble> {
        let kubebed = setup::kubebed()?;
        let cluster = Cluster::start(&kubebed, &Options::default())?;
        let project = tempfile::tempdir().map_err(|error| unexpected(&error.to_string()))?;
        let stage = Self {
            program,
            project,
            cluster,
        };
        let kubeconfig = stage.cluster.kubeconfig(User::Admin);
        stage.write(
            "windlass.toml",
            &format!(
                "[cluster.staging]\nkubeconfig = {{ file = \"{}\" }}\nnamespace = \"shop\"\n",
                kubeconfig.display()
            ),
        )?;
        stage.apply("shop.yaml", SHOP)?;
        let all = ["rollout", "status", "deployment/web", "--timeout=60s"];
        stage.kubectl(&all)?;
        eprintln!("cluster      staging: namespace shop, three pods of web run shop:1");
        Ok(stage)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Trouble> {
        let written = std::fs::write(self.project.path().join(name), text);
        written.map_err(|error| unexpected(&format!("{name}: {error}")))
    }

    /// Runs windlass as someone would who stands in the project's folder, shows it, and expects it to end so.
    fn windlass(&self, arguments: &[&str], code: i32) -> Result<(), Trouble> {
        println!("$ windlass {}", arguments.join(" "));
        // What windlass prints comes after the line above, whatever standard output is.
        let _ = std::io::stdout().flush();
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.project.path())
            .stdin(Stdio::null());
        let status = command
            .status()
            .map_err(|error| shell::Failure::Start("windlass".to_owned(), error))?;
        println!();
        if status.code() == Some(code) {
            return Ok(());
        }
        Err(unexpected(&format!(
            "`windlass {}` ended with {status}",
            arguments.join(" ")
        )))
    }

    fn apply(&self, name: &str, text: &str) -> Result<(), Trouble> {
        self.write(name, text)?;
        let path = self.project.path().join(name);
        let path = path.display().to_string();
        self.kubectl(&["apply", "--server-side", "--filename", &path])?;
        Ok(())
    }

    /// What kubectl prints about the shop's namespace.
    fn kubectl(&self, arguments: &[&str]) -> Result<String, Trouble> {
        let mut command = self.cluster.kubectl(User::Admin);
        command.arg("--namespace=shop").args(arguments);
        Ok(shell::output(&mut command)?.trim().to_owned())
    }

    fn waits(&self, object: &str, becomes: &str) -> Result<(), Trouble> {
        let becomes = format!("--for={becomes}");
        self.kubectl(&["wait", object, &becomes, "--timeout=60s"])?;
        Ok(())
    }

    /// Fails unless `web` is to run this image.
    fn runs(&self, image: &str) -> Result<(), Trouble> {
        let field = "--output=jsonpath={.spec.template.spec.containers[0].image}";
        let found = self.kubectl(&["get", "deployment/web", field])?;
        if found == image {
            return Ok(());
        }
        Err(unexpected(&format!("web is to run {found}, not {image}")))
    }

    /// A node that a pod of `web` runs on.
    fn node_of_web(&self) -> Result<String, Trouble> {
        let field = "--output=jsonpath={.items[0].spec.nodeName}";
        self.kubectl(&["get", "pods", "--selector=app=web", field])
    }

    /// Fails unless new pods may come to the node.
    fn works(&self, node: &str) -> Result<(), Trouble> {
        let field = "--output=jsonpath={.spec.unschedulable}";
        let cordoned = self.kubectl(&["get", "node", node, field])?;
        if cordoned.is_empty() {
            return Ok(());
        }
        Err(unexpected(&format!("node {node} is still cordoned")))
    }
}
