use super::on_each_server;
use super::place::{Place, database, drop_index, failed, refused};
use windlass::call::{Confirmed, Undo};
use windlass::contract::ErrorKind;
use windlass::contract::database_types::{IndexFacts, Leftover};
use windlass::database::Read;

on_each_server!(
    an_invalid_index_is_dropped,
    a_valid_index_stays,
    rights_are_checked_before,
    what_was_dropped_is_confirmed
);

async fn with_leftover(place: &Place) {
    place
        .sql("CREATE TABLE a (n int); INSERT INTO a SELECT n % 1000 FROM generate_series(1, 10000) n; CREATE INDEX a_n ON a (n)")
        .await;
    place
        .admin
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY a_n_ccnew ON a (n)")
        .await
        .unwrap_err();
    // The error is told before the locks are given back; the next answer comes after that.
    place.sql("SELECT 1").await;
}

async fn an_invalid_index_is_dropped(place: Place) {
    with_leftover(&place).await;
    let facts: Vec<IndexFacts> = place
        .facts(Read::Indexes {
            database: database(),
        })
        .await;
    let left = facts.iter().find(|index| !index.valid).unwrap();
    assert_eq!(
        (left.name.name.as_str(), left.leftover),
        ("a_n_ccnew", Some(Leftover::RebuildNew))
    );
    let prepared = place.prepare(&drop_index("a_n_ccnew")).await.unwrap();
    assert!(matches!(prepared.undo, Undo::NotNeeded(_)));
    assert_eq!(prepared.foreseen, left.bytes);
    let applied = place.apply(drop_index("a_n_ccnew")).await.unwrap();
    assert_eq!(applied.answer, left.bytes);
    assert_eq!(applied.after, "gone");
    assert!(place.invalid().await.is_empty());
    refused(
        place.prepare(&drop_index("a_n_ccnew")).await,
        ErrorKind::NotFound,
    );
}

async fn a_valid_index_stays(place: Place) {
    with_leftover(&place).await;
    let why = refused(place.prepare(&drop_index("a_n")).await, ErrorKind::Conflict);
    assert!(why.contains("valid"), "{why}");
    let announced = place.announce(drop_index("a_n_ccnew")).await;
    place.sql("DELETE FROM a; REINDEX INDEX a_n_ccnew").await;
    failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
    // The last look comes after all that could take time.
    assert!(announced.note().is_some());
    place
        .sql("DROP INDEX a_n_ccnew; ALTER INDEX a_n RENAME TO a_n_ccnew")
        .await;
    failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
    assert_eq!(
        place
            .text("SELECT count(*)::text FROM pg_indexes WHERE tablename = 'a'")
            .await,
        "1"
    );
}

async fn rights_are_checked_before(mut place: Place) {
    with_leftover(&place).await;
    let role = place.as_role("SELECT 1").await;
    let why = refused(
        place.prepare(&drop_index("a_n_ccnew")).await,
        ErrorKind::Denied,
    );
    assert!(why.contains(&role), "{why}");
}

async fn what_was_dropped_is_confirmed(place: Place) {
    with_leftover(&place).await;
    let announced = place.announce(drop_index("a_n_ccnew")).await;
    let blocker = place.session().await;
    blocker
        .batch_execute("BEGIN; LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE")
        .await
        .unwrap();
    failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
    assert!(matches!(
        announced.confirm(&place.permit()).await.unwrap(),
        Confirmed::NotDone { sweep: None, .. }
    ));
    blocker.batch_execute("ROLLBACK").await.unwrap();
    announced.apply(&place.permit()).await.unwrap();
    let Confirmed::Done(applied) = announced.confirm(&place.permit()).await.unwrap() else {
        panic!("it is gone");
    };
    assert_eq!(applied.answer, announced.prepared.foreseen);
}
