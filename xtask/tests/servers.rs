//! The servers that everything else is tested on.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it is a test: a process is killed, and what follows is waited for"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use xtask::postgres::{Binaries, Error, NEWEST, OLDEST, Options, Server, connect};

fn start(major: u32, options: &Options) -> Server {
    Server::start(&Binaries::major(major).unwrap(), options).unwrap()
}

fn rows(url: &str, sql: &str) -> i64 {
    connect(url).unwrap().query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn both_ends_of_the_supported_versions_start() {
    for major in [OLDEST, NEWEST] {
        let server = start(major, &Options::default());
        let mut session = connect(&server.admin_url()).unwrap();
        let told: String = session
            .query_one("SHOW server_version", &[])
            .unwrap()
            .get(0);
        assert_eq!(
            told.split_whitespace().next(),
            Some(server.version().to_string().as_str())
        );
        session.batch_execute("CREATE DATABASE fresh").unwrap();
        let mut fresh = connect(&server.url("postgres", "fresh")).unwrap();
        fresh
            .batch_execute("SELECT count(*) FROM pg_stat_statements; CREATE EXTENSION pgstattuple")
            .unwrap();
    }
}

#[test]
fn a_wrong_password_is_refused() {
    let server = start(NEWEST, &Options::default());
    let url = server.admin_url().replace(server.password(), "wrong");
    let Err(Error::Connect(error)) = connect(&url) else {
        panic!("the server let us in");
    };
    let code = error.code().map(postgres::error::SqlState::code);
    assert_eq!(code, Some("28P01"));
}

#[test]
fn a_crash_is_recovered_on_the_same_port() {
    let mut server = start(NEWEST, &Options::default().durable());
    let port = server.port();
    let url = server.admin_url();
    let sql = "CREATE TABLE kept AS SELECT generate_series(1, 10) AS n";
    connect(&url).unwrap().batch_execute(sql).unwrap();
    server.crash();
    assert!(!server.is_running());
    assert!(matches!(connect(&url), Err(Error::Connect(_))));
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(rows(&url, "SELECT count(*) FROM kept"), 10);
    assert!(server.log().contains("was not properly shut down"));
}

#[test]
fn statements_are_counted_in_the_log_by_application() {
    let server = start(OLDEST, &Options::default().log_statements());
    let mark = server.log_length();
    let mut session = connect(&format!(
        "{}?application_name=windlass/test",
        server.admin_url()
    ))
    .unwrap();
    session.batch_execute("SELECT 1,\n 2").unwrap();
    session.query("SELECT $1::int4", &[&1_i32]).unwrap();
    connect(&server.admin_url())
        .unwrap()
        .batch_execute("SELECT 3")
        .unwrap();
    let logged = server.statements(mark);
    let ours: Vec<_> = logged
        .iter()
        .filter(|statement| statement.application == "windlass/test")
        .map(|statement| statement.text.as_str())
        .collect();
    assert_eq!(ours, ["SELECT 1,\n 2", "SELECT $1::int4"]);
    assert_eq!(logged.len(), 3);
}

#[test]
fn a_standby_follows_its_primary() {
    for major in [OLDEST, NEWEST] {
        let primary = start(major, &Options::default());
        let standby = Server::standby_of(&primary).unwrap();
        let sql = "CREATE TABLE followed AS SELECT generate_series(1, 1000) AS n";
        connect(&primary.admin_url())
            .unwrap()
            .batch_execute(sql)
            .unwrap();
        standby.wait_for(&primary).unwrap();
        assert_eq!(
            rows(&standby.admin_url(), "SELECT count(*) FROM followed"),
            1_000
        );
        let seen = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'standby' AND state = 'streaming'";
        assert_eq!(rows(&primary.admin_url(), seen), 1);
    }
}

#[test]
fn no_server_outlives_a_killed_owner() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["serve", &NEWEST.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(owner.stdout.take().unwrap()).lines();
    let url = said.next().unwrap().unwrap();
    let sql = "SHOW data_directory";
    let data: String = connect(&url).unwrap().query_one(sql, &[]).unwrap().get(0);
    let home = Path::new(&data).parent().unwrap().to_path_buf();
    owner.kill().unwrap();
    owner.wait().unwrap();
    let start = Instant::now();
    while home.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{} is still there",
            home.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(matches!(connect(&url), Err(Error::Connect(_))));
}
