//! The only code that looks at endpoints. Each function that a procedure can cause takes the proof that the gate let it through.

mod chain;
mod endpoint;
mod http;
mod ready;
mod steady;

pub use endpoint::{DEFAULT_TIMEOUT, Endpoint, EndpointError, Expected, Kind, LONGEST_TIMEOUT};

use self::chain::{Server, no_way};
use self::http::Page;
use self::ready::Ready;
use super::call::{Look, Read};
use crate::clock::Clock;
use crate::contract::probe_types::Sample;
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// All configured endpoints. It connects when it is asked.
pub struct Client {
    endpoints: BTreeMap<String, Ready>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.endpoints.keys()).finish()
    }
}

impl Client {
    /// Reads URLs, names and certificates. Does not connect. Of two endpoints of one name the last counts.
    pub fn new(endpoints: Vec<Endpoint>) -> Result<Self, EndpointError> {
        let ready = |endpoint: Endpoint| Ok((endpoint.name.clone(), Ready::new(&endpoint)?));
        Ok(Self {
            endpoints: endpoints.into_iter().map(ready).collect::<Result<_, _>>()?,
        })
    }

    /// Looks, or waits. Changes nothing; may be repeated.
    pub async fn read(&self, permit: &Permit, read: &Read) -> Result<Value, CallError> {
        read.check()?;
        match read.look {
            Look::Http => {
                let sample = self.page(&read.endpoint)?.sample(permit.clock(), None);
                value(
                    &sample
                        .await
                        .map_err(|why| named(&read.endpoint, &no_way(why)))?,
                )
            }
            Look::Tls => {
                let chain = self.server(&read.endpoint)?.chain(permit.clock()).await;
                value(&chain.map_err(|error| named(&read.endpoint, &error))?)
            }
            Look::AwaitPasses {
                times,
                every,
                within,
            } => value(
                &self
                    .steady(permit, read, (None, times), (every, within))
                    .await?,
            ),
            Look::AwaitStatus {
                status,
                times,
                every,
                within,
            } => {
                let wanted = (Some(status), times);
                value(&self.steady(permit, read, wanted, (every, within)).await?)
            }
        }
    }

    async fn steady(
        &self,
        permit: &Permit,
        read: &Read,
        wanted: (Option<u16>, u32),
        times: (u64, u64),
    ) -> Result<Sample, CallError> {
        let page = self.page(&read.endpoint)?;
        let sample = steady::wait(permit, page, wanted, times).await;
        sample.map_err(|error| named(&read.endpoint, &error))
    }

    /// What came of one look at an endpoint, in a few words, and whether it is well. For operators; looks for itself.
    pub async fn probe(&self, endpoint: &str, clock: &Clock) -> Result<(bool, String), CallError> {
        if let Ok(page) = self.page(endpoint) {
            let sample = page.sample(clock, None).await.map_err(no_way)?;
            let latency = crate::text::milliseconds(sample.latency);
            return Ok(match sample.status {
                _ if !sample.passed => (false, sample.why),
                Some(status) => (true, format!("{status} in {latency}")),
                None => (true, latency),
            });
        }
        let chain = self.server(endpoint)?.chain(clock).await?;
        let own = chain.certificates.first();
        let until = own.map(|own| crate::text::minute(crate::clock::Millis(own.not_after)));
        Ok(if chain.trusted {
            let until = until.unwrap_or_default();
            (true, format!("its certificate is valid until {until}"))
        } else {
            (false, format!("its certificate: {}", chain.why))
        })
    }

    fn endpoint(&self, name: &str) -> Result<&Ready, CallError> {
        self.endpoints.get(name).ok_or_else(|| {
            let message = format!("no endpoint `{name}` is configured");
            CallError::new(ErrorKind::NotFound, message)
        })
    }

    fn page(&self, name: &str) -> Result<&Page, CallError> {
        self.endpoint(name)?.page.as_ref().ok_or_else(|| {
            let message = format!("endpoint `{name}` is for TLS only: it has no `url`");
            CallError::new(ErrorKind::Invalid, message)
        })
    }

    fn server(&self, name: &str) -> Result<&Server, CallError> {
        self.endpoint(name)?.server.as_ref().ok_or_else(|| {
            let message = format!("endpoint `{name}` has no TLS: its `url` is http://");
            CallError::new(ErrorKind::Invalid, message)
        })
    }
}

/// What a plan answers for a wait: that it came about.
pub fn assumed(read: &Read) -> Option<Value> {
    let sample = |status| Sample {
        at: 0,
        status,
        latency: 0,
        passed: true,
        why: String::new(),
    };
    match read.look {
        Look::AwaitPasses { .. } => value(&sample(None)).ok(),
        Look::AwaitStatus { status, .. } => value(&sample(Some(status))).ok(),
        Look::Http | Look::Tls => None,
    }
}

fn named(endpoint: &str, error: &CallError) -> CallError {
    let message = format!("endpoint `{endpoint}`: {}", error.message);
    CallError::new(error.kind, message)
}

fn value<T: Serialize>(answer: &T) -> Result<Value, CallError> {
    serde_json::to_value(answer).map_err(|error| {
        let message = format!("cannot be recorded: {error}");
        CallError::new(ErrorKind::Invalid, message)
    })
}
