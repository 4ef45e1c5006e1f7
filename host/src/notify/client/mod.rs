//! The only code that reaches people. Each function that a procedure can cause takes the proof that the gate let it through.

mod attempt;
mod bytewise;
mod channel;
mod http;
mod letter;
mod notice;
mod outbox;
mod ready;
mod slack;
mod smtp;
mod webhook;

pub use channel::{
    Channel, ChannelError, DEFAULT_EVERY_SLACK, DEFAULT_GIVE_UP_AFTER, Kind, LONGEST_GIVE_UP_AFTER,
    Smtp, SmtpTls,
};

pub use notice::Notice;

use self::letter::Letter;
use self::ready::Ready;
use super::call::{Effect, delivery_of, ending, to_value};
use super::note;
use crate::call::{self, Applied, ApplyFailure, Confirmed, Prepared, Undo};
use crate::contract::notify_types::Delivery;
use crate::contract::{CallError, ErrorKind};
use crate::dial::NoWay;
use crate::engine::{ChangePermit, Permit};
use crate::journal::{State, Status};
use serde_json::Value;
use std::collections::BTreeMap;

const STANDS: &str = "a message stands; a correction is a new message";
const BROKEN_OFF: &str = "windlass broke off while it was sent; it is not sent again";

/// All configured channels. It connects when it is first asked.
pub struct Client {
    channels: BTreeMap<String, Ready>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.channels.keys()).finish()
    }
}

impl Client {
    /// Reads URLs, keys and certificates. Does not connect. Of two channels of one name the last counts.
    pub fn new(channels: Vec<Channel>) -> Result<Self, ChannelError> {
        let ready = |channel: Channel| Ok((channel.name.clone(), Ready::new(channel)?));
        Ok(Self {
            channels: channels.into_iter().map(ready).collect::<Result<_, _>>()?,
        })
    }

    fn channel(&self, name: &str) -> Result<&Ready, CallError> {
        self.channels.get(name).ok_or_else(|| {
            let message = format!("no channel `{name}` is configured");
            CallError::new(ErrorKind::NotFound, message)
        })
    }

    /// Checks that the channel is there and may be dialled. Sends nothing, changes nothing.
    pub async fn prepare(&self, _permit: &Permit, effect: &Effect) -> Result<Prepared, CallError> {
        effect.check()?;
        let channel = self.channel(effect.channel())?;
        may_be_dialled(channel).await?;
        Ok(Prepared {
            before: Value::Null,
            foreseen: to_value(&Delivery::Delivered)?,
            undo: Undo::NotNeeded(STANDS.into()),
            touches: Vec::new(),
            now: String::new(),
            details: Vec::new(),
            after: ending(&Delivery::Delivered),
        })
    }

    /// Sends the message until it has an end, which is the answer; the only errors are those of the journal. A second message of the run
    /// about the same event to the same channel is not sent and ends as the first did.
    pub async fn apply(
        &self,
        permit: &ChangePermit,
        effect: &Effect,
    ) -> Result<Applied, ApplyFailure> {
        self.send(permit, effect)
            .await
            .map_err(|error| ApplyFailure {
                error,
                in_doubt: false,
                sweep: None,
            })
    }

    async fn send(&self, permit: &ChangePermit, effect: &Effect) -> Result<Applied, CallError> {
        let channel = self.channel(effect.channel())?;
        let so_far = permit.run_so_far()?;
        if let Some((first, delivery)) = earlier(&so_far, effect, permit.effect()) {
            let after = format!("not sent again, effect {first} was {}", ending(&delivery));
            return Ok(Applied {
                answer: to_value(&delivery)?,
                after,
                sweep: None,
            });
        }
        let letter = Letter::new(effect, permit.run(), &so_far, permit.clock().now());
        let sent = outbox::deliver(permit, channel, &letter).await?;
        let applied = ended(&sent.delivery)?;
        Ok(match sent.without {
            Some(without) => Applied {
                after: format!("{}; {without}", applied.after),
                ..applied
            },
            None => applied,
        })
    }

    /// Says whether the channel could be sent to, without sending: what kind it is. For operators.
    pub async fn probe(&self, channel: &str) -> Result<&'static str, CallError> {
        let channel = self.channel(channel)?;
        match channel.door().addresses().await {
            Ok(_) => Ok(channel.kind()),
            Err(why) => Err(no_way(channel, why)),
        }
    }
}

/// Tells how a message ended whose end was not recorded, from what was noted: nobody can be asked. Sends nothing.
pub fn confirm(note: Option<&Value>) -> Confirmed {
    match note {
        Some(note) if note::may_have_arrived(note) => {
            match ended(&Delivery::InDoubt(BROKEN_OFF.into())) {
                Ok(applied) => Confirmed::Done(applied),
                Err(error) => Confirmed::CannotTell(error.message),
            }
        }
        Some(_) => not_done("its last attempt had failed, and the next had not begun"),
        None => not_done("no attempt at it had begun"),
    }
}

fn not_done(why: &str) -> Confirmed {
    Confirmed::NotDone {
        why: why.into(),
        sweep: None,
    }
}

fn ended(delivery: &Delivery) -> Result<Applied, CallError> {
    Ok(Applied {
        answer: to_value(delivery)?,
        after: ending(delivery),
        sweep: None,
    })
}

/// The first message of the run about the same event to the same channel, if it has an end.
fn earlier(so_far: &State, effect: &Effect, number: u64) -> Option<(u64, Delivery)> {
    let before = so_far.effects().iter().take_while(|e| e.number < number);
    before
        .filter(|e| match &e.call {
            call::Effect::Notify(sent) => sent.plan_key() == effect.plan_key(),
            call::Effect::Cluster(_) | call::Effect::Database(_) => false,
        })
        .find_map(|e| match &e.status {
            Status::Done { applied, .. } => Some((e.number, delivery_of(&applied.answer)?)),
            Status::Intended
            | Status::Failed { .. }
            | Status::NotDone { .. }
            | Status::InDoubt { .. } => None,
        })
}

/// A name that nobody knows now may be known when the message is sent.
async fn may_be_dialled(channel: &Ready) -> Result<(), CallError> {
    match channel.door().addresses().await {
        Ok(_) | Err(NoWay::Unresolved) => Ok(()),
        Err(why @ (NoWay::Refused(_) | NoWay::Plain)) => Err(no_way(channel, why)),
    }
}

fn no_way(channel: &Ready, why: NoWay) -> CallError {
    let kind = match why {
        NoWay::Unresolved => ErrorKind::Unavailable,
        NoWay::Refused(_) | NoWay::Plain => ErrorKind::Denied,
    };
    CallError::new(kind, format!("channel `{}`: {why}", channel.name))
}
