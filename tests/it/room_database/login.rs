use super::on_each_server;
use super::place::{Place, database, everything, refused};
use std::time::Duration;
use windlass::call::Prepared;
use windlass::contract::ErrorKind;
use windlass::database::client::Secret;
use windlass::database::{Client, Effect, Read, Revert, Target};
use windlass::engine::ChangePermit;
use windlass::journal::RunId;

on_each_server!(
    each_way_to_be_refused_is_told_apart,
    the_maintenance_role_is_taken,
    a_role_that_may_not_be_taken_is_refused,
    the_logins_own_role_is_no_obstacle,
    a_database_is_probed,
    a_look_ends_at_its_deadline,
);

const CANARY: &str = "hunter2canary";

async fn read_through(
    place: &Place,
    url: &str,
) -> Result<serde_json::Value, windlass::contract::CallError> {
    let room = Client::new(vec![Target::new("orders", Secret::new(url))]).unwrap();
    room.read(
        &place.permit(),
        &Read::Server {
            database: database(),
        },
    )
    .await
}

async fn each_way_to_be_refused_is_told_apart(place: Place) {
    let url = &place.url;
    let password = place.server.password.as_str();
    let port = place.server.port.to_string();
    for (url, kind, word) in [
        (
            url.replace(password, CANARY),
            ErrorKind::Denied,
            "refused the password",
        ),
        (
            url.replace("//postgres:", &format!("//nobody{CANARY}:")),
            ErrorKind::Denied,
            "refused",
        ),
        (
            url.replace(&place.database, CANARY),
            ErrorKind::NotFound,
            "no database",
        ),
        (
            url.replace(&port, "1"),
            ErrorKind::Unavailable,
            "nothing answers",
        ),
        (
            format!("host=no-such-host-{CANARY}.invalid user=u password={CANARY}"),
            ErrorKind::Unavailable,
            "host name",
        ),
        (
            format!("host=/nowhere/{CANARY} user=u"),
            ErrorKind::Unavailable,
            "socket",
        ),
        (
            format!("{url}?sslmode=require"),
            ErrorKind::Unavailable,
            "TLS",
        ),
    ] {
        let why = refused(read_through(&place, &url).await, kind);
        assert!(why.contains("orders") && why.contains(word), "{why}");
        assert!(
            !why.contains(CANARY) && !why.contains("127.0.0.1") && !why.contains(&port),
            "{why}"
        );
    }
    let unknown = place
        .read(Read::Server {
            database: "other".into(),
        })
        .await;
    refused(unknown, ErrorKind::NotFound);
}

async fn the_maintenance_role_is_taken(mut place: Place) {
    let role = format!("maintainer_of_{}", place.database);
    place
        .sql(&format!(
            "CREATE ROLE {role}; CREATE TABLE t (n int); ALTER TABLE t OWNER TO {role}"
        ))
        .await;
    let login = place.as_role("SELECT 1").await;
    refused(
        place.prepare(&super::place::vacuum("t")).await,
        ErrorKind::Denied,
    );
    place
        .sql(&format!(
            "GRANT {role} TO {login}; ALTER ROLE {login} NOINHERIT"
        ))
        .await;
    let mut target = super::place::target(&place.server.url(&login, &place.database));
    target.role = Some(role);
    place.room = std::sync::Arc::new(Client::new(vec![target]).unwrap());
    let announced = place.announce(super::place::vacuum("t")).await;
    announced.apply(&place.permit()).await.unwrap();
    assert!(matches!(
        announced.confirm(&place.permit()).await.unwrap(),
        windlass::call::Confirmed::Done(_)
    ));
}

async fn a_role_that_may_not_be_taken_is_refused(mut place: Place) {
    let login = place.as_role("SELECT 1").await;
    let mut target = super::place::target(&place.server.url(&login, &place.database));
    target.role = Some("postgres".into());
    place.room = std::sync::Arc::new(Client::new(vec![target]).unwrap());
    let why = refused(
        place
            .read(Read::Server {
                database: database(),
            })
            .await,
        ErrorKind::Denied,
    );
    assert!(why.contains("SET ROLE"), "{why}");
    let mut target = super::place::target(&place.url);
    target.role = Some("nobody_of_that_name".into());
    place.room = std::sync::Arc::new(Client::new(vec![target]).unwrap());
    let why = refused(
        place
            .read(Read::Server {
                database: database(),
            })
            .await,
        ErrorKind::NotFound,
    );
    assert!(why.contains("does not exist"), "{why}");
}

