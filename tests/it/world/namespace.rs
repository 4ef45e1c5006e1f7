//! A world for one test of Kubernetes: a namespace of its own on a real API server.

use super::api::{self, Api};
use super::{Output, Running};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use xtask::kubernetes::{Cluster, Kubebed, Options, User};
use xtask::postgres::secret;

/// Nothing that a test waits for takes longer; as kubectl reads it.
const DEADLINE: &str = "--timeout=60s";
const LONG: Duration = Duration::from_mins(1);
/// What a pod comes to whose image is not there.
pub(crate) const NOT_PULLED: &str =
    "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff";
/// The label, and the taint, of nodes that belong to one test; its value is the test's namespace.
const MARK: &str = "windlass-test";
/// The taint that a node comes with.
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The annotation that a controller gives each node.
const TTL: &str = "node.alpha.kubernetes.io/ttl";

/// A namespace that nobody else knows of, and perhaps nodes that run nobody else's pods. Dropping it lets both go.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    nodes: Vec<String>,
    // After what is on it.
    home: Home,
}

#[derive(Debug)]
enum Home {
    Shared(&'static Place),
    Own(Box<Place>),
}

/// A cluster, and its API server as its administrator.
#[derive(Debug)]
struct Place {
    cluster: Cluster,
    api: Api,
}

impl Place {
    fn of(cluster: Cluster) -> Self {
        let api = Api::open(&cluster.kubeconfig(User::Admin));
        Self { cluster, api }
    }
}

impl Namespace {
    /// On the shared cluster, which records requests; its pods run on nodes that all tests share.
    pub(crate) fn new() -> Self {
        Self::with(Home::Shared(shared()), 0)
    }

    /// On the shared cluster, with nodes of its own: its pods run there, and no others do. They may be cordoned, drained and rebooted.
    pub(crate) fn with_nodes(count: usize) -> Self {
        Self::with(Home::Shared(shared()), count)
    }

    /// On a cluster that this test may stop: see [`Self::cluster_mut`].
    pub(crate) fn alone(options: &Options) -> Self {
        Self::with(Home::Own(Box::new(Place::of(start(options)))), 0)
    }

    fn with(home: Home, count: usize) -> Self {
        let name = format!("t-{}", &secret()[..12]);
        let nodes = (1..=count).map(|number| format!("{name}-{number}"));
        let namespace = Self {
            nodes: nodes.collect(),
            name,
            home,
        };
        namespace.make();
        namespace
    }

    /// Makes the namespace and the nodes. Pods are refused until the controller manager has made the service account.
    fn make(&self) {
        let Self { name, nodes, .. } = self;
        let mut yaml = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n");
        if !nodes.is_empty() {
            let _ = write!(
                yaml,
                "  annotations:\n    scheduler.alpha.kubernetes.io/node-selector: {MARK}={name}\n    \
                 scheduler.alpha.kubernetes.io/defaultTolerations: '[{{\"key\": \"{MARK}\", \"value\": \"{name}\"}}]'\n"
            );
        }
        self.apply(&yaml);
        self.until("serviceaccount/default", "create");
        for node in nodes {
            self.make_node(node);
        }
    }

    /// One node more of its own, which may be there after its pods have found a place.
    pub(crate) fn add_node(&mut self) {
        let node = format!("{}-{}", self.name, self.nodes.len() + 1);
        self.nodes.push(node.clone());
        self.make_node(&node);
    }

    fn make_node(&self, node: &str) {
        let name = &self.name;
        self.apply(&format!(
            "apiVersion: v1\nkind: Node\nmetadata:\n  name: {node}\n  labels: {{{MARK}: {name}, kubernetes.io/hostname: {node}}}\n\
             spec:\n  taints: [{{key: {MARK}, value: {name}, effect: NoSchedule}}]\n"
        ));
        // The taint of one that is not ready goes a moment later, and each node gets an annotation.
        let is_ready = |found: &Value| {
            let mut taints = found["spec"]["taints"].as_array().into_iter().flatten();
            let is_tainted = taints.any(|taint| taint["key"] == NOT_READY);
            let is_known = found["metadata"]["annotations"][TTL].is_string();
            api::has(found, "Ready", "True") && !is_tainted && is_known
        };
        let what = format!("node/{node}");
        self.place().api.until((name, &what), LONG, is_ready);
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The names of its own nodes.
    pub(crate) fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The cluster that it is on.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.place().cluster
    }

