//! What one request finds.

use super::place::{Place, expected, expecting, hasty, page, server};
use crate::room_database::tls::certificate;
use crate::room_notify::receiver::{Act, Receiver};
use serde_json::json;
use std::net::TcpListener;
use std::time::Duration;
use windlass::contract::ErrorKind;
use windlass::contract::probe_types::Sample;
use windlass::database::client::Secret;
use windlass::probe::client::{Expected, Kind};
use windlass::probe::{Client, Endpoint, Look};

#[test]
fn a_status_is_expected_exactly() {
    let receiver = Receiver::start([
        Act::status(200),
        Act::status(204),
        Act::status(500),
        Act::status(503),
    ]);
    let place = Place::new(page(&receiver.url()));
    let sample = place.sample();
    assert!(sample.passed && sample.why.is_empty(), "{sample:?}");
    assert_eq!(sample.status, Some(200));
    assert!(sample.at > 0 && sample.latency < 20_000, "{sample:?}");
    assert_eq!(place.objection(), "it answered 204, not 200");
    assert_eq!(place.objection(), "it answered 500, not 200");
    let maintained = Place::new(expecting(&receiver.url(), expected(503)));
    assert!(maintained.sample().passed);
    assert_eq!(maintained.objection(), "it answered 200, not 503");
    assert_eq!(receiver.requests()[0].line, "GET /hook HTTP/1.1");
}

