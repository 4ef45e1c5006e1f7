//! What a scope of endpoints lacks: of a need, and of a single call. Pure.

use super::cover::{Lack, Lacking, Missing, meet, nearest};
use super::file::GrantFile;
use super::{Capabilities, Pattern};
use crate::call;
use crate::probe::{Scope, Verb};

/// Every verb on every endpoint that is needed and not granted.
pub(super) fn missing(needs: &Capabilities, files: &[GrantFile]) -> Vec<Missing> {
    let mut found = Vec::new();
    for need in &needs.probe {
        for endpoint in &need.endpoints {
            for verb in &need.verbs {
                let lacks = |file: &GrantFile| {
                    let scopes = file.endpoints.iter();
                    let lacked = |scope| lack(*verb, endpoint, scope);
                    scopes.map(|(line, scope)| (*line, lacked(scope))).collect()
                };
                if let Err(nearest) = nearest(files, &Lack::Endpoint, lacks) {
                    found.push(Missing {
                        what: Lacking::Probe {
                            verb: *verb,
                            endpoint: endpoint.clone(),
                        },
                        reason: need.reason.clone(),
                        nearest,
                    });
                }
            }
        }
    }
    found
}

fn lack(verb: Verb, endpoint: &Pattern, grant: &Scope) -> Option<Lack> {
    let names = Pattern::covers;
    if !meet(std::slice::from_ref(endpoint), &grant.endpoints, names) {
        Some(Lack::Endpoint)
    } else if grant.verbs.contains(&verb) {
        None
    } else {
        Some(Lack::Verb)
    }
}

/// What a scope lacks first for a call, and which word.
pub(super) fn lack_of(scope: &Scope, verb: Verb, endpoint: &str) -> Option<(Lack, String)> {
    if !Pattern::any(&scope.endpoints, endpoint) {
        Some((Lack::Endpoint, endpoint.to_owned()))
    } else if scope.verbs.contains(&verb) {
        None
    } else {
        let name = crate::plugin::verb_name(call::Verb::Probe(verb));
        Some((Lack::Verb, name))
    }
}
