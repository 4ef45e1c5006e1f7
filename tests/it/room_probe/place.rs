//! A room for one endpoint, without a gate.

use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use windlass::clock::Clock;
use windlass::contract::CallError;
use windlass::contract::probe_types::Sample;
use windlass::engine::Permit;
use windlass::grant::Effective;
use windlass::journal::RunId;
use windlass::probe::client::{Expected, Kind};
use windlass::probe::{Client, Endpoint, Look, Read};

/// Expects 200, and nothing else, and waits long enough for a machine that is busy.
pub(super) fn page(url: &str) -> Endpoint {
    expecting(url, expected(200))
}

pub(super) fn expected(status: u16) -> Expected {
    Expected {
        status,
        json: None,
        latency: None,
    }
}

pub(super) fn expecting(url: &str, expected: Expected) -> Endpoint {
    Endpoint {
        name: "shop".into(),
        kind: Kind::Http {
            url: url.into(),
            expected,
            header: None,
        },
        timeout: Duration::from_secs(20),
        ca: None,
        allow_address: Vec::new(),
    }
}

/// The same, and gives up after a second.
pub(super) fn hasty(endpoint: Endpoint) -> Endpoint {
    Endpoint {
        timeout: Duration::from_secs(1),
        ..endpoint
    }
}

pub(super) fn server(at: &str, root: &str) -> Endpoint {
    Endpoint {
        kind: Kind::Tls {
            server: at.into(),
            server_name: None,
        },
        ca: Some(root.as_bytes().to_vec()),
        ..page("https://unused/")
    }
}

pub(super) struct Place {
    room: Client,
    runtime: Runtime,
    // Nobody stops what is done here.
    stop: watch::Sender<bool>,
}

impl Place {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let runtime = Builder::new_multi_thread();
        Self {
            room: Client::new(vec![endpoint]).unwrap(),
            runtime: { runtime }.worker_threads(2).enable_all().build().unwrap(),
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn read<T: DeserializeOwned>(&self, look: Look) -> Result<T, CallError> {
        let permit = Permit::for_test(
            RunId("run-of-a-test".into()),
            Arc::new(Effective::nothing()),
            Clock::system().instant() + Duration::from_mins(1),
            self.stop.subscribe(),
            None,
        );
        let endpoint = "shop".into();
        let read = Read { endpoint, look };
        let answer = self.runtime.block_on(self.room.read(&permit, &read))?;
        Ok(serde_json::from_value(answer).unwrap())
    }

    /// One request.
    #[track_caller]
    pub(super) fn sample(&self) -> Sample {
        self.read(Look::Http).unwrap()
    }

    /// Why one request did not pass.
    #[track_caller]
    pub(super) fn objection(&self) -> String {
        let sample = self.sample();
        assert!(!sample.passed && !sample.why.is_empty(), "{sample:?}");
        sample.why
    }
}
