//! The API server, asked by the tests themselves. Each start of kubectl costs a tenth of a second of a processor, and what all tests need
//! would start thousands.

use futures_util::TryStreamExt as _;
use http::header::{HeaderValue, USER_AGENT};
use kube::api::{DeleteParams, DynamicObject, GetParams, ListParams, Patch, PatchParams};
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{Request, Resource as _};
use kube::discovery::{ApiResource, Discovery, Scope};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Whom the server takes the tests for, as it does kubectl: who owns fields is told in snapshots.
const MANAGER: &str = "kubectl";
/// How the audit log tells them from windlass, as it does kubectl.
const AGENT: &str = "kube-tests";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
});

/// One API server, as the user of a kubeconfig.
pub(super) struct Api {
    client: Client,
    /// Of each group the versions that it prefers come first.
    kinds: Mutex<Vec<Kind>>,
}

/// A kind, and whether its objects are in namespaces.
type Kind = (ApiResource, bool);

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    pub(super) fn open(kubeconfig: &Path) -> Self {
        RUNTIME.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
            let options = KubeConfigOptions::default();
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .unwrap();
            let agent = (USER_AGENT, HeaderValue::from_static(AGENT));
            config.headers.push(agent);
            let client = Client::try_from(config).unwrap();
            let kinds = Mutex::new(discover(&client).await);
            Self { client, kinds }
        })
    }

    /// `deployment/web`, or the items of `pods` or of `jobs,services`; without who owns which field, as kubectl shows it.
    #[track_caller]
    pub(super) fn get(&self, namespace: &str, what: &str) -> Value {
        if let Some((kind, name)) = what.split_once('/') {
            let (request, _) = self.requests(kind, namespace);
            let found = request.get(name, &GetParams::default()).unwrap();
            return shown(self.ask(what, found));
        }
        let mut items = Vec::new();
        for word in what.split(',') {
            let (request, kind) = self.requests(word, namespace);
            let listed = request.list(&ListParams::default()).unwrap();
            let mut listed = self.ask(word, listed);
            for mut item in std::mem::take(listed["items"].as_array_mut().unwrap()) {
                item["apiVersion"] = kind.api_version.as_str().into();
                item["kind"] = kind.kind.as_str().into();
                items.push(shown(item));
            }
        }
        json!({"items": items})
    }

    /// Server-side apply of each document, in the namespace where it says none.
    #[track_caller]
    pub(super) fn apply(&self, namespace: &str, yaml: &str, force: bool) {
        let mut how = PatchParams::apply(MANAGER).validation_strict();
        how.force = force;
        for wanted in serde_saphyr::from_multiple::<Value>(yaml).unwrap() {
            let text = |at: &str| wanted.pointer(at).and_then(Value::as_str);
            let (kind, name) = (text("/kind").unwrap(), text("/metadata/name").unwrap());
            let version = text("/apiVersion").unwrap();
            let is_it = |known: &ApiResource| known.api_version == version && known.kind == kind;
            let within = text("/metadata/namespace").unwrap_or(namespace);
            let (request, _) = self.requests_of(is_it, within, kind);
            let patch = request.patch(name, &how, &Patch::Apply(&wanted)).unwrap();
            self.ask(&format!("{kind} {name}"), patch);
        }
    }

    /// Asks for its end and does not wait for it.
    pub(super) fn delete(&self, namespace: &str, what: &str) -> Result<(), kube::Error> {
        let (kind, name) = what.split_once('/').unwrap();
        let (request, _) = self.requests(kind, namespace);
        let delete = request.delete(name, &DeleteParams::background()).unwrap();
        let deleted = RUNTIME.block_on(self.client.request::<Value>(delete));
        deleted.map(drop)
    }

    /// Whether the server lets the user do the first that a rule of a role allows.
    #[track_caller]
    pub(super) fn lets(&self, namespace: &str, user: &str, rule: &Value) -> bool {
        let first = |of: &str| rule[of][0].as_str().unwrap_or_default();
        let resource = first("resources");
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": {
                "namespace": namespace, "verb": first("verbs"), "group": first("apiGroups"),
                "resource": resource, "subresource": part, "name": first("resourceNames"),
            }},
        });
        let (request, _) = self.requests("subjectaccessreviews", namespace);
        let sent = serde_json::to_vec(&review).unwrap();
        let create = request.create(&PostParams::default(), sent).unwrap();
        self.ask(resource, create)["status"]["allowed"] == true
    }

    /// Until the object is there and so. Watches it.
    #[track_caller]
    pub(super) fn until(
        &self,
        (namespace, what): (&str, &str),
        within: Duration,
        is_so: impl Fn(&Value) -> bool,
    ) {
        let (kind, name) = what.split_once('/').unwrap();
        let (request, _) = self.requests(kind, namespace);
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        // A watch of no version begins with what is there now.
        let watch = || request.watch(&only, "").unwrap();
        let waiting = async {
            // Its server may end a watch at any time.
            while !self.seen(watch(), &is_so).await.unwrap() {}
        };
        let ended = RUNTIME.block_on(async { tokio::time::timeout(within, waiting).await });
        assert!(
            ended.is_ok(),
            "{what} did not become so: {}",
            self.get(namespace, what)
        );
    }

    async fn seen(
        &self,
        watch: http::Request<Vec<u8>>,
        is_so: &impl Fn(&Value) -> bool,
    ) -> Result<bool, kube::Error> {
        let mut events = pin!(self.client.request_events::<Value>(watch).await?);
        while let Some(event) = events.try_next().await? {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event
                && is_so(&object)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Of a kind as kubectl takes it: its plural, or its name in lower case.
    #[track_caller]
    fn requests(&self, word: &str, namespace: &str) -> (Request, ApiResource) {
        let is_it = |known: &ApiResource| known.plural == word || known.kind.to_lowercase() == word;
        self.requests_of(is_it, namespace, word)
    }

    #[track_caller]
    fn requests_of(
        &self,
        is_it: impl Fn(&ApiResource) -> bool,
        namespace: &str,
        word: &str,
    ) -> (Request, ApiResource) {
        let known = || {
            let kinds = self.kinds.lock().unwrap();
            kinds.iter().find(|(kind, _)| is_it(kind)).cloned()
        };
        let found = known().or_else(|| {
            // A test has just made its definition.
            let kinds = RUNTIME.block_on(discover(&self.client));
            *self.kinds.lock().unwrap() = kinds;
            known()
        });
        let Some((kind, in_namespace)) = found else {
            panic!("the server has no {word}");
        };
        let path = DynamicObject::url_path(&kind, in_namespace.then_some(namespace));
        (Request::new(path), kind)
    }

    #[track_caller]
    fn ask(&self, about: &str, request: http::Request<Vec<u8>>) -> Value {
        match RUNTIME.block_on(self.client.request(request)) {
            Ok(answer) => answer,
            Err(error) => panic!("{about}: {error}"),
        }
    }
}

/// Asks which kinds the server has.
async fn discover(client: &Client) -> Vec<Kind> {
    let discovery = Discovery::new(client.clone());
    let discovery = discovery.run_aggregated().await.unwrap();
    let mut kinds = Vec::new();
    for group in discovery.groups_alphabetical() {
        let preferred = group.preferred_version_or_latest();
        let others = group.versions().filter(|version| *version != preferred);
        for version in [preferred].into_iter().chain(others) {
            let all = group.versioned_resources(version).into_iter();
            kinds.extend(all.map(|(kind, about)| (kind, about.scope == Scope::Namespaced)));
        }
    }
    kinds
}

fn shown(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// Whether it has the condition with this status, of what is wanted of it now: by the rules of `kubectl wait`.
pub(super) fn has(object: &Value, condition: &str, status: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|found| {
        let mut seen = [found, &object["status"]]
            .into_iter()
            .filter_map(|it| it["observedGeneration"].as_u64());
        let is_old = seen
            .next()
            .zip(object["metadata"]["generation"].as_u64())
            .is_some_and(|(seen, wanted)| seen < wanted);
        found["type"] == condition && found["status"] == status && !is_old
    })
}
