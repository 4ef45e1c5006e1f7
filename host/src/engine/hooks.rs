//! Where the suite can make things go wrong. The shipped binary hooks nothing in.

use crate::contract::CallError;
use crate::journal::Watcher;
use std::fmt;
use std::sync::Arc;

/// Called around each commit of an entry.
pub type OnCommit = Watcher;
/// Called with a number from 1 before something is done; an error is answered instead.
pub type OnCall = Arc<dyn Fn(u64) -> Option<CallError> + Send + Sync>;

/// Faults to inject; none by default.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Sees each entry right before and right after it is durable.
    pub on_commit: Option<OnCommit>,
    /// May answer a call in the place of its target: a look, a question, or what prepares an effect. Numbers are those of live calls in
    /// this process.
    pub on_call: Option<OnCall>,
    /// May let an effect fail that is recorded as intended. Numbers are those of the run's effects.
    pub on_apply: Option<OnCall>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_commit", &self.on_commit.is_some())
            .field("on_call", &self.on_call.is_some())
            .field("on_apply", &self.on_apply.is_some())
            .finish()
    }
}
