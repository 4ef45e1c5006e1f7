//! The laws: what every built-in procedure shows in its life, under injected faults and under kills, on real servers.
//!
//! Each law is written once, over a [`LawWorld`]; [`database`] and [`clusters`] are the two, and a procedure is a case of one of them. What
//! takes a world of its own, and what can be tried in one after the other, is told there. A test in `tidy` fails if a folder in `plugins/`
//! is missing in [`PROCEDURES`].

pub(crate) mod clusters;
mod crashes;
mod database;
mod failures;
mod kills;
mod life;
mod needs;
mod world;
pub(crate) mod world_view;

use crate::world::{Project, World};
use std::collections::BTreeSet;
use windlass::journal::{RunId, Stamped, State, Store};

/// Every built-in procedure.
pub(crate) const PROCEDURES: &[&str] = &[
    "backup-job",
    "cert-renewal",
    "k8s-config",
    "k8s-rollout",
    "maintenance-mode",
    "node-maintenance",
    "pg-health",
    "pg-optimize",
    "service-verify",
];

fn store(project: &Project) -> Store {
    Store::open_read_only(&project.state()).unwrap()
}

/// The only run of a project.
pub(crate) fn only_run(project: &Project) -> (RunId, State, Vec<Stamped>) {
    assert_eq!(store(project).runs().unwrap().len(), 1);
    last_run(project)
}

/// The run of a project that was begun last.
fn last_run(project: &Project) -> (RunId, State, Vec<Stamped>) {
    let store = store(project);
    let (run, state) = store.runs().unwrap().remove(0);
    let entries = store.entries(&run).unwrap();
    (run, state.unwrap(), entries)
}

/// Maintenance that the server was sent, each with its object; what only looks is left out.
pub(crate) fn work(world: &World) -> Vec<String> {
    let verbs = ["VACUUM", "ANALYZE", "REINDEX", "DROP INDEX", "ALTER TABLE"];
    let sent = world
        .statements()
        .into_iter()
        .map(|statement| statement.text);
    sent.filter(|text| verbs.iter().any(|verb| text.trim_start().starts_with(verb)))
        .collect()
}

pub(crate) fn assert_once(statements: &[String], context: &str) {
    let distinct: BTreeSet<_> = statements.iter().collect();
    assert_eq!(
        distinct.len(),
        statements.len(),
        "{context}: sent twice: {statements:#?}"
    );
}

/// One test for each law and case, so that each is seen, and run, on its own.
macro_rules! laws {
    ($world:ty, $case:path: $procedures:tt $($law:ident)*) => {
        $($crate::laws::laws! { @one $world, $case: $procedures $law })*
    };
    (@one $world:ty, $case:path: [$($procedure:ident)*] $law:ident) => {
        mod $law {
            use super::*;
            $(#[test]
            fn $procedure() {
                $crate::laws::$law::<$world>($case(&stringify!($procedure).replace('_', "-")));
            })*
        }
    };
}
use laws;

use crashes::{crashes_anywhere_and_resumes, crashes_while_it_is_taken_back};
use failures::fails_anywhere_and_unwinds;
use kills::crashes_at_random_and_resumes;
use life::one_life;
