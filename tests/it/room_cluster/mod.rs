//! The cluster room alone, without a gate: each promise of `wit/cluster.wit` against a real API server.

mod acts;
mod between;
pub(crate) mod certificates;
mod config;
mod config_fields;
mod config_sets;
mod drain;
mod drain_foreseen;
mod endless;
mod expired;
pub(crate) mod jobs;
mod labels;
mod lock;
mod nodes;
mod place;
mod rollouts;
mod routes;
mod waits;

use crate::world::{Namespace, Relay};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use windlass::call::{self, Applied, ApplyFailure, Confirmed, Prepared, Revert, Reverted, Undo};
use windlass::clock::{Clock, Millis};
use windlass::cluster::call::{Change, Look};
use windlass::cluster::{Client, Effect, Read, Target};
use windlass::contract::{CallError, ErrorKind};
use windlass::database::client::Secret;
use windlass::engine::{ChangePermit, Permit, Progress};
use windlass::grant::{Budget, Capabilities, Effective};
use windlass::journal::{RunId, Store};
use xtask::kubernetes::User;

/// Nothing here takes longer.
const LONG: Duration = Duration::from_mins(1);
/// What the cluster is called in grants.
const CLUSTER: &str = "staging";

/// A namespace, and the room that works in it.
struct Bench {
    namespace: Namespace,
    room: Arc<Client>,
    scopes: Value,
    runtime: Runtime,
    // Nobody stops what is done here.
    stop: watch::Sender<bool>,
}

/// An effect at work.
struct Started {
    work: JoinHandle<Result<Applied, ApplyFailure>>,
    shown: mpsc::UnboundedReceiver<Progress>,
}

impl Bench {
    /// The room works as the administrator and may do everything.
    fn new(namespace: Namespace) -> Self {
        let room = room(&namespace, User::Admin);
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        Self {
            namespace,
            room,
            scopes: everything(),
            runtime,
            stop: watch::Sender::new(false),
        }
    }

    /// The room works as another user from here on.
    fn log_in(&mut self, user: User) {
        self.room = room(&self.namespace, user);
    }

    /// The room asks by way of this relay from here on.
    fn go_through(&mut self, relay: &Relay) {
        self.room = room_with(&self.namespace, relay.kubeconfig().to_string());
    }

    /// The scope is everything, but for these keys.
    fn narrow(&mut self, keys: &Value) {
        self.scopes = everything();
        let scope = self.scopes[0].as_object_mut().unwrap();
        scope.extend(keys.as_object().unwrap().clone());
    }

    fn effective(&self) -> Effective {
        let capabilities: Capabilities =
            serde_json::from_value(json!({ "cluster": self.scopes })).unwrap();
        Effective {
            needs: capabilities.clone(),
            grant: capabilities,
            budget: Budget::default(),
            expires: Some(Millis(u64::MAX)),
            ..Effective::nothing()
        }
    }

    fn permit(&self, progress: Option<mpsc::UnboundedSender<Progress>>) -> Permit {
        Permit::for_test(
            RunId(format!("run-{}", self.namespace.name())),
            Arc::new(self.effective()),
            Clock::system().instant() + LONG,
            self.stop.subscribe(),
            progress,
        )
    }

    fn change(&self, progress: Option<mpsc::UnboundedSender<Progress>>) -> ChangePermit {
        let store = Store::in_memory(Clock::system()).unwrap();
        ChangePermit::for_test(self.permit(progress), store, 1)
    }

    fn read<T: DeserializeOwned>(&self, look: Look) -> Result<T, CallError> {
        let cluster = CLUSTER.into();
        let (permit, read) = (self.permit(None), Read { cluster, look });
        let answer = self.runtime.block_on(self.room.read(&permit, &read))?;
        Ok(serde_json::from_value(answer).unwrap())
    }

    fn prepare(&self, change: &Change) -> Result<Prepared, CallError> {
        let permit = self.permit(None);
        let effect = effect(change);
        let prepared = self.runtime.block_on(self.room.prepare(&permit, &effect))?;
        // As the gate does.
        let effect = call::Effect::Cluster(effect);
        let mut touches = prepared.touches.iter();
        match touches.find_map(|touch| permit.effective().breaks_rule(&effect, touch)) {
            Some((side, rule)) => Err(CallError::denied(side.denial(), rule.to_string())),
            None => Ok(prepared),
        }
    }

