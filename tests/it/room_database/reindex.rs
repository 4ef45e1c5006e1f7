use super::on_each_server;
use super::place::{
    LONG, Place, database, drop_index, everything, failed, object, refused, reindex,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use windlass::call::{Confirmed, Reverted, Touch};
use windlass::contract::ErrorKind;
use windlass::contract::database_maintain::Rebuilt;
use windlass::contract::database_types::{IndexFacts, Leftover};
use windlass::database::Read;

on_each_server!(
    what_cannot_be_rebuilt_is_refused,
    an_old_transaction_is_met_before_the_work,
    a_failure_leaves_nothing_that_is_not_swept,
    earlier_leftovers_are_not_touched,
    the_deadline_cancels_and_sweeps,
    a_rebuild_in_work_is_nobodys_leftover,
    a_running_rebuild_is_adopted,
    a_rebuild_that_broke_off_is_swept,
    a_late_failure_is_a_success_to_sweep,
    a_stop_leaves_it_to_the_server,
    rights_are_checked_before;
    quiet a_bloated_index_shrinks,
    the_size_without_bloat_is_foreseen
);

pub(super) const BLOATED: &str = "
    CREATE TABLE a (n int, t text);
    INSERT INTO a SELECT n, md5(n::text) FROM generate_series(1, 50000) n;
    CREATE INDEX a_t ON a (t);
    DELETE FROM a WHERE n % 10 <> 0; VACUUM ANALYZE a;";

async fn oid(place: &Place, index: &str) -> String {
    place
        .text(&format!("SELECT '{index}'::regclass::oid::text"))
        .await
}

async fn a_bloated_index_shrinks(place: Place) {
    place.each(BLOATED).await;
    let before = oid(&place, "a_t").await;
    let prepared = place.prepare(&reindex("a_t")).await.unwrap();
    let touch = Touch::Table {
        database: database(),
        schema: "public".into(),
        table: "a".into(),
    };
    assert_eq!(prepared.touches, [touch]);
    let applied = place.apply(reindex("a_t")).await.unwrap();
    let answer: Rebuilt = serde_json::from_value(applied.answer).unwrap();
    assert!(answer.bytes_after * 3 < answer.bytes_before, "{answer:?}");
    assert_eq!(applied.sweep, None);
    assert_ne!(oid(&place, "a_t").await, before);
    assert!(place.invalid().await.is_empty());
}

async fn the_size_without_bloat_is_foreseen(place: Place) {
    place.each(BLOATED).await;
    for extension in ["SELECT 1", "CREATE EXTENSION pgstattuple"] {
        place.sql(extension).await;
        let prepared = place.prepare(&reindex("a_t")).await.unwrap();
        let foreseen: Rebuilt = serde_json::from_value(prepared.foreseen).unwrap();
        assert!(prepared.after.starts_with('~'), "{}", prepared.after);
        let real = 5_000 * 48;
        assert!(
            (real / 2..real * 2).contains(&foreseen.bytes_after),
            "{foreseen:?}"
        );
    }
}

async fn what_cannot_be_rebuilt_is_refused(place: Place) {
    place
        .sql(
            "CREATE TABLE e (r int4range, EXCLUDE USING gist (r WITH &&));
             CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE INDEX p_n ON p (n);
             CREATE TABLE a (n int); INSERT INTO a VALUES (1), (1);",
        )
        .await;
    place
        .admin
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY a_n ON a (n)")
        .await
        .unwrap_err();
    // The error is told before the locks are given back; the next answer comes after that.
    place.sql("SELECT 1").await;
    for (index, word) in [
        ("e_r_excl", "exclusion"),
        ("p_n", "partition"),
        ("a_n", "invalid"),
    ] {
        let why = refused(place.prepare(&reindex(index)).await, ErrorKind::Conflict);
        assert!(why.contains(word), "{why}");
    }
    refused(place.prepare(&reindex("a")).await, ErrorKind::NotFound);
    refused(
        place.prepare(&reindex("nowhere")).await,
        ErrorKind::NotFound,
    );
    let facts: Vec<IndexFacts> = place
        .facts(Read::Indexes {
            database: database(),
        })
        .await;
    let of = |name: &str| facts.iter().find(|index| index.name.name == name).unwrap();
    assert!(of("e_r_excl").not_rebuildable.is_some());
    assert_eq!(
        (of("a_n").valid, of("a_n").leftover),
        (false, Some(Leftover::Creation))
    );
}

async fn an_old_transaction_is_met_before_the_work(mut place: Place) {
    place.each(BLOATED).await;
    place.with(|target| target.lock_timeout = Duration::from_millis(300));
    let announced = place.announce(reindex("a_t")).await;
    let other = place.session().await;
    other
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await
        .unwrap();
    place
        .until(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
             AND xact_start < clock_timestamp() - interval '400 ms' AND state = 'idle in transaction')",
        )
        .await;
    let applied = announced.apply(&place.permit()).await;
    let planned = place.prepare(&reindex("a_t")).await;
    for why in [
        failed(applied, ErrorKind::Conflict),
        refused(planned, ErrorKind::Conflict),
    ] {
        assert!(
            why.contains("idle in transaction") && why.contains("wait"),
            "{why}"
        );
    }
    assert_eq!(announced.note(), None, "nothing was sent");
    other.batch_execute("ROLLBACK").await.unwrap();
    // A number alone, without a snapshot and without the table, is in nobody's way.
    other
        .batch_execute("BEGIN; SELECT pg_current_xact_id()")
        .await
        .unwrap();
    place
        .until(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
             AND xact_start < clock_timestamp() - interval '400 ms' AND state = 'idle in transaction')",
        )
        .await;
    place.apply(reindex("a_t")).await.unwrap();
}

