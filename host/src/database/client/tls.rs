//! Whom to believe when a server shows its certificate: the operator's own authorities, else the platform's.

use super::target::{Target, TargetError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
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
            Some(pem) => Some(Arc::new(own_roots(&target.name, pem)?)),
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
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = match &self.roots {
            Some(roots) => builder.with_root_certificates(Arc::clone(roots)),
            // Without any authority on this machine each certificate is unknown; connections without TLS still work.
            None => builder
                .clone()
                .with_platform_verifier()
                .unwrap_or_else(|_| builder.with_root_certificates(RootCertStore::empty())),
        }
        .with_no_client_auth();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(config)
    }
}

fn own_roots(database: &str, pem: &[u8]) -> Result<RootCertStore, TargetError> {
    let unreadable = || TargetError::Certificates {
        database: database.to_owned(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| unreadable())?;
        roots.add(certificate).map_err(|_| unreadable())?;
    }
    if roots.is_empty() {
        return Err(unreadable());
    }
    Ok(roots)
}
