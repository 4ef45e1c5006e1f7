//! What each procedure is given to do when the laws are tried.

use crate::laws::world::{Promise, windlass};
use crate::world::{Output, Shop};
use serde_json::Value;

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
    /// What was applied before, by somebody whose record is elsewhere: a manifest as the parameter `manifests` has it now.
    earlier: Option<(&'static str, &'static str)>,
    /// Files of the project: names and contents.
    files: &'static [(&'static str, &'static str)],
    /// Nodes of its own.
    nodes: usize,
    /// Objects that a narrow grant names.
    pub(super) names: &'static [&'static str],
    /// An object that is another one after it was taken back: kind and name.
    made_again: Option<(&'static str, &'static str)>,
    /// Effects that it has then.
    effects: usize,
    /// Whether what it changes is as before when it has succeeded.
    restores: bool,
    /// Whether something can fail after an effect that can be taken back.
    unwinds: bool,
}

const PLAIN: Case = Case {
    procedure: "",
    parameters: &[],
    objects: "",
    ready: &[],
    earlier: None,
    files: &[],
    nodes: 0,
    names: &["web"],
    made_again: None,
    effects: 1,
    restores: false,
    unwinds: true,
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

const BEFORE: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: a}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: old}
data: {kept: x}
";

const NOW: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: b}
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {clusterIP: None, selector: {app: api}, ports: [{port: 80}]}
";

/// Takes something from the settings, and is no member of their set.
const CONSUMER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 1
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: app, image: 'api:1', envFrom: [{configMapRef: {name: settings, optional: true}}]}]
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

/// Declares another kind, changes one object, makes one, deletes one, and restarts who takes from what changed.
const K8S_CONFIG: Case = Case {
    procedure: "k8s-config",
    parameters: &[
        "namespace={namespace}",
        "manifests=@now.yaml",
        "within=1min",
    ],
    objects: CONSUMER,
    ready: &[("deployment/api", "condition=Available")],
    earlier: Some(("manifests=@before.yaml", BEFORE)),
    files: &[("now.yaml", NOW)],
    names: &["api", "k8s-config", "old", "settings"],
    made_again: Some(("ConfigMap", "old")),
    effects: 5,
    ..PLAIN
};

const K8S_CONFIG_FIELDS: Case = Case {
    procedure: "k8s-config",
    parameters: &[
        "namespace={namespace}",
        "object=deployment/web",
        "fields=spec.template.spec.containers[app].resources.limits.memory=64Mi",
        "within=1min",
    ],
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
    unwinds: false,
    ..PLAIN
};

const SERVICE_VERIFY: Case = Case {
    procedure: "service-verify",
    parameters: &["namespace={namespace}", "baseline=true"],
    effects: 0,
    unwinds: false,
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

/// By the name of a procedure, or of a second thing that it does.
pub(super) fn case(name: &str) -> Case {
    match name {
        "k8s-rollout" => K8S_ROLLOUT,
        "backup-job" => BACKUP_JOB,
        "k8s-config" => K8S_CONFIG,
        "k8s-config-fields" => K8S_CONFIG_FIELDS,
        "cert-renewal" => CERT_RENEWAL,
        "maintenance-mode" => MAINTENANCE_MODE,
        "service-verify" => SERVICE_VERIFY,
        "node-maintenance" => NODE_MAINTENANCE,
        other => panic!("{other} has no case"),
    }
}

impl Case {
    pub(super) fn promise(self) -> Promise {
        Promise {
            effects: self.effects,
            shows: self.effects > 0 && !self.restores,
            unwinds: self.unwinds,
        }
    }

    /// A shop with a grant for the procedure.
    pub(super) fn shop(self) -> Shop {
        self.prepared(Shop::with_nodes(self.nodes))
    }

    /// The same in this shop.
    pub(super) fn prepared(self, shop: Shop) -> Shop {
        if !self.objects.is_empty() {
            shop.namespace().apply(self.objects);
        }
        for (object, condition) in self.ready {
            shop.namespace().until(object, condition);
        }
        for (name, text) in self.files {
            shop.write(name, text);
        }
        let shop = shop.granting(self.procedure);
        if let Some((parameter, text)) = self.earlier {
            self.apply_earlier(&shop, parameter, text);
        }
        shop
    }

    fn apply_earlier(self, shop: &Shop, parameter: &str, text: &str) {
        let (_, file) = parameter.split_once("=@").unwrap();
        shop.write(file, text);
        let words = self.typed_with(shop, "run", &["namespace={namespace}", parameter]);
        windlass(shop, &[], &words).expect(0);
        std::fs::remove_file(shop.path().join(file)).unwrap();
        std::fs::remove_dir_all(shop.state()).unwrap();
    }

    /// The words of the command line.
    pub(super) fn typed(self, shop: &Shop, verb: &str) -> Vec<String> {
        self.typed_with(shop, verb, self.parameters)
    }

    fn typed_with(self, shop: &Shop, verb: &str, parameters: &[&str]) -> Vec<String> {
        let mut words = vec![verb.to_owned(), self.procedure.to_owned()];
        words.extend(["--target", "staging"].map(str::to_owned));
        let namespace = shop.namespace();
        let node = namespace.nodes().first().map_or("", String::as_str);
        for parameter in parameters {
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

    /// What is wanted in the shop. What is made again is the same in all but who it is.
    pub(super) fn wanted(self, shop: &Shop) -> Value {
        let mut list = super::wanted(shop);
        let Some((kind, name)) = self.made_again else {
            return list;
        };
        for object in list.as_array_mut().unwrap() {
            if object["kind"] == kind && object["metadata"]["name"] == name {
                object["metadata"]["uid"] = Value::Null;
                object["metadata"]["creationTimestamp"] = Value::Null;
            }
        }
        list
    }
}
