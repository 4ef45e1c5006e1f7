//! What an operator says about an endpoint: where it is, and what is expected of it.

use crate::secret::Secret;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;

/// How long one look may take unless the operator says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one look may take.
pub const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);

/// One named endpoint, as the operator configured it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The logical name that grants and procedures use.
    pub name: String,
    /// Where it is.
    pub kind: Kind,
    /// How long one look may take.
    pub timeout: Duration,
    /// Certificates (PEM) to trust instead of the platform's.
    pub ca: Option<Vec<u8>>,
    /// Addresses that it may lead to although they are refused otherwise.
    pub allow_address: Vec<IpAddr>,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A page.
    Http {
        /// Its URL.
        url: String,
        /// What is expected of it.
        expected: Expected,
        /// Name and value of a header that is sent along.
        header: Option<(String, Secret)>,
    },
    /// A server that speaks TLS and then something else.
    Tls {
        /// `host:port`.
        server: String,
        /// The name that its certificate must be for, if not that host's.
        server_name: Option<String>,
    },
}

/// What an answer has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Exactly this status.
    pub status: u16,
    /// A JSON body with this value at this JSON pointer.
    pub json: Option<(String, Value)>,
    /// Whole within this time.
    pub latency: Option<Duration>,
}

/// Why an endpoint cannot be used as it is configured. None of these holds a part of a secret.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum EndpointError {
    #[error("the URL of endpoint `{endpoint}` cannot be read")]
    Url { endpoint: String },
    #[error("the URL of endpoint `{endpoint}` is neither https:// nor http://")]
    Scheme { endpoint: String },
    #[error("the URL of endpoint `{endpoint}` has a login in it")]
    Login { endpoint: String },
    #[error("`tls` of endpoint `{endpoint}` is not a host and a port")]
    Server { endpoint: String },
    #[error("`server-name` of endpoint `{endpoint}` is neither a name nor an address")]
    ServerName { endpoint: String },
    #[error("`header` of endpoint `{endpoint}` cannot be sent")]
    Header { endpoint: String },
    #[error("`ca` of endpoint `{endpoint}` has no readable certificate")]
    Certificates { endpoint: String },
    #[error("TLS could not be set up for endpoint `{endpoint}`")]
    Tls { endpoint: String },
}

impl EndpointError {
    /// What to write instead.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Url { .. } | Self::Scheme { .. } => {
                Some("it is written like https://shop.example.com/healthz")
            }
            Self::Login { .. } => Some(
                "send it as a header: header = { name = \"authorization\", value = { env = \"…\" } }",
            ),
            Self::Server { .. } => Some("it is written like db.example.com:5432"),
            Self::ServerName { .. } => Some("it is written like db.example.com"),
            Self::Header { .. } => {
                Some("a name has letters, digits and `-`; a value is one line of plain text")
            }
            Self::Certificates { .. } => Some(
                "`ca` is a file of PEM certificates, each beginning with -----BEGIN CERTIFICATE-----",
            ),
            Self::Tls { .. } => None,
        }
    }
}
