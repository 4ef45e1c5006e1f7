//! The same laws for procedures that work on a cluster. What they change is seen by the API server's own account of it: objects as they
//! are, and their generation, which counts each change of what is wanted.

mod case;
mod server;

use super::in_parallel;
use crate::world::{Output, Shop};
use case::Case;
use regex_lite::Regex;
use serde_json::{Value, json};
use windlass::call::Undo;
use windlass::grant::GrantFile;
use windlass::journal::{Call, Entry, Outcome, RunId, Stamped, State, Store, UndoState};

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

/// What is wanted in the namespace and of its nodes, but for what only controllers and the server count.
pub(crate) fn wanted(shop: &Shop) -> Value {
    let mut list = objects(shop);
    for object in &mut list {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for kept in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(kept);
        }
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove("deployment.kubernetes.io/revision");
        }
        if let Some(taints) = object["spec"]["taints"].as_array_mut() {
            // A controller has it follow the cordon, a moment later.
            taints.retain(|taint| taint["key"] != "node.kubernetes.io/unschedulable");
        }
        object["status"] = Value::Null;
    }
    Value::Array(list)
}

/// Everything that procedures change, as the API server has it.
fn objects(shop: &Shop) -> Vec<Value> {
    let kinds = "deployments,statefulsets,daemonsets,jobs,cronjobs,configmaps,services,ingresses,httproutes,certificates";
    let mut all = shop.namespace().object(kinds)["items"].take();
    let all = all.as_array_mut().unwrap();
    let nodes = shop.namespace().nodes().iter();
    all.extend(nodes.map(|node| shop.namespace().object(&format!("node/{node}"))));
    std::mem::take(all)
}

/// The same without the marks of who changed it, and without what differs from shop to shop: names that are made up, times, uids, addresses.
pub(crate) fn unmarked(shop: &Shop) -> Value {
    let mut list = wanted(shop);
    let mut made_up = vec![(shop.namespace().name().to_owned(), "NAMESPACE".to_owned())];
    if shop.state().exists() {
        let runs = store(shop).runs().unwrap();
        made_up.extend(runs.into_iter().map(|(run, _)| (run.0, "RUN".to_owned())));
    }
    for (object, number) in list.as_array_mut().unwrap().iter_mut().zip(1..) {
        let is_service = object["kind"] == "Service";
        let metadata = &mut object["metadata"];
        if let Some(annotations) = metadata["annotations"].as_object_mut() {
            annotations
                .retain(|name, _| name != "windlass.dev/effect" && !name.ends_with("/restartedAt"));
            if annotations.is_empty() {
                metadata["annotations"] = Value::Null;
            }
        }
        made_up.push((
            metadata["uid"].as_str().unwrap().to_owned(),
            format!("UID {number}"),
        ));
        metadata["creationTimestamp"] = Value::Null;
        let spec = &mut object["spec"];
        if is_service && spec["clusterIP"] != "None" {
            (spec["clusterIP"], spec["clusterIPs"]) = (Value::Null, Value::Null);
        }
    }
    let mut text = list.to_string();
    for (own, instead) in made_up {
        text = text.replace(&own, &instead);
    }
    // An effect that was announced, and never happened, has used up a number.
    for (differs, same) in [
        (r"RUN-\d+", "RUN-N"),
        (r#"restartedAt":"[^"]+"#, "restartedAt\":\""),
        (r"applyset-[\w-]{43}-v1", "SET"),
    ] {
        text = Regex::new(differs)
            .unwrap()
            .replace_all(&text, same)
            .into_owned();
    }
    serde_json::from_str(&text).unwrap()
}

/// How often what is wanted was changed: the sum of what the server counts, and of what was issued.
fn changes(shop: &Shop) -> u64 {
    let number = |object: &Value, at: &str| object.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    let counted = |object: &Value| {
        number(object, "/metadata/generation") + number(object, "/status/revision")
    };
    objects(shop).iter().map(counted).sum()
}

/// Whether the run did something that taking it back would show.
fn can_be_taken_back(state: &State) -> bool {
    let mut effects = state.effects().iter();
    effects.any(|effect| matches!(effect.prepared.undo, Undo::By(_)))
}

fn plan_changes_nothing(case: Case) {
    let shop = case.shop();
    let before = case.wanted(&shop);
    let mut files = shop.files();
    windlass(&shop, &[], &case.typed(&shop, "plan")).expect(0);
    assert_eq!(case.wanted(&shop), before);
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
        let before = case.wanted(&shop);
        let output = case.run(&shop, &[(variable, &number.to_string())]);
        let (_, state, _) = only_run(&shop);
        match state.outcome() {
            Some(Outcome::Succeeded) => assert_eq!(output.code, 0, "{variable}={number}"),
            Some(Outcome::FailedAndUnwound) => {
                assert_eq!(output.code, 1, "{variable}={number}");
                assert_eq!(case.wanted(&shop), before, "{variable}={number}");
            }
            other => panic!("{variable}={number} ended as {other:?}: {output}"),
        }
    });
}

