//! Encrypted connections to one database.

use super::target::{Target, TargetError};
use crate::tls;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Makes TLS connections to one database. The certificate and the host name are always verified.
#[derive(Debug)]
pub(super) struct Tls {
    roots: Option<Arc<RootCertStore>>,
    ready: OnceLock<ClientConfig>,
}

impl Tls {
    /// Reads the operator's certificates; the platform's are read when they are first needed.
    pub(super) fn new(target: &Target) -> Result<Self, TargetError> {
        let roots = match &target.ca {
            Some(pem) => Some(
                tls::own_roots(pem).ok_or_else(|| TargetError::Certificates {
                    database: target.name.clone(),
                })?,
            ),
            None => None,
        };
        Ok(Self {
            roots,
            ready: OnceLock::new(),
        })
    }

    /// What tokio-postgres connects with.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, rustls::Error> {
        if let Some(config) = self.ready.get() {
            return Ok(MakeRustlsConnect::new(config.clone()));
        }
        let config = self.build()?;
        Ok(MakeRustlsConnect::new(
            self.ready.get_or_init(|| config).clone(),
        ))
    }

    fn build(&self) -> Result<ClientConfig, rustls::Error> {
        let mut config = tls::client_config(self.roots.as_ref())?;
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(config)
    }
}