    /// As in a plan.
    fn plan(&self, change: &Change) -> Result<Prepared, CallError> {
        let permit = self.permit(None).for_test_of_plan();
        self.runtime
            .block_on(self.room.prepare(&permit, &effect(change)))
    }

    /// Prepares and applies.
    fn apply(&self, change: &Change) -> Result<Applied, CallError> {
        let prepared = self.prepare(change)?;
        self.start_prepared(change, prepared).wait(self)
    }

    /// Prepares, and begins to apply.
    fn start(&self, change: &Change) -> Started {
        self.start_prepared(change, self.prepare(change).unwrap())
    }

    fn start_prepared(&self, change: &Change, prepared: Prepared) -> Started {
        let (sender, shown) = mpsc::unbounded_channel();
        let (room, permit) = (Arc::clone(&self.room), self.change(Some(sender)));
        let effect = effect(change);
        let work = async move { room.apply(&permit, &effect, &prepared).await };
        let work = self.runtime.spawn(work);
        Started { work, shown }
    }

    fn confirm(&self, change: &Change, prepared: &Prepared) -> Confirmed {
        let (permit, effect) = (self.permit(None), effect(change));
        let asked = self.room.confirm(&permit, &effect, prepared, 1);
        self.runtime.block_on(asked).unwrap()
    }

    /// Takes back what was prepared, as the first effect of the run.
    fn undo(&self, prepared: &Prepared) -> Reverted {
        self.undo_as(1, prepared)
    }

    fn undo_as(&self, number: u64, prepared: &Prepared) -> Reverted {
        let Undo::By(Revert::Cluster(revert)) = &prepared.undo else {
            panic!("nothing to take back: {}", prepared.undo);
        };
        let permit = self.numbered(number);
        let reverted = self.room.revert(&permit, revert);
        self.runtime.block_on(reverted).unwrap()
    }
}

impl Started {
    /// Waits until it shows a text, and answers the line.
    fn until_shown(&mut self, bench: &Bench, text: &str) -> String {
        let shown = async {
            loop {
                let progress = self.shown.recv().await;
                let progress = progress.unwrap_or_else(|| panic!("`{text}` was never shown"));
                if progress.phase.contains(text) {
                    return progress.phase;
                }
            }
        };
        let shown = async { tokio::time::timeout(LONG, shown).await };
        bench.runtime.block_on(shown).unwrap()
    }

    /// Ends as a crash does.
    fn abandon(self, bench: &Bench) {
        self.work.abort();
        assert!(bench.runtime.block_on(self.work).is_err());
    }

    fn wait(self, bench: &Bench) -> Result<Applied, CallError> {
        let applied = bench.runtime.block_on(self.work).unwrap();
        applied.map_err(|failure| {
            assert!(!failure.in_doubt, "{failure:?}");
            failure.error
        })
    }
}

fn room(namespace: &Namespace, user: User) -> Arc<Client> {
    let kubeconfig = fs::read_to_string(namespace.cluster().kubeconfig(user)).unwrap();
    room_with(namespace, kubeconfig)
}

fn room_with(namespace: &Namespace, kubeconfig: String) -> Arc<Client> {
    let target = Target {
        name: CLUSTER.into(),
        kubeconfig: Secret::new(kubeconfig),
        folder: None,
        context: None,
        namespace: Some(namespace.name().into()),
    };
    Arc::new(Client::new(vec![target]).unwrap())
}

fn effect(change: &Change) -> Effect {
    Effect {
        cluster: CLUSTER.into(),
        change: change.clone(),
    }
}

fn everything() -> Value {
    json!([{
        "clusters": ["*"], "namespaces": ["*"], "kinds": ["*"], "names": ["*"], "nodes": ["*"], "labels": ["*"], "contents": ["*"],
        "fields": ["spec", "data", "metadata"],
        "verbs": ["cluster", "workloads", "pods", "logs", "nodes", "budgets", "jobs", "certificates", "routes", "set-image", "scale",
                  "restart", "pause", "roll-back", "annotate", "cordon", "uncordon", "label", "drain", "create-job", "delete-job", "divert",
                  "restore", "renew", "members", "apply", "prune", "patch"],
    }])
}

/// Fails the test unless it was refused like this. Answers the message.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, CallError>, kind: ErrorKind) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind, kind, "{}", error.message);
    error.message
}
