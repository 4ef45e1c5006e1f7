//! The types that cross the border between host and guest, generated from `wit/`. Nothing else defines one.
//!
//! They are also what the journal stores as calls and answers, so each derives serde.
#![expect(
    missing_docs,
    reason = "generated: the WIT files carry the documentation"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "everything",
    imports: { default: async | trappable },
    exports: { default: async },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});

pub use self::windlass::procedure::{
    cluster_certificates, cluster_config, cluster_jobs, cluster_manifest_jobs, cluster_nodes,
    cluster_read, cluster_routes, cluster_types, cluster_workloads, database_maintain,
    database_read, database_types, notify_send, notify_types, probe_read, probe_types, run, types,
};
pub use types::{Denial, Error as CallError, ErrorKind, Level, Verdict};

impl CallError {
    /// An error of this kind with a message for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            denied: None,
            message: message.into(),
        }
    }

    /// A refusal by windlass itself, for this reason.
    pub fn denied(denial: Denial, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, message).because(denial)
    }

    /// The same error as a refusal by windlass itself, for this reason.
    #[must_use]
    pub fn because(self, denial: Denial) -> Self {
        Self {
            denied: Some(denial),
            ..self
        }
    }
}
