//! The only code that looks at endpoints. Each function that a procedure can cause takes the proof that the gate let it through.

mod chain;
mod endpoint;
mod http;
mod ready;
mod steady;
mod watch;

pub use endpoint::{DEFAULT_TIMEOUT, Endpoint, EndpointError, Expected, Kind, LONGEST_TIMEOUT};

use self::chain::{Server, no_way};
use self::http::Page;
use self::ready::Ready;
use self::steady::Wanted;
use super::call::{Look, Read, Turn};
use crate::clock::Clock;
use crate::contract::probe_types::{Chain, Sample};
use crate::contract::{CallError, ErrorKind};
use crate::dial::NoWay;
use crate::engine::Permit;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::mpsc::UnboundedSender;

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
            // That it may be dialled is seen now; the gate has it watched.
            Look::Watch { .. } => {
                let page = self.page(&read.endpoint)?;
                let addresses = page.web.door().addresses().await;
                match addresses {
                    Ok(_) | Err(NoWay::Unresolved) => Ok(Value::Null),
                    Err(why) => Err(named(&read.endpoint, &no_way(why))),
                }
            }
            Look::AwaitPasses {
                times,
                every,
                within,
            } => {
                let page = Wanted::Page(self.page(&read.endpoint)?, None);
                steady(permit, read, &page, times, (every, within)).await
            }
            Look::AwaitStatus {
                status,
                times,
                every,
                within,
            } => {
                let page = Wanted::Page(self.page(&read.endpoint)?, Some(status));
                steady(permit, read, &page, times, (every, within)).await
            }
            Look::AwaitSerial {
                ref serial,
                times,
                every,
                within,
            } => {
                let server = Wanted::Serial(self.server(&read.endpoint)?, serial);
                steady(permit, read, &server, times, (every, within)).await
            }
        }
    }

    /// Samples an endpoint until nobody listens, and tells each turn. Ends after many, and where it may not be dialled any more.
    pub async fn watch(&self, permit: &Permit, read: &Read, seen: UnboundedSender<Turn>) {
        if let (Ok(page), Look::Watch { every }) = (self.page(&read.endpoint), &read.look) {
            watch::until_nobody_listens(permit, page, (&read.endpoint, *every), seen).await;
        }
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

async fn steady(
    permit: &Permit,
    read: &Read,
    wanted: &Wanted<'_>,
    times: u32,
    spans: (u64, u64),
) -> Result<Value, CallError> {
    let answer = steady::wait(permit, wanted, times, spans).await;
    answer.map_err(|error| named(&read.endpoint, &error))
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
        Look::AwaitSerial { .. } => value(&Chain {
            at: 0,
            certificates: Vec::new(),
            trusted: true,
            why: String::new(),
        })
        .ok(),
        Look::Http | Look::Tls | Look::Watch { .. } => None,
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
