//! Steps that several tests take in their world.

use super::World;
use std::time::Duration;
use xtask::postgres::connect;
use xtask::{bloat, until};

/// Nothing that a test waits for takes longer.
const DEADLINE: Duration = Duration::from_mins(1);

impl World {
    /// As the role that windlass is given, in a session that ends before this returns: what it did is in the server's statistics then.
    pub(crate) fn as_owner(&self, sql: &str) {
        let mut session = connect(self.url()).unwrap();
        session.batch_execute(sql).unwrap();
        bloat::end(session, self.url()).unwrap();
    }

    /// Analyzes a table with dead rows until the server's statistics know of them: what PostgreSQL 14 counts is told by datagrams, which a busy
    /// server may lose.
    #[track_caller]
    pub(crate) fn analyze_dead(&self, table: &str) {
        let known = format!(
            "SELECT FROM pg_stat_user_tables WHERE relid = '{table}'::regclass AND last_analyze IS NOT NULL AND n_dead_tup > 0"
        );
        let known = until(DEADLINE, || {
            self.as_owner(&format!("ANALYZE {table}"));
            self.session().query(&known, &[]).unwrap().pop()
        });
        assert!(known.is_some(), "nobody knows of dead rows of {table}");
    }

    /// Adds lines to the end of `windlass.toml`, which is the section of the target.
    pub(crate) fn configure(&self, lines: &str) {
        let text = self.read("windlass.toml");
        self.write("windlass.toml", &(text + lines));
    }

    /// Asks the server until the query has a row.
    #[track_caller]
    pub(crate) fn until(&self, query: &str) {
        let mut session = self.session();
        let seen = until(DEADLINE, || session.query(query, &[]).unwrap().pop());
        assert!(seen.is_some(), "never: {query}");
    }
}
