//! A pool between windlass and the server: a real `PgBouncer`.

use super::on_each_server;
use super::place::{Place, connect, database, refused, server, set, target};
use std::sync::Arc;
use tokio_postgres::SimpleQueryMessage;
use windlass::contract::ErrorKind;
use windlass::database::{Client, LockError, Read};
use windlass::journal::RunId;
use xtask::postgres::{Pooler, required_pooler};

on_each_server!(
    a_pool_that_mixes_up_sessions_is_refused_and_left_as_it_was,
    a_busy_pool_is_known_in_whatever_order_it_gives_sessions_out,
    a_pool_that_keeps_sessions_serves
);

const LOGIN: &str = "postgres";

fn pool(place: &Place, settings: &[(&str, &str)]) -> Pooler {
    let settings = [settings, &[("max_client_conn", "100")]].concat();
    Pooler::start(
        &required_pooler().unwrap(),
        server(place.major),
        &[LOGIN],
        &settings,
    )
    .unwrap()
}

fn room(url: &str) -> Arc<Client> {
    Arc::new(Client::new(vec![target(url)]).unwrap())
}

fn looks() -> Read {
    Read::Server {
        database: database(),
    }
}

/// What a client of the same pool finds in the session that it is given: what a session may carry over to the next client.
async fn found(application: &tokio_postgres::Client) -> Vec<String> {
    let sql = "SELECT name || '=' || setting FROM pg_settings WHERE source = 'session' AND name <> 'application_name'
               UNION ALL SELECT 'role=' || current_user
               UNION ALL SELECT 'lock=' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
               UNION ALL SELECT 'statement=' || name FROM pg_prepared_statements ORDER BY 1";
    let messages = application.simple_query(sql).await.unwrap();
    let rows = messages.iter().filter_map(|message| {
        if let SimpleQueryMessage::Row(row) = message {
            row.get(0).map(str::to_owned)
        } else {
            None
        }
    });
    rows.collect()
}

async fn a_pool_that_mixes_up_sessions_is_refused_and_left_as_it_was(mut place: Place) {
    place.sql("CREATE TABLE t (n int)").await;
    for (mode, most) in [
        ("transaction", "1"),
        ("transaction", "20"),
        ("statement", "20"),
    ] {
        let pool = pool(&place, &[("pool_mode", mode), ("default_pool_size", most)]);
        let url = pool.url(LOGIN, &place.database);
        let application = connect(&url).await;
        let before = found(&application).await;
        place.room = room(&url);
        let why = refused(place.read(looks()).await, ErrorKind::Invalid);
        assert!(
            why.contains("pool in the way") && why.contains("session mode"),
            "{why}"
        );
        let run = RunId("run".into());
        let locked = place.room.lock("orders", &run).await;
        let Err(LockError::Unavailable { why, .. }) = locked else {
            panic!("{mode}: {locked:?}");
        };
        assert!(why.message.contains("pool in the way"), "{why:?}");
        let why = refused(place.room.probe("orders").await, ErrorKind::Invalid);
        assert!(why.contains("pool in the way"), "{why}");
        assert_eq!(found(&application).await, before, "{mode}");
        application
            .simple_query("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
    }
}

/// Where there are several server sessions, two clients may well be given two, and each the same as before.
async fn a_busy_pool_is_known_in_whatever_order_it_gives_sessions_out(mut place: Place) {
    for order in ["0", "1"] {
        let pool = pool(
            &place,
            &[("pool_mode", "transaction"), ("server_round_robin", order)],
        );
        let url = pool.url(LOGIN, &place.database);
        let mut busy = Vec::new();
        for _ in 0..4 {
            let client = connect(&url).await;
            client.simple_query("BEGIN; SELECT 1").await.unwrap();
            busy.push(client);
        }
        for client in &busy {
            client.simple_query("ROLLBACK").await.unwrap();
        }
        place.room = room(&url);
        let why = refused(place.read(looks()).await, ErrorKind::Invalid);
        assert!(why.contains("pool in the way"), "{why}");
    }
}

async fn a_pool_that_keeps_sessions_serves(mut place: Place) {
    place.sql("CREATE TABLE t (n int)").await;
    let pool = pool(&place, &[("pool_mode", "session")]);
    place.room = room(&pool.url(LOGIN, &place.database));
    place.read(looks()).await.unwrap();
    place.room.probe("orders").await.unwrap();
    let run = RunId(format!("test-{}", place.database));
    let lock = place.room.lock("orders", &run).await.unwrap();
    place
        .apply(set("t", &[("autovacuum_enabled", Some("off"))]))
        .await
        .unwrap();
    assert!(lock.is_held());
    lock.release().await;
}