/// A rebuild of `slow_i` that waits until the suite lets it go.
pub(super) async fn started(place: &Place) -> tokio_postgres::Client {
    place.slow_index().await;
    let gate = place.session().await;
    gate.batch_execute("SELECT pg_advisory_lock(7)")
        .await
        .unwrap();
    gate
}

async fn a_failure_leaves_nothing_that_is_not_swept(place: Place) {
    let _gate = started(&place).await;
    let before = oid(&place, "slow_i").await;
    // The lock is not given, so the rebuild fails at its lock timeout, in its middle.
    let failure = place.apply(reindex("slow_i")).await.unwrap_err();
    assert_eq!(
        (failure.error.kind, failure.in_doubt),
        (ErrorKind::Conflict, false),
        "{failure:?}"
    );
    assert_eq!(place.invalid().await, ["slow_i_ccnew"]);
    let sweep = failure.sweep.unwrap();
    assert_eq!(sweep.to_string(), "drop public.slow_i_ccnew");
    assert_eq!(
        place.revert(&sweep).await.unwrap(),
        Reverted::Restored("dropped public.slow_i_ccnew".into())
    );
    assert!(place.invalid().await.is_empty());
    assert!(matches!(
        place.revert(&sweep).await.unwrap(),
        Reverted::NothingToDo(_)
    ));
    assert_eq!(oid(&place, "slow_i").await, before);
}

async fn earlier_leftovers_are_not_touched(place: Place) {
    let gate = started(&place).await;
    let first = place.apply(reindex("slow_i")).await.unwrap_err();
    let second = place.apply(reindex("slow_i")).await.unwrap_err();
    assert_eq!(
        second.sweep.unwrap().to_string(),
        "drop public.slow_i_ccnew1"
    );
    drop(gate);
    let applied = place.apply(reindex("slow_i")).await.unwrap();
    assert_eq!(applied.sweep, None);
    assert_eq!(place.invalid().await, ["slow_i_ccnew", "slow_i_ccnew1"]);
    place.revert(&first.sweep.unwrap()).await.unwrap();
    place.apply(drop_index("slow_i_ccnew1")).await.unwrap();
    assert!(place.invalid().await.is_empty());
}

async fn the_deadline_cancels_and_sweeps(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    let _gate = started(&place).await;
    let announced = place.announce(reindex("slow_i")).await;
    let short = place.permit_with(Duration::from_secs(1), &everything(), None);
    let failure = announced.apply(&short).await.unwrap_err();
    assert_eq!(
        (failure.error.kind, failure.in_doubt),
        (ErrorKind::Limit, false),
        "{failure:?}"
    );
    place.revert(&failure.sweep.unwrap()).await.unwrap();
    assert!(place.invalid().await.is_empty());
}

async fn a_rebuild_in_work_is_nobodys_leftover(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    let gate = started(&place).await;
    // Of a session of another login the progress view shows nothing but that it is there.
    let administrators = Arc::clone(&place.room);
    place.as_role("ALTER TABLE slow OWNER TO {role}").await;
    let other = place.session().await;
    let rebuild = tokio::spawn(async move {
        other
            .batch_execute("REINDEX INDEX CONCURRENTLY slow_i")
            .await
    });
    place
        .until("SELECT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)")
        .await;
    for room in [administrators, Arc::clone(&place.room)] {
        place.room = room;
        let facts: Vec<IndexFacts> = place
            .facts(Read::Indexes {
                database: database(),
            })
            .await;
        let new = facts
            .iter()
            .find(|index| index.name.name == "slow_i_ccnew")
            .unwrap();
        assert_eq!((new.valid, new.leftover), (false, None));
        let why = refused(
            place.prepare(&drop_index("slow_i_ccnew")).await,
            ErrorKind::Conflict,
        );
        assert!(why.contains("another session"), "{why}");
    }
    drop(gate);
    rebuild.await.unwrap().unwrap();
    assert!(place.invalid().await.is_empty());
}

