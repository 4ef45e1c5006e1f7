use super::on_each_server;
use super::place::{LONG, Place, analyze, database, everything, failed, object, refused, vacuum};
use tokio::sync::mpsc;
use windlass::call::{Confirmed, Touch, Undo};
use windlass::contract::ErrorKind;
use windlass::contract::database_maintain::Vacuumed;
use windlass::database::Effect;

on_each_server!(
    odd_names_are_quoted,
    a_skipped_table_is_a_conflict,
    rights_are_checked_before,
    rights_lost_meanwhile_are_no_success,
    a_partition_parent_is_not_vacuumed,
    a_partition_parent_is_analyzed_alone_or_with_all,
    a_replaced_table_is_left_alone,
    progress_is_shown,
    the_deadline_cancels,
    what_was_done_is_confirmed,
    what_is_done_is_done_whoever_holds_the_table;
    quiet dead_rows_go
);

async fn bloated(place: &Place) {
    place
        .sql(
            "CREATE TABLE a (n int PRIMARY KEY, t text);
             INSERT INTO a SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n;
             DELETE FROM a WHERE n > 5000;",
        )
        .await;
    place
        .until("SELECT pg_stat_get_dead_tuples('a'::regclass) = 15000")
        .await;
}

async fn dead_rows_go(place: Place) {
    bloated(&place).await;
    let prepared = place.prepare(&vacuum("a")).await.unwrap();
    assert_eq!(prepared.now, "15 k dead");
    assert!(matches!(prepared.undo, Undo::NotNeeded(_)));
    let foreseen: Vacuumed = serde_json::from_value(prepared.foreseen).unwrap();
    assert_eq!(
        (foreseen.dead_rows_before, foreseen.dead_rows_after),
        (15_000, 0)
    );
    let applied = place.apply(vacuum("a")).await.unwrap();
    let answer: Vacuumed = serde_json::from_value(applied.answer).unwrap();
    assert_eq!(
        (answer.dead_rows_before, answer.dead_rows_after),
        (15_000, 0)
    );
    assert!(answer.bytes_after < answer.bytes_before, "{answer:?}");
    assert_eq!(applied.after, "0 dead");
    place
        .until(
            "SELECT last_vacuum IS NOT NULL AND last_analyze IS NOT NULL FROM pg_stat_user_tables",
        )
        .await;
    let plain = Effect::Vacuum {
        database: database(),
        table: object("a"),
        analyze: false,
    };
    place.apply(plain).await.unwrap();
    let applied = place.apply(analyze("a")).await.unwrap();
    assert_eq!(applied.answer, serde_json::Value::Null);
}

async fn odd_names_are_quoted(place: Place) {
    place
        .sql("CREATE SCHEMA \"Ä \"\"s\"; CREATE TABLE \"Ä \"\"s\".\"t\"\"; DROP--\" (n int)")
        .await;
    let mut table = object("t\"; DROP--");
    table.schema = "Ä \"s".into();
    place
        .apply(Effect::Analyze {
            database: database(),
            table: table.clone(),
        })
        .await
        .unwrap();
    place
        .apply(Effect::Vacuum {
            database: database(),
            table,
            analyze: true,
        })
        .await
        .unwrap();
    for (name, kind) in [
        ("", ErrorKind::Invalid),
        ("a\0", ErrorKind::Invalid),
        ("nowhere", ErrorKind::NotFound),
    ] {
        refused(place.prepare(&vacuum(name)).await, kind);
    }
    refused(
        place.prepare(&vacuum(&"x".repeat(64))).await,
        ErrorKind::Invalid,
    );
    let mut system = object("pg_class");
    system.schema = "pg_catalog".into();
    refused(
        place
            .prepare(&Effect::Analyze {
                database: database(),
                table: system,
            })
            .await,
        ErrorKind::Conflict,
    );
}

