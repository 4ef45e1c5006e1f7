//! One request, and whether what came is what the operator expects.

use super::endpoint::Expected;
use crate::clock::Clock;
use crate::contract::probe_types::Sample;
use crate::dial::{NoWay, Web};
use crate::text::duration;
use crate::tls;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Response};
use serde_json::Value;
use std::time::Duration;

/// How much of an answer is read.
const BODY_BYTES: usize = 64 << 10;

/// A page that can be asked.
pub(super) struct Page {
    pub(super) web: Web,
    pub(super) expected: Expected,
    pub(super) header: Option<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
}

/// What came.
struct Answer {
    status: u16,
    /// None if it has more than is read.
    body: Option<Vec<u8>>,
}

impl Page {
    /// Asks once. Only an address that must not be dialled is an error. With a status of its own nothing else is expected.
    pub(super) async fn sample(&self, clock: &Clock, status: Option<u16>) -> Result<Sample, NoWay> {
        let (at, began) = (clock.now().0, clock.instant());
        let answer = match self.web.door().addresses().await {
            Ok(addresses) => match self.web.client(addresses, self.timeout) {
                Some(client) => self.ask(&client).await,
                None => Err("TLS could not be set up".into()),
            },
            Err(NoWay::Unresolved) => Err(NoWay::Unresolved.to_string()),
            Err(refused) => return Err(refused),
        };
        let took = clock.instant().saturating_duration_since(began);
        let (status, why) = match answer {
            Err(why) => (None, Some(why)),
            Ok(answer) => (Some(answer.status), self.objection(&answer, took, status)),
        };
        Ok(Sample {
            at,
            status,
            latency: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            passed: why.is_none(),
            why: why.unwrap_or_default(),
        })
    }

    async fn ask(&self, client: &Client) -> Result<Answer, String> {
        let mut request = client.get(self.web.url().clone());
        if let Some((name, value)) = &self.header {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) => Err(self.broken(&error)),
        }
    }

    async fn read(&self, mut response: Response) -> Result<Answer, String> {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(self.broken(&error)),
            }
            if body.len() > BODY_BYTES {
                return Ok(Answer { status, body: None });
            }
        }
        let body = Some(body);
        Ok(Answer { status, body })
    }

    /// Says nothing of where it is.
    fn broken(&self, error: &reqwest::Error) -> String {
        if tls::is_mistrust(error) {
            "its certificate is not trusted for its name".into()
        } else if error.is_timeout() {
            format!("no whole answer within {}", duration(self.timeout))
        } else if error.is_connect() {
            "nothing answers there".into()
        } else {
            "the connection broke before the end of the answer".into()
        }
    }

    /// Why the answer is not what is expected.
    fn objection(&self, answer: &Answer, took: Duration, status: Option<u16>) -> Option<String> {
        let wanted = status.unwrap_or(self.expected.status);
        if answer.status != wanted {
            return Some(format!("it answered {}, not {wanted}", answer.status));
        }
        if status.is_some() {
            return None;
        }
        let json = self.expected.json.as_ref();
        let why = json.and_then(|(at, value)| json_objection(answer.body.as_deref(), at, value));
        why.or_else(|| {
            let most = self.expected.latency.filter(|most| took > *most)?;
            Some(format!(
                "it took {}, more than {}",
                duration(took),
                duration(most)
            ))
        })
    }
}

fn json_objection(body: Option<&[u8]>, at: &str, expected: &Value) -> Option<String> {
    let Some(body) = body else {
        return Some("its body has more than 64 KiB".into());
    };
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Some("its body is not JSON".into());
    };
    match json.pointer(at) {
        Some(found) if found == expected => None,
        Some(_) => Some(format!("its body has another value at `{at}`")),
        None => Some(format!("its body has nothing at `{at}`")),
    }
}
