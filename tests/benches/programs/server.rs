//! A PostgreSQL that keeps what it promises, with databases in a bad state.

use xtask::bloat;
use xtask::postgres::{Binaries, NEWEST, Options, Server, connect};

/// The server of one figure. Statements are in its log.
pub(crate) fn start() -> Server {
    let options = Options::default()
        .durable()
        .set("max_connections", "100")
        .log_statements();
    Server::start(&Binaries::major(NEWEST).unwrap(), &options).unwrap()
}

pub(crate) fn administer(server: &Server, sql: &str) {
    let mut session = connect(&server.admin_url()).unwrap();
    session.batch_execute(sql).unwrap();
}

pub(crate) fn url(server: &Server, database: &str) -> String {
    server.url("postgres", database)
}

/// A database with `rows` accounts, most of what is stored dead.
pub(crate) fn filled(server: &Server, database: &str, rows: u32) -> String {
    administer(server, &format!("CREATE DATABASE {database}"));
    let url = url(server, database);
    bloat::fill(&url, rows).unwrap();
    url
}

/// One that the demo would show: one index is invalid, too.
pub(crate) fn bloated(server: &Server, database: &str, rows: u32) -> String {
    let url = filled(server, database, rows);
    bloat::leave_invalid_index(&url, "accounts_abalance").unwrap();
    url
}
