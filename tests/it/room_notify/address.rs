//! Where channels may lead, certificates, redirects.

use super::place::{Place, about, block_on, given_up, slack, webhook};
use super::receiver::{Act, Receiver};
use crate::room_database::tls::certificate;
use windlass::contract::ErrorKind;
use windlass::contract::notify_types::Delivery;
use windlass::notify::{Channel, Client};

#[test]
fn a_metadata_address_is_refused_unless_it_is_allowed_by_name() {
    block_on(async {
        for url in [
            "https://169.254.169.254/latest",
            "https://2852039166/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[64:ff9b::a9fe:a9fe]/",
        ] {
            let place = Place::new(slack(url)).await;
            let error = place.prepare(&about("end")).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Denied);
            assert!(error.message.contains("allow-address"), "{}", error.message);
            assert!(!error.message.contains("169"), "{}", error.message);
            let allowed = Channel {
                allow_address: vec!["169.254.169.254".parse().unwrap()],
                ..slack(url)
            };
            Place::new(allowed)
                .await
                .prepare(&about("end"))
                .await
                .unwrap();
        }
        let place = Place::new(slack("http://8.8.8.8/")).await;
        let error = place.prepare(&about("end")).await.unwrap_err();
        assert!(
            error.message.contains("without encryption"),
            "{}",
            error.message
        );
    });
}

#[test]
fn redirects_are_not_followed() {
    block_on(async {
        let trap = Receiver::start([]);
        for status in [301, 302, 303, 307, 308] {
            let receiver = Receiver::start([Act::with(status, "location", trap.url())]);
            let mut place = Place::new(webhook(&receiver.url())).await;
            let why = given_up(place.send("end").await);
            assert_eq!(
                why,
                format!("the receiver redirects ({status}); redirects are not followed")
            );
            assert_eq!(receiver.requests().len(), 1);
        }
        assert_eq!(trap.connections(), 0);
    });
}

fn trusting(url: &str, root: &str) -> Channel {
    Channel {
        ca: Some(root.as_bytes().to_vec()),
        ..webhook(url)
    }
}

#[test]
fn certificates_are_verified() {
    block_on(async {
        let (own, key, root) = certificate("localhost");
        let receiver = Receiver::encrypted([], &own, &key);
        let url = format!("https://localhost:{}/", receiver.port());
        let mut place = Place::new(trusting(&url, &root)).await;
        assert_eq!(place.send("end").await, Delivery::Delivered);

        let not_trusted = "the receiver's certificate is not trusted for its name";
        let other_name = format!("https://127.0.0.1:{}/", receiver.port());
        let mut place = Place::new(trusting(&other_name, &root)).await;
        assert_eq!(given_up(place.send("end").await), not_trusted);
        let (_, _, stranger) = certificate("localhost");
        let mut place = Place::new(trusting(&url, &stranger)).await;
        assert_eq!(given_up(place.send("end").await), not_trusted);
        let mut place = Place::new(webhook(&url)).await;
        assert_eq!(given_up(place.send("end").await), not_trusted);
        assert_eq!(receiver.requests().len(), 1);
    });
}

#[test]
fn what_cannot_be_a_channel_is_told_without_what_it_was() {
    const CANARY: &str = "hunter2canary";
    let long = format!("https://{CANARY}.example.com:port/{CANARY}");
    let with_login = format!("https://user:{CANARY}@example.com/");
    let other_scheme = format!("ftp://example.com/{CANARY}");
    for url in [CANARY, &long, &with_login, &other_scheme, "https://"] {
        let error = Client::new(vec![slack(url)]).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains(CANARY), "{shown}");
    }
    for key in ["", CANARY, "whsec_aGVsbG8=", "whsec_????"] {
        let mut channel = webhook("https://example.com/");
        channel.kind = windlass::notify::Kind::Webhook {
            url: windlass::database::client::Secret::new("https://example.com/"),
            key: windlass::database::client::Secret::new(key),
            idempotent: false,
        };
        let error = Client::new(vec![channel]).unwrap_err();
        assert!(error.to_string().contains("signing key"), "{error}");
    }
}
