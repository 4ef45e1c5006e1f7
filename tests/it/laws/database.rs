//! Procedures that work on a database.

use super::world::{LawWorld, Promise, View, Work};
use super::world_view::{everything, indexes, invalid_indexes, rows, storage_parameters};
use super::{assert_once, laws, work};
use crate::interruptions::add_second_table;
use crate::room_notify::receiver::{Receiver, Request};
use crate::room_notify::whole::{connect, mark};
use crate::world::{Project, World};
use std::ops::Deref;
use std::sync::LazyLock;
use windlass::grant::{Capabilities, GrantFile};
use xtask::postgres::{NEWEST, OLDEST};

/// Takes the messages of all worlds.
static RECEIVER: LazyLock<Receiver> = LazyLock::new(|| Receiver::start([]));

/// A procedure with parameters that give it something to do in a bloated world.
#[derive(Clone, Copy, Debug)]
struct Case {
    procedure: &'static str,
    parameters: &'static [&'static str],
    major: u32,
    promise: Promise,
    /// Whether it changes nothing at the target.
    only_looks: bool,
}

const PG_OPTIMIZE: Case = Case {
    procedure: "pg-optimize",
    parameters: &[
        "min-size=8kB",
        "min-dead-rows=100",
        "tune-autovacuum=true",
        "notify=ops",
    ],
    major: NEWEST,
    promise: Promise {
        effects: 9,
        shows: true,
        unwinds: true,
    },
    only_looks: false,
};

const PG_HEALTH: Case = Case {
    procedure: "pg-health",
    parameters: &["expected-standbys=0", "notify=ops"],
    major: NEWEST,
    promise: Promise {
        effects: 2,
        shows: false,
        unwinds: false,
    },
    only_looks: true,
};

/// On the newest server: what differs by version is the room's, whose tests are on all.
fn case(procedure: &str) -> Case {
    match procedure {
        "pg-optimize" => PG_OPTIMIZE,
        "pg-health" => PG_HEALTH,
        other => panic!("{other} has no case"),
    }
}

fn on_the_oldest(procedure: &str) -> Case {
    Case {
        major: OLDEST,
        ..case(procedure)
    }
}

#[derive(Debug)]
struct Database {
    case: Case,
    world: World,
}

impl Deref for Database {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.world
    }
}

impl Database {
    /// Its messages. Each tells in its path which world it is of.
    fn messages(&self) -> Vec<Request> {
        let own = format!("/{} ", mark(&self.world));
        let ours = |request: &Request| request.line.contains(&own);
        RECEIVER.requests().into_iter().filter(ours).collect()
    }
}

impl LawWorld for Database {
    type Case = Case;

    fn fresh(case: Case) -> Self {
        let world = World::bloated_on(case.major);
        if case.only_looks {
            world
                .session()
                .batch_execute("DROP INDEX accounts_abalance_ccnew")
                .unwrap();
        }
        connect(&world, &RECEIVER);
        world.grant(case.procedure, "orders");
        Self { case, world }
    }

    fn promise(&self) -> Promise {
        self.case.promise
    }

    fn typed(&self, verb: &str) -> Vec<String> {
        let mut words = vec![verb, self.case.procedure, "--target", "orders"];
        words.extend(self.case.parameters.iter().flat_map(|set| ["--set", set]));
        words.into_iter().map(str::to_owned).collect()
    }

    /// To one table of two that are bloated.
    fn narrow(&self) -> Capabilities {
        add_second_table(&self.world);
        let file = format!("grants/{}.orders.toml", self.case.procedure);
        let narrowed = self
            .read(&file)
            .replace("tables = [\"*\"]", "tables = [\"accounts\"]");
        self.write(&file, &narrowed);
        GrantFile::parse(&file, &narrowed).unwrap().capabilities()
    }

    fn everything(&self) -> View {
        let mut all = everything(&self.world);
        all.insert(format!("{} messages", self.messages().len()));
        all
    }

    fn wanted(&self) -> View {
        let mut wanted = View::from_iter(storage_parameters(&self.world));
        wanted.extend(rows(&self.world));
        wanted
    }

    fn clutter(&self) -> View {
        indexes(&self.world)
    }

    fn end(&self) -> View {
        let mut end = self.wanted();
        end.extend(indexes(&self.world));
        let invalid = invalid_indexes(&self.world);
        end.extend(invalid.iter().map(|index| format!("invalid: {index}")));
        end
    }

    fn work(&self) -> Work {
        let mut all = Work::new();
        for statement in work(&self.world) {
            *all.entry(statement).or_default() += 1;
        }
        all
    }

    fn assert_nothing_twice(&self, context: &str) {
        // Of one that only looks the world sees several runs, and nothing is sent.
        assert_once(&work(&self.world), context);
        let ids = self.messages();
        let ids: Vec<_> = ids
            .iter()
            .map(|request| request.headers["webhook-id"].clone())
            .collect();
        assert_once(&ids, context);
    }

    fn assert_nothing_beyond(&self) {
        let sent = work(&self.world);
        let beyond: Vec<_> = sent.iter().filter(|text| text.contains("second")).collect();
        assert!(beyond.is_empty(), "{beyond:#?}");
        assert_eq!(sent.is_empty(), self.case.only_looks, "{sent:#?}");
        assert_eq!(self.messages().len(), 2);
    }

    /// What was vacuumed and rebuilt is not taken back.
    fn comes_back(&self) -> bool {
        self.case.only_looks
    }
}

laws! { Database, super::case: [pg_health pg_optimize]
    one_life
    fails_anywhere_and_unwinds
    crashes_anywhere_and_resumes
    crashes_at_random_and_resumes
}

laws! { Database, super::case: [pg_optimize] crashes_while_it_is_taken_back }

mod on_the_oldest_server {
    use super::*;
    laws! { Database, super::on_the_oldest: [pg_health pg_optimize] one_life }
}
