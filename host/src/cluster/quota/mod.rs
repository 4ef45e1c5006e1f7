//! Whether the pods of a workload fit into the quotas and limits of their namespace. A server that rehearses a change of a workload does not
//! look at that: it refuses each pod, later. Pure.
//!
//! Quotas with scopes are left out: which pods they mean, only the server knows for certain.

pub mod quantity;

use quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// What one pod takes, by the names that quotas have for it: `requests.cpu`, `limits.memory`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    takes: BTreeMap<String, Quantity>,
    /// Each container by its name, with what it takes.
    containers: Vec<(String, BTreeMap<String, Quantity>)>,
}

/// Pods of a workload: how many, and what each takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pods {
    count: u64,
    each: Demand,
}

impl Demand {
    /// Of a pod's specification, with the defaults that the limits of its namespace give.
    fn of(spec: &Value, limits: &[Value]) -> Self {
        let mut demand = Self::default();
        // Containers that begin one after the other take the most of them, beside those that go on.
        let (mut going, mut most) = (BTreeMap::new(), BTreeMap::new());
        for container in list(&spec["initContainers"]) {
            let takes = demand.container(container, limits);
            if container["restartPolicy"] == "Always" {
                add(&mut going, &takes);
                raise(&mut most, &going);
            } else {
                let mut together = going.clone();
                add(&mut together, &takes);
                raise(&mut most, &together);
            }
        }
        for container in list(&spec["containers"]) {
            let takes = demand.container(container, limits);
            add(&mut going, &takes);
        }
        raise(&mut most, &going);
        demand.takes = most;
        demand
    }

    fn container(&mut self, container: &Value, limits: &[Value]) -> BTreeMap<String, Quantity> {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        let takes = takes(container, limits);
        self.containers.push((name, takes.clone()));
        takes
    }

    /// What a quota counts; none where it counts something else.
    fn counted(&self, resource: &str) -> Option<Quantity> {
        match resource {
            "pods" | "count/pods" => Some(Quantity::whole(1)),
            _ if is_of_pods(resource) => {
                Some(self.takes.get(resource).copied().unwrap_or_default())
            }
            _ => None,
        }
    }
}

impl Pods {
    /// Those that the workload has now.
    pub fn there(workload: &Value, limits: &[Value]) -> Self {
        let status = &workload["status"];
        let count = status["replicas"].as_u64();
        Self {
            count: count
                .or_else(|| status["currentNumberScheduled"].as_u64())
                .unwrap_or(0),
            each: Demand::of(&workload["spec"]["template"]["spec"], limits),
        }
    }

    /// Those that it wants.
    pub fn wanted(workload: &Value, limits: &[Value]) -> Self {
        let scheduled = workload["status"]["desiredNumberScheduled"].as_u64();
        let replicas = workload["spec"]["replicas"].as_u64();
        Self {
            count: scheduled.or(replicas).unwrap_or(1),
            each: Demand::of(&workload["spec"]["template"]["spec"], limits),
        }
    }
}

/// What of the wanted pods does not fit, a sentence each. `first` says that a pod more has to fit in before one of the old ones goes.
pub fn misfits(
    quotas: &[Value],
    limits: &[Value],
    there: &Pods,
    wanted: &Pods,
    first: bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for quota in quotas {
        let spec = &quota["spec"];
        if !spec["scopes"].is_null() || !spec["scopeSelector"].is_null() {
            continue;
        }
        let hard = spec["hard"].as_object().into_iter().flatten();
        for (name, most) in hard {
            let used = amount(&quota["status"]["used"][name]).unwrap_or_default();
            let bound = Bound {
                quota: quota["metadata"]["name"].as_str().unwrap_or_default(),
                resource: in_full(name),
                used,
                most: amount(most).unwrap_or_default(),
            };
            found.extend(bound.misfit(there, wanted, first));
        }
    }
    found.extend(limits.iter().flat_map(|limit| beyond(limit, &wanted.each)));
    found
}

/// Whether a deployment wants a pod more before it lets an old one go.
pub fn is_more_first(workload: &Value) -> bool {
    let strategy = &workload["spec"]["strategy"];
    if workload["kind"] != "Deployment" || strategy["type"] == "Recreate" {
        return false;
    }
    let replicas = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    let part = |value: &Value, up: bool| {
        let percent = match value
            .as_str()
            .map(|text| text.trim_end_matches('%').parse())
        {
            Some(Ok(percent)) => percent,
            Some(Err(_)) => return 0,
            None => match value.as_u64() {
                Some(count) => return count,
                None => 25,
            },
        };
        let hundredths: u64 = replicas.saturating_mul(percent);
        if up {
            hundredths.div_ceil(100)
        } else {
            hundredths / 100
        }
    };
    let rolling = &strategy["rollingUpdate"];
    // Where neither is possible, its controller lets one go.
    part(&rolling["maxUnavailable"], false) == 0 && part(&rolling["maxSurge"], true) > 0
}