/// A login can be set to begin as another role, which need not see what the login does.
async fn the_logins_own_role_is_no_obstacle(mut place: Place) {
    let role = format!("maintainer_of_{}", place.database);
    place
        .sql(&format!(
            "CREATE ROLE {role}; CREATE TABLE t (n int); ALTER TABLE t OWNER TO {role}"
        ))
        .await;
    let login = place.as_role(&format!("GRANT {role} TO {{role}}")).await;
    place
        .sql(&format!(
            "ALTER ROLE {login} NOINHERIT; ALTER ROLE {login} SET role = '{role}'"
        ))
        .await;
    place.apply(super::place::vacuum("t")).await.unwrap();
}

async fn a_database_is_probed(mut place: Place) {
    place
        .sql("CREATE TABLE a (n int); CREATE TABLE b (n int); CREATE EXTENSION pgstattuple")
        .await;
    let probe = place.room.probe("orders").await.unwrap();
    assert_eq!(probe.version_number / 10_000, place.major);
    assert_eq!(
        (probe.login.as_str(), probe.role.as_str(), probe.superuser),
        ("postgres", "postgres", true)
    );
    assert_eq!(
        (probe.tables, probe.maintainable, probe.owned, probe.tls),
        (2, 2, 2, None)
    );
    assert_eq!(
        probe.extensions.keys().collect::<Vec<_>>(),
        ["pg_stat_statements", "pgstattuple"]
    );
    assert!(
        probe.notes.iter().any(|note| note.contains("superuser")),
        "{:?}",
        probe.notes
    );
    let login = place.as_role("ALTER TABLE a OWNER TO {role}").await;
    let probe = place.room.probe("orders").await.unwrap();
    assert_eq!(
        (probe.role, probe.superuser, probe.sees_statistics),
        (login.clone(), false, false)
    );
    assert_eq!((probe.tables, probe.maintainable, probe.owned), (2, 1, 1));
    assert!(
        probe
            .notes
            .iter()
            .any(|note| note.contains(&format!("GRANT pg_monitor TO \"{login}\""))),
        "{:?}",
        probe.notes
    );
    let room = Client::new(vec![Target::new(
        "orders",
        Secret::new(place.url.replace(&place.server.password, CANARY)),
    )])
    .unwrap();
    let why = refused(room.probe("orders").await, ErrorKind::Denied);
    assert!(
        why.contains("password authentication failed") && !why.contains(CANARY),
        "{why}"
    );
}

async fn a_look_ends_at_its_deadline(place: Place) {
    place.sql("CREATE TABLE a (n int PRIMARY KEY)").await;
    let late = place.permit_with(Duration::ZERO, &everything(), None);
    refused(
        place
            .room
            .read(
                &late,
                &Read::Server {
                    database: database(),
                },
            )
            .await,
        ErrorKind::Limit,
    );
    place
        .read(Read::Server {
            database: database(),
        })
        .await
        .unwrap();
    place.stop();
    refused(
        place
            .read(Read::Server {
                database: database(),
            })
            .await,
        ErrorKind::Cancelled,
    );
}

/// The engine moves calls between threads.
#[test]
fn every_call_can_be_sent() {
    fn sendable<T: Send>(_: impl FnOnce() -> T) {}
    fn check(
        room: &Client,
        permit: &ChangePermit,
        effect: &Effect,
        prepared: &Prepared,
        revert: &Revert,
        run: &RunId,
    ) {
        let read = &Read::Server {
            database: database(),
        };
        sendable(|| room.read(permit, read));
        sendable(|| room.prepare(permit, effect));
        sendable(|| room.apply(permit, effect, prepared));
        sendable(|| room.confirm(permit, effect, prepared, None));
        sendable(|| room.revert(permit, revert));
        sendable(|| room.lock("orders", run));
        sendable(|| room.probe("orders"));
    }
    let _ = check;
}
