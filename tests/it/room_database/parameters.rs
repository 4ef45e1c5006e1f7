use super::on_each_server;
use super::place::{Place, failed, refused, set};
use windlass::call::{Confirmed, Prepared, Revert, Reverted, Undo};
use windlass::contract::ErrorKind;

on_each_server!(
    what_was_there_comes_back,
    another_hands_change_stays,
    a_renamed_table_is_found_and_a_dropped_one_reported,
    a_change_meanwhile_is_a_conflict,
    what_is_there_under_the_lock_counts,
    the_server_judges_values,
    only_tables_of_ours_are_set,
    the_servers_word_decides,
    a_forgotten_transaction_is_read_off_the_catalog,
);

const SCALE: &str = "autovacuum_vacuum_scale_factor";
const COST: &str = "autovacuum_vacuum_cost_delay";
const TOAST: &str = "toast.autovacuum_enabled";

async fn table(place: &Place) {
    place.sql("CREATE TABLE t (n int PRIMARY KEY, t text) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.3)").await;
}

async fn options(place: &Place, table: &str) -> String {
    place
        .text(&format!(
            "SELECT concat_ws(' ', c.reloptions, t.reloptions) FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
             WHERE c.oid = '{table}'::regclass"
        ))
        .await
}

fn undo(prepared: &Prepared) -> Revert {
    let Undo::By(revert) = &prepared.undo else {
        panic!("{:?}", prepared.undo);
    };
    revert.clone()
}

async fn what_was_there_comes_back(place: Place) {
    table(&place).await;
    let before = options(&place, "t").await;
    let effect = set(
        "t",
        &[
            (SCALE, Some("0.02")),
            (COST, Some("1")),
            (TOAST, Some("off")),
        ],
    );
    let prepared = place.prepare(&effect).await.unwrap();
    assert_eq!(prepared.now, "autovacuum_vacuum_scale_factor = 0.3");
    let announced = place.announce(effect).await;
    let applied = announced.apply(&place.permit()).await.unwrap();
    assert_eq!(applied.answer, prepared.foreseen);
    assert_eq!(applied.answer.as_array().unwrap().len(), 1);
    assert!(announced.note().unwrap()["xid"].is_string());
    assert_eq!(
        options(&place, "t").await,
        "{fillfactor=70,autovacuum_vacuum_scale_factor=0.02,autovacuum_vacuum_cost_delay=1} {autovacuum_enabled=off}"
    );
    let undo = undo(&announced.prepared);
    let text = "autovacuum_vacuum_scale_factor = 0.3, reset autovacuum_vacuum_cost_delay, reset toast.autovacuum_enabled";
    assert_eq!(
        place.revert(&undo).await.unwrap(),
        Reverted::Restored(text.into())
    );
    assert_eq!(options(&place, "t").await, before);
    assert!(matches!(
        place.revert(&undo).await.unwrap(),
        Reverted::NothingToDo(_)
    ));
    // And the other way round: what is reset comes back too.
    let announced = place
        .announce(set("t", &[(SCALE, None), (COST, None)]))
        .await;
    announced.apply(&place.permit()).await.unwrap();
    assert_eq!(options(&place, "t").await, "{fillfactor=70}");
    place
        .revert(&super::parameters::undo(&announced.prepared))
        .await
        .unwrap();
    assert_eq!(options(&place, "t").await, before);
}

async fn another_hands_change_stays(place: Place) {
    table(&place).await;
    let announced = place
        .announce(set("t", &[(SCALE, Some("0.02")), (COST, Some("1"))]))
        .await;
    announced.apply(&place.permit()).await.unwrap();
    place
        .sql("ALTER TABLE t SET (autovacuum_vacuum_scale_factor = 0.5)")
        .await;
    let Reverted::LeftAlone(text) = place.revert(&undo(&announced.prepared)).await.unwrap() else {
        panic!("another hand changed it");
    };
    assert!(
        text.contains(SCALE) && text.contains("reset autovacuum_vacuum_cost_delay"),
        "{text}"
    );
    assert_eq!(
        options(&place, "t").await,
        "{fillfactor=70,autovacuum_vacuum_scale_factor=0.5}"
    );
}