    fn place(&self) -> &Place {
        match &self.home {
            Home::Shared(place) => place,
            Home::Own(place) => place,
        }
    }

    /// The cluster of a namespace that is alone.
    pub(crate) fn cluster_mut(&mut self) -> &mut Cluster {
        match &mut self.home {
            Home::Own(place) => &mut place.cluster,
            Home::Shared(_) => panic!("this cluster is shared: use Namespace::alone"),
        }
    }

    /// What kubectl prints for the administrator.
    #[track_caller]
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_as(User::Admin, arguments).expect(0).stdout
    }

    /// What comes of kubectl for this user.
    pub(crate) fn kubectl_as(&self, user: User, arguments: &[&str]) -> Output {
        self.start_kubectl(user, arguments).wait()
    }

    /// Starts kubectl for this user and does not wait.
    pub(crate) fn start_kubectl(&self, user: User, arguments: &[&str]) -> Running {
        let mut command = self.cluster().kubectl(user);
        command.args(["--namespace", &self.name]).args(arguments);
        command.stdin(Stdio::null());
        Running::start(command)
    }

    /// Pods by their names, but for those that end already: a rollout is over before the last pod of the old template is gone.
    #[track_caller]
    pub(crate) fn pods(&self) -> BTreeMap<String, Value> {
        let mut pods = self.object("pods");
        let pods = std::mem::take(pods["items"].as_array_mut().unwrap());
        let stays = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_null();
        let named = |pod: Value| (pod["metadata"]["name"].as_str().unwrap().to_owned(), pod);
        pods.into_iter().filter(stays).map(named).collect()
    }

    /// Names of those that have this label.
    #[track_caller]
    pub(crate) fn pods_of(&self, app: &str) -> BTreeSet<String> {
        let pods = self.pods().into_iter();
        let of_it = pods.filter(|(_, pod)| pod["metadata"]["labels"]["app"] == app);
        of_it.map(|(name, _)| name).collect()
    }

    /// Has a pod come to its end as a kubelet does that is short of something.
    pub(crate) fn evicted(&self, pod: &str) {
        let status = r#"{"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}}"#;
        let words = ["patch", "pod", pod, "--subresource=status", "--type=merge"];
        self.kubectl(&[&words[..], &["--patch", status]].concat());
    }

    /// `deployment/web` as the API server has it, or the items of `pods` or of `jobs,services`.
    #[track_caller]
    pub(crate) fn object(&self, name: &str) -> Value {
        self.place().api.get(&self.name, name)
    }

    /// Makes what the text describes, or makes it so.
    #[track_caller]
    pub(crate) fn apply(&self, yaml: &str) {
        self.place().api.apply(&self.name, yaml, false);
    }

    /// The same whoever else writes those fields.
    #[track_caller]
    pub(crate) fn apply_forced(&self, yaml: &str) {
        self.place().api.apply(&self.name, yaml, true);
    }

    /// Makes these roles and what binds them to the user who may do nothing, and waits until they hold: the server sees them a moment later.
    #[track_caller]
    pub(crate) fn allow(&self, yaml: &str) {
        self.apply(yaml);
        let (api, user) = (&self.place().api, User::Windlass.name());
        for object in serde_saphyr::from_multiple::<Value>(yaml).unwrap() {
            let Some(rules) = object["rules"].as_array() else {
                continue;
            };
            let holds = || api.lets(&self.name, user, &rules[0]).then_some(());
            xtask::until(LONG, holds).unwrap_or_else(|| panic!("it never holds: {object}"));
        }
    }

    /// Waits until an object is as `kubectl wait --for` has it: `create`, `delete`, `condition=Ready`, `jsonpath={.spec.x}=y`.
    #[track_caller]
    pub(crate) fn until(&self, object: &str, becomes: &str) {
        let watch = |is_so: &dyn Fn(&Value) -> bool| {
            let api = &self.place().api;
            api.until((&self.name, object), LONG, is_so);
        };
        match becomes.split_once('=') {
            None if becomes == "create" => watch(&|_| true),
            Some(("condition", wanted)) => {
                let (condition, status) = wanted.split_once('=').unwrap_or((wanted, "True"));
                watch(&|found| api::has(found, condition, status));
            }
            _ => drop(self.kubectl(&["wait", object, &format!("--for={becomes}"), DEADLINE])),
        }
    }

