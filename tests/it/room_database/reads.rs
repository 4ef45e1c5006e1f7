use super::on_each_server;
use super::place::{Place, connect, database, everything, object, refused};
use serde_json::{Value, json};
use std::time::Duration;
use windlass::contract::ErrorKind;
use windlass::contract::database_types::{
    IndexFacts, InvariantResult, Leftover, ReplicationFacts, ServerFacts, SessionFacts,
    StatementStatistics, TableFacts, TableKind, XminHolder, XminHolderKind,
};
use windlass::database::Read;
use windlass::database::client::{Expectation, Invariant};

on_each_server!(
    the_server_tells_what_it_is,
    only_what_the_capability_covers_is_shown,
    a_locked_table_stops_no_look,
    holders_of_dead_rows_are_found,
    sessions_are_counted,
    slots_are_listed,
    statements_are_normalised,
    invariants_are_counted,
    a_role_without_rights_is_told_which,
    looks_change_nothing,
    a_lost_session_is_replaced;
    quiet bloat_is_near_the_truth,
    tables_are_measured
);

async fn the_server_tells_what_it_is(mut place: Place) {
    let facts: ServerFacts = place
        .facts(Read::Server {
            database: database(),
        })
        .await;
    assert_eq!(facts.version_number / 10_000, place.major);
    assert!(
        facts.version.starts_with(&format!("{}.", place.major)),
        "{}",
        facts.version
    );
    assert!(
        !facts.is_standby && facts.database_bytes > 1 << 20 && facts.started > 1_700_000_000_000
    );
    assert_eq!((facts.free_bytes, facts.expected_standbys), (None, None));
    place.with(|target| {
        target.disk_size = Some(1 << 40);
        target.expected_standbys = Some(2);
    });
    let facts: ServerFacts = place
        .facts(Read::Server {
            database: database(),
        })
        .await;
    let free = facts.free_bytes.unwrap();
    assert!(
        free < (1 << 40) - facts.database_bytes && free > 1 << 39,
        "{free}"
    );
    assert_eq!(facts.expected_standbys, Some(2));
}

async fn tables_are_measured(place: Place) {
    place
        .sql(
            "CREATE TABLE a (n int PRIMARY KEY, t text) WITH (autovacuum_vacuum_scale_factor = 0.3,
                 toast.autovacuum_enabled = off);
             INSERT INTO a SELECT n, 'x' FROM generate_series(1, 10000) n;
             CREATE TABLE p (n int) PARTITION BY RANGE (n);
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
             CREATE MATERIALIZED VIEW m AS SELECT 1 AS n; CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE temp (n int);
             DELETE FROM a WHERE n <= 4000; ANALYZE a;",
        )
        .await;
    place
        .until("SELECT pg_stat_get_dead_tuples('a'::regclass) = 4000")
        .await;
    let facts: Vec<TableFacts> = place
        .facts(Read::Tables {
            database: database(),
        })
        .await;
    let names: Vec<_> = facts.iter().map(|table| table.name.name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[0], "a");
    let a = &facts[0];
    assert_eq!(
        (a.kind, a.live_rows, a.dead_rows),
        (TableKind::Table, 6000, 4000)
    );
    let size = |what: &str| {
        place
            .text(&format!("SELECT {what}('a'::regclass)::text"))
            .await_now()
    };
    assert_eq!(a.heap_bytes.to_string(), size("pg_relation_size"));
    assert_eq!(a.index_bytes.to_string(), size("pg_indexes_size"));
    assert_eq!(a.total_bytes.to_string(), size("pg_total_relation_size"));
    assert!(a.last_analyze.unwrap() > 1_700_000_000_000 && a.last_vacuum.is_none());
    let parameters: Vec<_> = a
        .parameters
        .iter()
        .map(|p| format!("{}={}", p.name, p.value))
        .collect();
    assert_eq!(
        parameters,
        [
            "autovacuum_vacuum_scale_factor=0.3",
            "toast.autovacuum_enabled=off"
        ]
    );
    let kind = |name: &str| {
        facts
            .iter()
            .find(|table| table.name.name == name)
            .unwrap()
            .kind
    };
    assert_eq!(
        (kind("p"), kind("p1"), kind("m")),
        (
            TableKind::Partitioned,
            TableKind::Table,
            TableKind::MaterializedView
        )
    );
}

/// Waits where no `await` can stand.
trait AwaitNow: Future + Sized {
    fn await_now(self) -> Self::Output {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self))
    }
}
impl<F: Future> AwaitNow for F {}

