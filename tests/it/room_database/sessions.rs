use super::on_each_server;
use super::place::{LONG, Place, database, refused, reindex};
use windlass::call::{Confirmed, Undo};
use windlass::contract::ErrorKind;
use windlass::database::{Effect, LockError};
use windlass::journal::RunId;

on_each_server!(
    one_run_at_a_time,
    a_lost_lock_is_noticed,
    a_runs_own_lock_is_waited_for,
    own_sessions_can_be_cancelled,
    others_cannot
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
    let end = std::time::Instant::now() + LONG;
    while lock.is_held() {
        assert!(std::time::Instant::now() < end);
        tokio::task::yield_now().await;
    }
}

async fn a_runs_own_lock_is_waited_for(place: Place) {
    let run = RunId("first".into());
    let old = place.room.lock("orders", &run).await.unwrap();
    let (new, ()) = tokio::join!(place.room.lock("orders", &run), async { drop(old) });
    assert!(new.unwrap().is_held());
}

/// The pid and the start of windlass's own working session, as `xmin-holders` would tell them.
async fn own_session(place: &Place) -> (u32, u64) {
    let row = place
        .admin
        .query_one(
            "SELECT pid, floor(extract(epoch FROM backend_start) * 1000)::int8 FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'windlass/%' AND state = 'active' AND wait_event = 'advisory'",
            &[],
        )
        .await
        .unwrap();
    (
        row.get::<_, i32>(0).try_into().unwrap(),
        row.get::<_, i64>(1).try_into().unwrap(),
    )
}

async fn own_sessions_can_be_cancelled(mut place: Place) {
    place.with(|target| target.lock_timeout = LONG);
    place.slow_index().await;
    let gate = place.session().await;
    gate.batch_execute("SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    let rebuild = place.announce(reindex("slow_i")).await;
    let permit = place.permit();
    let (failure, ()) = tokio::join!(rebuild.apply(&permit), async {
        place.until_it_waits().await;
        let (pid, backend_start) = own_session(&place).await;
        let cancel = Effect::CancelBackend {
            database: database(),
            pid,
            backend_start,
        };
        let announced = place.announce(cancel).await;
        assert!(matches!(announced.prepared.undo, Undo::Impossible(_)));
        let Confirmed::NotDone { .. } = announced.confirm(&place.permit()).await.unwrap() else {
            panic!("nothing was sent");
        };
        let applied = announced.apply(&place.permit()).await.unwrap();
        assert_eq!(applied.answer, true);
        assert!(matches!(
            announced.confirm(&place.permit()).await.unwrap(),
            Confirmed::Done(_)
        ));
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
    let start = |row: &tokio_postgres::Row| row.get::<_, i64>(1).try_into().unwrap();
    let row = place
        .admin
        .query_one("SELECT pid, floor(extract(epoch FROM backend_start) * 1000)::int8 FROM pg_stat_activity WHERE pid = pg_backend_pid()", &[])
        .await
        .unwrap();
    let (pid, backend_start): (u32, u64) = (row.get::<_, i32>(0).try_into().unwrap(), start(&row));
    let cancel = |pid, backend_start| Effect::CancelBackend {
        database: database(),
        pid,
        backend_start,
    };
    let why = refused(
        place.prepare(&cancel(pid, backend_start)).await,
        ErrorKind::Denied,
    );
    assert!(why.contains("not opened by windlass"), "{why}");
    refused(
        place.prepare(&cancel(pid, backend_start + 1)).await,
        ErrorKind::NotFound,
    );
    refused(
        place.prepare(&cancel(u32::MAX, 1)).await,
        ErrorKind::Invalid,
    );
    // A name alone is not enough: another login's session is another's.
    place
        .sql(&format!(
            "CREATE ROLE liar_of_{} LOGIN PASSWORD '{}'",
            place.database, &place.server.password
        ))
        .await;
    let liar = super::place::connect(
        &place
            .server
            .url(&format!("liar_of_{}", place.database), &place.database),
    )
    .await;
    liar.batch_execute("SET application_name = 'windlass/liar'")
        .await
        .unwrap();
    let row = place
        .admin
        .query_one("SELECT pid, floor(extract(epoch FROM backend_start) * 1000)::int8 FROM pg_stat_activity WHERE application_name = 'windlass/liar' AND datname = current_database()", &[])
        .await
        .unwrap();
    let liar = (row.get::<_, i32>(0).try_into().unwrap(), start(&row));
    refused(
        place.prepare(&cancel(liar.0, liar.1)).await,
        ErrorKind::Denied,
    );
    // An idle session of ours has nothing to cancel.
    place
        .read(windlass::database::Read::Server {
            database: database(),
        })
        .await
        .unwrap();
    let row = place
        .admin
        .query_one("SELECT pid, floor(extract(epoch FROM backend_start) * 1000)::int8 FROM pg_stat_activity WHERE application_name LIKE 'windlass/test%' AND state = 'idle' AND datname = current_database()", &[])
        .await
        .unwrap();
    let applied = place
        .apply(cancel(
            row.get::<_, i32>(0).try_into().unwrap(),
            start(&row),
        ))
        .await
        .unwrap();
    assert_eq!(applied.answer, false);
}
