//! Routes: where an Ingress or an `HTTPRoute` leads, and leading all of it to one service and back.
//!
//! What it led to before is kept in an annotation of the route itself: whoever restores it, in whichever run, needs nothing else.

use super::api::Api;
use super::change::{self, Wanted};
use super::value;
use crate::call::Prepared;
use crate::cluster::Effect;
use crate::cluster::call::Change;
use crate::cluster::field::Path;
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::{RouteFacts, RouteKind, RouteName};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Keeps what a diverted route led to.
const DIVERTED: &str = "windlass.dev/diverted";
/// What the annotations of one object have at most, as the server counts.
const ANNOTATIONS: usize = 256 << 10;
/// Says which service an endpoint slice is of.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where a route was diverted to, and what it had before.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kept {
    service: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_backend: Option<Map<String, Value>>,
}

/// The facts of one.
pub(super) async fn read(api: &Api, permit: &Permit, object: &Object) -> Result<Value, CallError> {
    let found = api.get(permit.deadline(), object).await?;
    let text = |pointer: &str| {
        let found = found.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let kind = if object.kind == Kind::HttpRoute {
        RouteKind::HttpRoute
    } else {
        RouteKind::Ingress
    };
    value(&RouteFacts {
        name: RouteName {
            kind,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        },
        uid: text("/metadata/uid"),
        hosts: hosts(&object.kind, &found),
        services: services(&object.kind, &found),
        diverted: Path::annotation(DIVERTED).get(&found).is_some(),
    })
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of[name].as_array().into_iter().flatten()
}

fn each_once(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

fn hosts(kind: &Kind, route: &Value) -> Vec<String> {
    let spec = &route["spec"];
    let hosts: Vec<&Value> = if *kind == Kind::HttpRoute {
        list(spec, "hostnames").collect()
    } else {
        list(spec, "rules").map(|rule| &rule["host"]).collect()
    };
    each_once(
        hosts
            .into_iter()
            .filter_map(Value::as_str)
            .map(str::to_owned),
    )
}

/// The services that it leads to; one of another namespace with that before its name.
fn services(kind: &Kind, route: &Value) -> Vec<String> {
    let spec = &route["spec"];
    if *kind != Kind::HttpRoute {
        let paths = list(spec, "rules").flat_map(|rule| list(&rule["http"], "paths"));
        let backends = paths.map(|path| &path["backend"]);
        let all = backends.chain([&spec["defaultBackend"]]);
        return each_once(
            all.filter_map(|backend| Some(backend["service"]["name"].as_str()?.to_owned())),
        );
    }
    let own = &route["metadata"]["namespace"];
    let backends = list(spec, "rules").flat_map(|rule| list(rule, "backendRefs"));
    each_once(backends.filter_map(|backend| {
        let name = backend["name"].as_str()?;
        let elsewhere = backend["namespace"]
            .as_str()
            .filter(|namespace| own != namespace);
        Some(match elsewhere {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        })
    }))
}

/// Looks at the route, and where it is diverted at the service too. In a plan the server rehearses the change.
pub(super) async fn prepare(
    api: &Api,
    permit: &Permit,
    effect: &Effect,
    object: &Object,
) -> Result<Prepared, CallError> {
    let found = api.get(permit.deadline(), object).await?;
    let wanted = if let Change::Divert { service, port, .. } = &effect.change {
        divert(api, permit, object, &found, service, *port).await?
    } else {
        restore(object, &found)?
    };
    change::prepare(api, permit, effect, object, &found, wanted).await
}

async fn divert(
    api: &Api,
    permit: &Permit,
    object: &Object,
    found: &Value,
    service: &str,
    port: u16,
) -> Result<Wanted, CallError> {
    let now = services(&object.kind, found).join(", ");
    if let Some(kept) = kept(object, found)? {
        refuse_changed(object, found, &kept)?;
        return Ok(Wanted {
            changes: Vec::new(),
            answer: json!(true),
            after: now.clone(),
            now,
            part: "",
        });
    }
    refuse_unserved(api, permit, object, service, port).await?;
    let kept = Kept {
        service: service.to_owned(),
        port,
        rules: has(object, found, "rules")?,
        default_backend: has(object, found, "defaultBackend")?,
    };
    let mut changes: Vec<_> = fields(&object.kind, &kept)
        .into_iter()
        .filter_map(|field| Some(field.path().change(found, Some(field.diverted?))))
        .collect();
    if changes.is_empty() {
        return Err(conflict(format!(
            "{object} leads nowhere: it has neither rules nor a default backend"
        )));
    }
    let text = value(&kept)?.to_string();
    refuse_large(object, found, &text)?;
    changes.push(Path::annotation(DIVERTED).change(found, Some(Value::String(text))));
    Ok(Wanted {
        changes,
        answer: json!(false),
        now,
        after: service.to_owned(),
        part: "",
    })
}

fn restore(object: &Object, found: &Value) -> Result<Wanted, CallError> {
    let kept = kept(object, found)?.ok_or_else(|| conflict(format!("{object} is not diverted")))?;
    refuse_changed(object, found, &kept)?;
    let mut restored = found.clone();
    let mut changes = Vec::new();
    for field in fields(&object.kind, &kept) {
        restored["spec"][field.key] = field.before.clone().unwrap_or_default();
        changes.push(field.path().change(found, field.before));
    }
    changes.push(Path::annotation(DIVERTED).change(found, None));
    Ok(Wanted {
        changes,
        answer: Value::Null,
        now: services(&object.kind, found).join(", "),
        after: services(&object.kind, &restored).join(", "),
        part: "",
    })
}

/// A field that says where a route leads: what it had, and what it has while the route is diverted.
struct Field {
    key: &'static str,
    before: Option<Value>,
    diverted: Option<Value>,
}

impl Field {
    fn path(&self) -> Path {
        Path::of(&["spec", self.key])
    }
}

/// The fields that say where a route of the kind leads.
fn fields(kind: &Kind, kept: &Kept) -> Vec<Field> {
    let to_value = |rules: &Vec<Map<String, Value>>| {
        Value::Array(rules.iter().cloned().map(Value::Object).collect())
    };
    let rules = kept.rules.as_ref().map(to_value);
    let diverted = rules.clone().map(|mut rules| {
        for rule in rules.as_array_mut().into_iter().flatten() {
            divert_rule(kind, rule, kept);
        }
        rules
    });
    let mut fields = vec![Field {
        key: "rules",
        before: rules,
        diverted,
    }];
    if *kind == Kind::Ingress {
        let before = kept.default_backend.clone().map(Value::Object);
        fields.push(Field {
            key: "defaultBackend",
            diverted: before.is_some().then(|| backend(kept)),
            before,
        });
    }
    fields
}

/// Has one rule lead to the service. A rule of an `HTTPRoute` that redirects leads to none, and may not.
fn divert_rule(kind: &Kind, rule: &mut Value, kept: &Kept) {
    if *kind != Kind::HttpRoute {
        let paths = rule
            .pointer_mut("/http/paths")
            .and_then(Value::as_array_mut);
        for path in paths.into_iter().flatten() {
            path["backend"] = backend(kept);
        }
    } else if list(rule, "filters").all(|filter| filter["requestRedirect"].is_null()) {
        // With all that the server would add: what is set has to be what is found.
        rule["backendRefs"] = json!([{
            "group": "", "kind": "Service", "name": kept.service, "port": kept.port, "weight": 1,
        }]);
    }
}

/// A backend of an Ingress.
fn backend(kept: &Kept) -> Value {
    json!({"service": {"name": kept.service, "port": {"number": kept.port}}})
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

/// What the annotation keeps, if the route is diverted.
fn kept(object: &Object, found: &Value) -> Result<Option<Kept>, CallError> {
    let Some(text) = Path::annotation(DIVERTED).get(found) else {
        return Ok(None);
    };
    let read = serde_json::from_str(text.as_str().unwrap_or_default());
    read.map(Some).map_err(|error| {
        conflict(format!(
            "the annotation `{DIVERTED}` of {object} is not what windlass writes: {error}"
        ))
    })
}

/// Refuses a route that was diverted and does not lead there any more: what is kept is not what it led to before.
fn refuse_changed(object: &Object, found: &Value, kept: &Kept) -> Result<(), CallError> {
    let mut fields = fields(&object.kind, kept).into_iter();
    let changed = fields.find(|field| field.path().get(found) != field.diverted.as_ref());
    changed.map_or(Ok(()), |field| {
        Err(conflict(format!(
            "{} of {object} was changed by another hand since it was diverted; to have it stay so, remove the annotation `{DIVERTED}`",
            field.path()
        )))
    })
}

fn refuse_large(object: &Object, found: &Value, text: &str) -> Result<(), CallError> {
    let others = found["metadata"]["annotations"].as_object();
    let length = |(name, value): (&String, &Value)| name.len() + value.as_str().map_or(0, str::len);
    let all = others.map_or(0, |others| others.iter().map(length).sum());
    if all + DIVERTED.len() + text.len() <= ANNOTATIONS {
        return Ok(());
    }
    let message = format!(
        "{object} is too large: annotations have at most {}, and what it leads to is kept in one",
        crate::text::bytes(ANNOTATIONS as u64)
    );
    Err(CallError::new(ErrorKind::Limit, message))
}

/// Refuses a service that nobody would answer at.
async fn refuse_unserved(
    api: &Api,
    permit: &Permit,
    route: &Object,
    service: &str,
    port: u16,
) -> Result<(), CallError> {
    let namespace = route.namespace.as_deref().unwrap_or_default();
    let object = Object::new(Kind::Service, namespace, service)?;
    let Some(found) = api.find(permit.deadline(), &object).await? else {
        return Err(conflict(format!("there is no {object}")));
    };
    if !list(&found["spec"], "ports").any(|known| known["port"] == port) {
        return Err(conflict(format!("{object} has no port {port}")));
    }
    let is_ready = |endpoint: &Value| endpoint["conditions"]["ready"] != false;
    let ready = |slice: Value| list(&slice, "endpoints").any(is_ready).then_some(());
    let query = [("labelSelector", format!("{SERVICE_NAME}={service}"))];
    let query = query
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let slices = api
        .list(
            permit.deadline(),
            Kind::EndpointSlice,
            Some(namespace),
            &query,
            ready,
        )
        .await?;
    if slices.items.is_empty() {
        return Err(conflict(format!("{object} has no endpoint that is ready")));
    }
    Ok(())
}

fn conflict(message: String) -> CallError {
    CallError::new(ErrorKind::Conflict, message)
}
