use super::on_each_server;
use super::place::{LONG, Place, connect, database, failed, refused, reindex, target, vacuum};
use std::sync::Arc;
use windlass::call::{Confirmed, Undo};
use windlass::clock::Clock;
use windlass::contract::ErrorKind;
use windlass::database::{Client, Effect, LockError, Read};
use windlass::journal::RunId;

on_each_server!(
    one_run_at_a_time,
    a_lost_lock_is_noticed,
    a_runs_own_lock_is_waited_for,
    own_sessions_can_be_cancelled,
    others_cannot,
    an_idle_session_has_nothing_to_cancel,
    only_the_statement_that_was_seen_is_cancelled,
    a_server_that_knows_of_no_lock_is_not_changed
);

async fn one_run_at_a_time(place: Place) {
    let (first, second) = (RunId("first".into()), RunId("second".into()));
    let lock = place.room.lock("orders", &first).await.unwrap();
    assert!(lock.is_held());
    let refused = place.room.lock("orders", &second).await;
    let Err(LockError::Held { holder, .. }) = refused else {
        panic!("it is held: {refused:?}");
    };
    assert!(holder.starts_with("windlass/first (session "), "{holder}");
    lock.release().await;
    let lock = place.room.lock("orders", &second).await.unwrap();
    assert_eq!(lock.database(), "orders");
    let Err(LockError::Unavailable { .. }) = place.room.lock("nowhere", &second).await else {
        panic!("there is no such database");
    };
}

async fn a_lost_lock_is_noticed(place: Place) {
    let lock = place
        .room
        .lock("orders", &RunId("first".into()))
        .await
        .unwrap();
    place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'windlass/first' AND datname = current_database()").await;
    let end = Clock::system().instant() + LONG;
    while lock.is_held() {
        assert!(Clock::system().instant() < end);
        tokio::task::yield_now().await;
    }
}

async fn a_runs_own_lock_is_waited_for(place: Place) {
    let run = RunId("first".into());
    let old = place.room.lock("orders", &run).await.unwrap();
    let (new, ()) = tokio::join!(place.room.lock("orders", &run), async { drop(old) });
    assert!(new.unwrap().is_held());
}

/// An effect that cancels the one session of this database that the condition is true of.
async fn cancel(place: &Place, condition: &str) -> Effect {
    let sql = format!(
        "SELECT pid, floor(extract(epoch FROM backend_start) * 1000)::int8 FROM pg_stat_activity
         WHERE datname = current_database() AND {condition}"
    );
    let row = place.admin.query_one(&sql, &[]).await.unwrap();
    Effect::CancelBackend {
        database: database(),
        pid: row.get::<_, i32>(0).try_into().unwrap(),
        backend_start: row.get::<_, i64>(1).try_into().unwrap(),
    }
}

