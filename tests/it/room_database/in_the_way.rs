//! What is known to be in the way stops an effect before it begins: prepared transactions, transactions that are not shown, what the server
//! still does for a host that is gone, what another session works on.

use super::on_each_server;
use super::place::{
    LONG, Place, analyze, connect, database, drop_index, failed, refused, reindex, runtime, target,
    vacuum,
};
use super::reindex::{BLOATED, started};
use std::time::Duration;
use windlass::call::{Confirmed, Reverted};
use windlass::contract::ErrorKind;
use windlass::contract::database_types::ObjectName;
use windlass::database::{Client, Effect, Revert};
use windlass::journal::RunId;
use xtask::postgres::{NEWEST, Options, Server, required};

on_each_server!(
    a_prepared_transaction_is_met_before_the_work,
    a_transaction_that_is_not_shown_is_not_none,
    a_statement_whose_session_ended_with_it_is_in_doubt,
    what_the_server_still_does_for_another_run_reserves_the_database,
    a_sweep_leaves_what_another_session_works_on
);

const SHORT: Duration = Duration::from_millis(300);

async fn a_prepared_transaction_is_met_before_the_work(mut place: Place) {
    place.each(BLOATED).await;
    place
        .admin
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY a_left ON a ((n % 2))")
        .await
        .unwrap_err();
    // The error is told before the locks are given back; the next answer comes after that.
    place.sql("SELECT 1; CREATE TABLE other (n int)").await;
    place.with(|target| target.lock_timeout = SHORT);
    let effects = || [reindex("a_t"), drop_index("a_left")];
    let mut announced = Vec::new();
    for effect in effects() {
        announced.push(place.announce(effect).await);
    }
    let gid = format!("xa_{}", place.database);
    let prepare =
        |table: &str| format!("BEGIN; INSERT INTO {table} VALUES (1); PREPARE TRANSACTION '{gid}'");
    let old = "SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database()
               AND prepared < clock_timestamp() - interval '400 ms')";
    place.sql(&prepare("a")).await;
    place.until(old).await;
    for (effect, announced) in effects().iter().zip(&announced) {
        let applied = announced.apply(&place.permit()).await;
        let planned = place.prepare(effect).await;
        for why in [
            failed(applied, ErrorKind::Conflict),
            refused(planned, ErrorKind::Conflict),
        ] {
            let name = format!("prepared transaction `{gid}` (prepared at 20");
            assert!(why.contains(&name) && why.contains("wait for it"), "{why}");
        }
        assert_eq!(announced.note(), None, "nothing was sent");
    }
    assert_eq!(place.invalid().await, ["a_left"]);
    place.sql(&format!("ROLLBACK PREPARED '{gid}'")).await;
    // One that does not use the table is in nobody's way: it has no snapshot.
    place.sql(&prepare("other")).await;
    place.until(old).await;
    for effect in effects() {
        place.apply(effect).await.unwrap();
    }
    place.sql(&format!("ROLLBACK PREPARED '{gid}'")).await;
}

async fn a_transaction_that_is_not_shown_is_not_none(mut place: Place) {
    place.each(BLOATED).await;
    let role = place
        .as_role("ALTER TABLE a OWNER TO {role}; GRANT ALL ON SCHEMA public TO {role}")
        .await;
    let mut short = target(&place.server.url(&role, &place.database));
    short.lock_timeout = SHORT;
    place.room = Client::new(vec![short]).unwrap().into();
    place.apply(reindex("a_t")).await.unwrap();
    let other = place.session().await;
    other
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await
        .unwrap();
    let announced = place.announce(reindex("a_t")).await;
    let why = failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
    assert!(
        why.contains("not shown to this role") && why.contains("GRANT pg_monitor"),
        "{why}"
    );
    assert_eq!(announced.note(), None, "nothing was sent");
    other.batch_execute("COMMIT").await.unwrap();
    announced.apply(&place.permit()).await.unwrap();
}

