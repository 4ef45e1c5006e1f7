//! stub until the journal branch is merged
use crate::journal::{RunId, Stamped};
/// Stub.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    run: String,
}
impl Report {
    /// Stub.
    pub fn from(run: &RunId, _entries: &[Stamped]) -> Self {
        Self { run: run.0.clone() }
    }
    /// Stub.
    pub fn text(&self) -> String {
        self.run.clone()
    }
    /// Stub.
    pub fn markdown(&self) -> String {
        self.run.clone()
    }
}
