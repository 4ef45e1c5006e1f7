//! The certificates that a server shows, whether they verify or not. Nothing but the handshake is sent.

use crate::clock::Clock;
use crate::contract::probe_types::{Certificate, Chain};
use crate::contract::{CallError, ErrorKind};
use crate::dial::{Door, NoWay};
use crate::tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Most certificates of one chain that are told.
const MOST: usize = 10;
/// Most names of one certificate that are told.
const MOST_NAMES: usize = 200;

/// A server that can be asked for its certificates.
pub(super) struct Server {
    pub(super) door: Door,
    pub(super) name: ServerName<'static>,
    pub(super) roots: Option<Arc<RootCertStore>>,
    pub(super) timeout: Duration,
}

impl Server {
    /// Shakes hands once, and hangs up.
    pub(super) async fn chain(&self, clock: &Clock) -> Result<Chain, CallError> {
        let at = clock.now().0;
        let unavailable = |why: &str| CallError::new(ErrorKind::Unavailable, why);
        let addresses = self.door.addresses().await.map_err(no_way)?;
        let witness = self
            .witness()
            .map_err(|_| unavailable("TLS could not be set up"))?;
        let shaken = tokio::time::timeout(self.timeout, self.shake(&addresses, &witness)).await;
        let shown = witness.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*shown, shaken) {
            // Whatever happened after it: this is what it shows.
            (Some(shown), _) => Ok(Chain {
                at,
                certificates: shown.certificates.iter().map(certificate).collect(),
                trusted: shown.objection.is_none(),
                why: shown.objection.clone().unwrap_or_default(),
            }),
            (None, Err(_)) => Err(unavailable("no handshake within its time")),
            (None, Ok(why)) => Err(unavailable(why)),
        }
    }

    fn witness(&self) -> Result<Arc<Witness>, Error> {
        Ok(Arc::new(Witness {
            strict: tls::verifier(self.roots.as_ref())?,
            shown: Mutex::new(None),
        }))
    }

    /// Why no certificate was seen, should it be so.
    async fn shake(&self, addresses: &[SocketAddr], witness: &Arc<Witness>) -> &'static str {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let Ok(builder) = builder.with_safe_default_protocol_versions() else {
            return "TLS could not be set up";
        };
        let config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(witness) as _)
            .with_no_client_auth();
        let Ok(stream) = TcpStream::connect(addresses).await else {
            return "nothing answers there";
        };
        let connector = TlsConnector::from(Arc::new(config));
        match connector.connect(self.name.clone(), stream).await {
            Err(error) if tls::is_no_tls(&error) => "what answers there does not speak TLS",
            Ok(_) | Err(_) => "the handshake broke off",
        }
    }
}

pub(super) fn no_way(why: NoWay) -> CallError {
    let kind = match why {
        NoWay::Unresolved => ErrorKind::Unavailable,
        NoWay::Refused(_) | NoWay::Plain => ErrorKind::Denied,
    };
    CallError::new(kind, why.to_string())
}

/// What a server showed, and what a client that verifies says to it.
#[derive(Debug)]
struct Shown {
    certificates: Vec<CertificateDer<'static>>,
    objection: Option<String>,
}

/// Lets every certificate pass and keeps what the strict verifier says to it. It is for looking only: nothing is sent over such a connection.
#[derive(Debug)]
struct Witness {
    strict: Arc<dyn ServerCertVerifier>,
    shown: Mutex<Option<Shown>>,
}

impl Witness {
    /// A handshake that is not signed with the key of the certificate says that the server has not got it.
    fn signed(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        if verified.is_err() {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(shown) = &mut *shown {
                shown.objection = Some("the server has not got its key".into());
            }
        }
        verified
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.strict.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let all = std::iter::once(end_entity).chain(intermediates).take(MOST);
        let shown = Shown {
            certificates: all.map(|one| one.clone().into_owned()).collect(),
            objection: verified.err().map(|error| objection(&error)),
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(
            self.strict
                .verify_tls12_signature(message, certificate, signed),
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(
            self.strict
                .verify_tls13_signature(message, certificate, signed),
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

/// In our words: the library's name the server.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open")]
fn objection(error: &Error) -> String {
    let Error::InvalidCertificate(why) = error else {
        return "it cannot be verified".into();
    };
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".into()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody who is trusted issued it".into()
        }
        CertificateError::Revoked => "it was revoked".into(),
        CertificateError::BadEncoding => "it cannot be read".into(),
        _ => "it cannot be verified".into(),
    }
}

/// What a certificate says. One that cannot be read says nothing.
fn certificate(der: &CertificateDer<'static>) -> Certificate {
    let Ok(parsed) = x509_cert::Certificate::from_der(der) else {
        return Certificate {
            subject: String::new(),
            issuer: String::new(),
            names: Vec::new(),
            serial: String::new(),
            not_before: 0,
            not_after: 0,
        };
    };
    let told = &parsed.tbs_certificate;
    Certificate {
        subject: told.subject.to_string(),
        issuer: told.issuer.to_string(),
        names: names(told),
        serial: tls::serial(&parsed),
        not_before: tls::milliseconds(&told.validity.not_before),
        not_after: tls::milliseconds(&told.validity.not_after),
    }
}

fn names(told: &x509_cert::TbsCertificate) -> Vec<String> {
    let Ok(Some((_, names))) = told.get::<SubjectAltName>() else {
        return Vec::new();
    };
    let text = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(address) => ip(address.as_bytes()).map(|ip| ip.to_string()),
        GeneralName::OtherName(_)
        | GeneralName::Rfc822Name(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::UniformResourceIdentifier(_)
        | GeneralName::RegisteredId(_) => None,
    };
    names.0.iter().filter_map(text).take(MOST_NAMES).collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
}