async fn a_renamed_table_is_found_and_a_dropped_one_reported(place: Place) {
    table(&place).await;
    let before = options(&place, "t").await;
    let announced = place.announce(set("t", &[(SCALE, Some("0.02"))])).await;
    announced.apply(&place.permit()).await.unwrap();
    place.sql("ALTER TABLE t RENAME TO u; CREATE TABLE t (n int) WITH (autovacuum_vacuum_scale_factor = 0.02)").await;
    let undo = undo(&announced.prepared);
    assert!(matches!(
        place.revert(&undo).await.unwrap(),
        Reverted::Restored(_)
    ));
    assert_eq!(options(&place, "u").await, before);
    assert_eq!(
        options(&place, "t").await,
        "{autovacuum_vacuum_scale_factor=0.02}"
    );
    place.sql("DROP TABLE u").await;
    assert!(matches!(
        place.revert(&undo).await.unwrap(),
        Reverted::LeftAlone(_)
    ));
}

async fn a_change_meanwhile_is_a_conflict(place: Place) {
    table(&place).await;
    let announced = place.announce(set("t", &[(SCALE, Some("0.02"))])).await;
    place
        .sql("ALTER TABLE t SET (autovacuum_vacuum_scale_factor = 0.5)")
        .await;
    let why = failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
    assert!(why.contains("changed meanwhile"), "{why}");
    assert!(matches!(
        announced.confirm(&place.permit()).await.unwrap(),
        Confirmed::NotDone { .. }
    ));
    let announced = place.announce(set("t", &[(SCALE, Some("0.02"))])).await;
    let other = place.session().await;
    other.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(
        options(&place, "t").await,
        "{fillfactor=70,autovacuum_vacuum_scale_factor=0.5}"
    );
}

/// Whatever isolation the operator set, and however long the lock is waited for.
async fn what_is_there_under_the_lock_counts(mut place: Place) {
    table(&place).await;
    let database = &place.database;
    place
        .sql(&format!(
            "ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read'"
        ))
        .await;
    place.with(|target| target.lock_timeout = super::place::LONG);
    let other = place.session().await;
    let changes = async |value: &str| {
        let sql = format!("BEGIN; ALTER TABLE t SET (autovacuum_vacuum_scale_factor = {value})");
        other.batch_execute(&sql).await.unwrap();
    };
    let commits = async || {
        place
            .until(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND application_name LIKE 'windlass/%')",
            )
            .await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let announced = place.announce(set("t", &[(SCALE, Some("0.02"))])).await;
    changes("0.777").await;
    let permit = place.permit();
    let (applied, ()) = tokio::join!(announced.apply(&permit), commits());
    let why = failed(applied, ErrorKind::Conflict);
    assert!(why.contains("changed meanwhile"), "{why}");

    let announced = place.announce(set("t", &[(SCALE, Some("0.02"))])).await;
    announced.apply(&permit).await.unwrap();
    changes("0.888").await;
    let undo = undo(&announced.prepared);
    let (reverted, ()) = tokio::join!(place.revert(&undo), commits());
    assert!(
        matches!(reverted, Ok(Reverted::LeftAlone(_))),
        "{reverted:?}"
    );
    assert_eq!(
        options(&place, "t").await,
        "{fillfactor=70,autovacuum_vacuum_scale_factor=0.888}"
    );
}

async fn the_server_judges_values(place: Place) {
    table(&place).await;
    let announced = place
        .announce(set("t", &[(COST, Some("1")), (SCALE, Some("1000"))]))
        .await;
    let why = failed(announced.apply(&place.permit()).await, ErrorKind::Invalid);
    assert!(why.contains("1000") && why.contains(SCALE), "{why}");
    assert_eq!(
        options(&place, "t").await,
        "{fillfactor=70,autovacuum_vacuum_scale_factor=0.3}"
    );
    let why = refused(
        place
            .prepare(&set("t", &[("fillfactor", Some("10"))]))
            .await,
        ErrorKind::Invalid,
    );
    assert!(why.contains("autovacuum"), "{why}");
    // A table without a TOAST table takes such a parameter without a word, and without effect.
    place.sql("CREATE TABLE narrow (n int)").await;
    let narrow = place.prepare(&set("narrow", &[(TOAST, Some("off"))])).await;
    let why = refused(narrow, ErrorKind::Conflict);
    assert!(why.contains("no TOAST table"), "{why}");
    place
        .prepare(&set("narrow", &[(TOAST, None)]))
        .await
        .unwrap();
    let newer = set("t", &[("autovacuum_vacuum_max_threshold", Some("1000"))]);
    if place.major >= 18 {
        place.apply(newer).await.unwrap();
    } else {
        refused(place.prepare(&newer).await, ErrorKind::Invalid);
    }
}

