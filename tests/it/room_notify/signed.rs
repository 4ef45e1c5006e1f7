//! What a webhook is sent, checked by an implementation that is not ours.

use super::place::{KEY, Place, block_on, webhook};
use super::receiver::Receiver;
use standardwebhooks::Webhook;
use windlass::contract::notify_types::Delivery;

/// The headers as the verifying library wants them.
fn headers(request: &super::receiver::Request) -> http::HeaderMap {
    let header = |name: &'static str| (name, request.headers[name].parse().unwrap());
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let mut map = http::HeaderMap::new();
    for (name, value) in names.map(header) {
        map.insert(name, value);
    }
    map
}

#[test]
fn an_independent_implementation_finds_the_signature_right() {
    block_on(async {
        let receiver = Receiver::start([]);
        let mut place = Place::new(webhook(&receiver.url())).await;
        assert_eq!(place.send("end").await, Delivery::Delivered);
        let request = &receiver.requests()[0];
        let right = Webhook::new(KEY).unwrap();
        right.verify(&request.body, &headers(request)).unwrap();
        let other = Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        other.verify(&request.body, &headers(request)).unwrap_err();
        let mut changed = request.body.clone();
        changed.push(b' ');
        right.verify(&changed, &headers(request)).unwrap_err();
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        let body = request.json();
        assert_eq!(body["type"], "windlass.end");
        assert_eq!(body["data"]["run"], place.run.0.as_str());
        assert_eq!(body["data"]["procedure"], "pg-tidy 0.1.0");
        assert_eq!(body["data"]["level"], "warning");
        assert_eq!(body["data"]["fields"][0]["value"], "269 MB");
    });
}
