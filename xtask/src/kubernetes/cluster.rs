//! A running cluster.

use super::control::{Control, Part};
use super::credentials::{Credentials, User, write};
use super::{Error, Kubebed, Request, flags, requests};
use crate::fresh::free_port;
use crate::watched::Kept;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{File, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Nothing on the way to a cluster that is ready takes longer, unless something is wrong; in seconds.
const DEADLINE: u64 = 120;
/// How often KWOK may break at its start.
const BROKEN: usize = 3;
/// Kinds that are described by the API server a moment after they are made. KWOK ends where a stage names one that is not.
const DESCRIBED: [&str; 3] = [
    "certificates.v1.cert-manager.io",
    "httproutes.v1.gateway.networking.k8s.io",
    "prometheusrules.v1.monitoring.coreos.com",
];
/// Pods are refused until the controller manager has made it.
const ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default";
/// What every pod logs.
const LINE: &str = "2026-01-01T00:00:00.000000000Z stdout F a line from the testbed\n";

/// How a cluster is set up.
#[derive(Clone, Debug)]
pub struct Options {
    nodes: usize,
    audit: bool,
    flags: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            audit: false,
            flags: Vec::new(),
        }
    }
}

impl Options {
    /// How many nodes it has, `node-1` and so on; 3 if nothing is said.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// Records requests, for [`Cluster::requests`].
    #[must_use]
    pub fn audit(mut self) -> Self {
        self.audit = true;
        self
    }

    /// Another flag for the API server, such as `--max-requests-inflight=1`.
    #[must_use]
    pub fn api_server_flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }
}

/// A cluster on loopback, or one that somebody gave. Ours is ended and its folder removed when this is dropped, and also at the end of this
/// process, even by SIGKILL.
#[derive(Debug)]
pub struct Cluster {
    /// kubectl, and what it wants to hear first.
    kubectl: (PathBuf, Vec<OsString>),
    /// What runs, where it is ours.
    control: Option<Control>,
    /// Sees to the folder, where nothing of ours runs in it.
    _kept: Option<Kept>,
    api_server: Vec<String>,
    // The last field, so that the folder goes after what works in it.
    home: TempDir,
}

impl Cluster {
    /// Starts an empty cluster and waits until its nodes are ready and its default service account is there. Takes about five seconds.
    pub fn start(kubebed: &Kubebed, options: &Options) -> Result<Self, Error> {
        let home = home()?;
        let path = home.path();
        let credentials = Credentials::issue(path)?;
        write(&path.join("nodes.yaml"), &nodes(options.nodes))?;
        let program = kubebed.program();
        let mut cluster = Self {
            kubectl: (program.to_path_buf(), vec!["kubectl".into()]),
            control: Some(Control::new(program, path)),
            _kept: None,
            api_server: Vec::new(),
            home,
        };
        cluster.serve(&credentials, options)?;
        cluster.populate()?;
        Ok(cluster)
    }

    /// Starts etcd and the API server.
    fn serve(&mut self, credentials: &Credentials, options: &Options) -> Result<(), Error> {
        let home = self.home.path().to_path_buf();
        let etcd = home.join("etcd");
        let control = self.control()?;
        control.launch(Part::Etcd, &[etcd.display().to_string()])?;
        // An API server that finds no etcd looks again a second later. etcd gives up by itself.
        control.wait_for_file(&etcd.join("client"))?;
        let mut more = options.flags.clone();
        if options.audit {
            let policy = home.join("audit.yaml");
            write(&policy, requests::POLICY)?;
            more.extend(flags::audit(&policy, &home.join("audit.log")));
        }
        loop {
            let port = free_port()?;
            credentials.write_kubeconfigs(&home, port)?;
            self.api_server = flags::api_server(&home, port);
            self.api_server.extend(more.iter().cloned());
            match self.start_api_server() {
                Err(error) if is_port_taken(&error) => {}
                result => return result,
            }
        }
    }

    /// Starts what makes the cluster live, and makes what every cluster has.
    fn populate(&mut self) -> Result<(), Error> {
        let home = self.home.path().to_path_buf();
        let testbed = crate::workspace().join("tests/testbed");
        let control = self.control()?;
        control.launch(Part::ControllerManager, &flags::controller_manager(&home))?;
        control.launch(Part::Scheduler, &flags::scheduler(&home))?;
        let mut apply = self.kubectl(User::Admin);
        apply
            .args(["apply", "--server-side", "--filename"])
            .arg(testbed.join("crds.yaml"))
            .arg("--filename")
            .arg(home.join("nodes.yaml"));
        let described = self.ready(&DESCRIBED);
        self.control()?
            .wait(Part::ApiServer, vec![apply, described])?;
        self.launch_kwok(&testbed.join("kwok.yaml"))
    }