/// The server says what went wrong, and that the session is over: not how far the statement came.
async fn a_statement_whose_session_ended_with_it_is_in_doubt(place: Place) {
    place
        .sql(&format!(
            "CREATE TABLE t (n int); INSERT INTO t VALUES (1);
             CREATE FUNCTION half(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n / 2';
             CREATE INDEX ON t (half(n));
             CREATE OR REPLACE FUNCTION half(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n / 0';
             ALTER DATABASE {} SET exit_on_error = on",
            place.database
        ))
        .await;
    let announced = place.announce(analyze("t")).await;
    let failure = announced.apply(&place.permit()).await.unwrap_err();
    assert!(failure.in_doubt, "{failure:?}");
    assert!(announced.note().is_some());
    let Confirmed::NotDone { .. } = announced.confirm(&place.permit()).await.unwrap() else {
        panic!("the statistics show no such work");
    };
}

async fn what_the_server_still_does_for_another_run_reserves_the_database(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    place.sql("CREATE TABLE t (n int)").await;
    let gate = started(&place).await;
    let announced = place.announce(reindex("slow_i")).await;
    announced
        .crash_while(&place.permit(), place.until_it_waits())
        .await;
    // Another machine, which knows nothing of the run. The lock is free: it went with the host.
    place.with(|target| target.lock_timeout = SHORT);
    let other = RunId("other".into());
    let lock = place.room.lock("orders", &other).await.unwrap();
    let vacuuming = place.announce(vacuum("t")).await;
    let permit = place.permit_of(other);
    let why = failed(vacuuming.apply(&permit).await, ErrorKind::Conflict);
    let name = format!("windlass/test-{} (session ", place.database);
    assert!(why.contains(&name) && why.contains("another run"), "{why}");
    assert_eq!(vacuuming.note(), None, "nothing was sent");
    lock.release().await;
    drop(gate);
    let Confirmed::Done(_) = announced.confirm(&place.permit()).await.unwrap() else {
        panic!("the server finished it");
    };
    let lock = place.room.lock("orders", &announced.run).await.unwrap();
    vacuuming.apply(&place.permit()).await.unwrap();
    lock.release().await;
}

async fn a_sweep_leaves_what_another_session_works_on(mut place: Place) {
    place.with(|target| target.transaction_wait = Duration::from_millis(500));
    let gate = started(&place).await;
    let other = connect(&place.url).await;
    let rebuild = tokio::spawn(async move {
        other
            .batch_execute("REINDEX INDEX CONCURRENTLY slow_i")
            .await
    });
    place
        .until("SELECT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)")
        .await;
    let oid = place
        .text("SELECT indexrelid::text FROM pg_index WHERE NOT indisvalid")
        .await;
    let named = |name: &str| ObjectName {
        schema: "public".into(),
        name: name.into(),
    };
    let sweep = Revert::DropLeftovers {
        database: database(),
        index: named("slow_i"),
        leftovers: vec![(named("slow_i_ccnew"), oid.parse().unwrap())],
    };
    let why = refused(place.revert_in(&sweep).await, ErrorKind::Conflict);
    assert!(why.contains("by another session"), "{why}");
    let drop_it = Effect::DropInvalidIndex {
        database: database(),
        index: named("slow_i_ccnew"),
    };
    refused(place.prepare(&drop_it).await, ErrorKind::Conflict);
    drop(gate);
    rebuild.await.unwrap().unwrap();
    // What it worked on is the index itself by now.
    let left = place.revert_in(&sweep).await.unwrap();
    assert!(
        matches!(&left, Reverted::LeftAlone(why) if why.contains("valid")),
        "{left:?}"
    );
    assert!(place.invalid().await.is_empty());
}

/// Autovacuum gives way when asked, unless transaction numbers would run out.
#[test]
fn autovacuum_that_does_not_give_way_is_met_before_the_work() {
    let options = [
        ("autovacuum", "on"),
        ("autovacuum_naptime", "1s"),
        ("autovacuum_freeze_max_age", "100000"),
    ];
    let options = options
        .iter()
        .fold(Options::default(), |all, (name, value)| {
            all.set(name, value)
        });
    let server = Server::start(&required(NEWEST).unwrap(), &options).unwrap();
    runtime().block_on(async {
        let mut place = Place::new(&server).await;
        place.each(BLOATED).await;
        place.with(|target| target.lock_timeout = SHORT);
        let announced = place.announce(reindex("a_t")).await;
        // So slow that it is there for as long as it is needed.
        place
            .sql(
                "ALTER TABLE a SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
                 CREATE TABLE burnt (n int)",
            )
            .await;
        place
            .sql(
                "DO $$ BEGIN FOR n IN 1..101000 LOOP
                     BEGIN INSERT INTO burnt VALUES (n); EXCEPTION WHEN division_by_zero THEN NULL; END;
                 END LOOP; END $$",
            )
            .await;
        place
            .until(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                 AND query LIKE '%public.a (to prevent wraparound)')",
            )
            .await;
        let why = failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
        assert!(why.contains("holds a lock"), "{why}");
        assert_eq!(announced.note(), None, "nothing was sent");
    });
}
