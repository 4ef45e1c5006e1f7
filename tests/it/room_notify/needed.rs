//! Runs that need someone: the host tells of them, whatever their procedure said, and whatever became of its process.

use super::receiver::{Act, Receiver};
use super::whole::mark;
use crate::hold::{Hold, until_waits};
use crate::interruptions::{REBUILD, run as work};
use crate::laws::only_run;
use crate::world::{Output, World};
use serde_json::Value;
use xtask::postgres::NEWEST;

/// A world in which runs on `orders` tell these channels.
fn world(receivers: &[(&str, &Receiver)]) -> World {
    let world = World::bloated_on(NEWEST);
    let names: Vec<_> = receivers.iter().map(|(name, _)| *name).collect();
    let config = world.read("windlass.toml");
    let told = format!("[database.orders]\ntell = {names:?}\n");
    world.write(
        "windlass.toml",
        &config.replace("[database.orders]\n", &told),
    );
    for (name, receiver) in receivers {
        let url = format!("{}/{}", receiver.url(), mark(&world));
        world.write(&format!("{name}.url"), &url);
        world.write(
            &format!("{name}.key"),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        );
        world.configure(&format!(
            "\n[channel.{name}]\nkind = \"webhook\"\nurl = {{ file = \"{name}.url\" }}\nkey = {{ file = \"{name}.key\" }}\n"
        ));
    }
    world.grant("pg-health", "orders");
    world
}

fn health(world: &World, variables: &[(&str, &str)]) -> Output {
    let words = ["run", "pg-health", "--target", "orders"];
    world.windlass_with(variables, &words)
}

/// What was said, as event and title.
fn heard(receiver: &Receiver) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let requests = receiver.requests().into_iter();
    let said = requests.map(|request| request.json());
    said.map(|said| (text(&said["type"]), text(&said["data"]["title"])))
        .collect()
}

fn one(event: &str, title: &str) -> Vec<(String, String)> {
    vec![(format!("windlass.{event}"), title.to_owned())]
}

#[test]
fn all_channels_hear_of_a_run_that_could_not_decide_and_only_once() {
    let (ops, pager) = (Receiver::start([]), Receiver::start([]));
    let world = world(&[("ops", &ops), ("pager", &pager)]);
    let index = "DROP INDEX accounts_abalance_ccnew";
    world.session().batch_execute(index).unwrap();
    // How many standbys there should be is not configured.
    let said = health(&world, &[]).expect(4);
    let (id, ..) = only_run(&world);
    for channel in ["ops", "pager"] {
        let line = format!("told {channel} that run {id} is inconclusive");
        assert!(said.stderr.contains(&line), "{said}");
    }
    let told = one("run-inconclusive", "pg-health on orders: inconclusive");
    assert_eq!((heard(&ops), heard(&pager)), (told.clone(), told));
    let again = world.windlass(&["tell"]).expect(0);
    assert_eq!(again.stdout, "");
    assert_eq!((ops.requests().len(), pager.requests().len()), (1, 1));
}

#[test]
fn a_channel_that_is_dead_keeps_nobody_from_being_told_and_is_tried_again() {
    let (ops, pager) = (Receiver::start([Act::status(500)]), Receiver::start([]));
    let world = world(&[("ops", &ops), ("pager", &pager)]);
    // An invalid index is left in this world.
    let said = health(&world, &[]).expect(1);
    let (id, ..) = only_run(&world);
    let line = format!("could not tell ops that run {id} is failed: ");
    assert!(said.stderr.contains(&line), "{said}");
    assert!(said.stderr.contains("hint: windlass tell"), "{said}");
    let told = one("run-failed", "pg-health on orders: failed");
    assert_eq!(heard(&pager), told);
    let document = world
        .windlass(&["tell", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(document["told"].as_array().unwrap().len(), 1);
    assert_eq!(document["told"][0]["channel"], "ops");
    assert_eq!(heard(&pager), told);
    // Tried twice, and known to the receiver by one name.
    let requests = ops.requests();
    let ids: Vec<_> = requests
        .iter()
        .map(|it| &it.headers["webhook-id"])
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_run_whose_process_is_gone_is_told_by_the_next_command() {
    let ops = Receiver::start([]);
    let world = world(&[("ops", &ops)]);
    let at = [("WINDLASS_TEST_KILL_AT", "begin")];
    health(&world, &at).expect(128 + 9);
    assert_eq!(ops.requests().len(), 0);
    let (id, ..) = only_run(&world);
    let said = world.windlass(&["tell"]).expect(0);
    let line = format!("told ops that run {id} is interrupted\n");
    assert_eq!(said.stdout, line);
    let told = one("run-interrupted", "pg-health on orders: interrupted");
    assert_eq!(heard(&ops), told);
    let text = ops.requests()[0].json()["data"]["text"].to_string();
    assert!(text.contains(&format!("windlass resume {id}")), "{text}");
}

#[test]
fn a_run_at_work_is_not_told_of_and_one_in_doubt_is() {
    let ops = Receiver::start([]);
    let world = world(&[("ops", &ops)]);
    world.grant("pg-optimize", "orders");
    let index = "DROP INDEX accounts_abalance_ccnew";
    world.session().batch_execute(index).unwrap();
    let hold = Hold::writer(&world, "accounts");
    let running = world.start(&[], &work(REBUILD));
    until_waits(&world, "REINDEX");
    world.windlass(&["tell"]).expect(0);
    assert_eq!(ops.requests().len(), 0);
    running.kill();
    let (id, ..) = only_run(&world);
    // It is refused, for what the other one left; whoever was to be told of that one is told now.
    let refused = world.windlass(&work(REBUILD)).expect(3);
    let line = format!("told ops that run {id} is in doubt");
    assert!(refused.stderr.contains(&line), "{refused}");
    let told = one("run-in-doubt", "pg-optimize on orders: in doubt");
    assert_eq!(heard(&ops), told);
    let text = ops.requests()[0].json()["data"]["text"].to_string();
    assert!(
        text.contains("The end of effect 1 (reindex public."),
        "{text}"
    );
    hold.release();
    world.windlass(&["resume", &id.0]).expect(0);
    assert_eq!(heard(&ops), told);
}

#[test]
fn a_channel_that_the_procedure_told_of_its_failure_is_not_told_again() {
    let ops = Receiver::start([]);
    let world = world(&[("ops", &ops)]);
    let grant = [
        "grant",
        "pg-health",
        "--target",
        "orders",
        "--approved-by",
        "tester",
        "--channel",
        "ops",
        "--force",
    ];
    world.windlass(&grant).expect(0);
    let words = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--set",
        "notify=ops",
    ];
    world.windlass(&words).expect(1);
    let events: Vec<_> = heard(&ops).into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, ["windlass.start", "windlass.end"]);
}

#[test]
fn a_channel_that_a_target_names_must_be_there() {
    let ops = Receiver::start([]);
    let world = world(&[("ops", &ops)]);
    let config = world.read("windlass.toml");
    world.write("windlass.toml", &config.replace("[\"ops\"]", "[\"opps\"]"));
    let wrong = world.windlass(&["tell"]).expect(2);
    assert!(
        wrong.stderr.contains("there is no channel `opps`"),
        "{wrong}"
    );
    assert!(wrong.stderr.contains("did you mean `ops`?"), "{wrong}");
}
