//! Whether an object was there since a time. That it is absent now does not tell: it may have been cleared away, by a controller or a person.

use super::api::{Api, Ended, Outcome, Watched};
use crate::cluster::object::Object;
use serde_json::Value;
use std::time::Duration;

/// How long the server may take to tell all that it knows: events of the past come first, at once.
const WITHIN: Duration = Duration::from_secs(1);

/// What the server knows of an object's past.
pub(super) enum Past {
    /// It was there, and so it was first.
    There(Box<Value>),
    /// It was not there.
    Never,
    /// The server has forgotten that time, as it does after minutes or a restart.
    Forgotten,
}

/// Asks whether the object was there at any time since a version of its kind.
pub(super) async fn since(api: &Api, object: &Object, version: &str) -> Outcome<Past> {
    let path = object.kind.path(object.namespace.as_deref());
    let name = format!("metadata.name={}", object.name);
    let query = [("fieldSelector", name.as_str())];
    let first = |event| match event {
        Watched::There(found) | Watched::Gone(found) => Some(Box::new(found)),
    };
    let ended = api
        .watch_once(&path, &query, version, WITHIN, first)
        .await?;
    Ok(match ended {
        Ended::Seen(found) => Past::There(found),
        Ended::Over => Past::Never,
        Ended::BrokenOff => Past::Forgotten,
    })
}
