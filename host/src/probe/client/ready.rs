//! An endpoint whose configuration was read and found possible.

use super::chain::Server;
use super::endpoint::{Endpoint, EndpointError, Kind};
use super::http::Page;
use crate::dial::{BadUrl, Door, Web};
use crate::secret::Secret;
use crate::tls;
use reqwest::header::{HeaderName, HeaderValue};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use url::Host;

/// An endpoint that can be looked at.
pub(super) struct Ready {
    /// What is asked over HTTP, where it has a URL.
    pub(super) page: Option<Page>,
    /// What is asked for certificates, where it speaks TLS.
    pub(super) server: Option<Server>,
}

impl Ready {
    /// Reads URL, names, header and certificates. Does not connect.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, EndpointError> {
        let name = || endpoint.name.clone();
        let roots = match &endpoint.ca {
            Some(pem) => Some(
                tls::own_roots(pem)
                    .ok_or_else(|| EndpointError::Certificates { endpoint: name() })?,
            ),
            None => None,
        };
        match &endpoint.kind {
            Kind::Http {
                url,
                expected,
                header,
            } => {
                let web = Web::new(
                    url,
                    header.is_some(),
                    &endpoint.allow_address,
                    roots.clone(),
                );
                let page = Page {
                    web: web.map_err(|why| bad_url(why, name()))?,
                    expected: expected.clone(),
                    header: match header {
                        Some(header) => Some(
                            sent(header)
                                .ok_or_else(|| EndpointError::Header { endpoint: name() })?,
                        ),
                        None => None,
                    },
                    timeout: endpoint.timeout,
                };
                let encrypted = page.web.url().scheme() == "https";
                let server = if encrypted {
                    Some(server(endpoint, page.web.door().clone(), None, roots)?)
                } else {
                    None
                };
                Ok(Self {
                    page: Some(page),
                    server,
                })
            }
            Kind::Tls {
                server: at,
                server_name,
            } => {
                let door =
                    door(at, endpoint).ok_or_else(|| EndpointError::Server { endpoint: name() })?;
                let server = server(endpoint, door, server_name.as_deref(), roots)?;
                Ok(Self {
                    page: None,
                    server: Some(server),
                })
            }
        }
    }
}

fn bad_url(why: BadUrl, endpoint: String) -> EndpointError {
    match why {
        BadUrl::Unreadable => EndpointError::Url { endpoint },
        BadUrl::Scheme => EndpointError::Scheme { endpoint },
        BadUrl::Login => EndpointError::Login { endpoint },
    }
}

fn sent((name, value): &(String, Secret)) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value.expose().trim()).ok()?;
    value.set_sensitive(true);
    Some((name.parse().ok()?, value))
}

/// `host:port`, where an IPv6 address stands in brackets.
fn door(at: &str, endpoint: &Endpoint) -> Option<Door> {
    let (host, port) = at.trim().rsplit_once(':')?;
    Some(Door {
        host: Host::parse(host).ok()?,
        port: port.parse().ok()?,
        is_plain: false,
        allowed: endpoint.allow_address.clone(),
    })
}

fn server(
    endpoint: &Endpoint,
    door: Door,
    name: Option<&str>,
    roots: Option<Arc<RootCertStore>>,
) -> Result<Server, EndpointError> {
    let of_host = match &door.host {
        Host::Domain(name) => name.clone(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let name = name.map_or(of_host, str::to_owned);
    let name = ServerName::try_from(name).map_err(|_| EndpointError::ServerName {
        endpoint: endpoint.name.clone(),
    })?;
    Ok(Server {
        door,
        name,
        roots,
        timeout: endpoint.timeout,
    })
}
