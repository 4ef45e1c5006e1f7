//! Waiting until an endpoint passes several times in a row.

use super::chain::no_way;
use super::http::Page;
use crate::contract::probe_types::Sample;
use crate::contract::{CallError, ErrorKind};
use crate::engine::{Permit, Progress};
use crate::text::{duration, milliseconds};
use std::time::Duration;

/// Asks every so often, until so many samples in a row passed; answers the last. `wanted` is the status, if not the expected one, and how
/// many times; the times are in milliseconds.
pub(super) async fn wait(
    permit: &Permit,
    page: &Page,
    (status, times): (Option<u16>, u32),
    (every, within): (u64, u64),
) -> Result<Sample, CallError> {
    let clock = permit.clock();
    let within = Duration::from_millis(within);
    let end = permit.deadline().min(clock.instant() + within);
    let (mut passed, mut most, mut why) = (0, 0, String::new());
    let asking = async {
        loop {
            let next = clock.instant() + Duration::from_millis(every);
            let sample = page.sample(clock, status).await.map_err(no_way)?;
            passed = if sample.passed { passed + 1 } else { 0 };
            most = most.max(passed);
            show(permit, passed, times, &sample);
            if passed == times {
                return Ok(sample);
            }
            if !sample.passed {
                why = sample.why;
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

fn show(permit: &Permit, passed: u32, times: u32, sample: &Sample) {
    let phase = if sample.passed {
        format!("passed in {}", milliseconds(sample.latency))
    } else {
        sample.why.clone()
    };
    permit.progress(Progress {
        phase,
        done: passed.into(),
        total: times.into(),
        notice: false,
    });
}
