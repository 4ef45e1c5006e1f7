//! Certificates of cert-manager, issued by the testbed's stand-in for it.

use super::acts::{bare, failed};
use super::{Bench, LONG, refused};
use crate::room_probe::served::expired;
use crate::world::Namespace;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use windlass::call::Confirmed;
use windlass::cluster::call::{Change, Look};
use windlass::contract::ErrorKind;
use windlass::contract::cluster_types::{CertificateFacts, CertificateState, IssuedCertificate};
use xtask::kubernetes::Options;

/// A certificate called `web`.
fn bench(issuer: &str) -> Bench {
    Bench::having(&format!(
        "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: web}}
spec: {{secretName: web-tls, dnsNames: [shop.example, www.shop.example], issuerRef: {{name: {issuer}, kind: Issuer}}}}
"
    ))
}

/// One that was issued.
fn issued() -> Bench {
    let bench = bench("own");
    bench.namespace.until("certificate/web", "condition=Ready");
    bench
}

/// One that was issued three times by an issuer that does not answer any more.
fn stuck() -> Bench {
    let bench = bench("broken");
    let ready =
        json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    set_status(&bench, &json!({"revision": 3, "conditions": [ready]}));
    bench
}

fn set_status(bench: &Bench, status: &Value) {
    let patch = json!({ "status": status }).to_string();
    bench.namespace.kubectl(&[
        "patch",
        "certificate/web",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &patch,
    ]);
}

fn renew(bench: &Bench) -> Change {
    Change::Renew {
        certificate: bench.named("web"),
    }
}

fn list(bench: &Bench) -> Look {
    Look::Certificates {
        namespace: bench.namespace.name().into(),
    }
}

fn only(bench: &Bench) -> CertificateFacts {
    let mut all: Vec<CertificateFacts> = bench.facts(list(bench));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn above(bench: &Bench, above: u32, within: u64) -> Look {
    Look::AwaitCertificate {
        certificate: bench.named("web"),
        above,
        within,
    }
}

#[test]
fn a_certificate_is_renewed_and_its_next_revision_awaited() {
    let bench = issued();
    let before = only(&bench);
    assert_eq!(
        (before.state, before.revision),
        (CertificateState::Ready, 1)
    );
    assert_eq!(before.dns_names, ["shop.example", "www.shop.example"]);
    assert_eq!(before.secret, "web-tls");
    let mark = bench.namespace.cluster().requests_length();
    let (applied, _) = bench.act(&renew(&bench));
    assert_eq!(bench.requests(mark), ["get", "patch"]);
    assert_eq!(applied.answer, 1);
    let long = u64::try_from(LONG.as_millis()).unwrap();
    let after: CertificateFacts = bench.facts(above(&bench, 1, long));
    assert_eq!((after.state, after.revision), (CertificateState::Ready, 2));
    assert!(after.not_before > before.not_before && after.not_after > before.not_after);
    assert!(after.renewal < after.not_after && after.message.is_empty());
}

#[test]
fn the_condition_is_the_one_of_cmctl_and_nothing_else_changes() {
    let bench = stuck();
    let mut before = bench.namespace.object("certificate/web");
    let planned = bench.plan(&renew(&bench)).unwrap();
    assert_eq!(planned.foreseen, 3);
    assert_eq!(bench.namespace.object("certificate/web"), before);
    bench.apply(&renew(&bench)).unwrap();
    let mut after = bench.namespace.object("certificate/web");
    let conditions = after["status"]["conditions"].as_array_mut().unwrap();
    let mut issuing = conditions.pop().unwrap();
    issuing
        .as_object_mut()
        .unwrap()
        .remove("lastTransitionTime")
        .unwrap();
    assert_eq!(
        issuing,
        json!({
            "type": "Issuing", "status": "True", "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered", "observedGeneration": 1,
        })
    );
    for object in [&mut before, &mut after] {
        *object = bare(object.take());
    }
    assert_eq!(before, after);
}

#[test]
fn one_that_is_being_issued_is_left_to_it() {
    let bench = stuck();
    let change = renew(&bench);
    let prepared = bench.prepare(&change).unwrap();
    bench.apply_as(1, &change, &prepared).unwrap();
    let facts = only(&bench);
    assert_eq!(facts.state, CertificateState::Issuing);
    let why = refused(bench.prepare(&change), ErrorKind::Conflict);
    assert!(why.contains("is being issued"), "{why}");
    // Somebody else was quicker.
    let why = failed(bench.apply_as(2, &change, &prepared), ErrorKind::Conflict);
    assert!(why.contains("is being issued"), "{why}");
    let why = refused(
        bench.read::<CertificateFacts>(above(&bench, 3, 300)),
        ErrorKind::Limit,
    );
    assert!(why.contains("revision 4 is not there yet"), "{why}");
}

#[test]
fn a_failed_issuance_ends_the_wait_with_what_the_issuer_says() {
    let bench = stuck();
    bench.apply(&renew(&bench)).unwrap();
    let message =
        "The certificate request has failed to complete and will be retried: order is invalid";
    let failed = json!([
        {"type": "Ready", "status": "True"},
        {"type": "Issuing", "status": "False", "reason": "Failed", "message": message},
    ]);
    set_status(
        &bench,
        &json!({"conditions": failed, "lastFailureTime": "2026-01-02T00:00:00Z"}),
    );
    let why = refused(
        bench.read::<CertificateFacts>(above(&bench, 3, 10_000)),
        ErrorKind::Conflict,
    );
    assert!(why.contains(message), "{why}");
    // The old one is still valid, and may be tried again.
    let facts = only(&bench);
    assert_eq!(facts.state, CertificateState::Ready);
    assert_eq!(facts.message, message);
    bench.apply(&renew(&bench)).unwrap();
    assert_eq!(only(&bench).state, CertificateState::Issuing);
}

#[test]
fn after_a_crash_the_condition_or_the_revision_tells() {
    let bench = stuck();
    let change = renew(&bench);
    let prepared = bench.prepare(&change).unwrap();
    let is_not_done = || matches!(bench.confirm(&change, &prepared), Confirmed::NotDone { .. });
    assert!(is_not_done());
    // What others write elsewhere is no hindrance and no sign.
    bench
        .namespace
        .kubectl(&["annotate", "certificate/web", "team.example/note=1"]);
    assert!(is_not_done());
    bench.apply_as(1, &change, &prepared).unwrap();
    let Confirmed::Done(done) = bench.confirm(&change, &prepared) else {
        panic!("the condition is there");
    };
    assert_eq!(done.answer, 3);
    set_status(
        &bench,
        &json!({"revision": 4, "conditions": [{"type": "Ready", "status": "True"}]}),
    );
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::Done(_)
    ));
    bench.namespace.kubectl(&["delete", "certificate/web"]);
    assert!(matches!(
        bench.confirm(&change, &prepared),
        Confirmed::CannotTell(_)
    ));
}

