//! A run of its own for one test, and the room that sends for it.

use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use windlass::call::{self, Applied, Prepared};
use windlass::clock::Clock;
use windlass::contract::CallError;
use windlass::contract::notify_types::{Delivery, Field, Level, Message};
use windlass::database::client::Secret;
use windlass::engine::{ChangePermit, Permit};
use windlass::grant::Effective;
use windlass::journal::{Begin, Entry, RunId, Store};
use windlass::notify::{Channel, Client, Effect, Kind, delivery_of};

/// A signing key of the suite.
pub(super) const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(super) fn block_on<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

/// A signed webhook that gives up after three seconds.
pub(super) fn webhook(url: &str) -> Channel {
    Channel {
        name: "ops".into(),
        kind: Kind::Webhook {
            url: Secret::new(url),
            key: Secret::new(KEY),
            idempotent: false,
        },
        give_up_after: Duration::from_secs(3),
        every: Duration::ZERO,
        ca: None,
        allow_address: Vec::new(),
    }
}

pub(super) fn slack(url: &str) -> Channel {
    Channel {
        kind: Kind::Slack {
            url: Secret::new(url),
        },
        ..webhook(url)
    }
}

pub(super) fn message(title: &str, text: &str) -> Message {
    Message {
        level: Level::Warning,
        title: title.into(),
        text: text.into(),
        fields: vec![Field {
            name: "freed".into(),
            value: "269 MB".into(),
        }],
    }
}

pub(super) fn about(event: &str) -> Effect {
    Effect::send("ops".into(), event.into(), message("orders is tidy", ""))
}

/// A run that has begun.
pub(super) struct Place {
    pub(super) room: Arc<Client>,
    pub(super) store: Store,
    pub(super) run: RunId,
    effects: u64,
    stop: watch::Sender<bool>,
}

impl Place {
    pub(super) async fn new(channel: Channel) -> Self {
        Self::within(Store::in_memory(Clock::system()).unwrap(), channel).await
    }

    /// With a journal that others share.
    pub(super) async fn within(store: Store, channel: Channel) -> Self {
        let run = store.new_run_id(&Clock::system()).unwrap();
        store.append(&run, Entry::Begin(begin())).await.unwrap();
        Self {
            room: Arc::new(Client::new(vec![channel]).unwrap()),
            store,
            run,
            effects: 0,
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn permit(&self) -> Permit {
        Permit::for_test(
            self.run.clone(),
            Arc::new(Effective::nothing()),
            Clock::system().instant() + Duration::from_mins(1),
            self.stop.subscribe(),
            None,
        )
    }

    pub(super) async fn prepare(&self, effect: &Effect) -> Result<Prepared, CallError> {
        self.room.prepare(&self.permit(), effect).await
    }

    /// Prepares, announces, applies and records, as the gate does.
    pub(super) async fn apply(&mut self, effect: Effect) -> Applied {
        let prepared = self.prepare(&effect).await.unwrap();
        self.effects += 1;
        let intended = Entry::Intended {
            effect: self.effects,
            call: call::Effect::Notify(effect.clone()),
            prepared,
        };
        self.store.append(&self.run, intended).await.unwrap();
        let permit = ChangePermit::for_test(self.permit(), self.store.clone(), self.effects);
        let applied = self.room.apply(&permit, &effect).await.unwrap();
        let done = Entry::Done {
            effect: self.effects,
            applied: applied.clone(),
            confirmed: false,
        };
        self.store.append(&self.run, done).await.unwrap();
        applied
    }

    /// How a message about the event ended.
    pub(super) async fn send(&mut self, event: &str) -> Delivery {
        let applied = self.apply(about(event)).await;
        delivery_of(&applied.answer).unwrap()
    }

    /// What was noted of the last effect.
    pub(super) fn note(&self) -> Option<Value> {
        let state = self.store.state(&self.run).unwrap();
        state.effect(self.effects).unwrap().note.clone()
    }
}

#[track_caller]
pub(super) fn given_up(delivery: Delivery) -> String {
    let Delivery::GivenUp(why) = delivery else {
        panic!("{delivery:?}");
    };
    why
}

#[track_caller]
pub(super) fn in_doubt(delivery: Delivery) -> String {
    let Delivery::InDoubt(why) = delivery else {
        panic!("{delivery:?}");
    };
    why
}

fn begin() -> Begin {
    Begin {
        format: 1,
        procedure: "pg-tidy".into(),
        version: "0.1.0".into(),
        digest: format!("sha256:{}", "0".repeat(64)),
        target: "orders".into(),
        parameters: json!({}),
        grants: Vec::new(),
        plan: None,
        by: "tester".into(),
        host: "0.1.0".into(),
    }
}
