//! stub with the signatures that others rely on
use super::entry::{Entry, RunId, Stamped};
use crate::contract::CallError;

/// Where runs are recorded. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}

/// Proof that an entry is durable.
#[derive(Debug)]
pub struct Receipt {
    /// The stored entry.
    pub stamped: Stamped,
}

/// What can go wrong with the record.
#[derive(Debug)]
pub enum StoreError {}

impl StoreError {
    /// For a guest: always `unavailable`.
    pub fn into_call_error(self) -> CallError {
        match self {}
    }
}

impl Store {
    /// Appends durably.
    pub async fn append(&self, _run: &RunId, _entry: Entry) -> Result<Receipt, StoreError> {
        unimplemented!()
    }
}
