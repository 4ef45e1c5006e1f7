//! The narrowest capabilities that cover what a plan has. Pure.

use super::asked::Asked;
use super::{Capabilities, Danger, Pattern};
use crate::call::{Effect, Touch};
use crate::cluster::object::kind_in_scope;
use crate::{cluster, database, notify};

impl Capabilities {
    /// The narrowest that cover this effect and what it was found to touch.
    pub fn just(effect: &Effect, touches: &[Touch]) -> Self {
        let mut just = Self::default();
        match Asked::from(effect) {
            Asked::Database {
                verb,
                database,
                schema,
                table,
            } => just.database.push(database::Scope {
                reason: String::new(),
                databases: vec![exactly(database)],
                verbs: [verb].into(),
                schemas: schema.map(exactly).into_iter().collect(),
                tables: tables(schema, table, touches),
            }),
            Asked::Cluster {
                verb,
                cluster,
                named,
            } => just.cluster.push(in_cluster(verb, cluster, named, touches)),
            Asked::Message { channel, event } => just.notify.push(notify::Scope {
                reason: String::new(),
                channels: vec![exactly(channel)],
                events: vec![exactly(event)],
            }),
            // An effect is no look.
            Asked::Endpoint { .. } => {}
        }
        just
    }

    /// All of these in as few scopes as say exactly the same.
    #[must_use]
    pub fn gathered(all: &[Self]) -> Self {
        let joined = Self::joined(all);
        let database = gather(joined.database, |scope| &mut scope.tables);
        let cluster = gather(joined.cluster, |scope| &mut scope.names);
        let cluster = gather(cluster, |scope| &mut scope.nodes);
        Self {
            database: gather(database, |scope: &mut database::Scope| &mut scope.verbs),
            cluster: gather(cluster, |scope: &mut cluster::Scope| &mut scope.verbs),
            notify: gather(joined.notify, |scope: &mut notify::Scope| &mut scope.events),
            probe: joined.probe,
        }
    }

    /// Only the looks among these.
    #[must_use]
    pub fn looks(&self) -> Self {
        let mut looks = self.clone();
        looks.notify.clear();
        for scope in &mut looks.database {
            scope.verbs.retain(|verb| verb.danger() == Danger::Read);
        }
        for scope in &mut looks.cluster {
            scope.verbs.retain(|verb| verb.danger() == Danger::Read);
        }
        looks.database.retain(|scope| !scope.verbs.is_empty());
        looks.cluster.retain(|scope| !scope.verbs.is_empty());
        looks
    }

    /// The same with the reasons and the bounds of the needs that they come from.
    #[must_use]
    pub fn as_needed_by(mut self, needs: &Self) -> Self {
        for scope in &mut self.database {
            let mut needed = needs.database.iter();
            let from = needed.find(|need| scope.verbs.is_subset(&need.verbs));
            scope.reason = from.map(|need| need.reason.clone()).unwrap_or_default();
        }
        for scope in &mut self.cluster {
            let mut needed = needs.cluster.iter();
            let Some(from) = needed.find(|need| scope.verbs.is_subset(&need.verbs)) else {
                continue;
            };
            scope.reason.clone_from(&from.reason);
            scope.keep_replicas = from.keep_replicas;
            scope.nodes_at_once = from.nodes_at_once;
        }
        for scope in &mut self.notify {
            let from = needs.notify.first();
            scope.reason = from.map(|need| need.reason.clone()).unwrap_or_default();
        }
        self
    }
}

/// The tables of a call: those that it names, else those that it was found to touch, else any of the schema.
fn tables(schema: Option<&str>, table: Option<&str>, touches: &[Touch]) -> Vec<Pattern> {
    if schema.is_none() {
        return Vec::new();
    }
    let found = touches.iter().filter_map(|touch| match touch {
        Touch::Table { table, .. } => Some(exactly(table)),
        Touch::Object { .. } | Touch::Node { .. } => None,
    });
    let mut tables: Vec<_> = table.map(exactly).into_iter().chain(found).collect();
    tables.dedup();
    if tables.is_empty() {
        tables.push(Pattern("*".into()));
    }
    tables
}

