//! A PostgreSQL database: what it tells, and how it is maintained while it is in use.

use crate::bindings::windlass::procedure::{database_maintain, database_read};
use crate::{Error, Instant};

pub use crate::bindings::windlass::procedure::database_maintain::{Rebuilt, Vacuumed};
pub use crate::bindings::windlass::procedure::database_types::{
    AgedDatabase, ChangedCollation, CollationFacts, CoverageFacts, Expectation, IndexFacts,
    InvariantResult, Leftover, Maintenance, ObjectName, OwnStatement, Pool, ReplicationFacts,
    ReplicationSlot, ServerFacts, SessionFacts, Standby, Statement, StatementStatistics,
    StorageParameter, TableFacts, TableKind, UnknownBloat, Withheld, Withholder, XminHolder,
    XminHolderKind,
};

impl TableFacts {
    /// What keeps the run from maintaining it in this way, if something does. To ask is no call.
    pub fn withheld(&self, what: Maintenance) -> Option<Withholder> {
        by(&self.withheld, what)
    }
}

impl IndexFacts {
    /// What keeps the run from maintaining it in this way, if something does. To ask is no call.
    pub fn withheld(&self, what: Maintenance) -> Option<Withholder> {
        by(&self.withheld, what)
    }
}

fn by(withheld: &[Withheld], what: Maintenance) -> Option<Withholder> {
    let found = withheld.iter().find(|withheld| withheld.what == what);
    found.map(|withheld| withheld.by)
}

/// A database by its logical name. Each method is one call to the host and needs the verb that it names.
///
/// The first group only looks. In a plan it really looks, and sees what is there now, without what the plan would change. The second
/// group changes something; in a plan it answers what is foreseen and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    name: String,
}

/// Looking. A component that calls only these does not import `database-maintain`.
impl Database {
    pub(crate) fn named(name: String) -> Self {
        Self { name }
    }

    /// The logical name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version, role, size, free space. Verb: `server`.
    pub fn server(&self) -> Result<ServerFacts, Error> {
        Ok(database_read::server(&self.name)?)
    }

    /// What there is in the database, and what of it the other looks show: what they do not show is not known to be in order. Verb: `tables`.
    pub fn coverage(&self) -> Result<CoverageFacts, Error> {
        Ok(database_read::coverage(&self.name)?)
    }

    /// Tables, partitioned tables and materialized views that needs and grant cover; largest first, at most 5,000. Verb: `tables`.
    pub fn tables(&self) -> Result<Vec<TableFacts>, Error> {
        Ok(database_read::tables(&self.name)?)
    }

    /// Indexes of the tables that needs and grant cover; invalid ones first, then the largest, at most 5,000. Of TOAST tables, the invalid
    /// ones only. Verb: `indexes`.
    pub fn indexes(&self) -> Result<Vec<IndexFacts>, Error> {
        Ok(database_read::indexes(&self.name)?)
    }

    /// Collations whose library has another version than the one that is recorded. Verb: `indexes`.
    pub fn collations(&self) -> Result<CollationFacts, Error> {
        Ok(database_read::collations(&self.name)?)
    }

    /// What keeps vacuum from removing dead rows; oldest first. Verb: `sessions`.
    pub fn xmin_holders(&self) -> Result<Vec<XminHolder>, Error> {
        Ok(database_read::xmin_holders(&self.name)?)
    }

    /// Connections, their states and the headroom. Verb: `sessions`.
    pub fn sessions(&self) -> Result<SessionFacts, Error> {
        Ok(database_read::sessions(&self.name)?)
    }

    /// Standbys and slots as this server sees them. Verb: `replication`.
    pub fn replication(&self) -> Result<ReplicationFacts, Error> {
        Ok(database_read::replication(&self.name)?)
    }

    /// Statements with the most total time, cumulative; at most `limit` and 5,000. `not-found` where `pg_stat_statements` is not
    /// installed. Verb: `statements`.
    pub fn statements(&self, limit: u32) -> Result<StatementStatistics, Error> {
        Ok(database_read::statements(&self.name, limit)?)
    }

    /// Names of the invariants that the operator declared. Verb: `invariants`.
    pub fn invariants(&self) -> Result<Vec<String>, Error> {
        Ok(database_read::invariants(&self.name)?)
    }

    /// Evaluates one declared invariant under row and time caps. Verb: `invariants`.
    pub fn invariant(&self, name: &str) -> Result<InvariantResult, Error> {
        Ok(database_read::invariant(&self.name, name)?)
    }
}

/// Maintaining. No method reads, writes or deletes a row.
impl Database {
    /// VACUUM, with ANALYZE if so asked. `conflict` when another session holds the table and the server skipped it. In a plan it
    /// foresees no dead rows. Undo: not needed. Verb: `vacuum`.
    pub fn vacuum(&self, table: &ObjectName, analyze: bool) -> Result<Vacuumed, Error> {
        Ok(database_maintain::vacuum(&self.name, table, analyze)?)
    }

    /// ANALYZE. Undo: not needed. Verb: `analyze`.
    pub fn analyze(&self, table: &ObjectName) -> Result<(), Error> {
        Ok(database_maintain::analyze(&self.name, table)?)
    }

    /// REINDEX INDEX CONCURRENTLY. A failure leaves no invalid index. In a plan it foresees the size without bloat. Undo: not needed.
    /// Verb: `reindex`.
    pub fn reindex(&self, index: &ObjectName) -> Result<Rebuilt, Error> {
        Ok(database_maintain::reindex(&self.name, index)?)
    }

    /// DROP INDEX CONCURRENTLY of an invalid index; `conflict` for a valid one. Answers the bytes freed. Undo: not needed, no query
    /// can use an invalid index. Verb: `drop-invalid-index`.
    pub fn drop_invalid_index(&self, index: &ObjectName) -> Result<u64, Error> {
        Ok(database_maintain::drop_invalid_index(&self.name, index)?)
    }

    /// Cancels the statement of a session that windlass itself opened; `denied` for any other. Answers whether one was running. Undo:
    /// impossible, the statement's work is lost. Verb: `cancel-backend`.
    pub fn cancel_backend(&self, pid: u32, backend_start: Instant) -> Result<bool, Error> {
        Ok(database_maintain::cancel_backend(
            &self.name,
            pid,
            backend_start,
        )?)
    }

    /// Sets autovacuum parameters of a table; an absent value resets one. Answers what was set before, for these names. Undo: exactly
    /// what was set before, absent included. Verb: `set-parameters`.
    pub fn set_parameters(
        &self,
        table: &ObjectName,
        parameters: &[(String, Option<String>)],
    ) -> Result<Vec<StorageParameter>, Error> {
        Ok(database_maintain::set_parameters(
            &self.name, table, parameters,
        )?)
    }
}
