//! What a reviewer wants to know of a component, from its bytes alone. Pure.

use super::component::Component;
use super::imports::Import;
use super::manifest::Estimates;
use super::parameters::ParameterFacts;
use super::problem::verb_name;
use crate::call::Verb;
use crate::cluster;
use crate::grant::{Budget, Danger, Pattern};
use serde::Serialize;
use std::collections::BTreeSet;

/// The facts; as JSON they are the document `windlass.inspect/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// The name that people type.
    pub name: String,
    /// Of the procedure.
    pub version: String,
    /// One sentence of the author's.
    pub summary: String,
    /// `sha256:…` of the component.
    pub digest: String,
    /// In bytes.
    pub size: usize,
    /// The most dangerous verb that it needs.
    pub danger: Danger,
    /// What it needs, as the author wrote it.
    pub needs: Vec<NeedFacts>,
    /// Bounds that the author sets.
    pub budget: Budget,
    /// What the author expects.
    pub estimates: Estimates,
    /// What an operator can choose.
    pub parameters: Vec<ParameterFacts>,
    /// What its imports let it do.
    pub can: Vec<String>,
    /// What its imports prove that it cannot do.
    pub cannot: Vec<Cannot>,
    /// The interfaces that it imports.
    pub imports: Vec<Import>,
}

/// One need, on one interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeedFacts {
    /// Such as `database-read`.
    pub interface: String,
    /// As manifests and grants spell them.
    pub verbs: Vec<String>,
    /// Patterns, of needs in clusters.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterNeed>,
    /// Patterns.
    pub databases: Vec<Pattern>,
    /// Patterns.
    pub schemas: Vec<Pattern>,
    /// Patterns.
    pub tables: Vec<Pattern>,
    /// Patterns.
    pub channels: Vec<Pattern>,
    /// Patterns.
    pub events: Vec<Pattern>,
    /// Patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Pattern>,
    /// The author's.
    pub reason: String,
}

/// What a need is about in a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the list of that name in a scope")]
pub struct ClusterNeed {
    pub clusters: Vec<Pattern>,
    pub namespaces: Vec<Pattern>,
    pub kinds: Vec<Pattern>,
    pub names: Vec<Pattern>,
    pub nodes: Vec<Pattern>,
    pub labels: Vec<Pattern>,
    pub fields: Vec<Pattern>,
    pub service_accounts: Vec<Pattern>,
    pub contents: Vec<Pattern>,
}

impl From<&cluster::Scope> for ClusterNeed {
    fn from(scope: &cluster::Scope) -> Self {
        Self {
            clusters: scope.clusters.clone(),
            namespaces: scope.namespaces.clone(),
            kinds: scope.kinds.clone(),
            names: scope.names.clone(),
            nodes: scope.nodes.clone(),
            labels: scope.labels.clone(),
            fields: scope.fields.clone(),
            service_accounts: scope.service_accounts.clone(),
            contents: scope.contents.clone(),
        }
    }
}

/// Something that it cannot do, and how that is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cannot {
    /// Reads on from "cannot".
    pub what: &'static str,
    /// How we know.
    pub because: &'static str,
}

impl Facts {
    pub(super) fn of(component: &Component) -> Self {
        let manifest = component.manifest();
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            summary: manifest.summary.clone(),
            digest: component.digest().to_owned(),
            size: component.bytes().len(),
            danger: manifest.danger,
            needs: needs(component),
            budget: manifest.budget.clone(),
            estimates: manifest.estimates.clone(),
            parameters: manifest.parameters.facts(),
            can: can(component),
            cannot: cannot(component),
            imports: component.imports().to_vec(),
        }
    }
}

/// One line for each interface of each need.
fn needs(component: &Component) -> Vec<NeedFacts> {
    let mut needs = Vec::new();
    for scope in &component.manifest().written_needs().database {
        let interfaces: BTreeSet<_> = scope
            .verbs
            .iter()
            .map(|verb| (verb.danger(), verb.interface()))
            .collect();
        for (_, interface) in interfaces {
            let verbs = scope
                .verbs
                .iter()
                .filter(|verb| verb.interface() == interface);
            needs.push(NeedFacts {
                interface: interface.to_owned(),
                verbs: verbs.map(|verb| verb_name(Verb::Database(*verb))).collect(),
                cluster: None,
                databases: scope.databases.clone(),
                schemas: scope.schemas.clone(),
                tables: scope.tables.clone(),
                channels: Vec::new(),
                events: Vec::new(),
                endpoints: Vec::new(),
                reason: scope.reason.clone(),
            });
        }
    }
    needs.extend(in_clusters(component));
    needs.extend(messages(component));
    needs.extend(at_endpoints(component));
    needs
}

