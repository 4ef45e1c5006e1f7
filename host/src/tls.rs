//! Whom to believe when a server shows its certificate: the operator's own authorities, else the platform's. The name is always verified.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};
use std::error::Error;
use std::sync::Arc;

/// The certificates of a PEM text; none if it holds something else, or nothing.
pub(crate) fn own_roots(pem: &[u8]) -> Option<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then(|| Arc::new(roots))
}

/// The serial number of a certificate, in hexadecimal digits.
pub(crate) fn serial(certificate: &x509_cert::Certificate) -> String {
    hex::encode(certificate.tbs_certificate.serial_number.as_bytes())
}

/// When a certificate's validity begins or ends, in milliseconds since 1970.
pub(crate) fn milliseconds(time: &x509_cert::time::Time) -> u64 {
    u64::try_from(time.to_unix_duration().as_millis()).unwrap_or(u64::MAX)
}

/// What says whether a server's certificates are to be believed.
pub(crate) fn verifier(
    roots: Option<&Arc<RootCertStore>>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Some(roots) = roots else {
        return Ok(Arc::new(Verifier::new(provider)?));
    };
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider);
    let built = builder.build();
    built
        .map(|verifier| verifier as _)
        .map_err(|error| rustls::Error::General(error.to_string()))
}

/// What TLS connections are made with. Without roots of the operator's own the platform's are read, which takes some milliseconds.
pub(crate) fn client_config(
    roots: Option<&Arc<RootCertStore>>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match roots {
        Some(roots) => builder.with_root_certificates(Arc::clone(roots)),
        // Without any authority on this machine each certificate is unknown; connections without TLS still work.
        None => builder
            .clone()
            .with_platform_verifier()
            .unwrap_or_else(|_| builder.with_root_certificates(RootCertStore::empty())),
    };
    Ok(config.with_no_client_auth())
}

/// Whether a connection failed because the server's certificate is not trusted, or not for its name.
pub(crate) fn is_mistrust(error: &(dyn Error + 'static)) -> bool {
    rustls_of(error).is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

/// Whether a connection failed because what came instead of encryption is none.
pub(crate) fn is_no_tls(error: &(dyn Error + 'static)) -> bool {
    rustls_of(error).is_some_and(|error| matches!(error, rustls::Error::InvalidMessage(_)))
}

/// What the TLS library said, however deep it lies.
fn rustls_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(rustls) = error.downcast_ref::<rustls::Error>() {
        return Some(rustls);
    }
    // What an I/O error carries is not its source: the source is that one's.
    let carried = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
        .map(|carried| carried as &(dyn Error + 'static));
    carried.or_else(|| error.source()).and_then(rustls_of)
}
