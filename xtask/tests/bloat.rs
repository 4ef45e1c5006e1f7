//! What the demo and the suite repair is really broken.

use xtask::bloat;
use xtask::postgres::{Binaries, NEWEST, OLDEST, Options, Server, connect};

#[test]
fn the_bloat_is_real() {
    for major in [OLDEST, NEWEST] {
        let server = Server::start(&Binaries::major(major).unwrap(), &Options::default()).unwrap();
        let url = server.admin_url();
        bloat::fill(&url, 20_000).unwrap();
        let mut session = connect(&url).unwrap();

        let sql =
            "SELECT n_live_tup, n_dead_tup FROM pg_stat_user_tables WHERE relname = 'accounts'";
        let row = session.query_one(sql, &[]).unwrap();
        assert_eq!(
            (row.get::<_, i64>(0), row.get::<_, i64>(1)),
            (13_334, 26_666)
        );

        bloat::leave_invalid_index(&url, "accounts_abalance").unwrap();
        let sql = "SELECT indisvalid, pg_relation_size(indexrelid) FROM pg_index WHERE indexrelid = $1::text::regclass";
        let mut index = |name: &str| -> (bool, i64) {
            let row = session.query_one(sql, &[&name]).unwrap();
            (row.get(0), row.get(1))
        };
        let (valid, old) = index("accounts_abalance");
        let (leftover_valid, new) = index("accounts_abalance_ccnew");
        assert!(valid && !leftover_valid);
        assert!(
            new > 200_000 && old > 2 * new,
            "{old} bytes would become {new}"
        );
    }
}

#[test]
fn a_forgotten_transaction_keeps_dead_rows() {
    let server = Server::start(&Binaries::major(NEWEST).unwrap(), &Options::default()).unwrap();
    let url = server.admin_url();
    bloat::fill(&url, 3_000).unwrap();
    let forgotten = bloat::forget_transaction(&url, "till").unwrap();
    let mut updating = connect(&url).unwrap();
    updating
        .batch_execute("UPDATE accounts SET abalance = 0 WHERE aid <= 100")
        .unwrap();
    bloat::end(updating, &url).unwrap();
    let mut session = connect(&url).unwrap();
    let mut dead_after_vacuum = || -> i64 {
        session.batch_execute("VACUUM ANALYZE accounts").unwrap();
        let sql = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'accounts'";
        session.query_one(sql, &[]).unwrap().get(0)
    };
    assert_eq!(dead_after_vacuum(), 67);
    bloat::end(forgotten, &url).unwrap();
    assert_eq!(dead_after_vacuum(), 0);
}
