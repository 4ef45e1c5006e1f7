//! The certificates that servers show.

use super::place::{Place, hasty, page, server};
use crate::room_database::tls::certificate;
use crate::room_notify::receiver::Receiver;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::net::TcpListener;
use windlass::contract::probe_types::{Certificate, Chain};
use windlass::contract::{CallError, ErrorKind};
use windlass::probe::{Endpoint, Look};

fn look(endpoint: Endpoint) -> Result<Chain, CallError> {
    Place::new(endpoint).read(Look::Tls)
}

/// A certificate for `localhost` that was valid in 2020, its key, and the authority.
pub(crate) fn expired() -> (String, String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = &mut authority.distinguished_name;
    name.push(DnType::CommonName, "Old Authority");
    let root = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let mut own = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    own.not_before = date_time_ymd(2020, 1, 1);
    own.not_after = date_time_ymd(2020, 4, 1);
    own.serial_number = Some(vec![0x0a, 0xfe].into());
    own.distinguished_name
        .push(DnType::CommonName, "old.example");
    let own = own.signed_by(&key, &issuer).unwrap();
    (own.pem(), key.serialize_pem(), root.pem())
}

#[test]
fn a_chain_is_told_and_whether_it_verifies() {
    let (own, key, root) = certificate("localhost");
    let receiver = Receiver::encrypted([], &own, &key);
    let at = |host: &str| format!("{host}:{}", receiver.port());
    let chain = look(server(&at("localhost"), &root)).unwrap();
    assert!(chain.trusted && chain.why.is_empty(), "{chain:?}");
    assert_eq!(chain.certificates.len(), 1);
    assert_eq!(chain.certificates[0].names, ["localhost"]);
    assert!(chain.certificates[0].not_after > chain.at);

    let told = |endpoint| {
        let chain = look(endpoint).unwrap();
        assert!(
            !chain.trusted && !chain.certificates.is_empty(),
            "{chain:?}"
        );
        chain.why
    };
    assert_eq!(
        told(server(&at("127.0.0.1"), &root)),
        "it is for another name"
    );
    let (_, _, stranger) = certificate("localhost");
    let issued = "nobody who is trusted issued it";
    assert_eq!(told(server(&at("localhost"), &stranger)), issued);
    let by_the_platform = Endpoint {
        ca: None,
        ..server(&at("localhost"), &root)
    };
    assert_eq!(told(by_the_platform), issued);
    // Nothing but the handshake was sent.
    assert!(receiver.requests().is_empty());
}

#[test]
fn what_has_expired_is_told_and_not_an_error() {
    let (own, key, root) = expired();
    let receiver = Receiver::encrypted([], &own, &key);
    let chain = look(server(&format!("localhost:{}", receiver.port()), &root)).unwrap();
    assert_eq!(chain.why, "it has expired");
    let own = Certificate {
        subject: "CN=old.example".into(),
        issuer: "CN=Old Authority".into(),
        names: vec!["localhost".into(), "127.0.0.1".into()],
        serial: "0afe".into(),
        not_before: 1_577_836_800_000,
        not_after: 1_585_699_200_000,
    };
    assert_eq!(chain.certificates, [own]);
}

#[test]
fn a_url_is_looked_at_for_its_certificates_too() {
    let (own, key, root) = certificate("localhost");
    let receiver = Receiver::encrypted([], &own, &key);
    let endpoint = Endpoint {
        ca: Some(root.into_bytes()),
        ..page(&format!("https://localhost:{}/", receiver.port()))
    };
    assert!(look(endpoint).unwrap().trusted);
    let error = look(page("http://127.0.0.1/")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    let place = Place::new(server("localhost:1", &certificate("x").2));
    let error = place.read::<Chain>(Look::Http).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[test]
fn who_shakes_no_hands_is_unavailable() {
    let plain = Receiver::start([]);
    // Nobody accepts what connects there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().port();
    drop(listener);
    for (port, why) in [
        (plain.port(), "the handshake broke off"),
        (
            silent.local_addr().unwrap().port(),
            "no handshake within its time",
        ),
        (nobody, "nothing answers there"),
    ] {
        let endpoint = server(&format!("localhost:{port}"), &certificate("localhost").2);
        let error = look(hasty(endpoint)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert_eq!(error.message, format!("endpoint `shop`: {why}"));
    }
}

#[test]
fn a_certificate_is_waited_for_by_its_serial_number() {
    let (own, key, root) = expired();
    let receiver = Receiver::encrypted([], &own, &key);
    let place = Place::new(server(&format!("localhost:{}", receiver.port()), &root));
    let wait = |place: &Place, serial: &str| {
        place.read::<Chain>(Look::AwaitSerial {
            serial: serial.into(),
            times: 2,
            every: 100,
            within: 1_000,
        })
    };
    let chain = wait(&place, "0afe").unwrap();
    assert_eq!(receiver.connections(), 2);
    assert_eq!(chain.why, "it has expired");
    let error = wait(&place, "0a").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
    assert_eq!(
        error.message,
        "endpoint `shop`: it passed 0 of 2 times in a row within 1.0 s; when it last did not: it shows the certificate 0afe, not 0a"
    );
    let plain = Receiver::start([]);
    let place = Place::new(server(&format!("localhost:{}", plain.port()), &root));
    let error = wait(&place, "0afe").unwrap_err();
    assert!(
        error
            .message
            .ends_with("when it last did not: the handshake broke off"),
        "{error:?}"
    );
}
