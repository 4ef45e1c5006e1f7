//! The laws: what every built-in procedure shows under injected faults, on the oldest and the newest supported server.
//!
//! Each law is one function over a [`Case`]. A test in `tidy` fails if a folder in `plugins/` is missing in [`PROCEDURES`].

pub(crate) mod world_view;

use crate::world::{Output, World};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use windlass::journal::{Call, Entry, Outcome, RunId, Stamped, State, Store};
use world_view::{catalog, indexes, invalid_indexes, rows, storage_parameters};
use xtask::postgres::{NEWEST, OLDEST};

/// Every built-in procedure.
pub(crate) const PROCEDURES: &[&str] = &["pg-health", "pg-optimize"];

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
            ],
            major,
        },
        "pg-health" => Case {
            procedure: "pg-health",
            parameters: &["--set", "expected-standbys=0"],
            major,
        },
        other => panic!("{other} has no case"),
    }
}

fn each(law: fn(Case)) {
    for major in [OLDEST, NEWEST] {
        for procedure in PROCEDURES {
            law(case(procedure, major));
        }
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
    (run, state, entries)
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

/// What must be the same after any way to the same end.
fn end_of(world: &World) -> (Vec<String>, Vec<String>, BTreeSet<String>, Vec<String>) {
    (
        rows(world),
        storage_parameters(world),
        indexes(world),
        invalid_indexes(world),
    )
}

fn plan_changes_nothing(case: Case) {
    let world = case.world();
    let (before, mut files) = (catalog(&world), world.files());
    world.windlass(&case.typed("plan")).expect(0);
    let after = catalog(&world);
    let changed: Vec<_> = after.difference(&before).collect();
    assert!(
        changed.is_empty() && after.len() == before.len(),
        "{changed:#?}"
    );
    files.insert("plan.json".into());
    assert_eq!(world.files(), files);
    assert!(!world.state().exists(), "a plan made a journal");
    assert_eq!(work(&world), [""; 0]);
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
    assert_eq!(case.procedure == "pg-health", planned.is_empty());
}

fn fails_anywhere_and_unwinds(case: Case) {
    let undisturbed = case.world();
    case.run(&undisturbed, &[]).expect(0);
    // Each call is answered once, whether it looks, asks or changes.
    let (_, state, entries) = only_run(&undisturbed);
    let looks = entries
        .iter()
        .filter(|stamped| matches!(stamped.entry, Entry::Observed { .. }));
    let calls = looks.count() + state.effects().len();
    assert!(calls >= 8, "{calls} calls");
    in_parallel(calls, |call| fails_at(case, call));
}

fn fails_at(case: Case, call: usize) {
    let world = case.world();
    let before = (rows(&world), storage_parameters(&world), indexes(&world));
    let output = case.run(&world, &[("WINDLASS_TEST_FAIL_CALL", &call.to_string())]);
    let (_, state, entries) = only_run(&world);
    assert!(entries.iter().any(injected), "call {call} was not reached");
    let after = (rows(&world), storage_parameters(&world), indexes(&world));
    assert_eq!(after.0, before.0, "call {call}");
    match state.outcome() {
        // It went on without that answer.
        Some(Outcome::Succeeded) => assert_eq!(output.code, 0, "call {call}"),
        Some(Outcome::Inconclusive) => assert_eq!(output.code, 4, "call {call}"),
        Some(Outcome::FailedAndUnwound) => {
            assert_eq!(output.code, 1, "call {call}");
            assert_eq!(after.1, before.1, "call {call}");
            assert!(after.2.is_subset(&before.2), "call {call}: {after:?}");
        }
        other => panic!("call {call} ended as {other:?}: {output}"),
    }
}

fn injected(stamped: &Stamped) -> bool {
    let Entry::Observed { answer, .. } = &stamped.entry else {
        return false;
    };
    answer
        .as_ref()
        .is_err_and(|error| error.message == "injected")
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

fn crashes_anywhere_and_resumes(case: Case) {
    let undisturbed = case.world();
    case.run(&undisturbed, &[]).expect(0);
    let (end, sent) = (end_of(&undisturbed), work(&undisturbed));
    let boundaries = only_run(&undisturbed).2.len();
    assert!(boundaries >= 15, "{boundaries} entries");
    in_parallel(boundaries, |boundary| {
        let world = case.world();
        let at = boundary.to_string();
        let killed = case.run(&world, &[("WINDLASS_TEST_KILL_AT", &at)]);
        assert_eq!(killed.code, 128 + 9, "boundary {boundary}: {killed}");
        let (run, ..) = only_run(&world);
        let resumed = world.windlass(&["resume", &run.0]);
        assert_eq!(resumed.code, 0, "boundary {boundary}: {resumed}");
        assert_eq!(end_of(&world), end, "boundary {boundary}");
        let statements = work(&world);
        assert_once(&statements, &format!("boundary {boundary}"));
        assert_eq!(sorted(&statements), sorted(&sent), "boundary {boundary}");
        let (_, state, _) = only_run(&world);
        assert_eq!(
            state.outcome(),
            Some(Outcome::Succeeded),
            "boundary {boundary}"
        );
    });
}

/// Calls it with each number from 1, a few at a time: most of each is waiting for processes.
fn in_parallel(numbers: usize, check: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > numbers {
                        return;
                    }
                    check(number);
                }
            });
        }
    });
}

fn sorted(statements: &[String]) -> Vec<String> {
    let mut sorted = statements.to_vec();
    sorted.sort();
    sorted
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
    assert_eq!(work(&world), [""; 0]);
}

fn observed_within_granted(case: Case) {
    let world = case.world();
    case.run(&world, &[]).expect(0);
    let (_, state, entries) = only_run(&world);
    let file = world.read(&format!("grants/{}.orders.toml", case.procedure));
    let table: toml::Table = file.parse().unwrap();
    let granted: BTreeSet<_> = table["database"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|scope| scope["verbs"].as_array().unwrap())
        .map(|verb| verb.as_str().unwrap().to_owned())
        .collect();
    let mut seen = BTreeSet::new();
    for stamped in &entries {
        if let Entry::Observed {
            call: Call::Read(windlass::call::Read::Database(read)),
            ..
        } = &stamped.entry
        {
            seen.insert(verb(read.verb()));
        }
    }
    for effect in state.effects() {
        let windlass::call::Effect::Database(effect) = &effect.call;
        seen.insert(verb(effect.verb()));
    }
    assert!(
        seen.is_subset(&granted),
        "{seen:?} is not within {granted:?}"
    );
    assert!(
        !entries
            .iter()
            .any(|stamped| matches!(stamped.entry, Entry::Refused { .. }))
    );
}

fn verb(verb: windlass::database::Verb) -> String {
    serde_json::to_value(verb)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

macro_rules! laws {
    ($($law:ident)*) => {
        mod law {
            $(#[test]
            fn $law() {
                super::each(super::$law);
            })*
        }
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
