//! The laws: what every built-in procedure shows under injected faults, on the oldest and the newest supported server.
//!
//! Each law is one function over a [`Case`]. A test in `tidy` fails if a folder in `plugins/` is missing in [`PROCEDURES`].

pub(crate) mod clusters;
mod crashes;
mod failures;
pub(crate) mod world_view;

use crate::interruptions::add_second_table;
use crate::room_notify::receiver::{Receiver, Request};
use crate::room_notify::whole::{connect, mark};
use crate::world::{Output, World};
use crashes::crashes_anywhere_and_resumes;
use failures::fails_anywhere_and_unwinds;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use windlass::grant::GrantFile;
use windlass::journal::{Call, Entry, Outcome, RunId, Stamped, State, Store};
use world_view::{everything, storage_parameters};
use xtask::postgres::{NEWEST, OLDEST};

/// Every built-in procedure.
pub(crate) const PROCEDURES: &[&str] = &[
    "backup-job",
    "cert-renewal",
    "k8s-config",
    "k8s-rollout",
    "maintenance-mode",
    "node-maintenance",
    "pg-health",
    "pg-optimize",
    "service-verify",
];

/// Takes the messages of all worlds.
static RECEIVER: LazyLock<Receiver> = LazyLock::new(|| Receiver::start([]));

/// A procedure with parameters that give it something to do in a bloated world.
#[derive(Clone, Copy, Debug)]
struct Case {
    procedure: &'static str,
    parameters: &'static [&'static str],
    major: u32,
}

fn case(procedure: &str, major: u32) -> Case {
    match procedure {
        "pg-optimize" => Case {
            procedure: "pg-optimize",
            parameters: &[
                "--set",
                "min-size=8kB",
                "--set",
                "min-dead-rows=100",
                "--set",
                "tune-autovacuum=true",
                "--set",
                "notify=ops",
            ],
            major,
        },
        "pg-health" => Case {
            procedure: "pg-health",
            parameters: &["--set", "expected-standbys=0", "--set", "notify=ops"],
            major,
        },
        other => panic!("{other} has no case"),
    }
}

impl Case {
    /// A bloated world with a grant for the procedure.
    fn world(self) -> World {
        let world = World::bloated_on(self.major);
        if self.procedure == "pg-health" {
            world
                .session()
                .batch_execute("DROP INDEX accounts_abalance_ccnew")
                .unwrap();
        }
        connect(&world, &RECEIVER);
        world
            .windlass(&["grant", self.procedure, "--target", "orders"])
            .expect(0);
        world
    }

    fn typed(self, verb: &'static str) -> Vec<&'static str> {
        let mut words = vec![verb, self.procedure, "--target", "orders"];
        words.extend(self.parameters);
        words
    }

    fn run(self, world: &World, faults: &[(&str, &str)]) -> Output {
        world.windlass_with(faults, &self.typed("run"))
    }
}

fn store(world: &World) -> Store {
    Store::open_read_only(&world.state()).unwrap()
}

/// The only run of a world.
pub(crate) fn only_run(world: &World) -> (RunId, State, Vec<Stamped>) {
    let store = store(world);
    let mut runs = store.runs().unwrap();
    assert_eq!(runs.len(), 1);
    let (run, state) = runs.remove(0);
    let entries = store.entries(&run).unwrap();
    (run, state.unwrap(), entries)
}

/// Maintenance that the server was sent, each with its object; what only looks is left out.
pub(crate) fn work(world: &World) -> Vec<String> {
    let verbs = ["VACUUM", "ANALYZE", "REINDEX", "DROP INDEX", "ALTER TABLE"];
    let sent = world
        .statements()
        .into_iter()
        .map(|statement| statement.text);
    sent.filter(|text| verbs.iter().any(|verb| text.trim_start().starts_with(verb)))
        .collect()
}

pub(crate) fn assert_once(statements: &[String], context: &str) {
    let distinct: BTreeSet<_> = statements.iter().collect();
    assert_eq!(
        distinct.len(),
        statements.len(),
        "{context}: sent twice: {statements:#?}"
    );
}

/// The messages of a world. Each tells in its path which one it is of.
fn messages(world: &World) -> Vec<Request> {
    let ours = |request: &Request| request.line.contains(&format!("/{} ", mark(world)));
    RECEIVER.requests().into_iter().filter(ours).collect()
}

fn plan_changes_nothing(case: Case) {
    let world = case.world();
    let (before, mut files) = (everything(&world), world.files());
    world.windlass(&case.typed("plan")).expect(0);
    let after = everything(&world);
    let changed: Vec<_> = after.symmetric_difference(&before).collect();
    assert!(changed.is_empty(), "{changed:#?}");
    files.insert("plan.json".into());
    assert_eq!(world.files(), files);
    assert!(!world.state().exists(), "a plan made a journal");
    assert_eq!(work(&world), [""; 0]);
    assert!(messages(&world).is_empty());
}

fn run_follows_its_plan(case: Case) {
    let world = case.world();
    world.windlass(&case.typed("plan")).expect(0);
    let plan: serde_json::Value = serde_json::from_str(&world.read("plan.json")).unwrap();
    let mut bound = case.typed("run");
    bound.extend(["--plan", "plan.json"]);
    world.windlass(&bound).expect(0);
    let (_, state, _) = only_run(&world);
    let planned: Vec<_> = plan["effects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|effect| effect["key"].as_str().unwrap().to_owned())
        .collect();
    let done: Vec<_> = state
        .effects()
        .iter()
        .map(|effect| effect.call.plan_key())
        .collect();
    assert_eq!(done, planned);
    let told = ["notify-send ops start", "notify-send ops end"];
    assert_eq!(case.procedure == "pg-health", planned == told);
    assert_eq!(messages(&world).len(), 2);
}

fn unwinds_twice_the_same(case: Case) {
    let world = case.world();
    let before = storage_parameters(&world);
    case.run(&world, &[]).expect(0);
    let (run, state, _) = only_run(&world);
    let undoable = state.to_undo().len();
    world.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(storage_parameters(&world), before);
    let sent = work(&world).len();
    let (_, state, _) = only_run(&world);
    assert_eq!(state.outcome(), Some(Outcome::Undone));
    assert_eq!(state.to_undo().len(), 0);
    assert_eq!(case.procedure == "pg-optimize", undoable > 0);
    world.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(storage_parameters(&world), before);
    assert_eq!(
        work(&world).len(),
        sent,
        "the second undo changed something"
    );
}

/// Calls it with each of them, a few at a time: most of each is waiting for processes.
fn in_parallel<T: Sync>(all: &[T], check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(one);
                }
            });
        }
    });
}

