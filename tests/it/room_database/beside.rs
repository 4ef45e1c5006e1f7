//! Rebuilds beside others at work: who waits for whom, and what is believed of whom.

use super::on_each_server;
use super::place::{LONG, Place, database, everything, object, refused, reindex};
use super::reindex::{BLOATED, started};
use std::sync::Arc;
use std::time::Duration;
use windlass::call::Confirmed;
use windlass::contract::ErrorKind;
use windlass::contract::database_maintain::Rebuilt;
use windlass::database::Revert;
use windlass::engine::ChangePermit;

on_each_server!(
    what_another_builds_hides_no_leftover,
    a_query_that_is_longer_than_the_lock_timeout_is_waited_for,
    what_is_done_is_done_whoever_holds_the_table,
    the_servers_own_limits_are_ours,
    another_logins_session_is_not_taken_for_ended,
);

/// A table that another session works on, as the server shows it, is all that is known: not which of its indexes.
async fn what_another_builds_hides_no_leftover(place: Place) {
    let gate = started(&place).await;
    let other = place.session().await;
    let announced = place.announce(reindex("slow_i")).await;
    let permit = place.permit();
    let mut building = None;
    let (failure, ()) = tokio::join!(announced.apply(&permit), async {
        place.until_it_waits().await;
        building = Some(tokio::spawn(async move {
            other
                .batch_execute(
                    "CREATE INDEX CONCURRENTLY other_i ON public.slow (public.waits(n + 1))",
                )
                .await
        }));
    });
    place
        .until(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
             AND query LIKE 'CREATE INDEX CONCURRENTLY%')",
        )
        .await;
    let sweep = failure.unwrap_err().sweep.unwrap();
    assert_eq!(sweep.to_string(), "drop public.slow_i_ccnew");
    let why = refused(place.revert(&sweep).await, ErrorKind::Conflict);
    assert!(why.contains("another session"), "{why}");
    drop(gate);
    building.unwrap().await.unwrap().unwrap();
    place.revert(&sweep).await.unwrap();
    assert!(place.invalid().await.is_empty());
}

/// The work is done; what is left is waiting, and that is in nobody's way.
async fn a_query_that_is_longer_than_the_lock_timeout_is_waited_for(mut place: Place) {
    place.each(BLOATED).await;
    place.with(|target| {
        target.lock_timeout = Duration::from_secs(1);
        target.transaction_wait = LONG;
    });
    let announced = place.announce(reindex("a_t")).await;
    let reader = place.session().await;
    reader
        .batch_execute("BEGIN; SELECT 1 FROM a LIMIT 1")
        .await
        .unwrap();
    let permit = place.permit();
    let (applied, ()) = tokio::join!(announced.apply(&permit), async {
        place
            .until(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'virtualxid'
                 AND query_start < clock_timestamp() - interval '1500 ms')",
            )
            .await;
        reader.batch_execute("ROLLBACK").await.unwrap();
    });
    assert_eq!(applied.unwrap().sweep, None);
    assert!(place.invalid().await.is_empty());
}

/// Whoever waits for the table has it as soon as the rebuild is over, before anybody can look.
async fn what_is_done_is_done_whoever_holds_the_table(mut place: Place) {
    place.each(BLOATED).await;
    place.with(|target| target.transaction_wait = LONG);
    let announced = place.announce(reindex("a_t")).await;
    let (reader, holder) = (place.session().await, place.session().await);
    reader
        .batch_execute("BEGIN; SELECT 1 FROM a LIMIT 1")
        .await
        .unwrap();
    let permit = place.permit();
    let (applied, holder) = tokio::join!(announced.apply(&permit), async {
        place
            .until(
                "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE datname = current_database()
                 AND phase LIKE 'waiting for readers%')",
            )
            .await;
        let waiting = tokio::spawn(async move {
            holder.batch_execute("BEGIN; LOCK TABLE a").await.unwrap();
            holder
        });
        place
            .until("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'a'::regclass AND NOT granted)")
            .await;
        reader.batch_execute("ROLLBACK").await.unwrap();
        waiting.await.unwrap()
    });
    let answer: Rebuilt = serde_json::from_value(applied.unwrap().answer).unwrap();
    assert!(answer.bytes_after > 0, "{answer:?}");
    let Confirmed::CannotTell(why) = announced.confirm(&permit).await.unwrap() else {
        panic!("the definition cannot be seen");
    };
    assert!(why.contains("another session holds"), "{why}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(
        announced.confirm(&permit).await.unwrap(),
        Confirmed::Done(_)
    ));
}

/// What the operator set for others does not end a rebuild; what would end it if nobody were left is set.
async fn the_servers_own_limits_are_ours(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    let gate = started(&place).await;
    place
        .sql(
            "CREATE FUNCTION public.bounded(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
             BEGIN
                 IF pg_catalog.current_setting('application_name') LIKE 'windlass/%'
                     AND pg_catalog.current_setting('statement_timeout') = '0' THEN
                     RAISE EXCEPTION 'it would never end';
                 END IF;
                 RETURN n;
             END $$;
             CREATE TABLE b (n int); INSERT INTO b VALUES (1); CREATE INDEX b_n ON b (public.bounded(n))",
        )
        .await;
    place.apply(reindex("b_n")).await.unwrap();
    if place.major >= 17 {
        let database = &place.database;
        place
            .sql(&format!(
                "ALTER DATABASE {database} SET transaction_timeout = '1s'"
            ))
            .await;
    }
    let announced = place.announce(reindex("slow_i")).await;
    let permit = place.permit();
    let (applied, ()) = tokio::join!(announced.apply(&permit), async {
        place
            .until(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
                 AND xact_start < clock_timestamp() - interval '1500 ms')",
            )
            .await;
        drop(gate);
    });
    applied.unwrap();
}

/// Where logins live for an hour, the one of now may not be shown what the last one's session does.
async fn another_logins_session_is_not_taken_for_ended(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    let gate = started(&place).await;
    let announced = place.announce(reindex("slow_i")).await;
    announced
        .crash_while(&place.permit(), place.until_it_waits())
        .await;
    let administrators = Arc::clone(&place.room);
    let role = place.as_role("SELECT 1").await;
    let note = announced.note();
    let confirm = async |place: &Place| {
        let permit = place.permit_with(Duration::from_secs(1), &everything(), None);
        place
            .room
            .confirm(
                &permit,
                &announced.effect,
                &announced.prepared,
                note.as_ref(),
            )
            .await
            .unwrap()
    };
    let Confirmed::CannotTell(why) = confirm(&place).await else {
        panic!("it still works");
    };
    assert!(why.contains("pg_read_all_stats"), "{why}");
    let nothing = Revert::DropLeftovers {
        database: database(),
        index: object("slow_i"),
        leftovers: Vec::new(),
    };
    let short = place.permit_with(Duration::from_secs(1), &everything(), None);
    let permit = ChangePermit::for_test(short, announced.store.clone(), 1);
    refused(place.room.revert(&permit, &nothing).await, ErrorKind::Limit);
    place
        .sql(&format!("GRANT pg_read_all_stats TO {role}"))
        .await;
    let Confirmed::CannotTell(why) = confirm(&place).await else {
        panic!("it still works");
    };
    assert!(why.contains("still works"), "{why}");
    drop(gate);
    place.room = administrators;
    assert!(matches!(
        announced.confirm(&place.permit()).await.unwrap(),
        Confirmed::Done(_)
    ));
}