fn unwinds_twice_the_same(case: Case) {
    let shop = case.shop();
    let before = case.wanted(&shop);
    case.run(&shop, &[]).expect(0);
    let (run, done, _) = only_run(&shop);
    let shows = can_be_taken_back(&done) && !case.restores;
    assert!(!shows || case.wanted(&shop) != before);
    shop.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(case.wanted(&shop), before);
    let changed = changes(&shop);
    let (_, state, _) = only_run(&shop);
    assert_eq!(state.outcome(), Some(Outcome::Undone));
    for effect in state.effects() {
        let undone = matches!(effect.undo, UndoState::Undone(_));
        assert_eq!(
            undone,
            matches!(effect.prepared.undo, Undo::By(_)),
            "{}",
            effect.call
        );
    }
    shop.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(case.wanted(&shop), before);
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
}

/// Killed right before the end of its last effect was recorded, and then undone.
fn taken_back_after_a_crash(case: Case) {
    let shop = case.shop();
    case.run(&shop, &[]).expect(0);
    let (_, _, entries) = only_run(&shop);
    let done = |stamped: &Stamped| matches!(stamped.entry, Entry::Done { .. });
    let last = entries.iter().rposition(done).unwrap() + 1;
    let shop = case.shop();
    let before = case.wanted(&shop);
    case.run(&shop, &[("WINDLASS_TEST_KILL_BEFORE", &last.to_string())]);
    let (run, ..) = only_run(&shop);
    shop.windlass(&["undo", &run.0]).expect(0);
    assert_eq!(case.wanted(&shop), before);
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
        .replace("names = [\"*\"]", &format!("names = {:?}", case.names));
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
    assert!(reads >= 1, "nothing was looked at");
    for effect in state.effects() {
        assert!(granted.allows_effect(&effect.call), "{}", effect.call);
    }
}

/// One test for each law and case.
macro_rules! laws {
    (of $procedures:tt: $($law:ident)*) => {
        $(mod $law {
            procedures! { $law of $procedures }
        })*
    };
}

macro_rules! procedures {
    ($law:ident of [$($procedure:ident)*]) => {
        $(#[test]
        fn $procedure() {
            let name = stringify!($procedure).replace('_', "-");
            super::$law(super::case::case(&name));
        })*
    };
}

laws! {
    of [backup_job cert_renewal k8s_config k8s_config_fields k8s_rollout maintenance_mode node_maintenance service_verify]:
    plan_changes_nothing
    run_follows_its_plan
    fails_anywhere_and_unwinds
    crashes_anywhere_and_resumes
    needs_all_it_asks_for
    observed_within_granted
}

// Of those that change something.
laws! {
    of [backup_job cert_renewal k8s_config k8s_config_fields k8s_rollout maintenance_mode node_maintenance]:
    taken_back_after_a_crash
    unwinds_twice_the_same
}
