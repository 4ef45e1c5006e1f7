//! An HTTP server that the operator named, and a client for one request to it.

use super::address::Door;
use crate::tls;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Where requests go.
pub(crate) struct Web {
    door: Door,
    url: Url,
    roots: Option<Arc<RootCertStore>>,
    tls: OnceLock<ClientConfig>,
}

/// Why a text is no address of a server. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadUrl {
    /// It cannot be read.
    Unreadable,
    /// It is neither `https://` nor `http://`.
    Scheme,
    /// It has a user name or a password in it.
    Login,
}

impl Web {
    /// Reads the URL. Does not connect. What is `secret` is not sent to another machine without encryption.
    pub(crate) fn new(
        url: &str,
        secret: bool,
        allowed: &[IpAddr],
        roots: Option<Arc<RootCertStore>>,
    ) -> Result<Self, BadUrl> {
        let url: Url = url.trim().parse().map_err(|_| BadUrl::Unreadable)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BadUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Login);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(BadUrl::Unreadable);
        };
        let door = Door {
            host: host.to_owned(),
            port,
            is_plain: secret && url.scheme() == "http",
            allowed: allowed.to_vec(),
        };
        Ok(Self {
            door,
            url,
            roots,
            tls: OnceLock::new(),
        })
    }

    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A client for one request: nothing is kept from one to the next, and nothing is repeated without us. None if TLS cannot be set up.
    pub(crate) fn client(&self, addresses: Vec<SocketAddr>, within: Duration) -> Option<Client> {
        Client::builder()
            .tls_backend_preconfigured(self.tls()?)
            .dns_resolver(Known(addresses))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
            // Connecting is over well before the whole is, so that a timeout tells in which of the two it was.
            .connect_timeout(CONNECT.min(within / 2))
            .timeout(within)
            .build()
            .ok()
    }

    fn tls(&self) -> Option<ClientConfig> {
        if let Some(config) = self.tls.get() {
            return Some(config.clone());
        }
        let config = tls::client_config(self.roots.as_ref()).ok()?;
        Some(self.tls.get_or_init(|| config).clone())
    }
}

/// Answers with the addresses that were looked at, whatever it is asked for: there is one host, and no redirect to another.
struct Known(Vec<SocketAddr>);

impl Resolve for Known {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}
