//! One attempt at a POST.

use super::attempt::Answer;
use crate::clock::Clock;
use crate::dial::{Door, NoWay, Web};
use crate::tls;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::time::Duration;
use tokio::time::timeout;

/// How much of an answer is read.
const ANSWER_BYTES: usize = 64 << 10;

/// Where a channel's requests go.
pub(super) struct Post {
    pub(super) web: Web,
    /// Whether the receiver takes the same message twice for one, so that it can be sent again where it may have arrived.
    pub(super) idempotent: bool,
}

impl Post {
    pub(super) fn door(&self) -> &Door {
        self.web.door()
    }

    /// What was sent whole, and was not answered.
    fn silent(&self, why: String) -> Answer {
        if self.idempotent {
            Answer::again(why)
        } else {
            Answer::Silent(why)
        }
    }

    /// Sends the request once, and says what that came to. `explain` finds in the body of a refusal what may be told of it.
    pub(super) async fn attempt(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
        (clock, within): (&Clock, Duration),
        explain: fn(&[u8]) -> Option<&'static str>,
    ) -> Answer {
        let began = clock.instant();
        let addresses = match timeout(within, self.web.door().addresses()).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(NoWay::Unresolved)) | Err(_) => {
                return Answer::again(NoWay::Unresolved.to_string());
            }
            Ok(Err(refused)) => return Answer::Refused(refused.to_string()),
        };
        let within = within.saturating_sub(clock.instant() - began);
        let Some(client) = self.web.client(addresses, within) else {
            return Answer::Refused("TLS could not be set up".into());
        };
        let request = client
            .post(self.web.url().clone())
            .headers(headers)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        match request.send().await {
            Ok(response) => answered(response, clock, self.idempotent, explain).await,
            Err(error) if error.is_connect() => not_connected(&error),
            Err(error) if error.is_builder() => Answer::Refused("the request is impossible".into()),
            Err(error) if error.is_timeout() => self.silent(format!(
                "no answer within {}",
                crate::text::duration(within)
            )),
            Err(_) => self.silent("the connection broke before an answer".into()),
        }
    }
}

async fn answered(
    response: Response,
    clock: &Clock,
    idempotent: bool,
    explain: fn(&[u8]) -> Option<&'static str>,
) -> Answer {
    let status = response.status();
    let code = status.as_u16();
    if status.is_success() {
        return Answer::Taken(None);
    }
    if status.is_redirection() {
        return Answer::Refused(format!(
            "the receiver redirects ({code}); redirects are not followed"
        ));
    }
    // It had the whole message by then. A proxy says so too of a receiver that took it and broke off.
    if status.is_server_error() && !idempotent {
        return Answer::Silent(format!(
            "the receiver answered {code} to the whole message, so it may have taken it"
        ));
    }
    let passes = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    let why = format!("the receiver answered {code}");
    if status.is_server_error() || passes.contains(&status) {
        let after = response.headers().get(RETRY_AFTER);
        return Answer::Again {
            why,
            after: after.and_then(|value| retry_after(value, clock)),
        };
    }
    match explain(&beginning(response).await) {
        Some(word) => Answer::Refused(format!("{why}: {word}")),
        None => Answer::Refused(why),
    }
}

/// In seconds or as a date.
fn retry_after(value: &HeaderValue, clock: &Clock) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(text).ok()?.timestamp();
    let now = clock.now().timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

async fn beginning(mut response: Response) -> Vec<u8> {
    let mut read = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        read.extend_from_slice(&chunk);
        if read.len() >= ANSWER_BYTES {
            break;
        }
    }
    read
}

/// Nothing was sent. A certificate that is not trusted is not tried again: it will not be trusted then either.
fn not_connected(error: &reqwest::Error) -> Answer {
    if tls::is_mistrust(error) {
        return Answer::Refused("the receiver's certificate is not trusted for its name".into());
    }
    Answer::again("nothing answers there".into())
}
