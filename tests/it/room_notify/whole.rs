//! The whole of it: the command line, both procedures, grants, plans, crashes.

use super::receiver::{Act, Receiver};
use crate::laws::only_run;
use crate::world::{Output, World};
use serde_json::Value;
use windlass::contract::notify_types::Delivery;
use windlass::journal::{Outcome, Status};
use windlass::notify::delivery_of;
use xtask::postgres::NEWEST;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOLD: [&str; 4] = ["--set", "expected-standbys=0", "--set", "notify=ops"];

/// Configures the channel `ops` of a world.
pub(crate) fn connect(world: &World, receiver: &Receiver) {
    world.write("ops.url", &format!("{}/{}", receiver.url(), mark(world)));
    world.write("ops.key", KEY);
    world.configure(
        "\n[channel.ops]\nkind = \"webhook\"\nurl = { file = \"ops.url\" }\nkey = { file = \"ops.key\" }\ngive-up-after = \"5s\"\n",
    );
}

/// What tells the messages of this world from those of others: databases of two servers may have one name.
pub(crate) fn mark(world: &World) -> String {
    let folder = world.path().file_name().unwrap();
    folder.to_string_lossy().into_owned()
}

/// A healthy world with the channel `ops` and a grant for `pg-health`.
fn world(receiver: &Receiver) -> World {
    let world = World::bloated_on(NEWEST);
    world
        .session()
        .batch_execute("DROP INDEX accounts_abalance_ccnew")
        .unwrap();
    connect(&world, receiver);
    grant(&world, &["--channel", "ops"]);
    world
}

fn grant(world: &World, more: &[&str]) -> Output {
    let words = [
        "grant",
        "pg-health",
        "--target",
        "orders",
        "--force",
        "--approved-by",
        "tester",
    ];
    world.windlass(&[&words[..], more].concat())
}

fn run(world: &World, variables: &[(&str, &str)], more: &[&str]) -> Output {
    let words = ["run", "pg-health", "--target", "orders"];
    world.windlass_with(variables, &[&words[..], &TOLD, more].concat())
}

fn types(receiver: &Receiver) -> Vec<String> {
    let requests = receiver.requests();
    let kinds = requests
        .iter()
        .map(|request| request.json()["type"].clone());
    kinds
        .map(|kind| kind.as_str().unwrap().to_owned())
        .collect()
}

/// How the messages of the only run ended.
fn ends(world: &World) -> Vec<Delivery> {
    let (_, state, _) = only_run(world);
    let ends = state
        .effects()
        .iter()
        .filter_map(|effect| match &effect.status {
            Status::Done { applied, .. } => delivery_of(&applied.answer),
            Status::Intended
            | Status::Failed { .. }
            | Status::NotDone { .. }
            | Status::InDoubt { .. } => None,
        });
    ends.collect()
}

