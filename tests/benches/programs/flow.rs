//! An update of a backend on a cluster: the page on, a migration, the new image, the page off. By three runs of windlass, and by the
//! commands of kubectl that a runbook has for it. What either waits for the cluster's controllers is taken off: from the request that
//! begins to watch until its next one, or its end.

use crate::figures::{Figures, Target, ratios};
use jiff::{Timestamp, Unit};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use xtask::kubernetes::{Cluster, Kubebed, Options, Request, User};

/// What is there before: a deployment, its route, a page that stands ready.
const OBJECTS: &str = include_str!("../../it/maintenance_mode/objects.yaml");
const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'shop:1'}]}
";
const MIGRATION: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: expand}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: 'migrate:1'}]}}}
";
const DEADLINE: &str = "--timeout=60s";

pub(crate) fn measure(figures: &mut Figures) {
    let kubebed = Kubebed::built(&|what| println!("{what}")).unwrap();
    let cluster = Cluster::start(&kubebed, &Options::default().audit()).unwrap();
    let (mut ours, mut theirs) = (vec![], vec![]);
    // The first of each is not counted: it fills caches.
    for sample in 0..=figures.samples(9) {
        let by_kubectl = Shop::open(&cluster, &format!("kubectl-{sample}"));
        let by_windlass = Shop::open(&cluster, &format!("windlass-{sample}"));
        by_windlass.configure();
        theirs.push(by_kubectl.own_time(by_kubectl.runbook()));
        ours.push(by_windlass.own_time(by_windlass.runs()));
    }
    let (ours, theirs) = (&ours[1..], &theirs[1..]);
    let name = "an update of a backend, its waiting taken off";
    figures.add(name, Target::None, "ms", ours);
    figures.add("the same by kubectl", Target::None, "ms", theirs);
    let ratio = ratios(ours, theirs);
    figures.add("windlass / kubectl", Target::AtMost(0.25), "", &ratio);
}

/// A namespace with what there is before, and a folder.
struct Shop<'a> {
    cluster: &'a Cluster,
    namespace: String,
    folder: TempDir,
}

impl<'a> Shop<'a> {
    fn open(cluster: &'a Cluster, namespace: &str) -> Self {
        let shop = Self {
            cluster,
            namespace: namespace.to_owned(),
            folder: TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
        };
        shop.write("before.yaml", &format!("{OBJECTS}\n---{WEB}"));
        shop.write("expand.yaml", MIGRATION);
        let before = shop.path().join("before.yaml");
        let slices = "--selector=kubernetes.io/service-name=page";
        let ready = "--for=jsonpath={.endpoints[0].conditions.ready}=true";
        for words in [
            &["create", "namespace", namespace][..],
            &["wait", "serviceaccount/default", "--for=create", DEADLINE],
            &[
                "apply",
                "--server-side",
                "--filename",
                before.to_str().unwrap(),
            ],
            &["rollout", "status", "deployment/web", DEADLINE],
            &["wait", "endpointslices", slices, ready, DEADLINE],
        ] {
            succeed(shop.kubectl(words));
        }
        shop
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn kubectl(&self, words: &[&str]) -> Command {
        let mut command = self.cluster.kubectl(User::Admin);
        command.args(["--namespace", &self.namespace]).args(words);
        command
    }

    /// What the runbook has.
    fn runbook(&self) -> Vec<Command> {
        let field = "/spec/rules/0/http/paths/0/backend/service/name";
        let route = |service: &str| {
            let patch =
                format!(r#"[{{"op": "replace", "path": "{field}", "value": "{service}"}}]"#);
            self.kubectl(&["patch", "ingress/shop", "--type=json", "--patch", &patch])
        };
        let expand = self.path().join("expand.yaml");
        vec![
            route("page"),
            self.kubectl(&["scale", "deployment/web", "--replicas=1"]),
            self.kubectl(&["create", "--filename", expand.to_str().unwrap()]),
            self.kubectl(&["wait", "job/expand", "--for=condition=Complete", DEADLINE]),
            self.kubectl(&["set", "image", "deployment/web", "app=shop:2"]),
            self.kubectl(&["scale", "deployment/web", "--replicas=2"]),
            self.kubectl(&["rollout", "status", "deployment/web", DEADLINE]),
            route("front"),
        ]
    }

    fn configure(&self) {
        let kubeconfig = self.cluster.kubeconfig(User::Admin);
        let text = format!(
            "[cluster.staging]\nkubeconfig = {{ file = \"{}\" }}\nnamespace = \"{}\"\n",
            kubeconfig.display(),
            self.namespace
        );
        self.write("windlass.toml", &text);
        for procedure in ["maintenance-mode", "k8s-rollout"] {
            succeed(self.windlass(&[
                "grant",
                procedure,
                "--target",
                "staging",
                "--approved-by",
                "tester",
            ]));
        }
    }

    fn windlass(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass-under-test"));
        // One cache for all, as a user has.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flow-cache");
        command
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", cache)
            .args(words);
        command
    }

    fn runs(&self) -> Vec<Command> {
        let run = |procedure: &str, parameters: &[&str]| {
            let mut command = self.windlass(&["run", procedure, "--target", "staging"]);
            command.args(["--set", &format!("namespace={}", self.namespace)]);
            command.args(parameters.iter().flat_map(|set| ["--set", set]));
            command
        };
        let page = ["kind=ingress", "name=shop", "service=page"];
        let maintenance = |mode: &str| run("maintenance-mode", &[&[mode], &page[..]].concat());
        vec![
            maintenance("mode=on"),
            run(
                "k8s-rollout",
                &["name=web", "images=app=shop:2", "expand=@expand.yaml"],
            ),
            maintenance("mode=off"),
        ]
    }

    /// Runs these one after another; how long they were at work themselves, in milliseconds.
    fn own_time(&self, commands: Vec<Command>) -> f64 {
        let own = commands.into_iter().map(|command| {
            let (mark, begun) = (self.cluster.requests_length(), Timestamp::now());
            succeed(command);
            let ended = Timestamp::now();
            between(begun, ended) - waited(&self.cluster.requests(mark), ended)
        });
        own.sum()
    }
}

/// How long a program watched, in milliseconds, if it asked this and then ended.
fn waited(asked: &[Request], ended: Timestamp) -> f64 {
    let at = |request: &Request| request.received.parse().unwrap();
    let next = asked.iter().skip(1).map(at).chain([ended]);
    let watches = asked
        .iter()
        .zip(next)
        .filter(|(request, _)| request.verb == "watch");
    watches
        .map(|(request, next)| between(at(request), next))
        .sum()
}

fn between(begun: Timestamp, ended: Timestamp) -> f64 {
    (ended - begun).total(Unit::Millisecond).unwrap()
}

fn succeed(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
