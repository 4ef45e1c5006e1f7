//! What can be asked of channels and granted: messages about named events to named channels. Pure.

use crate::grant::{Danger, Pattern};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing a procedure can do with a channel. Each function of the interfaces belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Send a message.
    Send,
}

/// Every function of the room's interfaces and the verb that it needs. A linked function without a row is refused at load.
const FUNCTIONS: &[(&str, &str, Verb)] = &[("notify-send", "send", Verb::Send)];

impl Verb {
    /// The verb that a function of an interface needs; none if the room has no such function.
    pub fn of_function(interface: &str, function: &str) -> Option<Self> {
        FUNCTIONS
            .iter()
            .find(|(i, f, _)| *i == interface && *f == function)
            .map(|(_, _, verb)| *verb)
    }

    /// The interface that carries the verb.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Send => "notify-send",
        }
    }

    /// How dangerous the verb is at most.
    pub fn danger(self) -> Danger {
        match self {
            Self::Send => Danger::Send,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send messages",
        })
    }
}

/// A part of the room: messages about these events to these channels. Omitted lists match nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Why a procedure needs it; empty in a grant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Logical names of channels.
    pub channels: Vec<Pattern>,
    /// Names of events.
    pub events: Vec<Pattern>,
}

impl Scope {
    /// Whether a message about the event may go to the channel.
    pub fn allows(&self, channel: &str, event: &str) -> bool {
        Pattern::any(&self.channels, channel) && Pattern::any(&self.events, event)
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;
    use crate::grant::Pattern;

    #[test]
    fn a_message_needs_both_its_channel_and_its_event() {
        let patterns = |names: &[&str]| names.iter().map(|name| Pattern((*name).into())).collect();
        let scope = |channels: &[&str], events: &[&str]| Scope {
            reason: String::new(),
            channels: patterns(channels),
            events: patterns(events),
        };
        assert!(scope(&["ops"], &["start", "end"]).allows("ops", "end"));
        assert!(scope(&["team-*"], &["*"]).allows("team-a", "end"));
        assert!(!scope(&["ops"], &["start"]).allows("ops", "end"));
        assert!(!scope(&["ops"], &["*"]).allows("page", "end"));
        // As where the parameter that names the channel is absent.
        assert!(!scope(&[], &["*"]).allows("ops", "end"));
    }
}
