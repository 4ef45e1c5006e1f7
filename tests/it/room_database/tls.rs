//! Encrypted connections: whom to believe is the operator's or the platform's word, and the host name always counts.

use super::place::{LONG, Place, database, refused, runtime, target};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use windlass::contract::{CallError, ErrorKind};
use windlass::database::{Client, Read};
use xtask::postgres::{NEWEST, Options, Server, connect, required};
use xtask::until;

/// A certificate for the name and the authority that signed it, in PEM; the second is the key.
pub(crate) fn certificate(name: &str) -> (String, String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let own = CertificateParams::new([name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    (own.pem(), key.serialize_pem(), root.pem())
}

/// Makes the server encrypt, and answers the authority.
#[expect(
    clippy::disallowed_methods,
    reason = "the server's files are not windlass's"
)]
fn encrypt(server: &Server, name: &str) -> String {
    let (own, key, root) = certificate(name);
    let owner = std::fs::metadata(server.data()).unwrap();
    for (file, text) in [("server.crt", own), ("server.key", key)] {
        let path = server.data().join(file);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let mut session = connect(&server.admin_url()).unwrap();
    session.execute("ALTER SYSTEM SET ssl = on", &[]).unwrap();
    session.execute("SELECT pg_reload_conf()", &[]).unwrap();
    let encrypts = until(LONG, || {
        let row = session.query_one("SHOW ssl", &[]).unwrap();
        (row.get::<_, &str>(0) == "on").then_some(())
    });
    assert!(encrypts.is_some(), "the server does not encrypt");
    root
}

async fn read(place: &Place, url: &str, ca: Option<&str>) -> Result<serde_json::Value, CallError> {
    let mut target = target(url);
    target.ca = ca.map(|pem| pem.as_bytes().to_vec());
    let room = Client::new(vec![target]).unwrap();
    let probe = room.probe("orders").await;
    let read = room
        .read(
            &place.permit(),
            &Read::Server {
                database: database(),
            },
        )
        .await;
    assert_eq!(
        probe.as_ref().is_ok_and(|probe| probe.tls.is_some()),
        read.is_ok(),
        "{probe:?}"
    );
    read
}

#[test]
fn certificates_are_verified() {
    let server = Server::start(&required(NEWEST).unwrap(), &Options::default()).unwrap();
    let root = encrypt(&server, "127.0.0.1");
    runtime().block_on(async {
        let place = Place::new(&server).await;
        for mode in ["require", "prefer"] {
            let url = format!("{}?sslmode={mode}", place.url);
            read(&place, &url, Some(&root)).await.unwrap();
            let why = refused(read(&place, &url, None).await, ErrorKind::Unavailable);
            assert!(why.contains("`ca`"), "{why}");
            let (_, _, other) = certificate("127.0.0.1");
            let why = refused(
                read(&place, &url, Some(&other)).await,
                ErrorKind::Unavailable,
            );
            assert!(why.contains("nobody who is trusted"), "{why}");
            let url = url.replace("127.0.0.1", "localhost");
            let why = refused(
                read(&place, &url, Some(&root)).await,
                ErrorKind::Unavailable,
            );
            assert!(
                why.contains("another host name") && !why.contains("localhost"),
                "{why}"
            );
        }
        let url = format!("{}?sslmode=require&sslnegotiation=direct", place.url);
        read(&place, &url, Some(&root)).await.unwrap();
    });
}

#[test]
fn a_statement_over_tls_is_cancelled() {
    let server = Server::start(&required(NEWEST).unwrap(), &Options::default()).unwrap();
    let root = encrypt(&server, "127.0.0.1");
    runtime().block_on(async {
        let mut place = Place::new(&server).await;
        place.slow_index().await;
        let gate = place.session().await;
        gate.batch_execute("SELECT pg_advisory_lock(7)")
            .await
            .unwrap();
        let mut target = target(&format!("{}?sslmode=require", place.url));
        target.ca = Some(root.into_bytes());
        target.transaction_wait = super::place::LONG;
        place.room = std::sync::Arc::new(Client::new(vec![target]).unwrap());
        let announced = place.announce(super::place::reindex("slow_i")).await;
        let short = place.permit_with(
            std::time::Duration::from_secs(1),
            &super::place::everything(),
            None,
        );
        let failure = announced.apply(&short).await.unwrap_err();
        assert_eq!(
            (failure.error.kind, failure.in_doubt),
            (ErrorKind::Limit, false),
            "{failure:?}"
        );
        place.revert(&failure.sweep.unwrap()).await.unwrap();
    });
}

#[test]
fn unreadable_certificates_are_named() {
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let mut target = target("host=h user=u");
        target.ca = Some(pem.as_bytes().to_vec());
        let error = Client::new(vec![target]).unwrap_err();
        assert!(
            error.to_string().contains("orders") && error.hint().unwrap().contains("PEM"),
            "{error}"
        );
    }
}