#[test]
fn who_may_not_is_told_so_in_the_servers_words() {
    let bench = Bench::without_rights();
    let why = refused(bench.prepare(&renew(&bench)), ErrorKind::Denied);
    assert!(
        why.contains("cannot get resource \"certificates\""),
        "{why}"
    );
    let why = refused(
        bench.read::<Vec<CertificateFacts>>(list(&bench)),
        ErrorKind::Denied,
    );
    assert!(
        why.contains("cannot list resource \"certificates\""),
        "{why}"
    );
}

#[test]
fn a_cluster_without_cert_manager_is_told_from_one_without_the_certificate() {
    let bench = Bench::new(Namespace::new());
    let why = refused(bench.prepare(&renew(&bench)), ErrorKind::NotFound);
    assert!(why.contains("\"web\" not found"), "{why}");
    assert!(
        bench
            .facts::<Vec<CertificateFacts>>(list(&bench))
            .is_empty()
    );

    let bench = Bench::new(Namespace::alone(&Options::default()));
    bench
        .namespace
        .kubectl(&["delete", "crd/certificates.cert-manager.io"]);
    for why in [
        refused(
            bench.read::<Vec<CertificateFacts>>(list(&bench)),
            ErrorKind::NotFound,
        ),
        refused(bench.prepare(&renew(&bench)), ErrorKind::NotFound),
    ] {
        assert!(why.contains("cert-manager is not installed"), "{why}");
    }
}

/// A request for a revision of a certificate, answered with this chain in PEM, as cert-manager keeps it.
pub(crate) fn answered(namespace: &Namespace, certificate: &str, revision: u32, pem: &str) {
    let name = format!("{certificate}-{revision}");
    namespace.apply(&format!(
        "
apiVersion: cert-manager.io/v1
kind: CertificateRequest
metadata:
  name: {name}
  annotations:
    cert-manager.io/certificate-name: {certificate}
    cert-manager.io/certificate-revision: '{revision}'
spec: {{request: LS0t, issuerRef: {{name: own, kind: Issuer}}}}
"
    ));
    let chain = BASE64_STANDARD.encode(pem);
    let patch = json!({"status": {"certificate": chain}}).to_string();
    namespace.kubectl(&[
        "patch",
        &format!("certificaterequest/{name}"),
        "--subresource=status",
        "--type=merge",
        "--patch",
        &patch,
    ]);
}

#[test]
fn what_was_issued_is_told_by_the_request_of_its_revision() {
    let bench = issued();
    let look = || Look::Issued {
        certificate: bench.named("web"),
    };
    answered(&bench.namespace, "web", 2, &expired().0);
    answered(&bench.namespace, "other", 1, &expired().0);
    let error = bench.read::<IssuedCertificate>(look()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    answered(&bench.namespace, "web", 1, "no certificate");
    let error = bench.read::<IssuedCertificate>(look()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Damaged);
    answered(&bench.namespace, "web", 1, &expired().0);
    let told: IssuedCertificate = bench.facts(look());
    let expected = IssuedCertificate {
        revision: 1,
        serial: "0afe".into(),
        not_after: 1_585_699_200_000,
    };
    assert_eq!(told, expected);
}
