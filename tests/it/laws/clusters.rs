//! The same laws for procedures that work on a cluster. What they change is seen by the API server's own account of it: objects as they
//! are, and their generation, which counts each change of what is wanted.

use super::in_parallel;
use crate::world::{Output, Shop};
use serde_json::{Value, json};
use windlass::grant::GrantFile;
use windlass::journal::{Call, Entry, Outcome, RunId, Stamped, State, Store, UndoState};

/// A procedure with parameters that give it something to do in a shop.
#[derive(Clone, Copy, Debug)]
struct Case {
    procedure: &'static str,
    parameters: &'static [&'static str],
    /// Effects that it has then.
    effects: usize,
}

fn case(procedure: &str) -> Case {
    match procedure {
        "k8s-rollout" => Case {
            procedure: "k8s-rollout",
            parameters: &["name=web", "images=app=shop:2", "within=1min"],
            effects: 1,
        },
        other => panic!("{other} has no case"),
    }
}

impl Case {
    fn shop(self) -> Shop {
        Shop::open().granting(self.procedure)
    }

    fn typed(self, shop: &Shop, verb: &str) -> Vec<String> {
        let namespace = format!("namespace={}", shop.namespace().name());
        let mut words = vec![verb.to_owned(), self.procedure.to_owned()];
        words.extend(["--target", "staging", "--set", &namespace].map(str::to_owned));
        words.extend(
            self.parameters
                .iter()
                .flat_map(|set| ["--set".to_owned(), (*set).to_owned()]),
        );
        words
    }

    fn run(self, shop: &Shop, faults: &[(&str, &str)]) -> Output {
        windlass(shop, faults, &self.typed(shop, "run"))
    }
}

fn windlass(shop: &Shop, faults: &[(&str, &str)], words: &[String]) -> Output {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    shop.windlass_with(faults, &words)
}

fn store(shop: &Shop) -> Store {
    Store::open_read_only(&shop.state()).unwrap()
}

fn only_run(shop: &Shop) -> (RunId, State, Vec<Stamped>) {
    let store = store(shop);
    let mut runs = store.runs().unwrap();
    assert_eq!(runs.len(), 1);
    let (run, state) = runs.remove(0);
    let entries = store.entries(&run).unwrap();
    (run, state.unwrap(), entries)
}

/// What is wanted in the namespace, but for what only controllers and the server count.
fn wanted(shop: &Shop) -> Value {
    let kinds = "deployments,statefulsets,daemonsets,jobs,ingresses,certificates";
    let mut list = shop.namespace().object(kinds);
    for object in list["items"].as_array_mut().unwrap() {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for kept in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(kept);
        }
        if let Some(annotations) = metadata["annotations"].as_object_mut() {
            annotations.remove("deployment.kubernetes.io/revision");
        }
        object["status"] = Value::Null;
    }
    list["items"].take()
}

/// The same without the marks of who changed it.
fn unmarked(shop: &Shop) -> Value {
    let mut list = wanted(shop);
    for object in list.as_array_mut().unwrap() {
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove("windlass.dev/effect");
        }
        // A name that counts differs from shop to shop.
        for own in ["namespace", "uid", "creationTimestamp"] {
            object["metadata"][own] = Value::Null;
        }
    }
    list
}

/// How often what is wanted was changed.
fn changes(shop: &Shop) -> u64 {
    let web = shop.namespace().object("deployment/web");
    web["metadata"]["generation"].as_u64().unwrap()
}

fn plan_changes_nothing(case: Case) {
    let shop = case.shop();
    let before = shop.namespace().object("deployment/web")["metadata"]["resourceVersion"].clone();
    let mut files = shop.files();
    windlass(&shop, &[], &case.typed(&shop, "plan")).expect(0);
    let after = shop.namespace().object("deployment/web")["metadata"]["resourceVersion"].clone();
    assert_eq!(after, before);
    files.insert("plan.json".into());
    assert_eq!(shop.files(), files);
    assert!(!shop.state().exists(), "a plan made a journal");
}

