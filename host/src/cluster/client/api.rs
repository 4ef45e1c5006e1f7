//! Requests to one API server: bounded in time and size, their failures in our words.

use crate::clock::Clock;
use crate::cluster::object::Object;
use crate::contract::{CallError, ErrorKind};
use futures_util::{AsyncBufReadExt as _, StreamExt as _};
use http::{Method, Request};
use kube::core::response::StatusDetails;
use kube::core::{Status, WatchEvent};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use url::form_urlencoded;

/// Bytes that one answer has at most.
const ANSWER_BYTES: u64 = 64 << 20;
/// How long one request may take that waits for nothing.
const REQUEST: Duration = Duration::from_mins(1);
/// For how long a server that cannot be reached is asked again.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is paused in between.
const PAUSE: Duration = Duration::from_millis(250);
/// Who changes fields, in `managedFields`.
pub(super) const MANAGER: &str = "windlass";

/// A request that did not end well.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the server answered, if it did.
    pub(super) status: Option<u16>,
    /// In our words.
    pub(super) error: CallError,
    /// What else the server said: causes, and when to ask again.
    pub(super) details: Option<Box<StatusDetails>>,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            status: None,
            error: CallError::new(kind, message),
            details: None,
        }
    }

    /// What the server says about a cause of this name, if that is one.
    pub(super) fn cause(&self, name: &str) -> Option<&str> {
        let causes = &self.details.as_ref()?.causes;
        let cause = causes.iter().find(|cause| cause.reason == name)?;
        Some(&cause.message)
    }

    /// Which other managers write fields that were to be applied, and which fields: `kubectl (.spec.replicas)`. Empty if that is not why.
    pub(super) fn writers(&self) -> Vec<(String, String)> {
        let causes = self.details.iter().flat_map(|details| &details.causes);
        let conflicts = causes.filter(|cause| cause.reason == "FieldManagerConflict");
        let manager = |message: &str| {
            let name = message.split('"').nth(1).unwrap_or(message);
            crate::text::printable(name).to_string()
        };
        conflicts
            .map(|cause| (manager(&cause.message), cause.field.clone()))
            .collect()
    }

    /// Whether the server may have done what it was asked, and did not say so.
    pub(super) fn is_doubtful(&self) -> bool {
        self.error.kind == ErrorKind::Unavailable && self.status.is_none_or(|status| status == 504)
    }
}

