//! Waiting until an endpoint is as it should be, several times in a row.

use super::chain::{Server, no_way};
use super::http::Page;
use super::value;
use crate::clock::Clock;
use crate::contract::{CallError, ErrorKind};
use crate::engine::{Permit, Progress};
use crate::text::{duration, milliseconds};
use serde_json::Value;
use std::time::Duration;

/// What is waited for.
pub(super) enum Wanted<'a> {
    /// That a page passes; with a status, if it is not the expected one.
    Page(&'a Page, Option<u16>),
    /// That a server shows the certificate of this serial.
    Serial(&'a Server, &'a str),
}

/// What one look found.
struct Seen {
    answer: Value,
    /// In a few words, for who looks on.
    phase: String,
    /// Why it does not pass.
    objection: Option<String>,
}

impl Wanted<'_> {
    async fn look(&self, clock: &Clock) -> Result<Seen, CallError> {
        match self {
            Self::Page(page, status) => {
                let sample = page.sample(clock, *status).await.map_err(no_way)?;
                Ok(Seen {
                    answer: value(&sample)?,
                    phase: format!("passed in {}", milliseconds(sample.latency)),
                    objection: (!sample.passed).then_some(sample.why),
                })
            }
            Self::Serial(server, wanted) => shown(server, wanted, clock).await,
        }
    }
}

/// Who shakes no hands may be about to begin anew.
async fn shown(server: &Server, wanted: &str, clock: &Clock) -> Result<Seen, CallError> {
    let seen = |answer, objection| Seen {
        answer,
        phase: format!("shows {wanted}"),
        objection,
    };
    let chain = match server.chain(clock).await {
        Ok(chain) => chain,
        Err(error) if error.kind == ErrorKind::Unavailable => {
            return Ok(seen(Value::Null, Some(error.message)));
        }
        Err(error) => return Err(error),
    };
    let own = chain.certificates.first();
    let serial = own.map_or("", |own| own.serial.as_str());
    let objection =
        (serial != wanted).then(|| format!("it shows the certificate {serial}, not {wanted}"));
    Ok(seen(value(&chain)?, objection))
}

/// Looks every so often, until it was so many times in a row as it should be; answers the last look. The times are in milliseconds.
pub(super) async fn wait(
    permit: &Permit,
    wanted: &Wanted<'_>,
    times: u32,
    (every, within): (u64, u64),
) -> Result<Value, CallError> {
    let clock = permit.clock();
    let within = Duration::from_millis(within);
    let end = permit.deadline().min(clock.instant() + within);
    let (mut passed, mut most, mut why) = (0, 0, String::new());
    let asking = async {
        loop {
            let next = clock.instant() + Duration::from_millis(every);
            let seen = wanted.look(clock).await?;
            passed = if seen.objection.is_none() {
                passed + 1
            } else {
                0
            };
            most = most.max(passed);
            show(permit, passed, times, &seen);
            if passed == times {
                return Ok(seen.answer);
            }
            if let Some(objection) = seen.objection {
                why = objection;
            }
            tokio::time::sleep_until(next.into()).await;
        }
    };
    let ended = tokio::time::timeout_at(end.into(), asking).await;
    ended.unwrap_or_else(|_| {
        let within = duration(within);
        let last = if why.is_empty() {
            String::new()
        } else {
            format!("; when it last did not: {why}")
        };
        let message = format!("it passed {most} of {times} times in a row within {within}{last}");
        Err(CallError::new(ErrorKind::Limit, message))
    })
}

fn show(permit: &Permit, passed: u32, times: u32, seen: &Seen) {
    permit.progress(Progress {
        phase: seen.objection.as_ref().unwrap_or(&seen.phase).clone(),
        done: passed.into(),
        total: times.into(),
        notice: false,
    });
}