    /// Deletes all objects of a kind, such as `leases`.
    #[track_caller]
    pub(crate) fn delete_all(&self, kinds: &str) {
        for object in self.object(kinds)["items"].as_array().unwrap() {
            let text = |at: &str| object.pointer(at).unwrap().as_str().unwrap();
            let what = format!(
                "{}/{}",
                text("/kind").to_lowercase(),
                text("/metadata/name")
            );
            self.place().api.delete(&self.name, &what).unwrap();
        }
    }

    /// Waits until controllers have said all that they have to say about deployments and certificates that nobody changes.
    #[track_caller]
    pub(crate) fn until_settled(&self) {
        let named = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        for deployment in self.object("deployments")["items"].as_array().unwrap() {
            let what = format!("deployment/{}", named(deployment));
            let place = (self.name.as_str(), what.as_str());
            self.place().api.until(place, LONG, is_rolled_out);
        }
        for certificate in self.object("certificates")["items"].as_array().unwrap() {
            let what = format!("certificate/{}", named(certificate));
            let is_issued =
                |it: &Value| api::has(it, "Ready", "True") && !api::has(it, "Issuing", "True");
            let place = (self.name.as_str(), what.as_str());
            self.place().api.until(place, LONG, is_issued);
        }
    }

    /// The same of all pods with this label, of which there is one already.
    #[track_caller]
    pub(crate) fn until_pods(&self, app: &str, becomes: &str) {
        let (selector, wanted) = (format!("--selector=app={app}"), format!("--for={becomes}"));
        self.kubectl(&["wait", "pods", &selector, &wanted, DEADLINE]);
    }

    /// Waits until a rollout of a workload is complete.
    #[track_caller]
    pub(crate) fn until_rolled_out(&self, workload: &str) {
        let rolled_out = || {
            let words = ["rollout", "status", workload, DEADLINE];
            let output = self.kubectl_as(User::Admin, &words);
            // The controller goes on all the same, and some tests make it say so soon.
            if output.code != 0 && output.stderr.contains("exceeded its progress deadline") {
                return None;
            }
            output.expect(0);
            Some(())
        };
        xtask::until(LONG, rolled_out).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Home::Own(_) = self.home {
            return;
        }
        let nodes = self.nodes.iter().map(|node| format!("node/{node}"));
        let all = [format!("namespace/{}", self.name)]
            .into_iter()
            .chain(nodes);
        for object in all {
            let deleted = self.place().api.delete(&self.name, &object);
            // A test that fails already tells enough.
            assert!(
                deleted.is_ok() || std::thread::panicking(),
                "{object}: {deleted:?}"
            );
        }
    }
}

/// Whether its controller has nothing left to do, and has said so.
fn is_rolled_out(deployment: &Value) -> bool {
    let (wanted, is) = (&deployment["spec"]["replicas"], &deployment["status"]);
    let seen = is["observedGeneration"] == deployment["metadata"]["generation"];
    let mut conditions = is["conditions"].as_array().into_iter().flatten();
    let is_all = [
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
    ];
    seen && is_all.iter().all(|count| is[*count] == *wanted)
        && conditions.any(|condition| condition["reason"] == "NewReplicaSetAvailable")
}

/// The cluster that `WINDLASS_TEST_KUBECONFIG` names, else one of this process. A static is never dropped: the cluster ends when this
/// process does.
fn shared() -> &'static Place {
    static SHARED: OnceLock<Place> = OnceLock::new();
    SHARED.get_or_init(|| {
        let given = Cluster::given().and_then(|given| {
            given.as_ref().map_or(Ok(()), Cluster::check)?;
            Ok(given)
        });
        let given = given.unwrap_or_else(|error| panic!("{}", error.story()));
        Place::of(given.unwrap_or_else(|| start(&Options::default().audit())))
    })
}

#[expect(
    clippy::print_stderr,
    reason = "a build of minutes, where nobody set up, should not look like a test that hangs"
)]
fn start(options: &Options) -> Cluster {
    let say = |what: &str| eprintln!("setup        {what}");
    Kubebed::built(&say)
        .and_then(|kubebed| Cluster::start(&kubebed, options))
        .unwrap_or_else(|error| panic!("{}", error.story()))
}
