//! Sends one message until it has an end, or until the run has waited long enough for the channel. Each attempt is noted durably before it begins, and again when it has certainly failed.

use super::attempt::Answer;
use super::letter::Letter;
use super::ready::Ready;
use crate::clock::Millis;
use crate::contract::CallError;
use crate::contract::notify_types::Delivery;
use crate::engine::{ChangePermit, Progress};
use crate::notify::call::to_value;
use crate::notify::note::Note;
use crate::text::{counted, duration};
use std::time::{Duration, Instant};

/// The first pause between two attempts; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause that nobody asked for.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How a message ended, and who of several recipients did not get it.
pub(super) struct Sent {
    pub(super) delivery: Delivery,
    pub(super) without: Option<String>,
}

impl From<Delivery> for Sent {
    fn from(delivery: Delivery) -> Self {
        Self {
            delivery,
            without: None,
        }
    }
}

/// Sends a message to its end. A channel costs a run no more than `give-up-after`, whatever the number of its messages.
pub(super) async fn deliver(
    permit: &ChangePermit,
    channel: &Ready,
    letter: &Letter,
) -> Result<Sent, CallError> {
    let began = permit.clock().instant();
    let rest = channel.patience();
    if rest.is_zero() {
        let why = format!(
            "not tried: the run has waited {} for the channel already",
            duration(channel.give_up_after)
        );
        return Ok(Delivery::GivenUp(why).into());
    }
    let sent = attempts(permit, channel, letter, permit.deadline().min(began + rest)).await?;
    if sent.delivery != Delivery::Delivered {
        channel.waited(permit.clock().instant() - began);
    }
    Ok(sent)
}

async fn attempts(
    permit: &ChangePermit,
    channel: &Ready,
    letter: &Letter,
    end: Instant,
) -> Result<Sent, CallError> {
    let mut note = Note::new(&letter.id);
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(why) = wait_for_turn(permit, channel, end).await? {
            return Ok(Delivery::GivenUp(why).into());
        }
        note.attempt(permit.clock().now());
        permit.note(to_value(&note)?).await?;
        let within = left(permit, end).min(ATTEMPT);
        let (why, after) = match channel.attempt(letter, permit.clock(), within).await {
            Answer::Taken(without) => {
                let delivery = Delivery::Delivered;
                return Ok(Sent { delivery, without });
            }
            Answer::Refused(why) => return Ok(Delivery::GivenUp(why).into()),
            Answer::Silent(why) => return Ok(Delivery::InDoubt(why).into()),
            Answer::Again { why, after } => (why, after.unwrap_or_default()),
        };
        let wait = after.max(pause);
        if wait >= left(permit, end) {
            return Ok(Delivery::GivenUp(given_up(&note, &why, after, channel)).into());
        }
        note.failed(&why);
        permit.note(to_value(&note)?).await?;
        tell(permit, channel, &why, wait);
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn left(permit: &ChangePermit, end: Instant) -> Duration {
    end.saturating_duration_since(permit.clock().instant())
}

/// Waits until the channel may be sent something; why it will not in time, if so.
async fn wait_for_turn(
    permit: &ChangePermit,
    channel: &Ready,
    end: Instant,
) -> Result<Option<String>, CallError> {
    if channel.every.is_zero() {
        return Ok(None);
    }
    let now = permit.clock().now();
    let latest = Millis(now.0.saturating_add(milliseconds(left(permit, end))));
    let turn = permit.reserve_time(&channel.name, milliseconds(channel.every), latest)?;
    let Some(turn) = turn else {
        return Ok(Some(format!(
            "rate limit: the channel takes a message every {}, and its next turn is too late",
            duration(channel.every)
        )));
    };
    tokio::time::sleep(Duration::from_millis(turn.since(now))).await;
    Ok(None)
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn given_up(note: &Note, why: &str, after: Duration, channel: &Ready) -> String {
    let tried = counted(note.count(), "attempt");
    if after > channel.give_up_after {
        return format!(
            "{why} after {tried} and wants to be left alone for {}, longer than `give-up-after`",
            duration(after)
        );
    }
    format!(
        "{why}, after {tried} within {}",
        duration(channel.give_up_after)
    )
}

/// For those who watch.
fn tell(permit: &ChangePermit, channel: &Ready, why: &str, wait: Duration) {
    permit.progress(Progress {
        phase: format!(
            "{}: {why}; next attempt in {}",
            channel.name,
            duration(wait)
        ),
        done: 0,
        total: 0,
        notice: false,
    });
}
