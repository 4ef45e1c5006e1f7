//! The run that a procedure works in.

use crate::bindings::windlass::procedure::run as host;
use crate::{Cluster, Database, Endpoint, Error, Finding, Instant, Level};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// One execution of a procedure. Nothing here touches a target or needs a capability.
#[derive(Debug)]
pub struct Run(());

impl Run {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// The logical name of the target that the operator chose.
    pub fn target(&self) -> String {
        host::target()
    }

    /// The target as a database.
    pub fn database(&self) -> Database {
        Database::named(self.target())
    }

    /// The target as a cluster.
    pub fn cluster(&self) -> Cluster {
        Cluster::named(self.target())
    }

    /// An endpoint that the operator named. Needs and grant have to name it too.
    pub fn endpoint(&self, name: impl Into<String>) -> Endpoint {
        Endpoint::named(name.into())
    }

    /// Another database by its logical name. Needs and grant have to name it too.
    pub fn database_named(&self, name: impl Into<String>) -> Database {
        Database::named(name.into())
    }

    /// A line for someone who looks closely.
    pub fn debug(&self, message: impl AsRef<str>) {
        host::log(Level::Debug, message.as_ref());
    }

    /// A line for the report.
    pub fn info(&self, message: impl AsRef<str>) {
        host::log(Level::Info, message.as_ref());
    }

    /// A line that a person should act on some day.
    pub fn warning(&self, message: impl AsRef<str>) {
        host::log(Level::Warning, message.as_ref());
    }

    /// A line about something that went wrong, while the run goes on.
    pub fn error(&self, message: impl AsRef<str>) {
        host::log(Level::Error, message.as_ref());
    }

    /// Starts a named stretch of the run; the one before ends.
    pub fn step(&self, name: impl AsRef<str>) {
        host::step(name.as_ref());
    }

    /// Tells how far the current step is. Shown live, not recorded.
    pub fn progress(&self, done: u64, total: u64, what: impl AsRef<str>) {
        host::progress(done, total, what.as_ref());
    }

    /// Records what a check found. A run with a failed check fails; one with an inconclusive check waits for a person.
    pub fn check(&self, name: impl AsRef<str>, finding: Finding) {
        let Finding { verdict, evidence } = finding;
        host::check(name.as_ref(), verdict, &evidence);
    }

    /// Waits. After a crash only the rest is waited; in a plan it returns at once.
    pub fn sleep(&self, duration: Duration) -> Result<(), Error> {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Ok(host::sleep(milliseconds)?)
    }

    /// The time by the host's clock. Recorded, so a resumed run sees what it saw before.
    pub fn now(&self) -> Instant {
        host::now()
    }

    /// At most 1,024 random bytes, recorded like [`Run::now`].
    pub fn random(&self, length: u32) -> Vec<u8> {
        host::random(length)
    }

    /// Keeps a value (at most 1 MiB as JSON) for later runs of this procedure on this target. Counts only if this run
    /// succeeds or is inconclusive.
    pub fn remember<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        Ok(host::remember(key, &serde_json::to_string(value)?)?)
    }

    /// What was kept last under the key, by a run of this procedure on this target whose remembering counts.
    ///
    /// `invalid` if it is not of this type, as after a change of the type: use another key for another type.
    pub fn recall<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        match host::recall(key)? {
            Some(json) => Ok(Some(serde_json::from_str(&json)?)),
            None => Ok(None),
        }
    }
}
