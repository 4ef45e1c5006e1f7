//! Where the suite can make things go wrong. The shipped binary hooks nothing in.

use crate::contract::CallError;
use crate::journal::{RunId, Stamped};
use std::fmt;
use std::sync::Arc;

/// Called after each committed entry.
pub type OnCommit = Arc<dyn Fn(&RunId, &Stamped) + Send + Sync>;
/// Called before each live call with its number in this process; an error is answered instead.
pub type OnCall = Arc<dyn Fn(u64) -> Option<CallError> + Send + Sync>;

/// Faults to inject; none by default.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Sees each entry right after it is durable.
    pub on_commit: Option<OnCommit>,
    /// May answer a call in the place of its target.
    pub on_call: Option<OnCall>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_commit", &self.on_commit.is_some())
            .field("on_call", &self.on_call.is_some())
            .finish()
    }
}