async fn bloat_is_near_the_truth(place: Place) {
    place
        .each(
            "CREATE TABLE b (n bigint, few int, t text, maybe int);
             INSERT INTO b SELECT n, n % 100, md5(n::text), CASE WHEN n % 2 = 0 THEN n END FROM generate_series(1, 200000) n;
             CREATE INDEX b_n ON b (n); CREATE INDEX b_few ON b (few); CREATE INDEX b_t ON b (t);
             CREATE INDEX b_two ON b (few, n); CREATE INDEX b_maybe ON b (maybe); CREATE INDEX b_upper ON b (upper(t));
             CREATE INDEX b_half ON b (n) WITH (fillfactor = 50); CREATE INDEX b_hash ON b USING hash (n);
             VACUUM ANALYZE b;",
        )
        .await;
    let fresh = shares(&place).await;
    assert_eq!(fresh.len(), 7, "{fresh:?}");
    for (name, share) in &fresh {
        assert!(*share < 0.12, "{name} is fresh: {fresh:?}");
    }
    place
        .each("DELETE FROM b WHERE n % 4 <> 0; VACUUM ANALYZE b;")
        .await;
    let estimated = shares(&place).await;
    place.sql("CREATE EXTENSION pgstattuple").await;
    let measured = shares(&place).await;
    for (name, share) in &measured {
        assert!(
            (0.5..0.9).contains(share),
            "{name} is three quarters empty: {measured:?}"
        );
        let (_, guess) = estimated.iter().find(|(known, _)| known == name).unwrap();
        assert!(
            (share - guess).abs() < 0.15,
            "{name}: estimated {estimated:?}, measured {measured:?}"
        );
    }
    let facts: Vec<TableFacts> = place
        .facts(Read::Tables {
            database: database(),
        })
        .await;
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = facts[0].bloat_bytes.unwrap() as f64 / facts[0].heap_bytes as f64;
    assert!((0.65..0.85).contains(&share), "the table: {share}");
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
async fn shares(place: &Place) -> Vec<(String, f64)> {
    let facts: Vec<IndexFacts> = place
        .facts(Read::Indexes {
            database: database(),
        })
        .await;
    let share = |index: IndexFacts| {
        Some((
            index.name.name,
            index.bloat_bytes? as f64 / index.bytes as f64,
        ))
    };
    facts.into_iter().filter_map(share).collect()
}

async fn only_what_the_capability_covers_is_shown(place: Place) {
    place
        .sql(
            "CREATE SCHEMA sales; CREATE SCHEMA private;
             CREATE TABLE sales.orders_a (n int PRIMARY KEY); CREATE TABLE sales.secret (n int PRIMARY KEY);
             CREATE TABLE private.orders_b (n int PRIMARY KEY);",
        )
        .await;
    let scopes = json!([{ "databases": ["orders"], "schemas": ["sales", "pg_catalog"], "tables": ["orders*", "pg*"],
        "verbs": ["tables", "indexes"] }]);
    let permit = place.permit_with(Duration::from_secs(60), &scopes, None);
    let shown = |value: Value| {
        let list = value.as_array().unwrap().clone();
        list.iter()
            .map(|object| object["name"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let tables = place
        .room
        .read(
            &permit,
            &Read::Tables {
                database: database(),
            },
        )
        .await
        .unwrap();
    assert_eq!(shown(tables), ["orders_a"]);
    let indexes = place
        .room
        .read(
            &permit,
            &Read::Indexes {
                database: database(),
            },
        )
        .await
        .unwrap();
    assert_eq!(shown(indexes), ["orders_a_pkey"]);
    let scopes = json!([{ "databases": ["orders"], "schemas": ["sales"], "verbs": ["tables"] }]);
    let permit = place.permit_with(Duration::from_secs(60), &scopes, None);
    let tables = place
        .room
        .read(
            &permit,
            &Read::Tables {
                database: database(),
            },
        )
        .await
        .unwrap();
    assert_eq!(tables, json!([]));
}

async fn a_locked_table_stops_no_look(place: Place) {
    place
        .sql("CREATE TABLE held (n int PRIMARY KEY); INSERT INTO held SELECT generate_series(1, 1000); ANALYZE held")
        .await;
    let other = place.session().await;
    other.batch_execute("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE; LOCK TABLE pg_catalog.pg_class IN ACCESS SHARE MODE").await.unwrap();
    let facts: Vec<TableFacts> = place
        .facts(Read::Tables {
            database: database(),
        })
        .await;
    assert!(
        facts[0].heap_bytes > 0 && facts[0].total_bytes > facts[0].heap_bytes,
        "{facts:?}"
    );
    let facts: Vec<IndexFacts> = place
        .facts(Read::Indexes {
            database: database(),
        })
        .await;
    assert!(facts[0].bytes > 0 && facts[0].valid && facts[0].leftover.is_none());
    other
        .batch_execute(
            "ROLLBACK; BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE; REINDEX TABLE held",
        )
        .await
        .unwrap();
    let facts: Vec<IndexFacts> = place
        .facts(Read::Indexes {
            database: database(),
        })
        .await;
    assert!(facts[0].bytes > 0);
}

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

async fn invariants_are_counted(mut place: Place) {
    place.sql("CREATE TABLE public.paid (n int); INSERT INTO public.paid SELECT generate_series(1, 20)").await;
    let declare = |sql: &str, expect| Invariant {
        sql: sql.into(),
        expect,
        max_rows: 10,
    };
    place.with(|target| {
        target.statement_timeout = Duration::from_millis(500);
        target.invariants = [
            (
                "none",
                declare(
                    "SELECT n, n FROM public.paid WHERE n < 0; ",
                    Expectation::NoRows,
                ),
            ),
            (
                "many",
                declare(
                    "SELECT * FROM public.paid -- all of them",
                    Expectation::SomeRows,
                ),
            ),
            (
                "broken",
                declare("SELECT * FROM public.paid", Expectation::NoRows),
            ),
            (
                "writes",
                declare(
                    "INSERT INTO public.paid VALUES (1) RETURNING n",
                    Expectation::NoRows,
                ),
            ),
            (
                "unknown",
                declare("SELECT * FROM paid", Expectation::NoRows),
            ),
            (
                "values",
                declare(
                    "SELECT 'canary'::int FROM public.paid WHERE 'canary'::text::int = n",
                    Expectation::NoRows,
                ),
            ),
            (
                "slow",
                declare("SELECT pg_sleep(30)", Expectation::SomeRows),
            ),
            (
                "endless",
                declare(
                    "SELECT generate_series(1, 10000000000)",
                    Expectation::SomeRows,
                ),
            ),
            (
                "gathered",
                declare(
                    "SELECT * FROM generate_series(1, 10000000000) n",
                    Expectation::SomeRows,
                ),
            ),
        ]
        .into_iter()
        .map(|(name, invariant)| (name.to_owned(), invariant))
        .collect();
    });
    let names: Vec<String> = place
        .facts(Read::Invariants {
            database: database(),
        })
        .await;
    assert_eq!(names.len(), 9);
    let read = |name: &str| Read::Invariant {
        database: database(),
        name: name.into(),
    };
    let check = async |name| place.facts::<InvariantResult>(read(name)).await;
    let none = check("none").await;
    assert_eq!((none.rows, none.capped, none.holds), (0, false, true));
    let many = check("many").await;
    assert_eq!((many.rows, many.capped, many.holds), (10, true, true));
    assert!(!check("broken").await.holds);
    assert!(check("endless").await.capped);
    refused(place.read(read("gathered")).await, ErrorKind::Limit);
    refused(place.read(read("writes")).await, ErrorKind::Invalid);
    assert!(refused(place.read(read("unknown")).await, ErrorKind::Invalid).contains("schema"));
    assert!(!refused(place.read(read("values")).await, ErrorKind::Invalid).contains("canary"));
    refused(place.read(read("slow")).await, ErrorKind::Limit);
    refused(place.read(read("other")).await, ErrorKind::NotFound);
    assert_eq!(
        place.text("SELECT count(*)::text FROM public.paid").await,
        "20"
    );
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

async fn looks_change_nothing(place: Place) {
    place
        .sql("CREATE TABLE a (n int PRIMARY KEY); INSERT INTO a VALUES (1)")
        .await;
    let session = connect(&place.url).await;
    let before = session
        .query_one("SELECT pg_current_xact_id()::text::int8", &[])
        .await
        .unwrap()
        .get::<_, i64>(0);
    for read in [
        Read::Server {
            database: database(),
        },
        Read::Tables {
            database: database(),
        },
        Read::Indexes {
            database: database(),
        },
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
            limit: 10,
        },
    ] {
        place.read(read).await.unwrap();
    }
    let permit = place.permit_with(Duration::from_secs(60), &everything(), None);
    for effect in [super::place::vacuum("a"), super::place::reindex("a_pkey")] {
        place.room.prepare(&permit, &effect).await.unwrap();
    }
    let indexes: Vec<IndexFacts> = place
        .facts(Read::Indexes {
            database: database(),
        })
        .await;
    assert_eq!(indexes[0].leftover, None::<Leftover>);
    assert_eq!(indexes[0].name, object("a_pkey"));
    // Transactions of windlass took no number; those of other tests on this server may have.
    let ours = place
        .texts("SELECT 1::text FROM pg_stat_activity WHERE application_name LIKE 'windlass/test-' || current_database() AND backend_xid IS NOT NULL")
        .await;
    assert!(before > 0 && ours.is_empty());
}

async fn a_lost_session_is_replaced(place: Place) {
    place
        .read(Read::Server {
            database: database(),
        })
        .await
        .unwrap();
    place
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await;
    place
        .until("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())")
        .await;
    place
        .read(Read::Server {
            database: database(),
        })
        .await
        .unwrap();
}
