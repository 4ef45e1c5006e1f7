//! Servers that die, and standbys.

use super::place::{
    Announced, LONG, Place, analyze, connect, database, refused, reindex, runtime, set, target,
    vacuum,
};
use std::sync::Arc;
use windlass::call::{Confirmed, Reverted, Undo};
use windlass::contract::ErrorKind;
use windlass::contract::database_types::{ReplicationFacts, ServerFacts};
use windlass::database::{Client, Read};
use windlass::journal::RunId;
use xtask::postgres::{NEWEST, OLDEST, Options, Server, required};

fn start(major: u32) -> Server {
    Server::start(&required(major).unwrap(), &Options::default().durable()).unwrap()
}

#[test]
fn the_oldest_server_dies_in_a_rebuild() {
    dies_in_a_rebuild(OLDEST);
}

#[test]
fn the_newest_server_dies_in_a_rebuild() {
    dies_in_a_rebuild(NEWEST);
}

fn dies_in_a_rebuild(major: u32) {
    let mut server = start(major);
    let runtime = runtime();
    let mut place = runtime.block_on(Place::new(&server));
    place.with(|target| target.transaction_wait = LONG);
    let (gate, announced) = runtime.block_on(async {
        place.slow_index().await;
        let gate = place.session().await;
        gate.batch_execute("SELECT pg_advisory_lock(7)")
            .await
            .unwrap();
        (gate, Arc::new(place.announce(reindex("slow_i")).await))
    });
    let (working, permit) = (Arc::clone(&announced), place.permit());
    let applying = runtime.spawn(async move { working.apply(&permit).await });
    runtime.block_on(place.until_it_waits());
    server.crash();
    let failure = runtime.block_on(applying).unwrap().unwrap_err();
    assert_eq!(
        (failure.error.kind, failure.in_doubt),
        (ErrorKind::Unavailable, true),
        "{failure:?}"
    );
    let why = refused(
        runtime.block_on(announced.confirm(&place.permit())),
        ErrorKind::Unavailable,
    );
    assert!(why.contains("orders"), "{why}");
    server.restart().unwrap();
    drop(gate);
    runtime.block_on(async {
        place.admin = Arc::new(connect(&place.url).await);
        let Confirmed::NotDone {
            sweep: Some(sweep), ..
        } = announced.confirm(&place.permit()).await.unwrap()
        else {
            panic!("it died in the middle");
        };
        assert!(matches!(
            place.revert(&sweep).await.unwrap(),
            Reverted::Restored(_)
        ));
        assert!(place.invalid().await.is_empty());
    });
}

#[test]
fn the_oldest_server_forgets_statistics_but_no_transaction() {
    forgets(OLDEST);
}

#[test]
fn the_newest_server_forgets_statistics_but_no_transaction() {
    forgets(NEWEST);
}

fn forgets(major: u32) {
    let mut server = start(major);
    let runtime = runtime();
    let mut place = runtime.block_on(Place::new(&server));
    let (vacuumed, tuned) = runtime.block_on(async {
        place.sql("CREATE TABLE t (n int)").await;
        let vacuumed = place.announce(vacuum("t")).await;
        vacuumed.apply(&place.permit()).await.unwrap();
        let tuned = place
            .announce(set("t", &[("autovacuum_enabled", Some("off"))]))
            .await;
        tuned.apply(&place.permit()).await.unwrap();
        (vacuumed, tuned)
    });
    server.crash();
    server.restart().unwrap();
    runtime.block_on(async {
        place.admin = Arc::new(connect(&place.url).await);
        let Confirmed::NotDone { why, sweep: None } =
            vacuumed.confirm(&place.permit()).await.unwrap()
        else {
            panic!("the statistics are gone");
        };
        assert!(why.contains("restarted"), "{why}");
        assert!(matches!(
            tuned.confirm(&place.permit()).await.unwrap(),
            Confirmed::Done(_)
        ));
        let Undo::By(undo) = &tuned.prepared.undo else {
            panic!("it can be undone");
        };
        assert!(matches!(
            place.revert(undo).await.unwrap(),
            Reverted::Restored(_)
        ));
    });
}

