//! What a scope of a cluster lacks: of a need, and of a single call. Pure.

use super::cover::{Lack, Lacking, Missing, meet, nearest};
use super::file::GrantFile;
use super::{Capabilities, Pattern};
use crate::call;
use crate::cluster::call::Named;
use crate::cluster::field::edit;
use crate::cluster::object::kind_in_scope;
use crate::cluster::object::resource::is_far_reaching;
use crate::cluster::{Scope, Verb};

/// Every verb on every cluster that is needed and not granted, not even for one object.
pub(super) fn missing(needs: &Capabilities, files: &[GrantFile]) -> Vec<Missing> {
    let mut found = Vec::new();
    for need in &needs.cluster {
        for cluster in &need.clusters {
            for verb in &need.verbs {
                let lacks = |file: &GrantFile| {
                    let scopes = file.clusters.iter();
                    let lacked = |scope| lack(need, *verb, cluster, scope);
                    scopes.map(|(line, scope)| (*line, lacked(scope))).collect()
                };
                if let Err(nearest) = nearest(files, &Lack::Database, lacks) {
                    found.push(Missing {
                        what: Lacking::Cluster {
                            verb: *verb,
                            cluster: cluster.clone(),
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

fn lack(need: &Scope, verb: Verb, cluster: &Pattern, grant: &Scope) -> Option<Lack> {
    let apart = |one: &[Pattern], other: &[Pattern]| !meet(one, other, Pattern::covers);
    let fields = |one: &Pattern, other: &Pattern| edit::is_covered(&[one.0.as_str()], &other.0);
    if apart(std::slice::from_ref(cluster), &grant.clusters) {
        return Some(Lack::Database);
    }
    if !grant.verbs.contains(&verb) {
        return Some(Lack::cluster_verb(verb, grant));
    }
    // What the need does not name the verb is not about.
    let lists = [
        (Lack::Namespaces, &need.namespaces, &grant.namespaces),
        (Lack::Kinds, &need.kinds, &grant.kinds),
        (Lack::Names, &need.names, &grant.names),
        (Lack::Nodes, &need.nodes, &grant.nodes),
        (Lack::Labels, &need.labels, &grant.labels),
        (
            Lack::Accounts,
            &need.service_accounts,
            &grant.service_accounts,
        ),
        (Lack::Contents, &need.contents, &grant.contents),
    ];
    let mut lists = lists.into_iter();
    let found = lists.find(|(_, needed, granted)| !needed.is_empty() && apart(needed, granted));
    let lacks_fields = || !need.fields.is_empty() && !meet(&need.fields, &grant.fields, fields);
    found
        .map(|(lack, ..)| lack)
        .or_else(|| lacks_fields().then_some(Lack::Fields))
}

/// What a scope of a cluster lacks first, and which word.
pub(super) fn lack_of(
    scope: &Scope,
    verb: Verb,
    at: &str,
    named: Named<'_>,
) -> Option<(Lack, String)> {
    let lacks = |patterns: &[Pattern], name: &&str| !Pattern::any(patterns, name);
    if lacks(&scope.clusters, &at) {
        return Some((Lack::Database, at.to_owned()));
    }
    if !scope.verbs.contains(&verb) {
        let name = crate::plugin::verb_name(call::Verb::Cluster(verb));
        return Some((Lack::cluster_verb(verb, scope), name));
    }
    let kind = named.kind.map(|(group, kind)| kind_in_scope(group, kind));
    if let (Some((group, _)), Some(kind)) = (named.kind, &kind)
        && is_far_reaching(group, named.namespace)
        && !scope.kinds.iter().any(|pattern| pattern.0 == *kind)
    {
        return Some((Lack::Kinds, kind.clone()));
    }
    let all = [
        (Lack::Namespaces, &scope.namespaces, named.namespace),
        (Lack::Kinds, &scope.kinds, kind.as_deref()),
        (Lack::Names, &scope.names, named.name),
        (Lack::Nodes, &scope.nodes, named.node),
    ];
    let lack = |(lack, patterns, name): (Lack, &Vec<Pattern>, Option<&str>)| {
        let name = name.filter(|name| lacks(patterns, name))?;
        Some((lack, name.to_owned()))
    };
    let mut all = all.into_iter();
    all.find_map(lack).or_else(|| contents_lack(scope, named))
}

/// What a scope that is for the verb on the object lacks of what is said of it.
pub(super) fn contents_lack(scope: &Scope, named: Named<'_>) -> Option<(Lack, String)> {
    let account = named.manifest.and_then(|all| scope.account_lacking(all));
    let replicas = named.replicas.filter(|_| !scope.keeps(named.replicas));
    let all = [
        (Lack::Labels, scope.label_lacking(named.labels)),
        (Lack::Accounts, account),
        (Lack::Contents, scope.content_lacking(named)),
        (Lack::Fields, scope.field_lacking(named.fields)),
        (Lack::Replicas, replicas.map(|wanted| wanted.to_string())),
    ];
    let mut all = all.into_iter();
    all.find_map(|(lack, wanted)| Some((lack, wanted?)))
}

impl Lack {
    /// The same in a cluster.
    pub(super) fn cluster_verb(verb: Verb, scope: &Scope) -> Self {
        let mut verbs = scope.verbs.iter();
        if verbs.any(|other| other.interface() == verb.interface()) {
            Self::Verb
        } else {
            Self::Interface
        }
    }

    /// The place of the list in a cluster's scope that lacks something.
    pub(super) fn list(&self) -> Option<usize> {
        match self {
            Self::Database => Some(0),
            Self::Namespaces => Some(1),
            Self::Kinds => Some(2),
            Self::Names => Some(3),
            Self::Nodes => Some(4),
            Self::Labels => Some(5),
            Self::Fields => Some(6),
            Self::Accounts => Some(7),
            Self::Contents => Some(8),
            Self::Tables
            | Self::Schemas
            | Self::Events
            | Self::Verb
            | Self::Interface
            | Self::Replicas
            | Self::Endpoint
            | Self::Channel => None,
        }
    }
}