async fn a_running_rebuild_is_adopted(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    let gate = started(&place).await;
    let announced = place.announce(reindex("slow_i")).await;
    announced
        .crash_while(&place.permit(), place.until_it_waits())
        .await;
    // The server works on, and is waited for.
    let short = place.permit_with(Duration::from_secs(1), &everything(), None);
    let Confirmed::CannotTell(why) = announced.confirm(&short).await.unwrap() else {
        panic!("it still works");
    };
    assert!(why.contains("still works"), "{why}");
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let permit = place.permit_with(LONG, &everything(), Some(sender));
    let (confirmed, ()) = tokio::join!(announced.confirm(&permit), async {
        let adopted = receiver.recv().await.unwrap();
        assert!(
            adopted.notice && adopted.phase.contains("still works"),
            "{adopted:?}"
        );
        let progress = receiver.recv().await.unwrap();
        assert!(progress.phase.contains("building index"), "{progress:?}");
        drop(gate);
    });
    let Confirmed::Done(applied) = confirmed.unwrap() else {
        panic!("the server finished it");
    };
    assert!(
        serde_json::from_value::<Rebuilt>(applied.answer)
            .unwrap()
            .bytes_after
            > 0
    );
    assert_eq!(applied.sweep, None);
    assert!(place.invalid().await.is_empty());
}

async fn a_rebuild_that_broke_off_is_swept(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    let _gate = started(&place).await;
    let announced = place.announce(reindex("slow_i")).await;
    announced
        .crash_while(&place.permit(), place.until_it_waits())
        .await;
    place
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'windlass/%' AND datname = current_database()")
        .await;
    let Confirmed::NotDone {
        sweep: Some(sweep), ..
    } = announced.confirm(&place.permit()).await.unwrap()
    else {
        panic!("it broke off");
    };
    assert_eq!(sweep.to_string(), "drop public.slow_i_ccnew");
    place.revert(&sweep).await.unwrap();
    assert!(place.invalid().await.is_empty());
}

/// The last wait of a rebuild is for readers of the old index. Giving up there leaves the new index in place.
async fn a_late_failure_is_a_success_to_sweep(mut place: Place) {
    place.each(BLOATED).await;
    place.with(|target| target.transaction_wait = Duration::from_millis(500));
    let before = oid(&place, "a_t").await;
    let announced = place.announce(reindex("a_t")).await;
    let reader = place.session().await;
    reader
        .batch_execute("BEGIN; SELECT 1 FROM a LIMIT 1")
        .await
        .unwrap();
    let applied = announced.apply(&place.permit()).await.unwrap();
    assert_ne!(oid(&place, "a_t").await, before);
    let sweep = applied.sweep.clone().unwrap();
    assert_eq!(sweep.to_string(), "drop public.a_t_ccold");
    assert_eq!(
        announced.confirm(&place.permit()).await.unwrap(),
        Confirmed::Done(applied)
    );
    refused(place.revert(&sweep).await, ErrorKind::Conflict);
    reader.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(
        place.revert(&sweep).await.unwrap(),
        Reverted::Restored(_)
    ));
    assert!(place.invalid().await.is_empty());
}

async fn a_stop_leaves_it_to_the_server(mut place: Place) {
    place.with(|target| target.transaction_wait = LONG);
    let gate = started(&place).await;
    let announced = place.announce(reindex("slow_i")).await;
    let permit = place.permit();
    let (applied, ()) = tokio::join!(announced.apply(&permit), async {
        place.until_it_waits().await;
        place.stop();
    });
    let failure = applied.unwrap_err();
    assert_eq!(
        (failure.error.kind, failure.in_doubt),
        (ErrorKind::Cancelled, true)
    );
    drop(gate);
    place
        .until("SELECT NOT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)")
        .await;
}

async fn rights_are_checked_before(mut place: Place) {
    place.each(BLOATED).await;
    let role = place.as_role("SELECT 1").await;
    let why = refused(place.prepare(&reindex("a_t")).await, ErrorKind::Denied);
    assert!(why.contains(&role), "{why}");
    if place.major >= 17 {
        place
            .sql(&format!(
                "GRANT MAINTAIN ON a TO {role}; GRANT CREATE ON SCHEMA public TO {role}"
            ))
            .await;
    } else {
        place.sql(&format!("ALTER TABLE a OWNER TO {role}")).await;
    }
    place.apply(reindex("a_t")).await.unwrap();
    assert_eq!(object("a").schema, "public");
}
