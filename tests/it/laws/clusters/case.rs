//! What each procedure is given to do when the laws are tried.

use super::windlass;
use crate::world::{Output, Shop};

/// A procedure with parameters that give it something to do in a shop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) procedure: &'static str,
    /// `{namespace}` and `{node}`, the first of its nodes, stand for the shop's.
    parameters: &'static [&'static str],
    /// What the shop has besides `web`.
    objects: &'static str,
    /// What its objects are to be before windlass begins: each an object and a condition of `kubectl wait`.
    ready: &'static [(&'static str, &'static str)],
    /// Files of the project: names and contents.
    files: &'static [(&'static str, &'static str)],
    /// Nodes of its own.
    nodes: usize,
    /// Objects that a narrow grant names.
    pub(super) names: &'static [&'static str],
    /// Effects that it has then.
    pub(super) effects: usize,
    /// Whether what it changes is as before when it has succeeded.
    pub(super) restores: bool,
}

const PLAIN: Case = Case {
    procedure: "",
    parameters: &[],
    objects: "",
    ready: &[],
    files: &[],
    nodes: 0,
    names: &["web"],
    effects: 1,
    restores: false,
};

const CRON_JOB: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  schedule: 0 3 1 1 *
  suspend: true
  jobTemplate:
    spec:
      template: {spec: {restartPolicy: Never, containers: [{name: app, image: 'backup:1'}]}}
";

const EXPAND: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: expand}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: 'migrate:1'}]}}}
";

const CERTIFICATE: &str = "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: tls}
spec: {secretName: tls, dnsNames: [shop.example], issuerRef: {name: own, kind: Issuer}}
";

const API: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 1
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: app, image: 'api:1'}]}
";

const K8S_ROLLOUT: Case = Case {
    procedure: "k8s-rollout",
    parameters: &[
        "namespace={namespace}",
        "name=web",
        "images=app=shop:2",
        "expand=@expand.yaml",
        "within=1min",
    ],
    files: &[("expand.yaml", EXPAND)],
    names: &["web", "expand*"],
    effects: 2,
    ..PLAIN
};

const BACKUP_JOB: Case = Case {
    procedure: "backup-job",
    parameters: &["namespace={namespace}", "cron-job=backup"],
    objects: CRON_JOB,
    names: &["backup*"],
    ..PLAIN
};

const K8S_CONFIG: Case = Case {
    procedure: "k8s-config",
    parameters: &[
        "namespace={namespace}",
        "manifests=@api.yaml",
        "within=1min",
    ],
    files: &[("api.yaml", API)],
    names: &["api", "k8s-config"],
    effects: 2,
    ..PLAIN
};

const CERT_RENEWAL: Case = Case {
    procedure: "cert-renewal",
    parameters: &["namespace={namespace}", "force=true", "restart=web"],
    objects: CERTIFICATE,
    ready: &[("certificate/tls", "condition=Ready")],
    names: &["web", "tls"],
    effects: 2,
    ..PLAIN
};

const MAINTENANCE_MODE: Case = Case {
    procedure: "maintenance-mode",
    parameters: &[
        "namespace={namespace}",
        "mode=on",
        "name=shop",
        "service=page",
    ],
    objects: crate::maintenance_mode::OBJECTS,
    ready: &[("pod/page", "condition=Ready")],
    names: &["shop", "web"],
    ..PLAIN
};

const SERVICE_VERIFY: Case = Case {
    procedure: "service-verify",
    parameters: &["namespace={namespace}", "baseline=true"],
    effects: 0,
    ..PLAIN
};

/// Its pods have nowhere to go until it is back, so nobody looks after them.
const NODE_MAINTENANCE: Case = Case {
    procedure: "node-maintenance",
    parameters: &["nodes={node}", "update=none"],
    nodes: 1,
    effects: 3,
    restores: true,
    ..PLAIN
};

pub(super) fn case(procedure: &str) -> Case {
    match procedure {
        "k8s-rollout" => K8S_ROLLOUT,
        "backup-job" => BACKUP_JOB,
        "k8s-config" => K8S_CONFIG,
        "cert-renewal" => CERT_RENEWAL,
        "maintenance-mode" => MAINTENANCE_MODE,
        "service-verify" => SERVICE_VERIFY,
        "node-maintenance" => NODE_MAINTENANCE,
        other => panic!("{other} has no case"),
    }
}

impl Case {
    /// A shop with a grant for the procedure.
    pub(super) fn shop(self) -> Shop {
        let shop = Shop::with_nodes(self.nodes);
        if !self.objects.is_empty() {
            shop.namespace().apply(self.objects);
        }
        for (object, condition) in self.ready {
            shop.namespace().until(object, condition);
        }
        for (name, text) in self.files {
            shop.write(name, text);
        }
        shop.granting(self.procedure)
    }

    /// The words of the command line.
    pub(super) fn typed(self, shop: &Shop, verb: &str) -> Vec<String> {
        let mut words = vec![verb.to_owned(), self.procedure.to_owned()];
        words.extend(["--target", "staging"].map(str::to_owned));
        let namespace = shop.namespace();
        let node = namespace.nodes().first().map_or("", String::as_str);
        for parameter in self.parameters {
            let filled = parameter
                .replace("{namespace}", namespace.name())
                .replace("{node}", node);
            words.extend(["--set".to_owned(), filled]);
        }
        words
    }

    pub(super) fn run(self, shop: &Shop, faults: &[(&str, &str)]) -> Output {
        windlass(shop, faults, &self.typed(shop, "run"))
    }
}
