//! What a message came to, as reports tell it.

use crate::call;
use crate::clock::Millis;
use crate::contract::notify_types::Delivery;
use crate::journal::{EffectState, Status};
use crate::notify::{attempts, delivery_of};
use jiff::Timestamp;
use serde::Serialize;

/// A message to people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sent {
    /// Its number among the effects of the run.
    pub number: u64,
    /// Logical name.
    pub channel: String,
    /// What it was about.
    pub event: String,
    /// As the procedure wrote it.
    pub title: String,
    /// `delivered`, `given-up`, `in-doubt`, `failed`, `not-sent`, or `started` while its end is not recorded.
    pub end: &'static str,
    /// Why it came out so, where it was not simply delivered.
    pub why: Option<String>,
    /// How often it was tried.
    pub attempts: usize,
    /// When it was announced.
    pub began: Option<Timestamp>,
    /// Until its end was recorded, in milliseconds.
    pub took_ms: Option<u64>,
}

impl Sent {
    /// None for what is no message.
    pub(super) fn of(effect: &EffectState) -> Option<Self> {
        let message = match &effect.call {
            call::Effect::Notify(message) => message,
            call::Effect::Cluster(_) | call::Effect::Database(_) => return None,
        };
        let crate::notify::Effect::Send { message: text, .. } = message;
        let attempts = attempts(effect.note.as_ref());
        let (end, why) = end(&effect.status, attempts);
        Some(Self {
            number: effect.number,
            channel: message.channel().to_owned(),
            event: message.event().to_owned(),
            title: text.title.clone(),
            end,
            why,
            attempts,
            began: effect.started.map(Millis::timestamp),
            took_ms: effect.took(),
        })
    }

    /// In one line: `end to ops: delivered, 4 attempts`.
    pub(super) fn line(&self) -> String {
        let end = self.end.replace('-', " ");
        let mut line = format!("{} to {}: {end}", self.event, self.channel);
        if let Some(why) = &self.why {
            line.push_str(", ");
            line.push_str(why);
        } else if self.attempts > 1 {
            line += ", at attempt ";
            line += &self.attempts.to_string();
        }
        line
    }

    /// Whether somebody may have to tell people himself.
    pub(super) fn is_open(&self) -> bool {
        self.end != "delivered"
    }
}

fn end(status: &Status, attempts: usize) -> (&'static str, Option<String>) {
    match status {
        Status::Done { applied, .. } => match delivery_of(&applied.answer) {
            Some(Delivery::Delivered) if attempts > 0 => ("delivered", None),
            // It was not sent again.
            Some(Delivery::Delivered) => ("delivered", Some(applied.after.clone())),
            Some(Delivery::GivenUp(why)) => ("given-up", Some(why)),
            Some(Delivery::InDoubt(why)) => ("in-doubt", Some(why)),
            None => ("in-doubt", Some(applied.after.clone())),
        },
        Status::Failed { error } => ("failed", Some(error.message.clone())),
        Status::NotDone { why } => ("not-sent", Some(why.clone())),
        Status::Intended => ("started", None),
        Status::InDoubt { why } => ("in-doubt", Some(why.clone())),
    }
}