fn in_cluster(
    verb: cluster::Verb,
    cluster: &str,
    named: cluster::call::Named<'_>,
    touches: &[Touch],
) -> cluster::Scope {
    let one = |name: Option<&str>| name.map(exactly).into_iter().collect::<Vec<_>>();
    let kind = named.kind.map(|(group, kind)| kind_in_scope(group, kind));
    let all = |names: Vec<String>| names.iter().map(|name| exactly(name)).collect::<Vec<_>>();
    let mut scope = cluster::Scope {
        reason: String::new(),
        clusters: vec![exactly(cluster)],
        verbs: [verb].into(),
        namespaces: one(named.namespace),
        kinds: one(kind.as_deref()),
        names: one(named.name),
        nodes: one(named.node),
        labels: named.labels.iter().map(|(name, _)| exactly(name)).collect(),
        fields: named
            .fields
            .iter()
            .map(|field| Pattern(field.path.clone()))
            .collect(),
        service_accounts: all(named.accounts()),
        contents: all(named.contents()),
        keep_replicas: None,
        nodes_at_once: None,
    };
    for touch in touches {
        let Touch::Object { object, .. } = touch else {
            continue;
        };
        let Some(namespace) = &object.namespace else {
            continue;
        };
        scope.namespaces.push(exactly(namespace));
        // Of a pod that is evicted the namespace counts.
        if verb != cluster::Verb::Drain {
            scope.kinds.push(exactly(&object.kind.in_scope()));
            scope.names.push(exactly(&object.name));
        }
    }
    for list in [
        &mut scope.namespaces,
        &mut scope.kinds,
        &mut scope.names,
        &mut scope.labels,
        &mut scope.fields,
        &mut scope.service_accounts,
        &mut scope.contents,
    ] {
        list.sort();
        list.dedup();
    }
    scope
}

/// A pattern of this name and, where the name has letters that a pattern cannot have, of those that begin like it.
fn exactly(name: &str) -> Pattern {
    let start = name.split(['*', '{', '}']).next().unwrap_or_default();
    if start.len() == name.len() {
        Pattern(name.to_owned())
    } else {
        Pattern(format!("{start}*"))
    }
}

/// Scopes that differ in one part only become one with all that is in this part.
fn gather<S, C>(scopes: Vec<S>, part: impl Fn(&mut S) -> &mut C) -> Vec<S>
where
    S: Clone + PartialEq,
    C: Clone + Default + IntoIterator + Extend<C::Item>,
    C::Item: PartialEq,
{
    let mut gathered: Vec<(S, C)> = Vec::new();
    for mut scope in scopes {
        let names = std::mem::take(part(&mut scope));
        match gathered.iter_mut().find(|(other, _)| *other == scope) {
            Some((_, all)) => {
                let known: Vec<_> = all.clone().into_iter().collect();
                all.extend(names.into_iter().filter(|name| !known.contains(name)));
            }
            None => gathered.push((scope, names)),
        }
    }
    let whole = |(mut scope, names): (S, C)| {
        *part(&mut scope) = names;
        scope
    };
    gathered.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use crate::call::{Effect, Touch};
    use crate::contract::database_types::ObjectName;
    use crate::database;
    use crate::grant::Capabilities;

    fn vacuum(schema: &str, name: &str) -> Effect {
        Effect::Database(database::Effect::Vacuum {
            database: "orders".into(),
            table: ObjectName {
                schema: schema.into(),
                name: name.into(),
            },
            analyze: true,
        })
    }

    fn touch(schema: &str, table: &str) -> Touch {
        Touch::Table {
            database: "orders".into(),
            schema: schema.into(),
            table: table.into(),
        }
    }

    fn covers(capabilities: &Capabilities, effect: &Effect) -> bool {
        capabilities.allows_effect(effect)
    }

    #[test]
    fn it_covers_what_it_was_made_from_and_nothing_beside() {
        let effect = vacuum("sales", "items");
        let just = Capabilities::just(&effect, &[touch("sales", "items")]);
        assert!(covers(&just, &effect) && just.allows_touch(&effect, &touch("sales", "items")));
        assert!(!covers(&just, &vacuum("public", "items")));
        assert!(!just.allows_touch(&effect, &touch("sales", "other")));
    }

    #[test]
    fn scopes_that_differ_in_one_list_are_one_and_no_pair_is_invented() {
        let effects = [
            vacuum("sales", "items"),
            vacuum("sales", "lines"),
            vacuum("sales", "items"),
            vacuum("public", "events"),
        ];
        let each: Vec<_> = effects
            .iter()
            .map(|effect| Capabilities::just(effect, &[]))
            .collect();
        let all = Capabilities::gathered(&each);
        assert_eq!(all.database.len(), 2, "{all:?}");
        assert!(effects.iter().all(|effect| covers(&all, effect)));
        assert!(all.allows_touch(&effects[0], &touch("sales", "lines")));
        assert!(!all.allows_touch(&effects[0], &touch("public", "lines")));
    }

    #[test]
    fn a_name_that_no_pattern_can_have_is_covered_all_the_same() {
        let effect = vacuum("sales", "we*ird");
        let just = Capabilities::just(&effect, &[]);
        assert!(covers(&just, &effect));
        assert_eq!(just.database[0].tables[0].0, "we*");
    }
}
