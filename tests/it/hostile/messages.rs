//! A component that wants to be more than text to people, and a receiver that shows what of it arrives.

use super::artifact::{RUN, grant, world};
use crate::room_notify::receiver::Receiver;
use crate::room_notify::whole::connect;
use windlass::text::is_deceptive;

#[test]
fn what_a_guest_writes_arrives_as_text_and_cut() {
    let receiver = Receiver::start([]);
    let world = world("notify-tricks");
    connect(&world, &receiver);
    grant(&world);
    world.windlass(RUN).expect(0);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let headers = &requests[0].headers;
    assert!(!headers.contains_key("bcc"), "{headers:?}");
    let sent = requests[0].json();
    assert_eq!(sent["type"], "windlass.start");
    let title = sent["data"]["title"].as_str().unwrap();
    let text = sent["data"]["text"].as_str().unwrap();
    assert!(title.starts_with("<!channel> @everyone [here]"), "{title}");
    assert!(!title.contains(is_deceptive), "{title}");
    assert!(text.chars().all(|c| c == '\n' || !is_deceptive(c)));
    assert_eq!(text.chars().count(), 4_000);
    let fields = sent["data"]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 20);
    assert_eq!(fields[19]["value"], "9981 more fields (cut)");
}

#[test]
fn of_5000_messages_about_one_event_one_arrives() {
    let receiver = Receiver::start([]);
    let world = world("notify-flood");
    connect(&world, &receiver);
    grant(&world);
    let said = world.windlass(RUN).expect(0);
    assert_eq!(receiver.requests().len(), 1, "{said}");
}
