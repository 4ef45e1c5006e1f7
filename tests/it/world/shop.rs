//! A project whose target is a namespace of a real cluster, with something in it that runs.

use super::{Namespace, Output, Project};
use crate::report::{Report, run_on};
use std::ops::Deref;
use xtask::kubernetes::{Options, User};

/// The target `staging`: a namespace in which the deployment `web` runs three pods of `shop:1`.
#[derive(Debug)]
pub(crate) struct Shop {
    project: Project,
    namespace: Namespace,
}

impl Shop {
    /// On the shared cluster, as its administrator.
    pub(crate) fn open() -> Self {
        Self::on(Namespace::new(), User::Admin)
    }

    /// On the shared cluster, with nodes of its own.
    pub(crate) fn with_nodes(count: usize) -> Self {
        Self::on(Namespace::with_nodes(count), User::Admin)
    }

    /// On a cluster of its own, which the test may stop.
    pub(crate) fn alone() -> Self {
        Self::on(Namespace::alone(&Options::default()), User::Admin)
    }

    /// In this namespace, windlass as this user.
    pub(crate) fn on(namespace: Namespace, user: User) -> Self {
        namespace.apply(WEB);
        namespace.until("deployment/web", "condition=Available");
        let kubeconfig = namespace.cluster().kubeconfig(user);
        let config = format!(
            "[cluster.staging]\nkubeconfig = {{ file = \"{}\" }}\nnamespace = \"{}\"\n",
            kubeconfig.display(),
            namespace.name()
        );
        Self {
            project: Project::new(&config, &[]),
            namespace,
        }
    }

    /// As the user without rights, who gets those that this README lists.
    pub(crate) fn with_the_role_of(readme: &str) -> Self {
        let (_, role) = readme.split_once("```yaml\n").unwrap();
        let (role, _) = role.split_once("```").unwrap();
        let shop = Self::on(Namespace::new(), User::Windlass);
        let own = format!("namespace: {}", shop.namespace.name());
        shop.namespace.allow(&role.replace("namespace: shop", &own));
        shop
    }

    /// Starts the stateful set `db`: one pod of `postgres:15.4`.
    pub(crate) fn start_a_database(&self) {
        self.namespace.apply(DATABASE);
        self.namespace.until_rolled_out("statefulset/db");
    }

    /// Runs a procedure in its namespace with these parameters, each `name=value`.
    pub(crate) fn run(&self, procedure: &str, parameters: &[&str]) -> Report {
        let namespace = format!("namespace={}", self.namespace.name());
        let mut all = vec![namespace.as_str()];
        all.extend(parameters);
        run_on(self, "staging", &[], procedure, &all)
    }

    /// Takes back the run that was begun last.
    pub(crate) fn undo_the_last(&self) -> Output {
        self.windlass(&["undo", &self.last()])
    }

    /// The report of the run that was begun last, as JSON.
    pub(crate) fn show_the_last(&self) -> String {
        let show = ["show", &self.last(), "--output", "json"];
        self.windlass(&show).stdout
    }

    /// The run that was begun last.
    fn last(&self) -> String {
        let runs = self.windlass(&["runs", "--output", "json"]).json();
        runs["runs"][0]["run"].as_str().unwrap().to_owned()
    }

    /// With a grant for the procedure.
    #[must_use]
    pub(crate) fn granting(self, procedure: &str) -> Self {
        self.grant(procedure, "staging");
        self
    }

    /// Where it is.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The same, to stop its cluster.
    pub(crate) fn namespace_mut(&mut self) -> &mut Namespace {
        &mut self.namespace
    }

    /// The image that `web` is to run.
    pub(crate) fn image(&self) -> String {
        let web = self.namespace.object("deployment/web");
        let image = &web["spec"]["template"]["spec"]["containers"][0]["image"];
        image.as_str().unwrap().to_owned()
    }
}

impl Deref for Shop {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.project
    }
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: app, image: 'shop:1'}]
";

/// The stateful set `db`.
pub(crate) const DATABASE: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: app, image: 'postgres:15.4'}]
";
