//! What one attempt at a message came to.

use std::time::Duration;

/// What one attempt at a message came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The receiver said that it took the message; and who of several did not, if so.
    Taken(Option<String>),
    /// It certainly did not, and may later.
    Again {
        /// Why not.
        why: String,
        /// How long the receiver wants to be left alone.
        after: Option<Duration>,
    },
    /// It certainly did not, and never will; why.
    Refused(String),
    /// It was sent all of it, or may have been, and did not say.
    Silent(String),
}

impl Answer {
    /// It certainly did not take the message, and may at any time.
    pub(super) fn again(why: String) -> Self {
        Self::Again { why, after: None }
    }
}
