use super::on_each_server;
use super::place::{Place, connect, database, refused, target};
use std::sync::Arc;
use std::time::Duration;
use windlass::contract::ErrorKind;
use windlass::contract::database_types::{
    IndexFacts, InvariantResult, ReplicationFacts, ServerFacts, SessionFacts, StatementStatistics,
    TableFacts, XminHolder, XminHolderKind,
};
use windlass::database::client::{Expectation, Invariant};
use windlass::database::{Client, Read, Target};

on_each_server!(
    holders_of_dead_rows_are_found,
    sessions_are_counted,
    slots_are_listed,
    statements_are_normalised,
    invariants_are_counted,
    rows_that_cannot_be_seen_are_not_counted_as_none,
    the_session_is_set_as_we_need_it,
    a_role_without_rights_is_told_which,
);

async fn holders_of_dead_rows_are_found(place: Place) {
    place.sql("CREATE TABLE t (n int)").await;
    let (writer, reader) = (place.session().await, place.session().await);
    writer
        .batch_execute("SET application_name = 'billing'; BEGIN; INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    reader
        .batch_execute("SET application_name = 'windlass/0001'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t")
        .await
        .unwrap();
    let prepared = place.session().await;
    prepared
        .batch_execute("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'moving'")
        .await
        .unwrap();
    // A name alone does not make a session ours.
    let liar = format!("liar_of_{}", place.database);
    let password = &place.server.password;
    place
        .sql(&format!("CREATE ROLE {liar} LOGIN PASSWORD '{password}'"))
        .await;
    let lying = connect(&place.server.url(&liar, &place.database)).await;
    lying
        .batch_execute("SET application_name = 'windlass/liar'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await
        .unwrap();
    let holders: Vec<XminHolder> = place
        .facts(Read::XminHolders {
            database: database(),
        })
        .await;
    let found = |name: &str| {
        holders
            .iter()
            .find(|holder| holder.name == name)
            .unwrap_or_else(|| panic!("{holders:?}"))
    };
    let billing = found("postgres (billing)");
    assert_eq!(
        (billing.kind, billing.windlass),
        (XminHolderKind::Session, false)
    );
    assert_eq!(billing.state, "idle in transaction");
    assert!(
        billing.pid.is_some() && billing.backend_start <= billing.since && billing.since.is_some()
    );
    assert!(found("postgres (windlass/0001)").windlass);
    assert!(!found(&format!("{liar} (windlass/liar)")).windlass);
    assert_eq!(found("moving").kind, XminHolderKind::PreparedTransaction);
    assert!(holders.is_sorted_by(|a, b| a.age >= b.age));
    assert!(
        holders
            .iter()
            .all(|holder| !holder.name.contains("windlass/test")),
        "{holders:?}"
    );
    place.sql("ROLLBACK PREPARED 'moving'").await;
}

async fn sessions_are_counted(place: Place) {
    place.sql("CREATE TABLE t (n int)").await;
    let blocker = place.session().await;
    blocker
        .batch_execute("SET application_name = 'shop/7'; BEGIN; LOCK TABLE t")
        .await
        .unwrap();
    let waiting = place.session().await;
    let waiter = tokio::spawn(async move { waiting.batch_execute("SELECT * FROM t").await });
    place
        .until("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())")
        .await;
    let facts: SessionFacts = place
        .facts(Read::Sessions {
            database: database(),
        })
        .await;
    assert!(
        facts.limit > 100 && facts.limit < 200 && facts.used >= 4,
        "{facts:?}"
    );
    assert!(facts.waiting_for_locks >= 1 && facts.oldest_transaction.is_some());
    assert!(facts.oldest_idle_in_transaction.is_some());
    let pool = facts
        .pools
        .iter()
        .find(|pool| pool.application == "shop")
        .unwrap();
    assert_eq!(
        (pool.user.as_str(), pool.state.as_str(), pool.sessions),
        ("postgres", "idle in transaction", 1)
    );
    blocker.batch_execute("COMMIT").await.unwrap();
    waiter.await.unwrap().unwrap();
}

async fn slots_are_listed(place: Place) {
    let slot = format!("slot_{}", place.database);
    place
        .sql(&format!(
            "SELECT pg_create_physical_replication_slot('{slot}', true)"
        ))
        .await;
    let facts: ReplicationFacts = place
        .facts(Read::Replication {
            database: database(),
        })
        .await;
    let found = facts.slots.iter().find(|found| found.name == slot).unwrap();
    assert_eq!(
        (found.active, found.wal_status.as_str()),
        (false, "reserved")
    );
    assert!(found.retained_bytes.is_some());
    place
        .sql(&format!("SELECT pg_drop_replication_slot('{slot}')"))
        .await;
}

async fn statements_are_normalised(place: Place) {
    place.sql("CREATE TABLE customers (name text)").await;
    for name in ["canary1", "canary2"] {
        place
            .sql(&format!("INSERT INTO customers VALUES ('{name}')"))
            .await;
    }
    place
        .sql("CREATE ROLE canary_role PASSWORD 'canary3'; DROP ROLE canary_role")
        .await;
    let read = Read::Statements {
        database: database(),
        limit: 100_000,
    };
    let facts: StatementStatistics = place.facts(read).await;
    assert!(facts.since.is_some());
    let all = format!("{facts:?}");
    assert!(!all.contains("canary"), "{all}");
    let insert = facts
        .statements
        .iter()
        .find(|s| s.text == "INSERT INTO customers VALUES ($1)")
        .unwrap();
    assert_eq!((insert.calls, insert.rows), (2, 2));
    let one: StatementStatistics = place
        .facts(Read::Statements {
            database: database(),
            limit: 1,
        })
        .await;
    assert_eq!(one.statements.len(), 1);
    place.sql("DROP EXTENSION pg_stat_statements").await;
    let read = Read::Statements {
        database: database(),
        limit: 1,
    };
    let why = refused(place.read(read).await, ErrorKind::NotFound);
    assert!(why.contains("pg_stat_statements"), "{why}");
}

const INVARIANTS: &[(&str, &str, Expectation)] = &[
    (
        "none",
        "SELECT n, n FROM public.paid WHERE n < 0; ",
        Expectation::NoRows,
    ),
    (
        "many",
        "SELECT * FROM public.paid -- all of them",
        Expectation::SomeRows,
    ),
    ("broken", "SELECT * FROM public.paid", Expectation::NoRows),
    (
        "writes",
        "INSERT INTO public.paid VALUES (1) RETURNING n",
        Expectation::NoRows,
    ),
    ("unknown", "SELECT * FROM paid", Expectation::NoRows),
    (
        "values",
        "SELECT n FROM public.paid WHERE 'canary'::text::int = n",
        Expectation::NoRows,
    ),
    ("slow", "SELECT pg_sleep(30)", Expectation::SomeRows),
    (
        "endless",
        "SELECT generate_series(1, 10000000000)",
        Expectation::SomeRows,
    ),
    (
        "gathered",
        "SELECT * FROM generate_series(1, 10000000000) n",
        Expectation::SomeRows,
    ),
];

fn declared(target: &mut Target) {
    target.statement_timeout = Duration::from_millis(500);
    for (name, sql, expect) in INVARIANTS {
        let invariant = Invariant {
            sql: (*sql).to_owned(),
            expect: *expect,
            max_rows: 10,
        };
        target.invariants.insert((*name).to_owned(), invariant);
    }
}

async fn invariants_are_counted(mut place: Place) {
    place
        .sql("CREATE TABLE public.paid (n int); INSERT INTO public.paid SELECT generate_series(1, 20)")
        .await;
    place.with(declared);
    let names: Vec<String> = place
        .facts(Read::Invariants {
            database: database(),
        })
        .await;
    assert_eq!(names.len(), INVARIANTS.len());
    let read = |name: &str| Read::Invariant {
        database: database(),
        name: name.into(),
    };
    for (name, rows, capped, holds) in [
        ("none", 0, false, true),
        ("many", 10, true, true),
        ("broken", 10, true, false),
        ("endless", 10, true, true),
    ] {
        let result: InvariantResult = place.facts(read(name)).await;
        assert_eq!(
            (result.rows, result.capped, result.holds),
            (rows, capped, holds),
            "{name}"
        );
    }
    for (name, kind, word) in [
        ("writes", ErrorKind::Invalid, "cannot be evaluated"),
        ("unknown", ErrorKind::Invalid, "schema"),
        ("values", ErrorKind::Invalid, "cannot be evaluated"),
        ("slow", ErrorKind::Limit, "timeout"),
        ("gathered", ErrorKind::Limit, "timeout"),
        ("other", ErrorKind::NotFound, "declared"),
    ] {
        let why = refused(place.read(read(name)).await, kind);
        assert!(why.contains(word) && !why.contains("canary"), "{why}");
    }
    assert_eq!(
        place.text("SELECT count(*)::text FROM public.paid").await,
        "20"
    );
}

fn invariant(name: &str) -> Read {
    Read::Invariant {
        database: database(),
        name: name.into(),
    }
}

fn declare(target: &mut Target, name: &str, sql: &str, expect: Expectation) {
    let invariant = Invariant {
        sql: sql.to_owned(),
        expect,
        max_rows: 10,
    };
    target.invariants.insert(name.to_owned(), invariant);
}

async fn rows_that_cannot_be_seen_are_not_counted_as_none(mut place: Place) {
    let role = place
        .as_role(
            "CREATE TABLE public.paid (n int); INSERT INTO public.paid VALUES (-1);
             ALTER TABLE public.paid ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.paid TO {role}",
        )
        .await;
    let mut target = target(&place.server.url(&role, &place.database));
    let sql = "SELECT FROM public.paid WHERE n < 0";
    declare(&mut target, "negative", sql, Expectation::NoRows);
    place.room = Arc::new(Client::new(vec![target]).unwrap());
    let why = refused(place.read(invariant("negative")).await, ErrorKind::Denied);
    assert!(why.contains("may not read"), "{why}");
}

async fn the_session_is_set_as_we_need_it(mut place: Place) {
    let set = [
        ("tcp_keepalives_idle", "30"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "60000"),
        ("transaction_isolation", "read committed"),
    ];
    place
        .sql(&format!(
            "ALTER DATABASE {} SET default_transaction_isolation = serializable",
            place.database
        ))
        .await;
    place.with(|target| {
        for (name, value) in set {
            let sql =
                format!("SELECT FROM pg_settings WHERE name = '{name}' AND setting = '{value}'");
            declare(target, name, &sql, Expectation::SomeRows);
        }
    });
    for (name, _) in set {
        let result: InvariantResult = place.facts(invariant(name)).await;
        assert!(result.holds, "{name}");
    }
}

async fn a_role_without_rights_is_told_which(mut place: Place) {
    place
        .sql("CREATE TABLE a (n int PRIMARY KEY); INSERT INTO a VALUES (1); ANALYZE a")
        .await;
    place.as_role("SELECT 1").await;
    for read in [
        Read::Sessions {
            database: database(),
        },
        Read::XminHolders {
            database: database(),
        },
        Read::Replication {
            database: database(),
        },
        Read::Statements {
            database: database(),
            limit: 1,
        },
    ] {
        let why = refused(place.read(read).await, ErrorKind::Denied);
        assert!(why.contains("GRANT pg_monitor TO"), "{why}");
    }
    let tables: Vec<TableFacts> = place
        .facts(Read::Tables {
            database: database(),
        })
        .await;
    assert_eq!(tables[0].bloat_bytes, None);
    let indexes: Vec<IndexFacts> = place
        .facts(Read::Indexes {
            database: database(),
        })
        .await;
    assert_eq!(indexes[0].bloat_bytes, None);
    let server: ServerFacts = place
        .facts(Read::Server {
            database: database(),
        })
        .await;
    assert_eq!(server.free_bytes, None);
}
