//! A grant that lacks one thing of what a procedure asks for lets no run begin.

use super::PROCEDURES;
use std::path::Path;
use toml::{Table, Value};
use windlass::clock::Millis;
use windlass::grant::{Draft, GrantFile, Purpose, Refusal, Wanted, select};
use windlass::plugin::Component;

const TARGET: &str = "somewhere";
/// The sections of a grant, and what of them can be taken away.
const SECTIONS: [(&str, &str); 4] = [
    ("database", "verbs"),
    ("cluster", "verbs"),
    ("notify", "events"),
    ("probe", "verbs"),
];

#[test]
fn needs_all_it_asks_for() {
    for procedure in PROCEDURES {
        let component = Component::find(procedure, Path::new(".")).unwrap();
        let whole = draft(&component);
        assert_eq!(lacking(&component, &whole), None, "{procedure}");
        let mut tried = 0;
        for (section, things) in SECTIONS {
            for (scope, thing) in all(&whole, section, things) {
                let narrowed = without(&whole, (section, scope), things, &thing);
                let said = lacking(&component, &narrowed).unwrap_or_default();
                assert!(
                    said.contains(&thing),
                    "{procedure}, {section} {thing}: {said}"
                );
                tried += 1;
            }
        }
        assert!(tried > 0, "{procedure} asks for nothing");
    }
}

/// The grant that `windlass grant` writes.
fn draft(component: &Component) -> Table {
    let manifest = component.manifest();
    let draft = Draft {
        procedure: component.name(),
        version: component.version(),
        digest: component.digest(),
        target: TARGET,
        needs: manifest.widest_needs(TARGET).unwrap(),
        budget: &manifest.budget,
        schemas: &[],
        channels: &[],
        approved_by: Some("tester"),
        reason: "a test",
        expires: "2100-01-01T00:00:00Z".parse().unwrap(),
    };
    draft.text().unwrap().parse().unwrap()
}

/// Each thing that a section grants, with the number of its scope.
fn all(grant: &Table, section: &str, things: &str) -> Vec<(usize, String)> {
    let scopes = grant
        .get(section)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let things = scopes.enumerate().flat_map(|(index, scope)| {
        let granted = scope[things].as_array().unwrap().iter();
        granted.map(move |thing| (index, thing.as_str().unwrap().to_owned()))
    });
    things.collect()
}

fn without(whole: &Table, (section, index): (&str, usize), things: &str, thing: &str) -> Table {
    let mut narrower = whole.clone();
    let scopes = narrower[section].as_array_mut().unwrap();
    let granted = scopes[index][things].as_array_mut().unwrap();
    granted.retain(|kept| kept.as_str() != Some(thing));
    if granted.is_empty() {
        // An empty scope is an error of its own.
        scopes.remove(index);
    }
    narrower
}

/// What windlass says that is missing, if it does not let a run begin.
fn lacking(component: &Component, grant: &Table) -> Option<String> {
    let text = toml::to_string(grant).unwrap();
    let file = GrantFile::parse("grant.toml", &text).unwrap();
    let wanted = Wanted {
        procedure: component.name(),
        spec: component.spec(),
        digest: component.digest(),
        target: TARGET,
        purpose: Purpose::Run,
    };
    let manifest = component.manifest();
    let granted = select(vec![file], wanted, Millis(0)).unwrap();
    let needs = manifest.widest_needs(TARGET).unwrap();
    match granted.effective(wanted, needs, &manifest.budget) {
        Ok(_) => None,
        Err(refusal @ Refusal::Incomplete { .. }) => Some(format!("{refusal} {}", refusal.hint())),
        Err(other) => panic!("{other}"),
    }
}