#[test]
fn a_run_tells_when_it_starts_and_how_it_ended() {
    let receiver = Receiver::start([Act::status(429)]);
    let world = world(&receiver);
    let said = run(&world, &[], &[]).expect(0);
    assert_eq!(
        types(&receiver),
        ["windlass.start", "windlass.start", "windlass.end"]
    );
    let end = receiver.requests()[2].json();
    assert_eq!(end["data"]["level"], "success");
    assert_eq!(end["data"]["title"], "orders is healthy");
    let (id, ..) = only_run(&world);
    assert_eq!(end["data"]["run"], id.0.as_str());
    for line in [
        "sent\n  ✓ start to ops: delivered, at attempt 2\n  ✓ end to ops: delivered",
        "nothing was changed",
    ] {
        assert!(said.stdout.contains(line), "{said}");
    }
    let report = world
        .windlass(&["show", &id.0, "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(report["effects"], Value::Array(Vec::new()));
    assert_eq!(report["sent"][0]["attempts"], 2);
    assert_eq!(report["sent"][1]["end"], "delivered");
    let page = world
        .windlass(&["show", &id.0, "--format", "markdown"])
        .expect(0);
    assert!(
        page.stdout.contains("| ops | start | delivered | 2 |  |"),
        "{page}"
    );
}

#[test]
fn a_run_is_silent_unless_it_is_asked_to_tell() {
    let receiver = Receiver::start([]);
    let world = world(&receiver);
    let words = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--set",
        "expected-standbys=0",
    ];
    world.windlass(&words).expect(0);
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn a_channel_that_is_not_granted_is_refused_before_anything_is_done() {
    let receiver = Receiver::start([]);
    let world = world(&receiver);
    let text = world
        .read("windlass.toml")
        .replace("[channel.ops]", "[channel.page]");
    let both = world.read("windlass.toml") + &text[text.find("[channel.page]").unwrap()..];
    world.write("windlass.toml", &both);
    grant(&world, &["--channel", "page"]).expect(0);
    let refused = run(&world, &[], &[]).expect(3);
    assert!(refused.stderr.contains("to send start to ops"), "{refused}");
    assert!(
        refused.stderr.contains("has nothing for that channel"),
        "{refused}"
    );
    assert_eq!(receiver.connections(), 0);
    grant(&world, &["--channel", "ops"]).expect(0);
    run(&world, &[], &[]).expect(0);
    assert_eq!(receiver.requests().len(), 2);

    let events = |world: &World, events: &str| {
        let file = "grants/pg-health.orders.toml";
        let text = world.read(file);
        let at = text.find("events = ").unwrap();
        let end = at + text[at..].find('\n').unwrap();
        world.write(
            file,
            &format!("{}events = {events}{}", &text[..at], &text[end..]),
        );
    };
    events(&world, "[\"start\"]");
    let refused = run(&world, &[], &[]).expect(3);
    assert!(refused.stderr.contains("to send end to ops"), "{refused}");
    assert!(
        refused
            .stderr
            .contains("add \"end\" to the `events` of line"),
        "{refused}"
    );
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn a_channel_that_is_not_configured_is_told_before_anything_is_done() {
    let receiver = Receiver::start([]);
    let world = world(&receiver);
    grant(&world, &[]).expect(0);
    let words = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--set",
        "notify=opps",
    ];
    let wrong = world.windlass(&words).expect(2);
    assert!(
        wrong.stderr.contains("there is no channel `opps`"),
        "{wrong}"
    );
    assert!(wrong.stderr.contains("did you mean `ops`?"), "{wrong}");
    grant(&world, &["--channel", "opps"]).expect(2);
}

#[test]
fn a_plan_shows_the_messages_and_sends_none() {
    let receiver = Receiver::start([]);
    let world = world(&receiver);
    let words = ["plan", "pg-health", "--target", "orders"];
    let plan = world.windlass(&[&words[..], &TOLD].concat()).expect(0);
    assert!(
        plan.stdout
            .contains("would change nothing and send 2 messages"),
        "{plan}"
    );
    assert!(
        plan.stdout.contains("not needed: a message stands"),
        "{plan}"
    );
    assert_eq!(receiver.connections(), 0);
    let document: Value = serde_json::from_str(&world.read("plan.json")).unwrap();
    assert_eq!(document["effects"][0]["key"], "notify-send ops start");
    let words = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--plan",
        "plan.json",
    ];
    world.windlass(&words).expect(0);
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn a_bound_run_sends_nothing_that_is_not_planned() {
    let receiver = Receiver::start([]);
    let world = world(&receiver);
    let words = ["plan", "pg-health", "--target", "orders"];
    world.windlass(&[&words[..], &TOLD].concat()).expect(0);
    let mut plan: Value = serde_json::from_str(&world.read("plan.json")).unwrap();
    plan["effects"].as_array_mut().unwrap().truncate(1);
    // A plan's digest is over the document with an empty one.
    plan["digest"] = "".into();
    let typed: windlass::engine::Plan = serde_json::from_value(plan.clone()).unwrap();
    let bare = serde_json::to_vec(&typed).unwrap();
    plan["digest"] = windlass_digest(&bare).into();
    world.write("plan.json", &plan.to_string());
    let words = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--plan",
        "plan.json",
    ];
    let said = world.windlass(&words).expect(0);
    assert!(
        said.stdout.contains("refused\n  send end is not in plan"),
        "{said}"
    );
    assert_eq!(types(&receiver), ["windlass.start"]);
}

fn windlass_digest(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[test]
fn nobody_who_can_be_told_does_not_fail_the_maintenance() {
    for (act, tried) in [
        (Act::status(404), 2),
        (Act::with(302, "location", "http://127.0.0.1:1/"), 2),
        // The run waits for the channel once.
        (Act::Silence, 1),
    ] {
        let receiver = Receiver::start([act.clone(), act]);
        let world = world(&receiver);
        let said = run(&world, &[], &[]).expect(0);
        assert!(said.stdout.contains("warning: `start` "), "{said}");
        assert_eq!(receiver.requests().len(), tried);
        assert_eq!(only_run(&world).1.outcome(), Some(Outcome::Succeeded));
    }
}

/// Wherever the host is killed, each message arrives at most once, and what is said of it is so.
#[test]
fn a_host_killed_between_send_and_record_tells_the_truth() {
    let undisturbed = Receiver::start([]);
    let first = world(&undisturbed);
    run(&first, &[], &[]).expect(0);
    let (_, _, entries) = only_run(&first);
    let of = |kind: &str| entries.iter().filter(|it| it.entry.kind() == kind).count();
    let kinds = ["intended", "noted", "done"];
    let places = kinds.map(|kind| (1..=of(kind)).map(move |nth| (kind, format!("{kind}:{nth}"))));
    for (kind, place) in places.into_iter().flatten() {
        let receiver = Receiver::start([]);
        let world = world(&receiver);
        let killed = run(&world, &[("WINDLASS_TEST_KILL_AT", &place)], &[]);
        assert_eq!(killed.code, 128 + 9, "{killed}");
        let (id, ..) = only_run(&world);
        world.windlass(&["resume", &id.0]).expect(0);
        let ends = ends(&world);
        assert_eq!(ends.len(), 2);
        let told = types(&receiver);
        let doubts = ends
            .iter()
            .filter(|end| matches!(end, Delivery::InDoubt(_)));
        let delivered = ends.iter().filter(|end| **end == Delivery::Delivered);
        // After a note the host may or may not have sent: it does not say that it has.
        assert_eq!(doubts.count(), usize::from(kind == "noted"), "{place}");
        assert!(
            told.len() >= delivered.count() && told.len() <= 2,
            "{place}: {told:?}"
        );
        world.windlass(&["audit", "verify"]).expect(0);
    }
}

/// The receiver has the message, and the host dies before it can record that.
#[test]
fn a_message_that_arrived_and_was_not_recorded_is_in_doubt_and_not_sent_again() {
    let receiver = Receiver::start([Act::Silence]);
    let world = world(&receiver);
    let words = ["run", "pg-health", "--target", "orders"];
    let running = world.start(&[], &[&words[..], &TOLD].concat());
    while receiver.requests().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(running.kill().code, 128 + 9);
    let (id, ..) = only_run(&world);
    let said = world.windlass(&["resume", &id.0]).expect(0);
    let line = "? start to ops: in doubt, windlass broke off while it was sent; it is not sent";
    assert!(said.stdout.contains(line), "{said}");
    assert_eq!(types(&receiver), ["windlass.start", "windlass.end"]);
}

#[test]
fn proxy_variables_are_ignored() {
    let (receiver, trap) = (Receiver::start([]), Receiver::start([]));
    let world = world(&receiver);
    let proxy = format!("http://127.0.0.1:{}", trap.port());
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let variables = names.map(|name| (name, proxy.as_str()));
    run(&world, &variables, &[]).expect(0);
    assert_eq!(receiver.requests().len(), 2);
    assert_eq!(trap.connections(), 0);
}

#[test]
fn a_metadata_address_is_refused_and_the_maintenance_goes_on() {
    let world = world(&Receiver::start([]));
    world.write("ops.url", "https://169.254.169.254/latest/meta-data");
    let said = run(&world, &[], &[]).expect(0);
    let line = "it leads to a cloud metadata address";
    assert!(
        said.stdout.replace("\n      ", " ").contains(line),
        "{said}"
    );
    assert!(!said.all().contains("169.254"), "{said}");
    let looked = world.windlass(&["doctor"]).expect(2);
    assert!(looked.stdout.contains("ops"), "{looked}");
}

#[test]
fn doctor_looks_at_channels_and_sends_nothing() {
    let receiver = Receiver::start([]);
    let world = world(&receiver);
    let well = world.windlass(&["doctor"]).expect(0);
    assert!(well.stdout.contains("✓  ops"), "{well}");
    assert_eq!(receiver.connections(), 0);
    world.write("ops.key", "whsec_short");
    let bad = world.windlass(&["doctor"]).expect(2);
    assert!(
        bad.stdout.contains("the signing key of channel `ops`"),
        "{bad}"
    );
    assert!(!bad.stdout.contains("whsec_short"), "{bad}");
}