#[test]
fn a_value_is_expected_in_the_body() {
    let body = |text: &str| Act::saying(200, text.to_owned());
    let bodies = [
        body(r#"{"checks": [{"name": "db", "status": "ok"}]}"#),
        body(r#"{"checks": [{"name": "db", "status": "down"}]}"#),
        body(r#"{"checks": []}"#),
        body("<html>all is well</html>"),
        Act::saying(200, vec![b' '; 70_000]),
        Act::saying(503, r#"{"checks": [{"status": "ok"}]}"#),
    ];
    let receiver = Receiver::start(bodies);
    let place = Place::new(expecting(
        &receiver.url(),
        Expected {
            json: Some(("/checks/0/status".into(), json!("ok"))),
            ..expected(200)
        },
    ));
    assert!(place.sample().passed);
    assert_eq!(
        place.objection(),
        "its body has another value at `/checks/0/status`"
    );
    assert_eq!(
        place.objection(),
        "its body has nothing at `/checks/0/status`"
    );
    assert_eq!(place.objection(), "its body is not JSON");
    assert_eq!(place.objection(), "its body has more than 64 KiB");
    assert_eq!(place.objection(), "it answered 503, not 200");
}

#[test]
fn a_large_body_is_not_read_to_its_end() {
    let receiver = Receiver::start([Act::saying(200, vec![b'x'; 50 << 20])]);
    let sample = Place::new(page(&receiver.url())).sample();
    assert!(sample.passed, "{sample:?}");
}

#[test]
fn what_is_slow_does_not_pass() {
    let receiver = Receiver::start([Act::Silence, Act::Drip, Act::Half, Act::Hangup]);
    let place = Place::new(hasty(page(&receiver.url())));
    assert_eq!(place.objection(), "no whole answer within 1.0 s");
    assert_eq!(place.objection(), "no whole answer within 1.0 s");
    let broken = "the connection broke before the end of the answer";
    assert_eq!(place.objection(), broken);
    assert_eq!(place.objection(), broken);
    let hasty = Place::new(expecting(
        &receiver.url(),
        Expected {
            latency: Some(Duration::ZERO),
            ..expected(200)
        },
    ));
    let sample = hasty.sample();
    assert!(sample.why.starts_with("it took "), "{sample:?}");
    assert_eq!(sample.status, Some(200));
}

#[test]
fn who_does_not_answer_is_a_sample_and_not_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let sample = Place::new(page(&nobody)).sample();
    assert_eq!(sample.status, None);
    assert_eq!(sample.why, "nothing answers there");
    let unknown = Place::new(page("http://host.invalid/")).objection();
    assert_eq!(unknown, "its host name cannot be resolved");
}

#[test]
fn a_redirect_is_an_answer_and_not_a_way() {
    let trap = Receiver::start([]);
    let receiver = Receiver::start([Act::with(302, "location", trap.url())]);
    let place = Place::new(page(&receiver.url()));
    assert_eq!(place.objection(), "it answered 302, not 200");
    assert_eq!(trap.connections(), 0);
}

#[test]
fn an_address_that_is_refused_is_refused_unless_it_is_allowed_by_name() {
    for url in [
        "https://169.254.169.254/latest",
        "http://169.254.169.254/latest",
        "http://2852039166/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://0.0.0.0/",
    ] {
        let endpoint = Endpoint {
            timeout: Duration::from_millis(50),
            ..page(url)
        };
        let error = Place::new(endpoint.clone())
            .read::<Sample>(Look::Http)
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{url}");
        assert!(error.message.contains("allow-address"), "{}", error.message);
        assert!(!error.message.contains("169"), "{}", error.message);
        let allowed = Endpoint {
            allow_address: vec![
                "169.254.169.254".parse().unwrap(),
                "0.0.0.0".parse().unwrap(),
            ],
            ..endpoint
        };
        // Whatever is there, it may be asked.
        Place::new(allowed).read::<Sample>(Look::Http).unwrap();
    }
    let at = server("169.254.169.254:443", &certificate("x").2);
    let error = Place::new(at)
        .read::<serde_json::Value>(Look::Tls)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
}

fn with_header(url: &str) -> Endpoint {
    let header = ("authorization".to_owned(), Secret::new("Bearer canary"));
    Endpoint {
        kind: Kind::Http {
            url: url.into(),
            expected: expected(200),
            header: Some(header),
        },
        ..page(url)
    }
}

#[test]
fn a_secret_header_is_sent_and_never_to_another_machine_without_encryption() {
    let receiver = Receiver::start([]);
    assert!(Place::new(with_header(&receiver.url())).sample().passed);
    let sent = &receiver.requests()[0].headers["authorization"];
    assert_eq!(sent, "Bearer canary");
    let away = Place::new(with_header("http://192.0.2.1/"));
    let error = away.read::<Sample>(Look::Http).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(
        error.message.contains("without encryption"),
        "{}",
        error.message
    );
}

#[test]
fn a_certificate_has_to_be_trusted_for_its_name() {
    let (own, key, root) = certificate("localhost");
    let receiver = Receiver::encrypted([], &own, &key);
    let trusting = |host: &str, root: Option<&str>| {
        Place::new(Endpoint {
            ca: root.map(|root| root.as_bytes().to_vec()),
            ..page(&format!("https://{host}:{}/", receiver.port()))
        })
    };
    assert!(trusting("localhost", Some(&root)).sample().passed);
    let (_, _, stranger) = certificate("localhost");
    for place in [
        trusting("127.0.0.1", Some(&root)),
        trusting("localhost", Some(&stranger)),
        trusting("localhost", None),
    ] {
        assert_eq!(
            place.objection(),
            "its certificate is not trusted for its name"
        );
    }
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn what_cannot_be_an_endpoint_is_told() {
    for url in [
        "shop",
        "ftp://shop/",
        "https://user:canary@shop/",
        "https://",
    ] {
        let error = Client::new(vec![page(url)]).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains("canary"), "{shown}");
    }
    for at in ["shop", "shop:", "shop:x", ":1", "shop:70000"] {
        let (_, _, root) = certificate("x");
        assert!(Client::new(vec![server(at, &root)]).is_err(), "{at}");
    }
    let mut endpoint = with_header("https://shop/");
    if let Kind::Http { header, .. } = &mut endpoint.kind {
        *header = Some(("x".into(), Secret::new("canary\r\nhost: other")));
    }
    let error = Client::new(vec![endpoint]).unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("canary"),
        "{error:?}"
    );
}
