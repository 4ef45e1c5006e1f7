//! Implements `wit/database.wit`: each function becomes a call, goes through the gate, and its answer goes back to the guest.

use super::call::{Effect, Read};
use crate::call;
use crate::contract::CallError;
use crate::contract::database_maintain::{self, Rebuilt, Vacuumed};
use crate::contract::database_read;
use crate::contract::database_types::{
    self, CollationFacts, CoverageFacts, IndexFacts, InvariantResult, ObjectName, ReplicationFacts,
    ServerFacts, SessionFacts, StatementStatistics, StorageParameter, TableFacts, XminHolder,
};
use crate::engine::Guest;
use serde::de::DeserializeOwned;

type Answer<T> = wasmtime::Result<Result<T, CallError>>;

async fn read<T: DeserializeOwned>(guest: &mut Guest, read: Read) -> Answer<T> {
    guest.gate().read(call::Read::Database(read)).await
}

async fn effect<T: DeserializeOwned>(guest: &mut Guest, effect: Effect) -> Answer<T> {
    guest.gate().effect(call::Effect::Database(effect)).await
}

impl database_types::Host for Guest {}

impl database_read::Host for Guest {
    async fn server(&mut self, database: String) -> Answer<ServerFacts> {
        read(self, Read::Server { database }).await
    }

    async fn coverage(&mut self, database: String) -> Answer<CoverageFacts> {
        read(self, Read::Coverage { database }).await
    }

    async fn collations(&mut self, database: String) -> Answer<CollationFacts> {
        read(self, Read::Collations { database }).await
    }

    async fn tables(&mut self, database: String) -> Answer<Vec<TableFacts>> {
        read(self, Read::Tables { database }).await
    }

    async fn indexes(&mut self, database: String) -> Answer<Vec<IndexFacts>> {
        read(self, Read::Indexes { database }).await
    }

    async fn xmin_holders(&mut self, database: String) -> Answer<Vec<XminHolder>> {
        read(self, Read::XminHolders { database }).await
    }

    async fn sessions(&mut self, database: String) -> Answer<SessionFacts> {
        read(self, Read::Sessions { database }).await
    }

    async fn replication(&mut self, database: String) -> Answer<ReplicationFacts> {
        read(self, Read::Replication { database }).await
    }

    async fn statements(&mut self, database: String, limit: u32) -> Answer<StatementStatistics> {
        read(self, Read::Statements { database, limit }).await
    }

    async fn invariants(&mut self, database: String) -> Answer<Vec<String>> {
        read(self, Read::Invariants { database }).await
    }

    async fn invariant(&mut self, database: String, name: String) -> Answer<InvariantResult> {
        read(self, Read::Invariant { database, name }).await
    }
}

impl database_maintain::Host for Guest {
    async fn vacuum(
        &mut self,
        database: String,
        table: ObjectName,
        analyze: bool,
    ) -> Answer<Vacuumed> {
        let vacuum = Effect::Vacuum {
            database,
            table,
            analyze,
        };
        effect(self, vacuum).await
    }

    async fn analyze(&mut self, database: String, table: ObjectName) -> Answer<()> {
        effect(self, Effect::Analyze { database, table }).await
    }

    async fn reindex(&mut self, database: String, index: ObjectName) -> Answer<Rebuilt> {
        effect(self, Effect::Reindex { database, index }).await
    }

    async fn drop_invalid_index(&mut self, database: String, index: ObjectName) -> Answer<u64> {
        effect(self, Effect::DropInvalidIndex { database, index }).await
    }

    async fn cancel_backend(
        &mut self,
        database: String,
        pid: u32,
        backend_start: u64,
    ) -> Answer<bool> {
        let cancel = Effect::CancelBackend {
            database,
            pid,
            backend_start,
        };
        effect(self, cancel).await
    }

    async fn set_parameters(
        &mut self,
        database: String,
        table: ObjectName,
        parameters: Vec<(String, Option<String>)>,
    ) -> Answer<Vec<StorageParameter>> {
        let set = Effect::SetParameters {
            database,
            table,
            parameters,
        };
        effect(self, set).await
    }
}
