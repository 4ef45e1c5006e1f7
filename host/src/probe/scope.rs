//! What can be asked of endpoints and granted. Pure.

use crate::grant::{Danger, Pattern};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// One thing a procedure can do with an endpoint. Each function of the interfaces belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Ask over HTTP whether it is as expected: once, until it is, or all the time.
    Http,
    /// Look at its certificates.
    Tls,
}

/// Every function of the room's interfaces and the verb that it needs. A linked function without a row is refused at load.
const FUNCTIONS: &[(&str, &str, Verb)] = &[
    ("probe-read", "http", Verb::Http),
    ("probe-read", "tls", Verb::Tls),
    ("probe-read", "await-passes", Verb::Http),
    ("probe-read", "await-status", Verb::Http),
    ("probe-read", "await-serial", Verb::Tls),
    ("probe-read", "watch", Verb::Http),
];

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
            Self::Http | Self::Tls => "probe-read",
        }
    }

    /// How dangerous the verb is at most.
    pub fn danger(self) -> Danger {
        match self {
            Self::Http | Self::Tls => Danger::Read,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "ask endpoints over HTTP",
            Self::Tls => "look at certificates of endpoints",
        })
    }
}

/// A part of the room: these verbs on these endpoints. Omitted lists match nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Why a procedure needs it; empty in a grant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Logical names of endpoints.
    pub endpoints: Vec<Pattern>,
    /// What may be done.
    pub verbs: BTreeSet<Verb>,
}

impl Scope {
    /// Whether the verb is allowed on the endpoint.
    pub fn allows(&self, verb: Verb, endpoint: &str) -> bool {
        self.verbs.contains(&verb) && Pattern::any(&self.endpoints, endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scope, Verb};
    use crate::grant::Pattern;

    #[test]
    fn a_look_needs_both_its_endpoint_and_its_verb() {
        let scope = |endpoints: &[&str], verbs: &[Verb]| Scope {
            reason: String::new(),
            endpoints: endpoints
                .iter()
                .map(|name| Pattern((*name).into()))
                .collect(),
            verbs: verbs.iter().copied().collect(),
        };
        assert!(scope(&["shop-*"], &[Verb::Http]).allows(Verb::Http, "shop-eu"));
        assert!(!scope(&["shop-*"], &[Verb::Http]).allows(Verb::Tls, "shop-eu"));
        assert!(!scope(&["shop-*"], &[Verb::Http]).allows(Verb::Http, "bank"));
        // As where the parameter that names the endpoint is absent.
        assert!(!scope(&[], &[Verb::Http]).allows(Verb::Http, "shop"));
    }
}