#[test]
fn a_standby_is_looked_at_and_not_maintained() {
    let primary = start(NEWEST);
    let standby = Server::standby_of(&primary).unwrap();
    let runtime = runtime();
    let mut place = runtime.block_on(Place::new(&primary));
    runtime.block_on(async {
        place.sql("CREATE TABLE t (n int PRIMARY KEY)").await;
        // A standby knows no such transactions, so a session there must not begin one.
        let database = &place.database;
        place
            .sql(&format!(
                "ALTER DATABASE {database} SET default_transaction_isolation = serializable"
            ))
            .await;
    });
    standby.wait_for(&primary).unwrap();
    runtime.block_on(async {
        place
            .until("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn IS NOT NULL)")
            .await;
        one_standby_is_seen(&place).await;
        let url = standby.url("postgres", &place.database);
        let tuned = tuned_behind_its_back(&place, &url).await;
        place.room = Arc::new(Client::new(vec![target(&url)]).unwrap());
        let facts: ServerFacts = place
            .facts(Read::Server {
                database: database(),
            })
            .await;
        assert!(facts.is_standby);
        it_cannot_tell(&place, &tuned).await;
        for read in [
            Read::Tables {
                database: database(),
            },
            Read::Indexes {
                database: database(),
            },
            Read::Sessions {
                database: database(),
            },
            Read::XminHolders {
                database: database(),
            },
            Read::Replication {
                database: database(),
            },
        ] {
            place.read(read).await.unwrap();
        }
        nothing_is_maintained(&place).await;
        assert!(place.room.probe("orders").await.unwrap().standby);
        assert!(
            place
                .room
                .lock("orders", &RunId("first".into()))
                .await
                .unwrap()
                .is_held()
        );
    });
}

async fn one_standby_is_seen(place: &Place) {
    let facts: ReplicationFacts = place
        .facts(Read::Replication {
            database: database(),
        })
        .await;
    assert_eq!(
        (facts.standbys.len(), facts.slots.len()),
        (1, 1),
        "{facts:?}"
    );
    assert_eq!(
        (facts.standbys[0].state.as_str(), facts.slots[0].active),
        ("streaming", true)
    );
    assert!(facts.standbys[0].lag_bytes.is_some());
}

/// What is done on the primary is not done where nobody replays it.
async fn tuned_behind_its_back(place: &Place, url: &str) -> Announced {
    let behind = connect(url).await;
    for sql in [
        "SET default_transaction_isolation = 'read committed'",
        "SELECT pg_wal_replay_pause()",
    ] {
        behind.batch_execute(sql).await.unwrap();
    }
    let tuned = place
        .announce(set("t", &[("autovacuum_enabled", Some("off"))]))
        .await;
    tuned.apply(&place.permit()).await.unwrap();
    tuned
}

async fn it_cannot_tell(place: &Place, tuned: &Announced) {
    let note = tuned.note();
    let asked = place
        .room
        .confirm(
            &place.permit(),
            &tuned.effect,
            &tuned.prepared,
            note.as_ref(),
        )
        .await
        .unwrap();
    let Confirmed::CannotTell(why) = asked else {
        panic!("{asked:?}");
    };
    assert!(why.contains("standby"), "{why}");
}

async fn nothing_is_maintained(place: &Place) {
    for effect in [
        vacuum("t"),
        analyze("t"),
        reindex("t_pkey"),
        set("t", &[("autovacuum_enabled", None)]),
    ] {
        let why = refused(place.prepare(&effect).await, ErrorKind::Conflict);
        assert!(why.contains("standby"), "{why}");
    }
}

/// It receives changes of rows and replays no log.
#[test]
fn a_subscription_is_no_standby() {
    for major in [OLDEST, NEWEST] {
        let options = Options::default().set("wal_level", "logical");
        let server = Server::start(&required(major).unwrap(), &options).unwrap();
        runtime().block_on(async {
            let place = Place::new(&server).await;
            let subscriber = Place::new(&server).await;
            place
                .each("CREATE PUBLICATION p FOR ALL TABLES; SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
                .await;
            subscriber
                .sql(&format!(
                    "CREATE SUBSCRIPTION s CONNECTION '{}' PUBLICATION p WITH (create_slot = false)",
                    place.url
                ))
                .await;
            place
                .until("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL)")
                .await;
            let facts: ReplicationFacts = place
                .facts(Read::Replication {
                    database: database(),
                })
                .await;
            assert_eq!(facts.standbys, [], "{facts:?}");
            assert!(facts.slots.iter().any(|slot| slot.name == "s" && slot.active));
        });
    }
}
