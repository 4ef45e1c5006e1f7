//! Routes: where an Ingress or an `HTTPRoute` leads, and leading all of it to one service and back.
//!
//! What it led to before is kept in an annotation of the route itself: whoever restores it, in whichever run, needs nothing else.

use super::api::Api;
use super::change::{self, Wanted};
use super::diverted::{DIVERTED, Kept};
use super::value;
use crate::call::Prepared;
use crate::cluster::Effect;
use crate::cluster::call::Change;
use crate::cluster::field::{FieldChange, Path};
use crate::cluster::object::{Kind, Object};
use crate::contract::cluster_types::{RouteFacts, RouteKind, RouteName};
use crate::contract::{CallError, ErrorKind};
use crate::engine::Permit;
use serde_json::{Value, json};

/// What the annotations of one object have at most, as the server counts.
const ANNOTATIONS: usize = 256 << 10;
/// Says that cert-manager made an object to answer a challenge with.
const SOLVER: &str = "acme.cert-manager.io/http01-solver";
/// Says which service an endpoint slice is of.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

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
    refuse_solver(object, found)?;
    let now = services(&object.kind, found).join(", ");
    if let Some(kept) = kept(object, found)? {
        led_back(object, found, &kept)?;
        return Ok(Wanted {
            changes: Vec::new(),
            answer: json!(true),
            after: now.clone(),
            now,
            part: "",
        });
    }
    refuse_unserved(api, permit, object, service, port).await?;
    let kept = Kept::of(object, found, service, port)?;
    let mut changes = changes(found, &kept.diverted(&object.kind, found));
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
    let restored = led_back(object, found, &kept)?;
    let mut changes = changes(found, &restored);
    changes.push(Path::annotation(DIVERTED).change(found, None));
    Ok(Wanted {
        changes,
        answer: Value::Null,
        now: services(&object.kind, found).join(", "),
        after: services(&object.kind, &restored).join(", "),
        part: "",
    })
}

/// The fields that say where the route leads, as whole values.
fn changes(found: &Value, wanted: &Value) -> Vec<FieldChange> {
    let change = |key: &str| {
        let path = Path::of(&["spec", key]);
        let set = path.get(wanted).cloned();
        path.change(found, set)
    };
    let mut changes = ["rules", "defaultBackend"].map(change).to_vec();
    changes.retain(|change| !change.is_none());
    changes
}

/// What leads users to where they were before, of changes that led them to a page: others may have added to the route since, and users do not stay
/// on the page because of that. None if these are no such changes, or nothing leads to the page any more.
pub(super) fn back(
    object: &Object,
    found: &Value,
    reverted: &[FieldChange],
) -> Option<Vec<FieldChange>> {
    let annotation = Path::annotation(DIVERTED);
    let diverts = |change: &&FieldChange| change.path == annotation && change.is_set(found);
    let own = reverted.iter().find(diverts)?;
    own.set.as_ref()?;
    let kept = kept(object, found).ok()??;
    let restored = kept.led_back(&object.kind, found)?;
    let mut back: Vec<_> = changes(found, &restored)
        .iter()
        .map(FieldChange::reversed)
        .collect();
    back.push(own.clone());
    Some(back)
}

/// The route with each backend that still leads to the page leading where it led before.
fn led_back(object: &Object, found: &Value, kept: &Kept) -> Result<Value, CallError> {
    kept.led_back(&object.kind, found).ok_or_else(|| {
        conflict(format!(
            "spec.rules of {object} was changed by another hand since it was diverted: nothing leads there any more; to have it stay so, remove the annotation `{DIVERTED}`"
        ))
    })
}

/// What the annotation keeps, if the route is diverted.
fn kept(object: &Object, found: &Value) -> Result<Option<Kept>, CallError> {
    Kept::read(found).map_err(|error| {
        conflict(format!(
            "the annotation `{DIVERTED}` of {object} is not what windlass writes: {error}"
        ))
    })
}

/// A route that cert-manager made to answer a challenge with is not led elsewhere.
fn refuse_solver(object: &Object, found: &Value) -> Result<(), CallError> {
    if found["metadata"]["labels"].get(SOLVER).is_none() {
        return Ok(());
    }
    Err(conflict(format!(
        "{object} answers a challenge of cert-manager (label `{SOLVER}`): it is left alone"
    )))
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

pub(super) fn conflict(message: String) -> CallError {
    CallError::new(ErrorKind::Conflict, message)
}