fn run_follows_its_plan(case: Case) {
    let shop = case.shop();
    windlass(&shop, &[], &case.typed(&shop, "plan")).expect(0);
    let plan: Value = serde_json::from_str(&shop.read("plan.json")).unwrap();
    let mut bound = case.typed(&shop, "run");
    bound.extend(["--plan".to_owned(), "plan.json".to_owned()]);
    windlass(&shop, &[], &bound).expect(0);
    let (_, state, _) = only_run(&shop);
    let planned = plan["effects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|effect| effect["key"].clone());
    let done = state
        .effects()
        .iter()
        .map(|effect| json!(effect.call.plan_key()));
    assert_eq!(done.collect::<Vec<_>>(), planned.collect::<Vec<_>>());
    assert_eq!(state.effects().len(), case.effects);
}

fn fails_anywhere_and_unwinds(case: Case) {
    let undisturbed = case.shop();
    case.run(&undisturbed, &[]).expect(0);
    let (_, state, entries) = only_run(&undisturbed);
    let looks = entries
        .iter()
        .filter(|stamped| matches!(stamped.entry, Entry::Observed { .. }));
    let calls = looks.count() + state.effects().len();
    let mut faults: Vec<_> = (1..=calls)
        .map(|number| ("WINDLASS_TEST_FAIL_CALL", number))
        .collect();
    faults.extend((1..=case.effects).map(|number| ("WINDLASS_TEST_FAIL_EFFECT", number)));
    in_parallel(&faults, |(variable, number)| {
        let shop = case.shop();
        let before = wanted(&shop);
        let output = case.run(&shop, &[(variable, &number.to_string())]);
        let (_, state, _) = only_run(&shop);
        match state.outcome() {
            Some(Outcome::Succeeded) => assert_eq!(output.code, 0, "{variable}={number}"),
            Some(Outcome::FailedAndUnwound) => {
                assert_eq!(output.code, 1, "{variable}={number}");
                assert_eq!(wanted(&shop), before, "{variable}={number}");
            }
            other => panic!("{variable}={number} ended as {other:?}: {output}"),
        }
    });
}

fn unwinds_twice_the_same(case: Case) {
    let shop = case.shop();
    let before = wanted(&shop);
    case.run(&shop, &[]).expect(0);
    assert_ne!(wanted(&shop), before);
    let (run, ..) = only_run(&shop);
    shop.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(wanted(&shop), before);
    let changed = changes(&shop);
    let (_, state, _) = only_run(&shop);
    assert_eq!(state.outcome(), Some(Outcome::Undone));
    let undone = |undo: &UndoState| matches!(undo, UndoState::Undone(_));
    assert!(state.effects().iter().all(|effect| undone(&effect.undo)));
    shop.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(wanted(&shop), before);
    assert_eq!(changes(&shop), changed, "the second undo changed something");
}

fn crashes_anywhere_and_resumes(case: Case) {
    let undisturbed = case.shop();
    case.run(&undisturbed, &[]).expect(0);
    let (end, changed) = (unmarked(&undisturbed), changes(&undisturbed));
    let (_, _, entries) = only_run(&undisturbed);
    let mut kills = Vec::new();
    for (stamped, number) in entries.iter().zip(1..) {
        if matches!(stamped.entry, Entry::Done { .. }) {
            kills.push(("WINDLASS_TEST_KILL_BEFORE", number));
        }
        kills.push(("WINDLASS_TEST_KILL_AT", number));
    }
    in_parallel(&kills, |(variable, number): &(&str, usize)| {
        let shop = case.shop();
        let killed = case.run(&shop, &[(variable, &number.to_string())]);
        assert_eq!(killed.code, 128 + 9, "{variable}={number}: {killed}");
        let (run, ..) = only_run(&shop);
        let resumed = shop.windlass(&["resume", &run.0]);
        assert_eq!(resumed.code, 0, "{variable}={number}: {resumed}");
        assert_eq!(unmarked(&shop), end, "{variable}={number}");
        assert_eq!(changes(&shop), changed, "{variable}={number}");
        let (_, state, _) = only_run(&shop);
        assert_eq!(
            state.outcome(),
            Some(Outcome::Succeeded),
            "{variable}={number}"
        );
    });
    taken_back_after_a_crash(case);
}

/// Killed right before the end of its last effect was recorded, and then undone.
fn taken_back_after_a_crash(case: Case) {
    let shop = case.shop();
    case.run(&shop, &[]).expect(0);
    let (_, _, entries) = only_run(&shop);
    let done = |stamped: &Stamped| matches!(stamped.entry, Entry::Done { .. });
    let last = entries.iter().rposition(done).unwrap() + 1;
    let shop = case.shop();
    let before = wanted(&shop);
    case.run(&shop, &[("WINDLASS_TEST_KILL_BEFORE", &last.to_string())]);
    let (run, ..) = only_run(&shop);
    shop.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(wanted(&shop), before);
}

fn needs_all_it_asks_for(case: Case) {
    let shop = case.shop();
    let file = format!("grants/{}.staging.toml", case.procedure);
    let table: toml::Table = shop.read(&file).parse().unwrap();
    let before = changes(&shop);
    for (index, scope) in table["cluster"].as_array().unwrap().iter().enumerate() {
        for verb in scope["verbs"].as_array().unwrap() {
            let mut narrower = table.clone();
            let verbs = narrower["cluster"][index]["verbs"].as_array_mut().unwrap();
            verbs.retain(|kept| kept != verb);
            if verbs.is_empty() {
                narrower["cluster"].as_array_mut().unwrap().remove(index);
            }
            shop.write(&file, &toml::to_string(&narrower).unwrap());
            let refused = case.run(&shop, &[]).expect(3);
            assert!(
                refused.stderr.contains(verb.as_str().unwrap()),
                "{verb}: {refused}"
            );
        }
    }
    assert_eq!(changes(&shop), before);
}

fn observed_within_granted(case: Case) {
    let shop = case.shop();
    let file = format!("grants/{}.staging.toml", case.procedure);
    let own = format!("namespaces = [\"{}\"]", shop.namespace().name());
    let narrowed = shop
        .read(&file)
        .replace("namespaces = [\"*\"]", &own)
        .replace("names = [\"*\"]", "names = [\"web\"]");
    shop.write(&file, &narrowed);
    case.run(&shop, &[]).expect(0);
    let granted = GrantFile::parse(&file, &narrowed).unwrap().capabilities();
    let (_, state, entries) = only_run(&shop);
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
    assert!(reads >= 2, "{reads} reads");
    for effect in state.effects() {
        assert!(granted.allows_effect(&effect.call), "{}", effect.call);
    }
}

/// One test for each law and procedure.
macro_rules! laws {
    ($($law:ident)*) => {
        $(mod $law {
            #[test]
            fn k8s_rollout() {
                super::$law(super::case("k8s-rollout"));
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
