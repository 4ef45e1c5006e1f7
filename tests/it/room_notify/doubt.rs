//! Receivers that take a message and do not say so, and hosts that break off.

use super::place::{Place, block_on, in_doubt, webhook};
use super::receiver::{Act, Receiver};
use serde_json::json;
use windlass::call::Confirmed;
use windlass::contract::notify_types::Delivery;
use windlass::notify::client::confirm;
use windlass::notify::delivery_of;

#[test]
fn who_takes_a_message_and_does_not_say_so_gets_no_other() {
    for (act, why) in [
        (Act::Silence, "no answer within "),
        (Act::Drip, "no answer within "),
        (Act::Hangup, "the connection broke before an answer"),
        (Act::Half, "the connection broke before an answer"),
    ] {
        block_on(async {
            let receiver = Receiver::start([act]);
            let mut place = Place::new(webhook(&receiver.url())).await;
            let said = in_doubt(place.send("end").await);
            assert!(said.starts_with(why), "{said}");
            assert_eq!(receiver.requests().len(), 1);
            // Nor does the run try it again.
            assert_eq!(in_doubt(place.send("end").await), said);
            assert_eq!(receiver.connections(), 1);
        });
    }
}

#[test]
fn after_a_crash_the_note_tells_what_is_known() {
    let end = |attempts: serde_json::Value| {
        let note = json!({ "message": "0", "attempts": attempts });
        match confirm(Some(&note)) {
            Confirmed::Done(applied) => delivery_of(&applied.answer),
            Confirmed::NotDone { .. } => None,
            Confirmed::CannotTell(why) => panic!("{why}"),
        }
    };
    assert!(matches!(confirm(None), Confirmed::NotDone { .. }));
    assert_eq!(end(json!([])), None);
    assert_eq!(end(json!([{ "at": 1, "failed": "500" }])), None);
    let doubt = end(json!([{ "at": 1, "failed": "500" }, { "at": 2, "failed": null }]));
    assert!(matches!(doubt, Some(Delivery::InDoubt(_))), "{doubt:?}");
}