async fn a_skipped_table_is_a_conflict(place: Place) {
    bloated(&place).await;
    let other = place.session().await;
    other
        .batch_execute("BEGIN; LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE")
        .await
        .unwrap();
    let why = failed(place.apply(vacuum("a")).await, ErrorKind::Conflict);
    assert!(why.contains("skipped"), "{why}");
    let why = failed(place.apply(analyze("a")).await, ErrorKind::Conflict);
    assert!(why.contains("lock"), "{why}");
    other.batch_execute("ROLLBACK").await.unwrap();
    place.apply(vacuum("a")).await.unwrap();
}

async fn rights_are_checked_before(mut place: Place) {
    bloated(&place).await;
    let role = place.as_role("SELECT 1").await;
    for effect in [vacuum("a"), analyze("a")] {
        let why = refused(place.prepare(&effect).await, ErrorKind::Denied);
        assert!(
            why.contains(&role) && why.contains("would allow it"),
            "{why}"
        );
        assert_eq!(why.contains("GRANT MAINTAIN"), place.major >= 17, "{why}");
    }
    if place.major >= 17 {
        place.sql(&format!("GRANT MAINTAIN ON a TO {role}")).await;
    } else {
        place.sql(&format!("ALTER TABLE a OWNER TO {role}")).await;
    }
    place.apply(vacuum("a")).await.unwrap();
}

async fn rights_lost_meanwhile_are_no_success(mut place: Place) {
    bloated(&place).await;
    let role = place.as_role("ALTER TABLE a OWNER TO {role}").await;
    for effect in [vacuum("a"), analyze("a")] {
        place.sql(&format!("ALTER TABLE a OWNER TO {role}")).await;
        let announced = place.announce(effect).await;
        place.sql("ALTER TABLE a OWNER TO postgres").await;
        let why = failed(announced.apply(&place.permit()).await, ErrorKind::Denied);
        assert!(why.contains("skipped"), "{why}");
    }
}

async fn a_partition_parent_is_not_vacuumed(place: Place) {
    place.sql("CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)").await;
    let why = refused(place.prepare(&vacuum("p")).await, ErrorKind::Conflict);
    assert!(why.contains("partition"), "{why}");
    place.apply(vacuum("p1")).await.unwrap();
}

async fn a_partition_parent_is_analyzed_alone_or_with_all(place: Place) {
    place
        .sql(
            "CREATE SCHEMA other; CREATE TABLE p (n int) PARTITION BY LIST (n);
             CREATE TABLE other.p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p SELECT 1 FROM generate_series(1, 100)",
        )
        .await;
    let prepared = place.prepare(&analyze("p")).await.unwrap();
    let touches: Vec<_> = prepared
        .touches
        .iter()
        .map(|touch| match touch {
            Touch::Table { schema, table, .. } => format!("{schema}.{table}"),
            Touch::Object { object, .. } | Touch::Node { node: object, .. } => object.to_string(),
        })
        .collect();
    let alone = place.major >= 18;
    assert_eq!(
        touches,
        if alone {
            vec!["public.p"]
        } else {
            vec!["public.p", "other.p1"]
        }
    );
    place.apply(analyze("p")).await.unwrap();
    let analyzed = place
        .text("SELECT count(*)::text FROM pg_stats WHERE tablename = 'p'")
        .await;
    assert_eq!(analyzed, "1");
    let partition = place
        .text("SELECT count(*)::text FROM pg_stats WHERE tablename = 'p1'")
        .await;
    assert_eq!(partition, if alone { "0" } else { "1" });
    // Nor does the inheritance of tables let a vacuum go further than it was allowed to.
    place
        .sql("CREATE TABLE parent (n int); CREATE TABLE child () INHERITS (parent)")
        .await;
    place.apply(vacuum("parent")).await.unwrap();
    place
        .until("SELECT last_vacuum IS NOT NULL FROM pg_stat_user_tables WHERE relname = 'parent'")
        .await;
    let child = place
        .text("SELECT last_vacuum::text FROM pg_stat_user_tables WHERE relname = 'child'")
        .await;
    assert_eq!(child, "");
}

