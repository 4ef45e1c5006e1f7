//! A pool in the way that gives the sessions of one client to others.

use super::database::finding;
use super::{grant, typed};
use crate::world::{VARIABLE, World};
use insta::assert_snapshot;
use xtask::postgres::{NEWEST, Options, Pooler, connect, required_pooler};

#[test]
fn a_pool_that_mixes_up_sessions_is_named_before_anything_is_set() {
    let mut world = World::alone(NEWEST, &Options::default());
    grant(&world, "pg-health");
    grant(&world, "pg-optimize");
    let pgbouncer = required_pooler().unwrap();
    let mode = [("pool_mode", "transaction"), ("default_pool_size", "1")];
    let pool = Pooler::start(&pgbouncer, world.server(), &["windlass"], &mode).unwrap();
    let url = pool.url("windlass", world.database());
    let variables = [(VARIABLE, url.as_str())];
    assert_snapshot!(finding(&world, &url), @"bad: database `orders`: a pool in the way gives its sessions to several clients in turn (transaction or statement pooling), where settings and locks of one reach another; connect to the server itself, or through a pool in session mode");
    for procedure in ["pg-health", "pg-optimize"] {
        let words = ["run", procedure, "--target", "orders"];
        let ended = world.windlass_with(&variables, &words).expect(1);
        assert!(format!("{ended}").contains("pool in the way"), "{ended}");
    }
    assert_snapshot!(world.snapshot_with(&variables, &typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: database `orders`: a pool in the way gives its sessions to several clients in turn (transaction or statement pooling), where settings and locks of one reach another; connect to the server itself, or through a pool in session mode
      nothing was changed
      hint:  windlass doctor --target orders
    ");
    // The one session of the pool is as the application left it.
    let mut application = connect(&url).unwrap();
    let written = "CREATE TABLE written (n int); INSERT INTO written VALUES (1); SELECT FROM accounts LIMIT 1";
    application.simple_query(written).unwrap();
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(world.sql(locks), ["0"]);
}
