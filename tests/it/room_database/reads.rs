use super::on_each_server;
use super::place::{LONG, Place, database, everything, object};
use serde_json::{Value, json};
use windlass::contract::database_types::{
    IndexFacts, Leftover, ServerFacts, TableFacts, TableKind,
};
use windlass::database::Read;

on_each_server!(
    the_server_tells_what_it_is,
    each_kind_of_table_is_listed,
    only_what_the_capability_covers_is_shown,
    a_locked_table_stops_no_look,
    a_lost_session_is_replaced;
    quiet bloat_is_near_the_truth,
    looks_change_nothing,
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
    let own = |name: &str| facts.autovacuum.iter().find(|own| own.name == name);
    assert_eq!(own("autovacuum_vacuum_scale_factor").unwrap().value, "0.2");
    // Tables of the system are the oldest ones in a new database.
    assert!(facts.frozen_age > 0);
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
             DELETE FROM a WHERE n <= 4000; ANALYZE a;",
        )
        .await;
    place
        .until("SELECT pg_stat_get_dead_tuples('a'::regclass) = 4000")
        .await;
    let facts: Vec<TableFacts> = place.facts(tables()).await;
    let [a] = facts.as_slice() else {
        panic!("{facts:?}");
    };
    assert_eq!(
        (a.kind, a.live_rows, a.dead_rows),
        (TableKind::Table, 6000, 4000)
    );
    let sizes = place
        .text(
            "SELECT concat_ws(' ', pg_relation_size('a'), pg_indexes_size('a'), pg_total_relation_size('a'))",
        )
        .await;
    assert_eq!(
        format!("{} {} {}", a.heap_bytes, a.index_bytes, a.total_bytes),
        sizes
    );
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
}

async fn each_kind_of_table_is_listed(place: Place) {
    place
        .sql(
            "CREATE TABLE p (n int) PARTITION BY RANGE (n);
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
             CREATE MATERIALIZED VIEW m AS SELECT 1 AS n; CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE temp (n int);",
        )
        .await;
    let facts: Vec<TableFacts> = place.facts(tables()).await;
    let mut kinds: Vec<_> = facts
        .iter()
        .map(|table| (table.name.name.as_str(), table.kind))
        .collect();
    kinds.sort_by_key(|(name, _)| *name);
    assert_eq!(
        kinds,
        [
            ("m", TableKind::MaterializedView),
            ("p", TableKind::Partitioned),
            ("p1", TableKind::Table)
        ]
    );
}

fn tables() -> Read {
    Read::Tables {
        database: database(),
    }
}

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
    let permit = place.permit_with(LONG, &scopes, None);
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
    let permit = place.permit_with(LONG, &scopes, None);
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

async fn looks_change_nothing(place: Place) {
    place
        .sql("CREATE TABLE a (n int PRIMARY KEY); INSERT INTO a VALUES (1)")
        .await;
    // No transaction that took a number has begun meanwhile, in any database: this test has the server for itself.
    let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";
    let before = place.texts(next).await;
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
    let permit = place.permit_with(LONG, &everything(), None);
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
    assert_eq!(place.texts(next).await, before);
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
