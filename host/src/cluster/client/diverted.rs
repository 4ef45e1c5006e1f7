//! What a diverted route keeps of where it led before, and each backend's way there and back. Pure.

use super::routes::conflict;
use crate::cluster::field::Path;
use crate::cluster::object::{Kind, Object};
use crate::contract::CallError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Keeps what a diverted route led to.
pub(super) const DIVERTED: &str = "windlass.dev/diverted";
/// Where whoever issues certificates asks for the answer to a challenge.
const CHALLENGE: &str = "/.well-known/acme-challenge";
/// What services of cert-manager that answer one are called.
const SOLVER: &str = "cm-acme-http-solver-";

/// Where a route was diverted to, and what it had before.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Kept {
    service: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_backend: Option<Map<String, Value>>,
}

impl Kept {
    /// Of a route that is about to be diverted.
    pub(super) fn of(
        object: &Object,
        found: &Value,
        service: &str,
        port: u16,
    ) -> Result<Self, CallError> {
        Ok(Self {
            service: service.to_owned(),
            port,
            rules: has(object, found, "rules")?,
            default_backend: has(object, found, "defaultBackend")?,
        })
    }

    /// Of one that is.
    pub(super) fn read(found: &Value) -> Result<Option<Self>, serde_json::Error> {
        let Some(text) = Path::annotation(DIVERTED).get(found) else {
            return Ok(None);
        };
        serde_json::from_str(text.as_str().unwrap_or_default()).map(Some)
    }

    /// The route with all leading to the page but what answers challenges: without that no certificate is renewed while it is on.
    pub(super) fn diverted(&self, kind: &Kind, route: &Value) -> Value {
        let mut route = route.clone();
        if *kind == Kind::HttpRoute {
            for rule in all(&mut route["spec"], "rules").filter(|rule| leads(rule)) {
                // With all that the server would add.
                rule["backendRefs"] = json!([{
                    "group": "", "kind": "Service", "name": self.service, "port": self.port, "weight": 1,
                }]);
            }
            return route;
        }
        let page = json!({"service": {"name": self.service, "port": {"number": self.port}}});
        for rule in all(&mut route["spec"], "rules") {
            for path in all(&mut rule["http"], "paths").filter(|path| !is_solver(path)) {
                path["backend"] = page.clone();
            }
        }
        if self.default_backend.is_some() {
            route["spec"]["defaultBackend"] = page;
        }
        route
    }

    /// The route with each backend that still leads to the page leading where it led before. What others added, changed or took away since
    /// stays so. None if nothing leads to the page.
    pub(super) fn led_back(&self, kind: &Kind, route: &Value) -> Option<Value> {
        let mut route = route.clone();
        let mut any = false;
        if *kind == Kind::HttpRoute {
            for rule in all(&mut route["spec"], "rules") {
                if self.is_page_of_route(&rule["backendRefs"])
                    && let Some(before) = self.rule_before(rule)
                {
                    put(rule, "backendRefs", before.get("backendRefs").cloned());
                    any = true;
                }
            }
            return any.then_some(route);
        }
        for rule in all(&mut route["spec"], "rules") {
            let host = rule["host"].clone();
            for path in all(&mut rule["http"], "paths") {
                if self.is_page(&path["backend"])
                    && let Some(before) = self.path_before(&host, path)
                {
                    path["backend"] = before;
                    any = true;
                }
            }
        }
        if let Some(before) = &self.default_backend
            && self.is_page(&route["spec"]["defaultBackend"])
        {
            route["spec"]["defaultBackend"] = Value::Object(before.clone());
            any = true;
        }
        any.then_some(route)
    }

    fn is_page(&self, backend: &Value) -> bool {
        let service = &backend["service"];
        service["name"] == self.service.as_str() && service["port"]["number"] == self.port
    }

    fn is_page_of_route(&self, backends: &Value) -> bool {
        let backends = backends.as_array().map_or(&[][..], Vec::as_slice);
        matches!(backends, [one] if one["name"] == self.service.as_str() && one["port"] == self.port)
    }

    /// What a path led to, by its host and itself; its type may be another one by now.
    fn path_before(&self, host: &Value, path: &Value) -> Option<Value> {
        let rules = self.rules.iter().flatten();
        let rules = rules.filter(|rule| rule.get("host").unwrap_or(&Value::Null) == host);
        let paths = rules.filter_map(|rule| rule.get("http")?["paths"].as_array());
        let same = paths
            .flatten()
            .filter(|known| known["path"] == path["path"]);
        let same: Vec<_> = same.collect();
        let exact = same
            .iter()
            .find(|known| known["pathType"] == path["pathType"]);
        let found = exact.or(same.first())?;
        Some(found["backend"].clone())
    }

    /// The rule as it was, by what it is about.
    fn rule_before(&self, rule: &Value) -> Option<&Map<String, Value>> {
        let mut rules = self.rules.iter().flatten();
        rules.find(|known| known.get("matches") == rule.get("matches"))
    }
}

fn put(rule: &mut Value, key: &str, value: Option<Value>) {
    let Some(fields) = rule.as_object_mut() else {
        return;
    };
    match value {
        Some(value) => drop(fields.insert(key.to_owned(), value)),
        None => drop(fields.remove(key)),
    }
}

fn all<'a>(of: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    let found = of.get_mut(name).and_then(Value::as_array_mut);
    found.into_iter().flatten()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of[name].as_array().into_iter().flatten()
}

/// Whether a rule of an `HTTPRoute` leads to services that users see. One that redirects leads to none, and may not.
fn leads(rule: &Value) -> bool {
    let redirects = list(rule, "filters").any(|filter| !filter["requestRedirect"].is_null());
    let mut paths = list(rule, "matches").map(|one| &one["path"]["value"]);
    let mut names = list(rule, "backendRefs").map(|one| &one["name"]);
    !redirects && !paths.any(is_challenge) && !names.any(is_solver_name)
}

/// Whether a path of an Ingress answers a challenge.
fn is_solver(path: &Value) -> bool {
    is_challenge(&path["path"]) || is_solver_name(&path["backend"]["service"]["name"])
}

fn is_challenge(path: &Value) -> bool {
    let path = path.as_str();
    path.is_some_and(|path| path.starts_with(CHALLENGE))
}

fn is_solver_name(name: &Value) -> bool {
    let name = name.as_str();
    name.is_some_and(|name| name.starts_with(SOLVER))
}

/// A field of the specification, as far as the route has it.
fn has<T: serde::de::DeserializeOwned>(
    object: &Object,
    found: &Value,
    name: &str,
) -> Result<Option<T>, CallError> {
    serde_json::from_value(found["spec"][name].clone())
        .map_err(|error| conflict(format!("spec.{name} of {object} is not known: {error}")))
}
