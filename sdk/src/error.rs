//! Why something did not end well.

use crate::bindings::windlass::procedure::types;
use std::fmt;

pub use types::Denial;

/// What kind of failure it is. A procedure can act on it: go on with the next object after a [`Kind::Conflict`], say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// windlass refuses the call ([`Error::denied`] says why), or the target's own rights do not allow it.
    Denied,
    /// An argument is malformed.
    Invalid,
    /// The target or the object does not exist.
    NotFound,
    /// The object is in a state that does not allow the call: locked, changed since it was looked at.
    Conflict,
    /// The target did not answer or broke off.
    Unavailable,
    /// A budget, a cap or a deadline was reached.
    Limit,
    /// The object is broken in itself: an unreadable page, equal keys in a unique index, an internal error of the server.
    Damaged,
    /// Someone cancelled the call at the target: a database administrator, for example. An operator who stops the run is not told
    /// through this: windlass then ends the procedure itself.
    Cancelled,
    /// The procedure's own: it decided that it cannot go on.
    Failed,
}

/// A failure, with a message for people. `?` makes one of a string, of what the SDK returns and of a JSON error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What a procedure can act on.
    pub kind: Kind,
    /// The reason, if windlass itself refused the call.
    pub denied: Option<Denial>,
    /// What people read.
    pub message: String,
}

impl Error {
    /// An error of this kind that windlass did not refuse.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            denied: None,
            message: message.into(),
        }
    }

    /// The procedure's own failure.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Whether one object is the matter, and not the whole run: it is locked, it was changed, it is gone or damaged, what it has fails, or the
    /// target's own rights do not allow it there. Others may do better.
    pub fn is_about_the_object(&self) -> bool {
        match self.kind {
            Kind::Conflict | Kind::NotFound | Kind::Damaged => true,
            Kind::Denied => self.denied.is_none(),
            Kind::Invalid | Kind::Unavailable | Kind::Limit | Kind::Cancelled | Kind::Failed => {
                false
            }
        }
    }

    /// Whether the run's budget is used up, so that nothing more can be done in it.
    pub fn is_budget(&self) -> bool {
        self.denied == Some(Denial::Budget)
    }

    /// Whether the run is bound to a plan that does not contain the effect. The rest of the plan can still be done.
    pub fn is_outside_the_plan(&self) -> bool {
        self.denied == Some(Denial::Plan)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        let kind = match error.kind {
            types::ErrorKind::Denied => Kind::Denied,
            types::ErrorKind::Invalid => Kind::Invalid,
            types::ErrorKind::NotFound => Kind::NotFound,
            types::ErrorKind::Conflict => Kind::Conflict,
            types::ErrorKind::Unavailable => Kind::Unavailable,
            types::ErrorKind::Limit => Kind::Limit,
            types::ErrorKind::Damaged => Kind::Damaged,
            types::ErrorKind::Cancelled => Kind::Cancelled,
        };
        Self {
            kind,
            denied: error.denied,
            message: error.message,
        }
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::failed(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::failed(message)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Kind::Invalid, error.to_string())
    }
}