    fn launch_kwok(&mut self, stages: &Path) -> Result<(), Error> {
        let home = self.home.path().to_path_buf();
        let (line, logs) = (home.join("pod.log"), home.join("logs.yaml"));
        write(&line, LINE)?;
        write(&logs, &logs_of_pods(&line))?;
        let mut broken = 0;
        loop {
            let flags = flags::kwok(&home, stages, &logs, free_port()?);
            let mut nodes = self.kubectl(User::Admin);
            nodes
                .args(["wait", "node", "--all", "--for=condition=Ready"])
                .arg(format!("--timeout={DEADLINE}s"));
            let account = self.ready(&[ACCOUNT]);
            let control = self.control()?;
            control.launch(Part::Kwok, &flags)?;
            match control.wait(Part::Kwok, vec![nodes, account]) {
                Err(error) if is_port_taken(&error) => {}
                // KWOK 0.8 starts its controllers in no order, and one may use another that is not there yet. As a kubelet, it is started
                // again by whoever looks after it.
                Err(error) if is_broken(&error) && broken < BROKEN => broken += 1,
                result => return result,
            }
        }
    }

    /// Ends the API server as a power cut would. What the others do meanwhile waits; what was written stays.
    pub fn stop_api_server(&mut self) -> Result<(), Error> {
        self.control()?.stop(Part::ApiServer);
        Ok(())
    }

    /// Starts the API server, on its port and its data, and waits until it is ready. Does nothing if it runs.
    pub fn start_api_server(&mut self) -> Result<(), Error> {
        let (flags, ready) = (self.api_server.clone(), self.ready(&["/readyz"]));
        let control = self.control()?;
        if !control.is_running(Part::ApiServer) {
            control.launch(Part::ApiServer, &flags)?;
        }
        control.wait(Part::ApiServer, vec![ready])
    }

    fn control(&mut self) -> Result<&mut Control, Error> {
        self.control.as_mut().ok_or(Error::NotOurs)
    }

    /// Waits until the API server answers each path well, and describes each resource.
    fn ready(&self, wanted: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl.0);
        let admin = self.kubeconfig(User::Admin);
        command
            .arg("ready")
            .arg(format!("--within={DEADLINE}s"))
            .arg("--kubeconfig")
            .arg(admin)
            .args(wanted);
        command
    }

    /// kubectl for this user, with a cache of its own and nobody's settings.
    pub fn kubectl(&self, user: User) -> Command {
        let (program, first) = &self.kubectl;
        let mut command = Command::new(program);
        command
            .args(first)
            .arg("--kubeconfig")
            .arg(self.kubeconfig(user))
            .arg("--cache-dir")
            .arg(self.home.path().join("cache"))
            .env("KUBERC", "off");
        command
    }

    /// The kubeconfig of this user. A cluster that was given has one for the administrator and one for windlass.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        user.kubeconfig(self.home.path())
    }

    /// The folder with all that belongs to this cluster, such as the logs of its programs.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Whether it was started here, not given.
    pub fn is_ours(&self) -> bool {
        self.control.is_some()
    }

    /// A mark for [`Self::requests`].
    pub fn requests_length(&self) -> u64 {
        let about = std::fs::metadata(self.audit_log());
        about.map_or(0, |about| about.len())
    }

    /// The requests that arrived after a mark, in their order. Needs [`Options::audit`], so there are none
    /// of a cluster that was given. A request is there before it is answered.
    pub fn requests(&self, mark: u64) -> Vec<Request> {
        let mut bytes = Vec::new();
        if let Ok(mut log) = File::open(self.audit_log())
            && log.seek(SeekFrom::Start(mark)).is_ok()
        {
            // Without a log nothing was recorded.
            let _ = log.read_to_end(&mut bytes);
        }
        requests::parse(&String::from_utf8_lossy(&bytes))
    }

    fn audit_log(&self) -> PathBuf {
        self.home.path().join("audit.log")
    }

    /// One that was given, reached by the kubeconfigs in its folder.
    pub(super) fn of_somebody(kubectl: PathBuf, home: TempDir) -> Result<Self, Error> {
        Ok(Self {
            kubectl: (kubectl, Vec::new()),
            control: None,
            _kept: Some(Kept::new(home.path())?),
            api_server: Vec::new(),
            home,
        })
    }
}

/// A folder that only we may enter.
pub(super) fn home() -> Result<TempDir, Error> {
    let temporary = std::env::temp_dir();
    tempfile::Builder::new()
        .prefix("windlass-kubernetes-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(Error::file(&temporary))
}

/// Another process may take a port between our look and the program's start.
fn is_port_taken(error: &Error) -> bool {
    matches!(error, Error::Ended { log, .. } if log.contains("address already in use"))
}

/// A program of Go that came upon its own mistake, rather than ours.
fn is_broken(error: &Error) -> bool {
    matches!(error, Error::Ended { log, .. } if log.starts_with("panic: "))
}

fn nodes(count: usize) -> String {
    (1..=count).fold(String::new(), |mut text, number| {
        let name = format!("node-{number}");
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  labels:\n    kubernetes.io/hostname: {name}\n    \
             kubernetes.io/os: linux\n    kubernetes.io/arch: amd64\n"
        );
        text
    })
}

fn logs_of_pods(file: &Path) -> String {
    format!(
        "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterLogs\nmetadata: {{name: logs}}\nspec: {{logs: [{{logsFile: \"{}\"}}]}}\n",
        file.display()
    )
}
