//! Retries, deadlines, pace, and that one event is told once.

use super::place::{Place, block_on, given_up, in_doubt, slack, webhook};
use super::receiver::{Act, Receiver};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use windlass::clock::{Clock, Millis};
use windlass::contract::ErrorKind;
use windlass::contract::notify_types::Delivery;
use windlass::journal::Store;

/// Of a receiver that takes the same message once only.
fn patient(url: &str) -> windlass::notify::Channel {
    let mut channel = webhook(url);
    if let windlass::notify::Kind::Webhook { idempotent, .. } = &mut channel.kind {
        *idempotent = true;
    }
    windlass::notify::Channel {
        give_up_after: Duration::from_secs(20),
        ..channel
    }
}

#[test]
fn a_receiver_that_fails_three_times_gets_the_message_once() {
    block_on(async {
        let receiver = Receiver::start([
            Act::status(500),
            Act::status(500),
            Act::with(429, "retry-after", "3"),
            Act::status(200),
        ]);
        let mut place = Place::new(patient(&receiver.url())).await;
        assert_eq!(place.send("end").await, Delivery::Delivered);
        let requests = receiver.requests();
        assert_eq!(requests.len(), 4);
        let gaps: Vec<_> = requests
            .windows(2)
            .map(|two| two[1].at - two[0].at)
            .collect();
        assert!(gaps[0] >= Duration::from_millis(500), "{gaps:?}");
        assert!(gaps[1] >= Duration::from_secs(1), "{gaps:?}");
        assert!(gaps[2] >= Duration::from_secs(3), "{gaps:?}");
        // By its id the receiver knows that it is one message.
        let ids: BTreeSet<_> = requests.iter().map(|r| &r.headers["webhook-id"]).collect();
        assert_eq!(ids.len(), 1);
        let attempts = place.note().unwrap()["attempts"].clone();
        let failed: Vec<_> = attempts
            .as_array()
            .unwrap()
            .iter()
            .map(|attempt| attempt["failed"].as_str())
            .collect();
        let (five, too_many) = ("the receiver answered 500", "the receiver answered 429");
        assert_eq!(failed, [Some(five), Some(five), Some(too_many), None]);
    });
}

#[test]
fn a_date_to_come_back_at_is_kept() {
    block_on(async {
        let until = Clock::system().now().0 + 3_000;
        let date = Millis(until).timestamp();
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let receiver = Receiver::start([Act::with(503, "retry-after", date)]);
        let mut place = Place::new(patient(&receiver.url())).await;
        assert_eq!(place.send("end").await, Delivery::Delivered);
        let requests = receiver.requests();
        // A date has whole seconds.
        assert!(requests[1].at - requests[0].at >= Duration::from_millis(1_500));
    });
}

#[test]
fn who_wants_to_be_left_alone_for_too_long_is_given_up() {
    block_on(async {
        for retry_after in [
            "3600",
            "18446744073709551615",
            "Fri, 31 Dec 2100 23:59:59 GMT",
        ] {
            let receiver = Receiver::start([Act::with(429, "retry-after", retry_after)]);
            let mut place = Place::new(webhook(&receiver.url())).await;
            let why = given_up(place.send("end").await);
            assert!(
                why.contains("429") && why.contains("give-up-after"),
                "{why}"
            );
            assert_eq!(receiver.requests().len(), 1);
        }
    });
}

#[test]
fn what_never_works_is_given_up_at_the_deadline() {
    block_on(async {
        let receiver = Receiver::start(vec![Act::status(429); 50]);
        let mut place = Place::new(webhook(&receiver.url())).await;
        let why = given_up(place.send("end").await);
        assert_eq!(
            why,
            "the receiver answered 429, after 3 attempts within 3.0 s"
        );
        assert_eq!(receiver.requests().len(), 3);

        let nobody = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut place = Place::new(webhook(&format!("http://{nobody}/"))).await;
        let why = given_up(place.send("end").await);
        assert_eq!(why, "nothing answers there, after 3 attempts within 3.0 s");
    });
}