/// What was refused here already, before the server was asked.
impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self {
            status: None,
            error,
            details: None,
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

pub(super) type Outcome<T> = Result<T, Failure>;

/// A connection to one API server. Each request ends at a given time.
#[derive(Clone)]
pub(super) struct Api {
    client: kube::Client,
    name: String,
    clock: Clock,
    kinds: Kinds,
}

/// What the server says of its kinds, by group and version.
pub(super) type Kinds = Arc<Mutex<BTreeMap<String, Arc<Vec<Value>>>>>;

impl Api {
    pub(super) fn new(client: kube::Client, name: &str) -> Self {
        Self {
            client,
            name: name.to_owned(),
            clock: Clock::system(),
            kinds: Kinds::default(),
        }
    }

    /// The logical name of the cluster.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the server was heard to say of its kinds.
    pub(super) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The object, or nothing.
    pub(super) async fn find(&self, end: Instant, object: &Object) -> Outcome<Option<Value>> {
        match self.call(end, Method::GET, &object.path(), None).await {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.status == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The object.
    pub(super) async fn get(&self, end: Instant, object: &Object) -> Outcome<Value> {
        self.call(end, Method::GET, &object.path(), None).await
    }

    /// Changes an object by a JSON patch; as a rehearsal only, if so asked.
    pub(super) async fn patch(
        &self,
        end: Instant,
        object: &Object,
        part: &str,
        patch: &Value,
        rehearse: bool,
    ) -> Outcome<Value> {
        let mut address = format!("{}{part}?fieldManager={MANAGER}", object.path());
        if rehearse {
            address.push_str("&dryRun=All");
        }
        let body = ("application/json-patch+json", patch);
        self.call(end, Method::PATCH, &address, Some(body)).await
    }

    /// Makes an object; as a rehearsal only, if so asked.
    pub(super) async fn create(
        &self,
        end: Instant,
        path: &str,
        object: &Value,
        rehearse: bool,
    ) -> Outcome<Value> {
        let mut path = format!("{path}?fieldManager={MANAGER}");
        if rehearse {
            path.push_str("&dryRun=All");
        }
        let body = ("application/json", object);
        let made: Value = self.call(end, Method::POST, &path, Some(body)).await?;
        // An eviction that several budgets are about is refused under the status of a success.
        if made["kind"] == "Status"
            && made["status"] == "Failure"
            && let Ok(status) = serde_json::from_value(made.clone())
        {
            return Err(self.refused(&status));
        }
        Ok(made)
    }

    /// Makes an object what a part of it says (server-side apply), also if it is not there yet; as a rehearsal only, if so asked. With `own`
    /// what we wrote in another way before may be written over.
    pub(super) async fn apply(
        &self,
        end: Instant,
        object: &Object,
        body: &Value,
        own: bool,
        rehearse: bool,
    ) -> Outcome<Value> {
        let mut address = format!(
            "{}?fieldManager={MANAGER}&force={own}&fieldValidation=Strict",
            object.path()
        );
        if rehearse {
            address.push_str("&dryRun=All");
        }
        let body = ("application/apply-patch+yaml", body);
        self.call(end, Method::PATCH, &address, Some(body)).await
    }

    /// Replaces an object as it was when its `resourceVersion` was read.
    pub(super) async fn replace(
        &self,
        end: Instant,
        object: &Object,
        value: &Value,
    ) -> Outcome<Value> {
        let path = format!("{}?fieldManager={MANAGER}", object.path());
        self.call(end, Method::PUT, &path, Some(("application/json", value)))
            .await
    }

    /// Deletes an object.
    pub(super) async fn delete(
        &self,
        end: Instant,
        object: &Object,
        options: &Value,
    ) -> Outcome<Value> {
        self.call(
            end,
            Method::DELETE,
            &object.path(),
            Some(("application/json", options)),
        )
        .await
    }

    /// Text that is no JSON, such as a log.
    pub(super) async fn text(&self, end: Instant, path: &str, most: u64) -> Outcome<String> {
        let bytes = self.bytes(end, Method::GET, path, None, most).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// One request and its answer.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        end: Instant,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Outcome<T> {
        let bytes = self.bytes(end, method, path, body, ANSWER_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|_| {
            Failure::new(
                ErrorKind::Unavailable,
                format!("`{}` answers what is no object of Kubernetes", self.name),
            )
        })
    }

    /// A look is repeated for a while if the server cannot be reached: it may be restarting, or the connection is one of before. What changes
    /// something is sent once.
    async fn bytes(
        &self,
        end: Instant,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
        most: u64,
    ) -> Outcome<Vec<u8>> {
        let patience = end.min(self.clock.instant() + PATIENCE);
        loop {
            let request = request(method.clone(), path, body)?;
            let failure = match self.bytes_once(end, request, most).await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => failure,
            };
            let gone = failure.status.is_none() && failure.error.kind == ErrorKind::Unavailable;
            let again = method == Method::GET && gone && self.clock.instant() < patience;
            if !again {
                return Err(failure);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn bytes_once(
        &self,
        end: Instant,
        request: Request<Vec<u8>>,
        most: u64,
    ) -> Outcome<Vec<u8>> {
        let unavailable =
            |what: &str| Failure::new(ErrorKind::Unavailable, format!("`{}` {what}", self.name));
        let answer = async {
            let stream = self.client.request_stream(request).await;
            let stream = stream.map_err(|error| self.failure(error))?;
            let (mut stream, mut bytes) = (pin!(stream), Vec::new());
            loop {
                let read = stream.fill_buf().await;
                let part = read.map_err(|_| unavailable("broke off its answer"))?;
                if part.is_empty() {
                    return Ok(bytes);
                }
                let length = part.len();
                if (bytes.len() + length) as u64 > most {
                    let most = crate::text::bytes(most);
                    let message = format!("`{}` answers with more than {most}", self.name);
                    return Err(Failure::new(ErrorKind::Limit, message));
                }
                bytes.extend_from_slice(part);
                stream.as_mut().consume_unpin(length);
            }
        };
        let end = end.min(self.clock.instant() + REQUEST);
        let answer = tokio::time::timeout_at(end.into(), answer).await;
        answer.unwrap_or_else(|_| Err(unavailable("does not answer")))
    }

    /// Watches objects from a version on, until `look` has something to say of an event, the server ends the watch, or the time is up. None
    /// means that the watch ended: look at everything again, and watch from there.
    pub(super) async fn watch<T: DeserializeOwned + Clone, R>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        version: &str,
        within: Duration,
        look: impl FnMut(Watched<T>) -> Option<R>,
    ) -> Outcome<Option<R>> {
        let ended = self.watch_once(path, query, version, within, look).await?;
        Ok(match ended {
            Ended::Seen(result) => Some(result),
            Ended::Over | Ended::BrokenOff => None,
        })
    }

    /// The same, and how the watch ended.
    pub(super) async fn watch_once<T: DeserializeOwned + Clone, R>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        version: &str,
        within: Duration,
        mut look: impl FnMut(Watched<T>) -> Option<R>,
    ) -> Outcome<Ended<R>> {
        let seconds = within.as_secs().clamp(1, 3_600).to_string();
        let mut pairs = query.to_vec();
        pairs.extend([
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", &seconds),
        ]);
        let request = request(Method::GET, &format!("{path}?{}", encoded(&pairs)), None)?;
        let events = self.client.request_events::<T>(request).await;
        let mut events = Box::pin(match events {
            Ok(events) => events,
            // Expired versions are told here, or as an event.
            Err(kube::Error::Api(status)) if status.code == 410 => return Ok(Ended::BrokenOff),
            Err(error) => return Err(self.failure(error)),
        });
        while let Some(event) = events.next().await {
            let seen = match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    look(Watched::There(object))
                }
                Ok(WatchEvent::Deleted(object)) => look(Watched::Gone(object)),
                Ok(WatchEvent::Bookmark(_)) => None,
                Ok(WatchEvent::Error(_)) | Err(_) => return Ok(Ended::BrokenOff),
            };
            if let Some(result) = seen {
                return Ok(Ended::Seen(result));
            }
        }
        Ok(Ended::Over)
    }

    fn failure(&self, error: kube::Error) -> Failure {
        match error {
            kube::Error::Api(status) => self.refused(&status),
            kube::Error::Auth(_) => Failure::new(
                ErrorKind::Denied,
                format!("there are no credentials for `{}`", self.name),
            ),
            kube::Error::HyperError(_)
            | kube::Error::Service(_)
            | kube::Error::ProxyProtocolUnsupported { .. }
            | kube::Error::ProxyProtocolDisabled { .. }
            | kube::Error::FromUtf8(_)
            | kube::Error::LinesCodecMaxLineLengthExceeded
            | kube::Error::ReadEvents(_)
            | kube::Error::HttpError(_)
            | kube::Error::SerdeError(_)
            | kube::Error::BuildRequest(_)
            | kube::Error::InferConfig(_)
            | kube::Error::Discovery(_)
            | kube::Error::RustlsTls(_)
            | kube::Error::TlsRequired
            | kube::Error::InferKubeconfig(_) => Failure::new(
                ErrorKind::Unavailable,
                format!("`{}` cannot be reached", self.name),
            ),
        }
    }

    fn refused(&self, status: &Status) -> Failure {
        let kind = match status.code {
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            409 | 410 => ErrorKind::Conflict,
            400 | 405 | 415 | 422 => ErrorKind::Invalid,
            413 => ErrorKind::Limit,
            _ => ErrorKind::Unavailable,
        };
        let said = if status.message.is_empty() {
            &status.reason
        } else {
            &status.message
        };
        let message = format!("`{}` says: {}", self.name, crate::text::printable(said));
        Failure {
            status: Some(status.code),
            error: CallError::new(kind, message),
            details: status.details.clone().map(Box::new),
        }
    }
}

/// How a watch ended.
pub(super) enum Ended<R> {
    /// It had something to say.
    Seen(R),
    /// The time was up: every event since its version was seen.
    Over,
    /// The server broke it off, or does not know its version any more.
    BrokenOff,
}

/// What a watch tells of an object.
#[derive(Debug)]
pub(super) enum Watched<T> {
    /// It is so now.
    There(T),
    /// It was so last.
    Gone(T),
}

fn request(method: Method, path: &str, body: Option<(&str, &Value)>) -> Outcome<Request<Vec<u8>>> {
    let mut builder = Request::builder().method(method).uri(path);
    let mut bytes = Vec::new();
    if let Some((content, value)) = body {
        builder = builder.header(http::header::CONTENT_TYPE, content);
        bytes = value.to_string().into_bytes();
    }
    builder
        .body(bytes)
        .map_err(|_| Failure::new(ErrorKind::Invalid, "this makes no address on a server"))
}

/// Names and values as the end of an address.
pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