fn needs_all_it_asks_for(case: Case) {
    let world = case.world();
    let file = format!("grants/{}.orders.toml", case.procedure);
    let grant = world.read(&file);
    let table: toml::Table = grant.parse().unwrap();
    for (index, scope) in table["database"].as_array().unwrap().iter().enumerate() {
        for verb in scope["verbs"].as_array().unwrap() {
            let mut narrower = table.clone();
            let verbs = narrower["database"][index]["verbs"].as_array_mut().unwrap();
            verbs.retain(|kept| kept != verb);
            if verbs.is_empty() {
                // An empty scope is an error of its own.
                narrower["database"].as_array_mut().unwrap().remove(index);
            }
            world.write(&file, &toml::to_string(&narrower).unwrap());
            let refused = case.run(&world, &[]).expect(3);
            assert!(
                refused.stderr.contains(verb.as_str().unwrap()),
                "{verb}: {refused}"
            );
            assert!(
                !world.state().exists() || store(&world).runs().unwrap().is_empty(),
                "{verb}"
            );
        }
    }
    for event in ["start", "end"] {
        let mut narrower = table.clone();
        let events = narrower["notify"][0]["events"].as_array_mut().unwrap();
        events.retain(|kept| kept.as_str() != Some(event));
        world.write(&file, &toml::to_string(&narrower).unwrap());
        let refused = case.run(&world, &[]).expect(3);
        let lacking = format!("to send {event} to ops");
        assert!(refused.stderr.contains(&lacking), "{refused}");
    }
    assert_eq!(work(&world), [""; 0]);
    assert!(messages(&world).is_empty());
}

/// Where the grant names one table of two that are bloated.
fn observed_within_granted(case: Case) {
    let world = case.world();
    add_second_table(&world);
    let file = format!("grants/{}.orders.toml", case.procedure);
    let narrowed = world
        .read(&file)
        .replace("tables = [\"*\"]", "tables = [\"accounts\"]");
    world.write(&file, &narrowed);
    case.run(&world, &[]).expect(0);
    let granted = GrantFile::parse(&file, &narrowed).unwrap().capabilities();
    let (_, state, entries) = only_run(&world);
    let mut reads = 0;
    for stamped in &entries {
        assert!(!matches!(stamped.entry, Entry::Refused { .. }));
        if let Entry::Observed {
            call: Call::Read(read),
            ..
        } = &stamped.entry
        {
            assert!(granted.allows_read(read), "{read}");
            reads += 1;
        }
    }
    assert!(reads >= 3, "{reads} reads");
    for effect in state.effects() {
        assert!(granted.allows_effect(&effect.call), "{}", effect.call);
        for touch in &effect.prepared.touches {
            assert!(granted.allows_touch(&effect.call, touch), "{touch:?}");
        }
    }
    let changes = state.effects().iter();
    let changes = changes
        .filter(|effect| effect.call.changes_target())
        .count();
    assert_eq!(case.procedure == "pg-health", changes == 0);
    let sent = work(&world);
    assert!(
        !sent.iter().any(|text| text.contains("second")),
        "{sent:#?}"
    );
}

/// One test for each law, procedure and version, so that each is seen, and run, on its own.
macro_rules! laws {
    ($($law:ident)*) => {
        $(mod $law {
            use super::{NEWEST, OLDEST, case};

            #[test]
            fn pg_health_on_the_oldest() {
                super::$law(case("pg-health", OLDEST));
            }

            #[test]
            fn pg_health_on_the_newest() {
                super::$law(case("pg-health", NEWEST));
            }

            #[test]
            fn pg_optimize_on_the_oldest() {
                super::$law(case("pg-optimize", OLDEST));
            }

            #[test]
            fn pg_optimize_on_the_newest() {
                super::$law(case("pg-optimize", NEWEST));
            }
        })*
    };
}

laws! {
    plan_changes_nothing
    run_follows_its_plan
    fails_anywhere_and_unwinds
    unwinds_twice_the_same
    crashes_anywhere_and_resumes
    needs_all_it_asks_for
    observed_within_granted
}
