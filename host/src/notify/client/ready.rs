//! A channel whose configuration was read and found possible.

use super::address::Door;
use super::attempt::Answer;
use super::channel::{Channel, ChannelError, Kind};
use super::http::Post;
use super::letter::Letter;
use super::smtp::Mail;
use super::{slack, webhook};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::tls;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::time::Duration;

/// A channel that can be sent to.
pub(super) struct Ready {
    pub(super) name: String,
    pub(super) give_up_after: Duration,
    pub(super) every: Duration,
    receiver: Receiver,
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
            Kind::Slack { url } => Receiver::Slack(post(&channel, url)?),
            Kind::Webhook { url, key } => {
                let key = webhook::Key::parse(key.expose()).ok_or_else(|| ChannelError::Key {
                    channel: channel.name.clone(),
                })?;
                Receiver::Webhook(post(&channel, url)?, key)
            }
            Kind::Smtp(smtp) => Receiver::Smtp(Box::new(Mail::new(&channel, smtp)?)),
        };
        Ok(Self {
            name: channel.name,
            give_up_after: channel.give_up_after,
            every: channel.every,
            receiver,
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

fn post(channel: &Channel, url: &Secret) -> Result<Post, ChannelError> {
    let name = || channel.name.clone();
    let url: Url = url
        .expose()
        .trim()
        .parse()
        .map_err(|_| ChannelError::Url { channel: name() })?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(ChannelError::Scheme { channel: name() });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ChannelError::Login { channel: name() });
    }
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(ChannelError::Url { channel: name() });
    };
    let door = Door {
        host: host.to_owned(),
        port,
        is_plain: url.scheme() == "http",
        allowed: channel.allow_address.clone(),
    };
    let roots = match &channel.ca {
        Some(pem) => Some(
            tls::own_roots(pem).ok_or_else(|| ChannelError::Certificates { channel: name() })?,
        ),
        None => None,
    };
    Ok(Post::new(door, url, roots))
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
