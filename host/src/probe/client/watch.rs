//! Sampling an endpoint beside a run. Only turns are told: how long it was down follows from them.

use super::http::Page;
use crate::contract::probe_types::Sample;
use crate::engine::Permit;
use crate::probe::call::Turn;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Turns of one endpoint that are told; what flaps more is not worth a record.
const MOST_TURNS: usize = 1_000;

/// Asks every so often, in milliseconds, and tells the first sample and each that differs from the one before.
pub(super) async fn until_nobody_listens(
    permit: &Permit,
    page: &Page,
    (endpoint, every): (&str, u64),
    seen: UnboundedSender<Turn>,
) {
    let clock = permit.clock();
    let turn = |seen, passes, why| Turn {
        endpoint: endpoint.to_owned(),
        seen,
        passes,
        why,
    };
    let mut turns = 0;
    let mut passes = None;
    while turns < MOST_TURNS {
        let (at, next) = (clock.now(), clock.instant() + Duration::from_millis(every));
        match page.sample(clock, None).await {
            Ok(Sample { passed, why, .. }) if passes != Some(passed) => {
                passes = Some(passed);
                turns += 1;
                if seen.send(turn(at, passes, why)).is_err() {
                    return;
                }
            }
            Ok(_) if seen.is_closed() => return,
            Ok(_) => {}
            Err(why) => {
                // Nobody may listen any more, and that is fine.
                let _ = seen.send(turn(at, None, why.to_string()));
                return;
            }
        }
        tokio::time::sleep_until(next.into()).await;
    }
    let why = format!("it turned {MOST_TURNS} times");
    let _ = seen.send(turn(clock.now(), None, why));
}