fn in_clusters(component: &Component) -> Vec<NeedFacts> {
    let mut needs = Vec::new();
    for scope in &component.manifest().written_needs().cluster {
        let interfaces = scope.verbs.iter().map(|verb| verb.interface());
        for interface in interfaces.collect::<BTreeSet<_>>() {
            let verbs = scope.verbs.iter();
            let verbs = verbs.filter(|verb| verb.interface() == interface);
            needs.push(NeedFacts {
                interface: interface.to_owned(),
                verbs: verbs.map(|verb| verb_name(Verb::Cluster(*verb))).collect(),
                cluster: Some(scope.into()),
                databases: Vec::new(),
                schemas: Vec::new(),
                tables: Vec::new(),
                channels: Vec::new(),
                events: Vec::new(),
                endpoints: Vec::new(),
                reason: scope.reason.clone(),
            });
        }
    }
    needs
}

fn messages(component: &Component) -> impl Iterator<Item = NeedFacts> {
    let send = crate::notify::Verb::Send;
    let scopes = component.manifest().written_needs().notify.iter();
    scopes.map(move |scope| NeedFacts {
        interface: send.interface().to_owned(),
        verbs: vec![verb_name(Verb::Notify(send))],
        cluster: None,
        databases: Vec::new(),
        schemas: Vec::new(),
        tables: Vec::new(),
        channels: scope.channels.clone(),
        events: scope.events.clone(),
        endpoints: Vec::new(),
        reason: scope.reason.clone(),
    })
}

fn at_endpoints(component: &Component) -> impl Iterator<Item = NeedFacts> {
    let scopes = component.manifest().written_needs().probe.iter();
    scopes.map(|scope| NeedFacts {
        interface: "probe-read".to_owned(),
        verbs: scope
            .verbs
            .iter()
            .map(|verb| verb_name(Verb::Probe(*verb)))
            .collect(),
        cluster: None,
        databases: Vec::new(),
        schemas: Vec::new(),
        tables: Vec::new(),
        channels: Vec::new(),
        events: Vec::new(),
        endpoints: scope.endpoints.clone(),
        reason: scope.reason.clone(),
    })
}

fn can(component: &Component) -> Vec<String> {
    let mut verbs: Vec<_> = component.manifest().verbs().into_iter().collect();
    verbs.sort_by_key(|verb| verb.danger());
    verbs.iter().map(ToString::to_string).collect()
}

fn about_clusters(component: &Component) -> Option<Cannot> {
    let changing = [
        "cluster-workloads",
        "cluster-nodes",
        "cluster-jobs",
        "cluster-manifest-jobs",
        "cluster-routes",
        "cluster-certificates",
        "cluster-config",
    ];
    if changing
        .iter()
        .any(|name| component.imports_interface(name))
    {
        return None;
    }
    Some(if component.imports_interface("cluster-read") {
        Cannot {
            what: "change a cluster",
            because: "it imports only cluster-read",
        }
    } else {
        Cannot {
            what: "reach a cluster",
            because: "it imports no interface of one",
        }
    })
}

fn cannot(component: &Component) -> Vec<Cannot> {
    let maintains = component.imports_interface("database-maintain");
    let mut proofs = Vec::new();
    if !maintains && !component.imports_interface("database-read") {
        proofs.push(Cannot {
            what: "reach a database",
            because: "it imports no interface of one",
        });
    } else if !maintains {
        proofs.push(Cannot {
            what: "change a database",
            because: "it does not import database-maintain",
        });
    }
    proofs.extend(about_clusters(component));
    if !component.imports_interface("notify-send") {
        proofs.push(Cannot {
            what: "send a message",
            because: "it does not import notify-send",
        });
    }
    if !component.imports_interface("probe-read") {
        proofs.push(Cannot {
            what: "look at an endpoint",
            because: "it does not import probe-read",
        });
    }
    proofs.push(Cannot {
        what: "read, write or delete rows",
        because: "it imports no interface that carries rows",
    });
    proofs.push(Cannot {
        what: "see a connection string, a password or where a channel or an endpoint leads",
        because: "no interface carries one",
    });
    proofs.push(Cannot {
        what: "open files or sockets, or read the environment",
        because: if component.imports_wasi() {
            "it imports no WASI for them"
        } else {
            "it imports no WASI"
        },
    });
    proofs
}
