//! Procedures that work on a cluster. What they change is seen by the API server's own account of it: objects as they are, and their
//! generation, which counts each change of what is wanted.

mod case;
mod server;

use super::world::{LawWorld, Promise, View, Work};
use super::{laws, store};
use crate::world::{Project, Shop};
use case::{Case, case};
use regex_lite::Regex;
use serde_json::Value;
use std::ops::Deref;
use windlass::grant::{Capabilities, GrantFile};

#[derive(Debug)]
struct Cluster {
    case: Case,
    shop: Shop,
}

impl Deref for Cluster {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.shop
    }
}

fn lines(list: &Value) -> View {
    let objects = list.as_array().unwrap().iter();
    objects.map(Value::to_string).collect()
}

impl LawWorld for Cluster {
    type Case = Case;

    fn fresh(case: Case) -> Self {
        let shop = case.shop();
        Self { case, shop }
    }

    fn promise(&self) -> Promise {
        self.case.promise()
    }

    fn typed(&self, verb: &str) -> Vec<String> {
        self.case.typed(&self.shop, verb)
    }

    fn narrow(&self) -> Capabilities {
        let file = format!("grants/{}.staging.toml", self.case.procedure);
        let own = format!("namespaces = [\"{}\"]", self.shop.namespace().name());
        let names = format!("names = {:?}", self.case.names);
        let narrowed = self
            .read(&file)
            .replace("namespaces = [\"*\"]", &own)
            .replace("names = [\"*\"]", &names);
        self.write(&file, &narrowed);
        GrantFile::parse(&file, &narrowed).unwrap().capabilities()
    }

    /// With what the controllers say of it, with the pods, and with the leases that tell who is at work.
    fn everything(&self) -> View {
        let namespace = self.shop.namespace();
        namespace.until_settled();
        let mut all = objects(&self.shop);
        let more = namespace.object("pods,leases")["items"].take();
        all.extend(more.as_array().unwrap().iter().cloned());
        for object in &mut all {
            if object["kind"] == "Node" {
                // A kubelet says that it lives.
                object["metadata"]["resourceVersion"] = Value::Null;
                for condition in object["status"]["conditions"].as_array_mut().unwrap() {
                    condition["lastHeartbeatTime"] = Value::Null;
                }
            }
        }
        lines(&Value::Array(all))
    }

    fn wanted(&self) -> View {
        lines(&self.case.wanted(&self.shop))
    }

    fn end(&self) -> View {
        lines(&unmarked(&self.shop))
    }

    fn work(&self) -> Work {
        let changes = i64::try_from(changes(&self.shop)).unwrap();
        Work::from([("changes".to_owned(), changes)])
    }

    fn comes_back(&self) -> bool {
        true
    }

    /// A process that was killed right after its last word still has the lock, and somebody gives it back.
    fn rest(&self) {
        self.shop.namespace().delete_all("leases");
        self.shop.namespace().until_settled();
    }
}

/// What is wanted in the namespace and of its nodes, but for what only controllers and the server count.
pub(crate) fn wanted(shop: &Shop) -> Value {
    let mut list = objects(shop);
    for object in &mut list {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for kept in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(kept);
        }
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove("deployment.kubernetes.io/revision");
        }
        if let Some(taints) = object["spec"]["taints"].as_array_mut() {
            // A controller has it follow the cordon, a moment later.
            taints.retain(|taint| taint["key"] != "node.kubernetes.io/unschedulable");
        }
        object["status"] = Value::Null;
    }
    Value::Array(list)
}

/// Everything that procedures change, as the API server has it.
fn objects(shop: &Shop) -> Vec<Value> {
    let kinds = "deployments,statefulsets,daemonsets,jobs,cronjobs,configmaps,services,ingresses,httproutes,certificates";
    let mut all = shop.namespace().object(kinds)["items"].take();
    let all = all.as_array_mut().unwrap();
    let nodes = shop.namespace().nodes().iter();
    all.extend(nodes.map(|node| shop.namespace().object(&format!("node/{node}"))));
    std::mem::take(all)
}

/// The same without the marks of who changed it, and without what differs from shop to shop: names that are made up, times, uids, addresses.
pub(crate) fn unmarked(shop: &Shop) -> Value {
    let mut list = wanted(shop);
    let mut made_up = vec![(shop.namespace().name().to_owned(), "NAMESPACE".to_owned())];
    if shop.state().exists() {
        let runs = store(shop).runs().unwrap();
        made_up.extend(runs.into_iter().map(|(run, _)| (run.0, "RUN".to_owned())));
    }
    for (object, number) in list.as_array_mut().unwrap().iter_mut().zip(1..) {
        let is_service = object["kind"] == "Service";
        let metadata = &mut object["metadata"];
        if let Some(annotations) = metadata["annotations"].as_object_mut() {
            annotations
                .retain(|name, _| name != "windlass.dev/effect" && !name.ends_with("/restartedAt"));
            if annotations.is_empty() {
                metadata["annotations"] = Value::Null;
            }
        }
        made_up.push((
            metadata["uid"].as_str().unwrap().to_owned(),
            format!("UID {number}"),
        ));
        metadata["creationTimestamp"] = Value::Null;
        let spec = &mut object["spec"];
        if is_service && spec["clusterIP"] != "None" {
            (spec["clusterIP"], spec["clusterIPs"]) = (Value::Null, Value::Null);
        }
    }
    let mut text = list.to_string();
    for (own, instead) in made_up {
        text = text.replace(&own, &instead);
    }
    // An effect that was announced, and never happened, has used up a number.
    for (differs, same) in [
        (r"RUN-\d+", "RUN-N"),
        (r#"restartedAt":"[^"]+"#, "restartedAt\":\""),
        (r"applyset-[\w-]{43}-v1", "SET"),
    ] {
        text = Regex::new(differs)
            .unwrap()
            .replace_all(&text, same)
            .into_owned();
    }
    serde_json::from_str(&text).unwrap()
}

/// How often what is wanted was changed: the sum of what the server counts, and of what was issued.
fn changes(shop: &Shop) -> u64 {
    let number = |object: &Value, at: &str| object.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    let counted = |object: &Value| {
        number(object, "/metadata/generation") + number(object, "/status/revision")
    };
    objects(shop).iter().map(counted).sum()
}

laws! { Cluster, super::case:
    [backup_job cert_renewal k8s_config k8s_config_fields k8s_rollout maintenance_mode node_maintenance service_verify]
    one_life
    fails_anywhere_and_unwinds
    crashes_anywhere_and_resumes
    crashes_at_random_and_resumes
}

// Of those that change something.
laws! { Cluster, super::case:
    [backup_job cert_renewal k8s_config k8s_config_fields k8s_rollout maintenance_mode node_maintenance]
    crashes_while_it_is_taken_back
}
