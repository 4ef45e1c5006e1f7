//! The cluster room alone, without a gate: each promise of `wit/cluster.wit` on a real API server, beside kubectl.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod certificates;
mod jobs;
mod routes;

use crate::world::Namespace;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use windlass::call::{self, Applied, ApplyFailure, Confirmed, Prepared, Reverted, Undo};
use windlass::clock::{Clock, Millis};
use windlass::cluster::call::{Change, Look};
use windlass::cluster::{Client, Effect, Read, Target};
use windlass::contract::{CallError, ErrorKind};
use windlass::database::client::Secret;
use windlass::engine::{ChangePermit, Permit};
use windlass::grant::{Budget, Capabilities, Effective};
use windlass::journal::{RunId, Store};
use xtask::kubernetes::User;

const LONG: Duration = Duration::from_mins(1);
const CLUSTER: &str = "staging";
/// The run on whose behalf all is done.
const RUN: &str = "251121-k3f";

/// A namespace, and the room as somebody may use it there.
struct Bench {
    namespace: Namespace,
    room: Client,
    store: Store,
    runtime: tokio::runtime::Runtime,
    stop: watch::Sender<bool>,
}

impl Bench {
    fn new() -> Self {
        Self::of(Namespace::new(), User::Admin)
    }

    fn of(namespace: Namespace, user: User) -> Self {
        Self {
            room: room(&namespace, user),
            store: Store::in_memory(Clock::system()).unwrap(),
            runtime: runtime(),
            stop: watch::Sender::new(false),
            namespace,
        }
    }

    fn permit(&self) -> Permit {
        Permit::for_test(
            RunId(RUN.into()),
            Arc::new(everything()),
            Clock::system().instant() + LONG,
            self.stop.subscribe(),
            None,
        )
    }

    fn change_permit(&self, effect: u64) -> ChangePermit {
        ChangePermit::for_test(self.permit(), self.store.clone(), effect)
    }

    fn read(&self, look: Look) -> Result<Value, CallError> {
        let cluster = CLUSTER.into();
        let read = Read { cluster, look };
        self.runtime.block_on(self.room.read(&self.permit(), &read))
    }

    fn facts<T: DeserializeOwned>(&self, look: Look) -> T {
        serde_json::from_value(self.read(look).unwrap()).unwrap()
    }

    fn prepare(&self, change: &Change) -> Result<Prepared, CallError> {
        let (permit, effect) = (self.permit(), effect(change));
        self.runtime.block_on(self.room.prepare(&permit, &effect))
    }

    /// Prepares as a plan does.
    fn plan(&self, change: &Change) -> Result<Prepared, CallError> {
        let (permit, effect) = (self.permit().for_test_of_plan(), effect(change));
        self.runtime.block_on(self.room.prepare(&permit, &effect))
    }

    fn apply(
        &self,
        change: &Change,
        prepared: &Prepared,
        number: u64,
    ) -> Result<Applied, ApplyFailure> {
        let (permit, effect) = (self.change_permit(number), effect(change));
        self.runtime
            .block_on(self.room.apply(&permit, &effect, prepared))
    }

    /// Prepares and applies, as the first effect of the run. Answers how it is undone too.
    #[track_caller]
    fn act(&self, change: &Change) -> (Applied, Undo) {
        let prepared = self.prepare(change).unwrap();
        let applied = self.apply(change, &prepared, 1).unwrap();
        (applied, prepared.undo)
    }

    fn confirm(&self, change: &Change, prepared: &Prepared, number: u64) -> Confirmed {
        let (permit, effect) = (self.permit(), effect(change));
        let confirmed = self.room.confirm(&permit, &effect, prepared, number);
        self.runtime.block_on(confirmed).unwrap()
    }

    /// Takes the first effect of the run back, as the engine does.
    #[track_caller]
    fn undo(&self, undo: &Undo) -> Reverted {
        let Undo::By(call::Revert::Cluster(revert)) = undo else {
            panic!("{undo} cannot be done");
        };
        let permit = self.change_permit(1);
        self.runtime
            .block_on(self.room.revert(&permit, revert))
            .unwrap()
    }

    fn name(&self) -> String {
        self.namespace.name().into()
    }

    /// What the room asked of the API server about this namespace since the mark: verbs in their order.
    fn requests(&self, mark: u64) -> Vec<String> {
        let requests = self.namespace.cluster().requests(mark).into_iter();
        let ours = requests.filter(|request| {
            request.uri.contains(self.namespace.name()) && !request.agent.starts_with("kube")
        });
        ours.map(|request| request.verb).collect()
    }
}

/// The room as this user has it.
fn room(namespace: &Namespace, user: User) -> Client {
    let kubeconfig = std::fs::read_to_string(namespace.cluster().kubeconfig(user)).unwrap();
    let target = Target {
        name: CLUSTER.into(),
        kubeconfig: Secret::new(kubeconfig),
        context: None,
        namespace: Some(namespace.name().into()),
    };
    Client::new(vec![target]).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn effect(change: &Change) -> Effect {
    Effect {
        cluster: CLUSTER.into(),
        change: change.clone(),
    }
}

fn everything() -> Effective {
    let all = ["*"];
    let capabilities: Capabilities = serde_json::from_value(json!({"cluster": [{
        "clusters": all, "namespaces": all, "kinds": all, "names": all, "nodes": all,
        "verbs": ["cluster", "workloads", "pods", "logs", "nodes", "budgets", "jobs", "certificates", "routes", "set-image",
                  "scale", "restart", "pause", "roll-back", "annotate", "cordon", "uncordon", "drain", "create-job",
                  "delete-job", "divert", "restore", "renew"],
    }]}))
    .unwrap();
    Effective {
        needs: capabilities.clone(),
        grant: capabilities,
        budget: Budget::default(),
        expires: Some(Millis(u64::MAX)),
    }
}

/// The message of what must be a refusal.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, CallError>, kind: ErrorKind) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind, kind, "{}", error.message);
    error.message
}

/// The message of a failure that certainly changed nothing.
#[track_caller]
fn failed(result: Result<Applied, ApplyFailure>, kind: ErrorKind) -> String {
    let failure = result.unwrap_err();
    assert!(!failure.in_doubt, "{failure:?}");
    refused::<()>(Err(failure.error), kind)
}

/// An object without what the server keeps for itself.
fn bare(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for name in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(name);
    }
    object
}
