//! A channel whose configuration was read and found possible.

use super::attempt::Answer;
use super::channel::{Channel, ChannelError, Kind};
use super::http::Post;
use super::letter::Letter;
use super::smtp::Mail;
use super::{slack, webhook};
use crate::clock::Clock;
use crate::dial::{BadUrl, Door, Web};
use crate::secret::Secret;
use crate::tls;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A channel that can be sent to.
pub(super) struct Ready {
    pub(super) name: String,
    pub(super) give_up_after: Duration,
    pub(super) every: Duration,
    receiver: Receiver,
    /// How long the run has waited for what was not delivered.
    waited: Mutex<Duration>,
}

enum Receiver {
    Slack(Post),
    Webhook(Post, webhook::Key),
    Smtp(Box<Mail>),
}

impl Ready {
    /// Reads URLs, keys, addresses and certificates. Does not connect.
    pub(super) fn new(channel: Channel) -> Result<Self, ChannelError> {
        let receiver = match &channel.kind {
            Kind::Slack { url } => Receiver::Slack(post(&channel, url, false)?),
            Kind::Webhook {
                url,
                key,
                idempotent,
            } => {
                let key = webhook::Key::parse(key.expose()).ok_or_else(|| ChannelError::Key {
                    channel: channel.name.clone(),
                })?;
                Receiver::Webhook(post(&channel, url, *idempotent)?, key)
            }
            Kind::Smtp(smtp) => Receiver::Smtp(Box::new(Mail::new(&channel, smtp)?)),
        };
        Ok(Self {
            name: channel.name,
            give_up_after: channel.give_up_after,
            every: channel.every,
            receiver,
            waited: Mutex::default(),
        })
    }

    /// Sends once, in at most this time.
    pub(super) async fn attempt(&self, letter: &Letter, clock: &Clock, within: Duration) -> Answer {
        match &self.receiver {
            Receiver::Slack(post) => {
                let body = bytes(&slack::body(letter));
                post.attempt(HeaderMap::new(), body, (clock, within), slack::word)
                    .await
            }
            Receiver::Webhook(post, key) => {
                let body = bytes(&webhook::body(letter));
                let headers = signed(key, &webhook::id(letter), clock, &body);
                post.attempt(headers, body, (clock, within), |_| None).await
            }
            Receiver::Smtp(mail) => mail.attempt(letter, within).await,
        }
    }

    /// For how long the run still waits for the channel.
    pub(super) fn patience(&self) -> Duration {
        let waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        self.give_up_after.saturating_sub(*waited)
    }

    /// The run waited so long, and the message was not delivered.
    pub(super) fn waited(&self, time: Duration) {
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    pub(super) fn door(&self) -> &Door {
        match &self.receiver {
            Receiver::Slack(post) | Receiver::Webhook(post, _) => post.door(),
            Receiver::Smtp(mail) => mail.door(),
        }
    }

    /// In a word.
    pub(super) fn kind(&self) -> &'static str {
        match &self.receiver {
            Receiver::Slack(_) => "slack",
            Receiver::Webhook(..) => "webhook",
            Receiver::Smtp(_) => "smtp",
        }
    }
}

fn post(channel: &Channel, url: &Secret, idempotent: bool) -> Result<Post, ChannelError> {
    let name = || channel.name.clone();
    let roots = match &channel.ca {
        Some(pem) => Some(
            tls::own_roots(pem).ok_or_else(|| ChannelError::Certificates { channel: name() })?,
        ),
        None => None,
    };
    let web = Web::new(url.expose(), true, &channel.allow_address, roots);
    let post = web.map(|web| Post { web, idempotent });
    post.map_err(|why| match why {
        BadUrl::Unreadable => ChannelError::Url { channel: name() },
        BadUrl::Scheme => ChannelError::Scheme { channel: name() },
        BadUrl::Login => ChannelError::Login { channel: name() },
    })
}

/// `Display` of a value is its JSON, which always succeeds.
fn bytes(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}

fn signed(key: &webhook::Key, id: &str, clock: &Clock, body: &[u8]) -> HeaderMap {
    let seconds = clock.now().0 / 1000;
    let signature = key.sign(id, seconds, body);
    let values = [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ];
    let header = |(name, value): (&'static str, String)| {
        // All three are letters, digits and signs of base64.
        let value = HeaderValue::try_from(value).ok()?;
        Some((HeaderName::from_static(name), value))
    };
    values.into_iter().filter_map(header).collect()
}
