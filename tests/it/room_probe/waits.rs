//! Waiting until an endpoint passes several times in a row.

use super::place::{Place, page};
use crate::room_notify::receiver::{Act, Receiver};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;
use windlass::contract::probe_types::Sample;
use windlass::contract::{CallError, ErrorKind};
use windlass::probe::Look;
use xtask::until;

const DEADLINE: Duration = Duration::from_secs(10);

fn passes(place: &Place, times: u32, within: u64) -> Result<Sample, CallError> {
    place.read(Look::AwaitPasses {
        times,
        every: 100,
        within,
    })
}

#[test]
fn what_flaps_has_to_pass_so_many_times_in_a_row() {
    let (up, down) = (Act::status(200), Act::status(503));
    let script = [&up, &up, &down, &up, &down, &up, &up, &up, &down];
    let receiver = Receiver::start(script.into_iter().cloned());
    let sample = passes(&Place::new(page(&receiver.url())), 3, 30_000).unwrap();
    assert!(sample.passed);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 8);
    // From the beginning of one to that of the next, not from its end.
    let took = requests[7].at - requests[0].at;
    assert!((500..15_000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn the_time_is_up_and_how_far_it_was_is_told() {
    let (up, down) = (Act::status(200), Act::status(503));
    let script = [&up, &up, &down].into_iter().cycle().take(300).cloned();
    let receiver = Receiver::start(script);
    let error = passes(&Place::new(page(&receiver.url())), 3, 1_000).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
    assert_eq!(
        error.message,
        "endpoint `shop`: it passed 2 of 3 times in a row within 1.0 s; when it last did not: it answered 503, not 200"
    );
    let receiver = Receiver::start([Act::Silence]);
    let error = passes(&Place::new(page(&receiver.url())), 1, 300).unwrap_err();
    assert_eq!(
        error.message,
        "endpoint `shop`: it passed 0 of 1 times in a row within 0.3 s"
    );
}

#[test]
fn another_status_can_be_waited_for() {
    let script = [200, 200, 503, 503].map(Act::status);
    let receiver = Receiver::start(script);
    let place = Place::new(page(&receiver.url()));
    let look = Look::AwaitStatus {
        status: 503,
        times: 2,
        every: 100,
        within: 30_000,
    };
    let sample: Sample = place.read(look).unwrap();
    assert_eq!(sample.status, Some(503));
    assert_eq!(receiver.requests().len(), 4);
}

#[test]
fn a_server_that_is_gone_is_waited_for_until_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let place = Place::new(page(&format!("http://{address}/")));
    assert_eq!(place.objection(), "nothing answers there");
    let back = thread::spawn(move || {
        let listener = TcpListener::bind(address).unwrap();
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        }
    });
    let sample = passes(&place, 2, 30_000).unwrap();
    assert_eq!(sample.status, Some(200));
    // Who asked less often than it had to left it waiting.
    let ended = until(DEADLINE, || back.is_finished().then_some(()));
    assert!(ended.is_some());
    assert_eq!(place.objection(), "nothing answers there");
}