async fn only_tables_of_ours_are_set(mut place: Place) {
    table(&place).await;
    place.sql("CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE MATERIALIZED VIEW m AS SELECT 1 AS n").await;
    for name in ["p", "m"] {
        refused(
            place.prepare(&set(name, &[(SCALE, None)])).await,
            ErrorKind::Conflict,
        );
    }
    let role = place.as_role("SELECT 1").await;
    let why = refused(
        place.prepare(&set("t", &[(SCALE, None)])).await,
        ErrorKind::Denied,
    );
    assert!(why.contains(&role), "{why}");
}

async fn the_servers_word_decides(mut place: Place) {
    table(&place).await;
    let done = place.announce(set("t", &[(SCALE, Some("0.02"))])).await;
    let applied = done.apply(&place.permit()).await.unwrap();
    assert_eq!(
        done.confirm(&place.permit()).await.unwrap(),
        Confirmed::Done(applied)
    );
    // Broken off while it waits for the table: the transaction has its number and never commits.
    place.with(|target| target.lock_timeout = super::place::LONG);
    let announced = place.announce(set("t", &[(SCALE, Some("0.01"))])).await;
    let other = place.session().await;
    other.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                 AND application_name LIKE 'windlass/%')";
    announced
        .crash_while(&place.permit(), place.until(waits))
        .await;
    let permit = place.permit();
    let (confirmed, ()) = tokio::join!(announced.confirm(&permit), async {
        other.batch_execute("ROLLBACK").await.unwrap();
    });
    let Confirmed::NotDone { why, .. } = confirmed.unwrap() else {
        panic!("it was never committed");
    };
    assert!(why.contains("aborted"), "{why}");
    assert_eq!(
        options(&place, "t").await,
        "{fillfactor=70,autovacuum_vacuum_scale_factor=0.02}"
    );
    // A commit that left no trace is not believed.
    place
        .sql("ALTER TABLE t SET (autovacuum_vacuum_scale_factor = 0.3)")
        .await;
    assert!(matches!(
        done.confirm(&place.permit()).await.unwrap(),
        Confirmed::CannotTell(_)
    ));
}

/// As after a restore from a backup: the server has not come to that transaction yet.
async fn a_forgotten_transaction_is_read_off_the_catalog(place: Place) {
    table(&place).await;
    let announced = place.announce(set("t", &[(SCALE, Some("0.02"))])).await;
    let mut note =
        serde_json::json!({ "pid": 1, "backend_start": 1, "at": 1, "xid": "9000000000000000" });
    let confirm = async |note: &serde_json::Value| {
        let (permit, announced) = (place.permit(), &announced);
        place
            .room
            .confirm(&permit, &announced.effect, &announced.prepared, Some(note))
            .await
            .unwrap()
    };
    assert!(matches!(confirm(&note).await, Confirmed::NotDone { .. }));
    place
        .sql("ALTER TABLE t SET (autovacuum_vacuum_scale_factor = 0.02)")
        .await;
    assert!(matches!(confirm(&note).await, Confirmed::Done(_)));
    place
        .sql("ALTER TABLE t SET (autovacuum_vacuum_scale_factor = 0.9)")
        .await;
    assert!(matches!(confirm(&note).await, Confirmed::CannotTell(_)));
    note["xid"] = serde_json::Value::Null;
    assert!(matches!(confirm(&note).await, Confirmed::NotDone { .. }));
}
