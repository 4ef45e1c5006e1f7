//! Which parameters differ between a plan and the run that is to be bound to it. Pure.

use serde_json::Value;
use std::collections::BTreeSet;

/// Each parameter that is another one, as it is now and as it is in the plan.
pub(super) fn differing(planned: &Value, given: &Value) -> String {
    let none = serde_json::Map::new();
    let (planned, given) = (
        planned.as_object().unwrap_or(&none),
        given.as_object().unwrap_or(&none),
    );
    let names: BTreeSet<_> = planned.keys().chain(given.keys()).collect();
    let value = |parameters: &serde_json::Map<String, Value>, name: &str| {
        let found = parameters.get(name).filter(|value| !value.is_null());
        found.map_or_else(|| "not set".to_owned(), ToString::to_string)
    };
    let differing = names
        .into_iter()
        .filter(|name| planned.get(*name) != given.get(*name));
    let told: Vec<_> = differing
        .map(|name| {
            let (now, then) = (value(given, name), value(planned, name));
            format!("`{name}` is {now}, and {then} in the plan")
        })
        .collect();
    told.join("; ")
}
