//! What was issued for a certificate, as its request tells it: what is in a Secret is never read.

use super::api::Api;
use super::workloads::count;
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::IssuedCertificate;
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use crate::tls;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use x509_cert::der::Decode as _;

/// What cert-manager writes on a request: for which certificate it is, and for which of its revisions.
const NAME: &str = "cert-manager.io/certificate-name";
const REVISION: &str = "cert-manager.io/certificate-revision";

/// What was issued for the revision that the certificate has now.
pub(super) async fn read(
    api: &Api,
    permit: &Permit,
    object: &Object,
) -> Result<IssuedCertificate, CallError> {
    let found = api.get(permit.deadline(), object).await?;
    let revision = count(&found["status"]["revision"]);
    let keep = |request: Value| answer(&request, &object.name, revision).map(str::to_owned);
    let (kind, namespace) = (Kind::CertificateRequest, object.namespace.as_deref());
    let listed = api.list(permit.deadline(), kind, namespace, &[], keep);
    let Some(text) = listed.await?.items.pop() else {
        let message = format!(
            "no request is kept that tells what was issued for revision {revision} of {object}"
        );
        return Err(CallError::new(ErrorKind::NotFound, message));
    };
    let unreadable = || {
        let message = format!("what was issued for revision {revision} of {object} cannot be read");
        CallError::new(ErrorKind::Damaged, message)
    };
    let own = first(&text).ok_or_else(unreadable)?;
    Ok(IssuedCertificate {
        revision,
        serial: tls::serial(&own),
        not_after: tls::milliseconds(&own.tbs_certificate.validity.not_after),
    })
}

/// What a request was answered, if it is that of the certificate and its revision. One that was refused has no answer.
fn answer<'a>(request: &'a Value, name: &str, revision: u32) -> Option<&'a str> {
    let annotations = &request["metadata"]["annotations"];
    let written = |annotation: &str| annotations[annotation].as_str();
    let is_its =
        written(NAME) == Some(name) && written(REVISION) == Some(revision.to_string().as_str());
    let answer = request["status"]["certificate"].as_str()?;
    (is_its && !answer.is_empty()).then_some(answer)
}

/// The first certificate of a chain, which is the server's own: PEM, and base64 around it.
fn first(text: &str) -> Option<x509_cert::Certificate> {
    let pem = BASE64_STANDARD.decode(text).ok()?;
    let own = CertificateDer::from_pem_slice(&pem).ok()?;
    x509_cert::Certificate::from_der(&own).ok()
}

#[cfg(test)]
mod tests {
    use super::{answer, first};
    use serde_json::json;

    #[test]
    fn a_request_answers_for_one_revision_of_one_certificate() {
        let request = json!({
            "metadata": {"annotations": {
                "cert-manager.io/certificate-name": "tls", "cert-manager.io/certificate-revision": "2",
            }},
            "status": {"certificate": "LS0t"},
        });
        assert_eq!(answer(&request, "tls", 2), Some("LS0t"));
        assert_eq!(answer(&request, "tls", 1), None);
        assert_eq!(answer(&request, "other", 2), None);
        let mut refused = request;
        refused["status"] = json!({});
        assert_eq!(answer(&refused, "tls", 2), None);
        assert!(first("LS0t").is_none() && first("?").is_none());
    }
}