/// One resource of one quota.
struct Bound<'a> {
    quota: &'a str,
    resource: String,
    used: Quantity,
    most: Quantity,
}

impl Bound<'_> {
    fn misfit(&self, there: &Pods, wanted: &Pods, first: bool) -> Option<String> {
        let Self {
            quota,
            resource,
            used,
            most,
        } = self;
        let each = wanted.each.counted(resource)?;
        if is_of_pods(resource) && wanted.count > 0 {
            let mut containers = wanted.each.containers.iter();
            if let Some((name, _)) = containers.find(|(_, takes)| !takes.contains_key(resource)) {
                return Some(format!(
                    "quota {quota} takes only containers that say {resource}, and {name} does not"
                ));
            }
        }
        let before = there.each.counted(resource)?.times(there.count);
        let after = each.times(wanted.count);
        let then = used.without(before) + after;
        if after > before && then > *most {
            return Some(format!(
                "quota {quota} has {most} of {resource}, {used} are used, and it would be {then}"
            ));
        }
        let between = *used + each;
        (first && there.count > 0 && each > Quantity::default() && between > *most).then(|| {
            format!(
                "quota {quota} has {most} of {resource}, {used} are used, and it would be {between} before the first old pod goes"
            )
        })
    }
}

/// What is above or below what a `LimitRange` has for containers or pods.
fn beyond(limit: &Value, pod: &Demand) -> Vec<String> {
    let range = limit["metadata"]["name"].as_str().unwrap_or_default();
    let mut found = Vec::new();
    for rule in list(&limit["spec"]["limits"]) {
        let takers: Vec<(String, &BTreeMap<String, Quantity>)> = match rule["type"].as_str() {
            Some("Container") => pod
                .containers
                .iter()
                .map(|(name, takes)| (format!("container {name}"), takes))
                .collect(),
            Some("Pod") => vec![("a pod".to_owned(), &pod.takes)],
            _ => continue,
        };
        for (who, takes) in takers {
            let each = |key: &str, of: &str, is_wrong: fn(Quantity, Quantity) -> bool| {
                let bounds = rule[key].as_object().into_iter().flatten();
                let wrong = bounds.filter_map(|(name, bound)| {
                    let bound = amount(bound)?;
                    let taken = takes.get(&format!("{of}.{name}")).copied();
                    if taken.is_some_and(|taken| !is_wrong(taken, bound)) {
                        return None;
                    }
                    let taken = taken.map_or("none".into(), |taken| taken.to_string());
                    Some(format!(
                        "limit range {range} has {key} {bound} of {name}, and {of} of {who} would be {taken}"
                    ))
                });
                wrong.collect::<Vec<_>>()
            };
            found.extend(each("max", "limits", |taken, bound| taken > bound));
            found.extend(each("min", "requests", |taken, bound| taken < bound));
        }
    }
    found
}

fn takes(container: &Value, limits: &[Value]) -> BTreeMap<String, Quantity> {
    let mut takes = BTreeMap::new();
    let own = &container["resources"];
    let mut fill = |of: &str, values: &Value| {
        for (name, value) in values.as_object().into_iter().flatten() {
            if let Some(amount) = amount(value) {
                takes.entry(format!("{of}.{name}")).or_insert(amount);
            }
        }
    };
    fill("limits", &own["limits"]);
    fill("requests", &own["requests"]);
    // A limit that somebody wrote is what is requested too.
    fill("requests", &own["limits"]);
    let rules = limits
        .iter()
        .flat_map(|limit| list(&limit["spec"]["limits"]));
    for rule in rules.filter(|rule| rule["type"] == "Container") {
        fill("limits", &rule["default"]);
        fill("requests", &rule["defaultRequest"]);
    }
    takes
}

/// A quota may name what is requested without saying so.
fn in_full(resource: &str) -> String {
    match resource {
        "cpu" | "memory" | "ephemeral-storage" => format!("requests.{resource}"),
        other => other.to_owned(),
    }
}

fn is_of_pods(resource: &str) -> bool {
    let is_storage = resource == "requests.storage";
    !is_storage && (resource.starts_with("requests.") || resource.starts_with("limits."))
}

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn add(to: &mut BTreeMap<String, Quantity>, more: &BTreeMap<String, Quantity>) {
    for (name, amount) in more {
        let sum = to.entry(name.clone()).or_default();
        *sum = *sum + *amount;
    }
}

