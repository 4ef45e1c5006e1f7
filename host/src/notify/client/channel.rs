//! What an operator says about a channel: what receives its messages, where, and for how long sending is tried.

use crate::secret::Secret;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;

/// For how long a run waits for a channel unless the operator says otherwise: maintenance is not held for its messages.
pub const DEFAULT_GIVE_UP_AFTER: Duration = Duration::from_secs(2);
/// For how long a message may be tried.
pub const LONGEST_GIVE_UP_AFTER: Duration = Duration::from_hours(1);
/// Time from one message to the next on a Slack channel unless the operator says otherwise; more are refused there.
pub const DEFAULT_EVERY_SLACK: Duration = Duration::from_secs(1);

/// One named channel, as the operator configured it.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The logical name that grants and procedures use.
    pub name: String,
    /// What receives its messages.
    pub kind: Kind,
    /// For how long a run waits for the channel.
    pub give_up_after: Duration,
    /// Time from one message to the next, over all runs of one state directory; zero for none.
    pub every: Duration,
    /// Certificates (PEM) to trust instead of the platform's.
    pub ca: Option<Vec<u8>>,
    /// Addresses that it may lead to although they are refused otherwise.
    pub allow_address: Vec<IpAddr>,
}

/// What receives a channel's messages.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A Slack-compatible incoming webhook: whoever has its URL can write there.
    Slack {
        /// The URL.
        url: Secret,
    },
    /// Anything that takes a signed POST, by the Standard Webhooks scheme.
    Webhook {
        /// The URL.
        url: Secret,
        /// `whsec_` and base64.
        key: Secret,
        /// Whether the receiver takes a message with the same `webhook-id` once only.
        idempotent: bool,
    },
    /// A mail server.
    Smtp(Smtp),
}

/// A mail server and who writes to whom through it.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// Such as `windlass <windlass@example.com>`.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// It becomes so by STARTTLS, or is given up.
    Starttls,
    /// It is from the first byte.
    Implicit,
    /// It is not: for a server on this machine only.
    None,
}

/// Why a channel cannot be used as it is configured. None of these holds a part of a secret.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ChannelError {
    #[error("the URL of channel `{channel}` cannot be read")]
    Url { channel: String },
    #[error("the URL of channel `{channel}` is neither https:// nor http://")]
    Scheme { channel: String },
    #[error("the URL of channel `{channel}` has a login in it")]
    Login { channel: String },
    #[error("the signing key of channel `{channel}` is not `whsec_` and base64 of 24 to 64 bytes")]
    Key { channel: String },
    #[error("the mail server of channel `{channel}` is neither a name nor an address")]
    Host { channel: String },
    #[error("`{what}` of channel `{channel}` is no mail address")]
    Mailbox { channel: String, what: &'static str },
    #[error("`ca` of channel `{channel}` has no readable certificate")]
    Certificates { channel: String },
}

impl ChannelError {
    /// What to write instead.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Url { .. } | Self::Scheme { .. } => {
                Some("it is written like https://hooks.example.com/services/…, on one line")
            }
            Self::Login { .. } => Some("a webhook is authorized by its path or its signature"),
            Self::Key { .. } => Some("make one: echo whsec_$(openssl rand -base64 32)"),
            Self::Host { .. } => Some("it is written like smtp.example.com, without a port"),
            Self::Mailbox { .. } => {
                Some("it is written like `ops@example.com` or `Operations <ops@example.com>`")
            }
            Self::Certificates { .. } => Some(
                "`ca` is a file of PEM certificates, each beginning with -----BEGIN CERTIFICATE-----",
            ),
        }
    }
}