#[test]
fn a_no_is_a_no() {
    block_on(async {
        for status in [400, 401, 403, 404, 410, 413, 422] {
            let receiver = Receiver::start([Act::saying(status, "no_service\n")]);
            let mut place = Place::new(slack(&receiver.url())).await;
            let why = given_up(place.send("end").await);
            assert_eq!(why, format!("the receiver answered {status}: no_service"));
            assert_eq!(receiver.requests().len(), 1);
            // What is not one of Slack's words may be anything, the URL included.
            let receiver = Receiver::start([Act::saying(status, receiver.url())]);
            let mut place = Place::new(slack(&receiver.url())).await;
            let why = given_up(place.send("end").await);
            assert_eq!(why, format!("the receiver answered {status}"));
        }
        let endless = vec![b'x'; 64 << 20];
        let receiver =
            Receiver::start([Act::saying(404, endless.clone()), Act::saying(200, endless)]);
        let mut place = Place::new(slack(&receiver.url())).await;
        assert_eq!(given_up(place.send("a").await), "the receiver answered 404");
        assert_eq!(place.send("b").await, Delivery::Delivered);
    });
}

#[test]
fn one_event_is_told_once_and_ends_as_it_first_did() {
    block_on(async {
        let receiver = Receiver::start([Act::status(200), Act::status(404)]);
        let mut place = Place::new(webhook(&receiver.url())).await;
        assert_eq!(place.send("start").await, Delivery::Delivered);
        assert_eq!(place.send("start").await, Delivery::Delivered);
        assert_eq!(place.note(), None);
        let first = given_up(place.send("end").await);
        assert_eq!(given_up(place.send("end").await), first);
        let paths = receiver.requests();
        assert_eq!(paths.len(), 2);
        assert_ne!(
            paths[0].headers["webhook-id"],
            paths[1].headers["webhook-id"]
        );
    });
}

#[test]
fn a_channel_takes_one_message_at_a_time_whoever_sends() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start([]);
        let channel = || windlass::notify::Channel {
            every: Duration::from_secs(1),
            ..webhook(&receiver.url())
        };
        // Two processes have two stores of one file.
        let open = || Store::open(folder.path(), Clock::system(), None).unwrap();
        let mut one = Place::within(open(), channel()).await;
        let mut other = Place::within(open(), channel()).await;
        let began = Instant::now();
        let (a, b) = tokio::join!(one.send("start"), other.send("start"));
        assert_eq!([a, b], [Delivery::Delivered, Delivery::Delivered]);
        assert_eq!(one.send("end").await, Delivery::Delivered);
        // A turn is the sender's: how long a message is under way then is nobody's promise. The third has to wait for two, by another clock.
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(1_990), "{took:?}");
        assert_eq!(receiver.requests().len(), 3);
    });
}

#[test]
fn who_cannot_have_a_turn_in_time_gives_up() {
    block_on(async {
        let receiver = Receiver::start([]);
        let channel = windlass::notify::Channel {
            every: Duration::from_mins(10),
            ..webhook(&receiver.url())
        };
        let mut place = Place::new(channel).await;
        assert_eq!(place.send("start").await, Delivery::Delivered);
        let why = given_up(place.send("end").await);
        assert!(why.starts_with("rate limit: "), "{why}");
        assert_eq!(place.note(), None);
        assert_eq!(receiver.requests().len(), 1);
    });
}

#[test]
fn a_channel_that_is_not_there_is_not_found() {
    block_on(async {
        let place = Place::new(webhook("http://127.0.0.1:1/")).await;
        let other = windlass::notify::Effect::send(
            "page".into(),
            "end".into(),
            super::place::message("t", ""),
        );
        let error = place.prepare(&other).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(error.message, "no channel `page` is configured");
    });
}

#[test]
fn an_error_of_a_receiver_that_had_the_whole_message_leaves_doubt() {
    block_on(async {
        for code in [500, 502, 503, 504] {
            let receiver = Receiver::start([Act::status(code), Act::status(200)]);
            let mut place = Place::new(slack(&receiver.url())).await;
            let why = in_doubt(place.send("end").await);
            assert!(why.contains(&code.to_string()), "{why}");
            assert_eq!(receiver.requests().len(), 1);
            // One that takes the same message once only is sent it again.
            let receiver = Receiver::start([Act::status(code), Act::status(200)]);
            let mut place = Place::new(patient(&receiver.url())).await;
            assert_eq!(place.send("end").await, Delivery::Delivered);
            assert_eq!(receiver.requests().len(), 2);
        }
    });
}