fn raise(most: &mut BTreeMap<String, Quantity>, other: &BTreeMap<String, Quantity>) {
    for (name, amount) in other {
        let known = most.entry(name.clone()).or_default();
        *known = (*known).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::{Demand, Pods, is_more_first, misfits};
    use serde_json::{Value, json};

    fn workload(replicas: u64, memory: &str) -> Value {
        let resources = json!({"limits": {"memory": memory}});
        let containers = json!([{"name": "app", "resources": resources}]);
        json!({
            "kind": "Deployment",
            "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
            "status": {"replicas": replicas},
        })
    }

    fn quota(hard: &str, used: &str) -> Value {
        json!({
            "metadata": {"name": "most"},
            "spec": {"hard": {"limits.memory": hard, "services": "1"}},
            "status": {"used": {"limits.memory": used}},
        })
    }

    fn told(quota: Value, before: &Value, after: &Value, first: bool) -> Vec<String> {
        let (there, wanted) = (Pods::there(before, &[]), Pods::wanted(after, &[]));
        misfits(&[quota], &[], &there, &wanted, first)
    }

    #[test]
    fn what_would_be_used_is_told() {
        let (small, large) = (workload(2, "256Mi"), workload(2, "512Mi"));
        let fits = told(quota("1Gi", "512Mi"), &small, &large, false);
        assert_eq!(fits, [""; 0]);
        let tight = told(quota("1Gi", "768Mi"), &small, &large, false);
        let sentence =
            "quota most has 1Gi of limits.memory, 768Mi are used, and it would be 1280Mi";
        assert_eq!(tight, [sentence]);
        // The one that comes first has to fit beside the old ones.
        let first = told(quota("900Mi", "512Mi"), &small, &workload(2, "400Mi"), true);
        assert!(first[0].ends_with("it would be 912Mi before the first old pod goes"));
        // Who takes less is let through, also where others take too much.
        assert_eq!(told(quota("1Gi", "2Gi"), &large, &small, false), [""; 0]);
    }

    #[test]
    fn what_a_quota_counts_has_to_be_said() {
        let mut silent = workload(1, "1Mi");
        silent["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
        let nothing = Value::Null;
        let why = told(quota("1Gi", "0"), &nothing, &silent, false);
        assert!(
            why[0].ends_with("limits.memory, and app does not"),
            "{why:?}"
        );
        let defaults =
            json!({"spec": {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]}});
        let limits = [defaults];
        let wanted = Pods::wanted(&silent, &limits);
        let fits = misfits(
            &[quota("1Gi", "0")],
            &limits,
            &Pods::default(),
            &wanted,
            false,
        );
        assert_eq!(fits, [""; 0]);
    }

    #[test]
    fn limits_of_a_namespace_are_kept() {
        let rule =
            json!({"type": "Container", "max": {"memory": "256Mi"}, "min": {"memory": "16Mi"}});
        let limits = [json!({"metadata": {"name": "each"}, "spec": {"limits": [rule]}})];
        let told = |memory: &str| {
            let wanted = Pods::wanted(&workload(1, memory), &limits);
            misfits(&[], &limits, &Pods::default(), &wanted, false)
        };
        assert_eq!(told("256Mi"), [""; 0]);
        assert_eq!(
            told("1Gi"),
            ["limit range each has max 256Mi of memory, and limits of container app would be 1Gi"]
        );
        assert!(told("8Mi")[0].contains("has min 16Mi of memory"));
    }

    #[test]
    fn containers_that_begin_one_after_the_other_do_not_add_up() {
        let of = |memory: &str| json!({"requests": {"memory": memory}});
        let spec = json!({
            "initContainers": [
                {"name": "a", "resources": of("100Mi")},
                {"name": "side", "restartPolicy": "Always", "resources": of("10Mi")},
                {"name": "b", "resources": of("95Mi")},
            ],
            "containers": [{"name": "app", "resources": of("50Mi")}],
        });
        let takes = Demand::of(&spec, &[]).takes;
        assert_eq!(takes["requests.memory"].to_string(), "105Mi");
    }

    #[test]
    fn a_pod_more_comes_first_where_none_may_be_missing() {
        let with = |replicas: u64, rolling: Value| {
            let mut workload = workload(replicas, "1Mi");
            workload["spec"]["strategy"] = json!({"rollingUpdate": rolling});
            is_more_first(&workload)
        };
        assert!(with(3, json!({})) && !with(4, json!({})));
        assert!(with(10, json!({"maxUnavailable": 0, "maxSurge": 1})));
        assert!(!with(3, json!({"maxUnavailable": 1})));
        assert!(!with(3, json!({"maxUnavailable": "10%", "maxSurge": "0%"})));
        let mut other = workload(1, "1Mi");
        other["kind"] = json!("StatefulSet");
        assert!(!is_more_first(&other));
    }
}