async fn a_replaced_table_is_left_alone(place: Place) {
    bloated(&place).await;
    let announced = place.announce(vacuum("a")).await;
    place.sql("DROP TABLE a; CREATE TABLE a (n int)").await;
    let why = failed(announced.apply(&place.permit()).await, ErrorKind::Conflict);
    assert!(why.contains("replaced"), "{why}");
    assert_eq!(announced.note(), None, "nothing was sent");
}

/// As slow as a vacuum can be made: it sleeps after each page.
async fn slow_vacuum(place: &Place, milliseconds: u32) {
    let database = &place.database;
    place
        .sql(&format!(
            "ALTER DATABASE {database} SET vacuum_cost_delay = {milliseconds}; ALTER DATABASE {database} SET vacuum_cost_limit = 1"
        ))
        .await;
}

async fn progress_is_shown(place: Place) {
    bloated(&place).await;
    slow_vacuum(&place, 5).await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let announced = place.announce(vacuum("a")).await;
    announced
        .apply(&place.permit_with(LONG, &everything(), Some(sender)))
        .await
        .unwrap();
    let mut seen = Vec::new();
    while let Ok(progress) = receiver.try_recv() {
        seen.push(progress);
    }
    assert!(
        seen.iter()
            .any(|progress| progress.phase == "scanning heap" && progress.total > 300),
        "{seen:?}"
    );
}

async fn the_deadline_cancels(place: Place) {
    bloated(&place).await;
    slow_vacuum(&place, 100).await;
    let announced = place.announce(vacuum("a")).await;
    let short = place.permit_with(std::time::Duration::from_secs(1), &everything(), None);
    let why = failed(announced.apply(&short).await, ErrorKind::Limit);
    assert!(why.contains("cancelled"), "{why}");
    let Confirmed::NotDone { why, sweep: None } = announced.confirm(&place.permit()).await.unwrap()
    else {
        panic!("it did not happen");
    };
    assert!(why.contains("no such work"), "{why}");
}

async fn what_was_done_is_confirmed(place: Place) {
    bloated(&place).await;
    let announced = place.announce(vacuum("a")).await;
    let Confirmed::NotDone { why, .. } = announced.confirm(&place.permit()).await.unwrap() else {
        panic!("it was never sent");
    };
    assert_eq!(why, "the statement was never sent");
    let applied = announced.apply(&place.permit()).await.unwrap();
    let Confirmed::Done(confirmed) = announced.confirm(&place.permit()).await.unwrap() else {
        panic!("it was done");
    };
    assert_eq!(confirmed.answer, applied.answer);
    // The server does not say by whom.
    let by = format!("{}; done since, by this session or another", applied.after);
    assert_eq!(confirmed.after, by);
    place.sql("DROP TABLE a").await;
    assert!(matches!(
        announced.confirm(&place.permit()).await.unwrap(),
        Confirmed::NotDone { .. }
    ));
}

/// Whoever waits for the table has it as soon as the vacuum is over, before anybody can look.
async fn what_is_done_is_done_whoever_holds_the_table(place: Place) {
    bloated(&place).await;
    slow_vacuum(&place, 2).await;
    for analyze in [false, true] {
        let effect = Effect::Vacuum {
            database: database(),
            table: object("a"),
            analyze,
        };
        let announced = place.announce(effect).await;
        let holder = place.session().await;
        let permit = place.permit();
        let (applied, holder) = tokio::join!(announced.apply(&permit), async {
            place
                .until("SELECT EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE datname = current_database())")
                .await;
            holder.batch_execute("BEGIN; LOCK TABLE a").await.unwrap();
            holder
        });
        if analyze {
            let why = failed(applied, ErrorKind::Conflict);
            assert!(why.contains("was vacuumed"), "{why}");
        } else {
            let answer: Vacuumed = serde_json::from_value(applied.unwrap().answer).unwrap();
            assert!(answer.bytes_after > 0, "{answer:?}");
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
    }
}