async fn own_sessions_can_be_cancelled(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    place.slow_index().await;
    let gate = place.session().await;
    gate.batch_execute("SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    let rebuild = place.announce(reindex("slow_i")).await;
    let permit = place.permit();
    let (failure, ()) = tokio::join!(rebuild.apply(&permit), async {
        place.until_it_waits().await;
        let cancel = cancel(
            &place,
            "wait_event = 'advisory' AND application_name LIKE 'windlass/%'",
        )
        .await;
        let announced = place.announce(cancel).await;
        assert!(matches!(announced.prepared.undo, Undo::Impossible(_)));
        let Confirmed::NotDone { .. } = announced.confirm(&place.permit()).await.unwrap() else {
            panic!("nothing was sent");
        };
        let applied = announced.apply(&place.permit()).await.unwrap();
        assert_eq!(applied.answer, true);
        let Confirmed::Done(confirmed) = announced.confirm(&place.permit()).await.unwrap() else {
            panic!("it does not run any more");
        };
        assert_eq!(confirmed.after, "no longer running");
    });
    let failure = failure.unwrap_err();
    assert_eq!(
        (failure.error.kind, failure.in_doubt),
        (ErrorKind::Conflict, false),
        "{failure:?}"
    );
    assert!(
        failure.error.message.contains("another session cancelled"),
        "{failure:?}"
    );
    place.revert(&failure.sweep.unwrap()).await.unwrap();
}

async fn others_cannot(place: Place) {
    let of_the_suite = cancel(&place, "pid = pg_backend_pid()").await;
    let why = refused(place.prepare(&of_the_suite).await, ErrorKind::Denied);
    assert!(why.contains("not opened by windlass"), "{why}");
    // A name alone is not enough: another login's session is another's.
    let liar = format!("liar_of_{}", place.database);
    let password = &place.server.password;
    place
        .sql(&format!("CREATE ROLE {liar} LOGIN PASSWORD '{password}'"))
        .await;
    let session = connect(&place.server.url(&liar, &place.database)).await;
    session
        .batch_execute("SET application_name = 'windlass/liar'")
        .await
        .unwrap();
    let of_a_liar = cancel(&place, "application_name = 'windlass/liar'").await;
    refused(place.prepare(&of_a_liar).await, ErrorKind::Denied);
}

async fn an_idle_session_has_nothing_to_cancel(place: Place) {
    let server = Read::Server {
        database: database(),
    };
    place.read(server).await.unwrap();
    let idle = cancel(&place, "application_name LIKE 'windlass/test%'").await;
    let applied = place.apply(idle.clone()).await.unwrap();
    assert_eq!(applied.answer, false);
    let Effect::CancelBackend {
        database,
        pid,
        backend_start,
    } = idle
    else {
        panic!("{idle:?}");
    };
    for (pid, backend_start, kind) in [
        (pid, backend_start + 1, ErrorKind::NotFound),
        (u32::MAX, 1, ErrorKind::Invalid),
    ] {
        let other = Effect::CancelBackend {
            database: database.clone(),
            pid,
            backend_start,
        };
        refused(place.prepare(&other).await, kind);
    }
}

async fn only_the_statement_that_was_seen_is_cancelled(place: Place) {
    let gate = place.session().await;
    gate.batch_execute("SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    let ours = Arc::new(place.session().await);
    ours.batch_execute("SET application_name = 'windlass/ours'")
        .await
        .unwrap();
    let wait = || {
        let ours = Arc::clone(&ours);
        tokio::spawn(async move {
            ours.batch_execute("SELECT pg_advisory_lock_shared(7)")
                .await
        })
    };
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                 AND application_name = 'windlass/ours' AND wait_event = 'advisory')";
    let condition = "application_name = 'windlass/ours'";
    let while_idle = place.announce(cancel(&place, condition).await).await;
    let first = wait();
    place.until(waits).await;
    let while_first = place.announce(cancel(&place, condition).await).await;
    let applied = while_idle.apply(&place.permit()).await.unwrap();
    assert_eq!((applied.answer, while_idle.note()), (false.into(), None));
    gate.batch_execute("SELECT pg_advisory_unlock(7)")
        .await
        .unwrap();
    first.await.unwrap().unwrap();
    ours.batch_execute("SELECT pg_advisory_unlock_shared(7)")
        .await
        .unwrap();
    gate.batch_execute("SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    let second = wait();
    place.until(waits).await;
    let applied = while_first.apply(&place.permit()).await.unwrap();
    assert_eq!(
        (applied.answer, applied.after.as_str()),
        (false.into(), "nothing was running")
    );
    drop(gate);
    second.await.unwrap().unwrap();
}

/// As after a failover: the session that holds the lock looks alive, and the server that answers now never heard of it.
async fn a_server_that_knows_of_no_lock_is_not_changed(place: Place) {
    place.sql("CREATE TABLE t (n int)").await;
    let run = RunId(format!("test-{}", place.database));
    let lock = place.room.lock("orders", &run).await.unwrap();
    place.apply(vacuum("t")).await.unwrap();
    lock.release().await;
    let announced = place.announce(vacuum("t")).await;
    let why = failed(
        announced.apply(&place.permit()).await,
        ErrorKind::Unavailable,
    );
    assert!(why.contains("lock on database `orders` was lost"), "{why}");
    assert_eq!(announced.note(), None, "nothing was sent");
    let other = RunId("other".into());
    let others = Client::new(vec![target(&place.url)]).unwrap();
    let held = others.lock("orders", &other).await.unwrap();
    failed(
        announced.apply(&place.permit()).await,
        ErrorKind::Unavailable,
    );
    held.release().await;
    let _lock = place.room.lock("orders", &run).await.unwrap();
    announced.apply(&place.permit()).await.unwrap();
}
