//! The suite: one binary, so that its servers are started once.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it tests: it starts programs, looks into files, and fails by panicking"
)]

mod author;
mod backup_job;
mod bound;
mod cert_renewal;
mod dependencies;
mod errors;
mod harness;
mod hold;
mod hostile;
mod interruptions;
mod k8s_config;
mod k8s_rollout;
mod laws;
mod maintenance_mode;
mod many;
mod node_maintenance;
mod pg_health;
mod pg_optimize;
mod report;
mod room_cluster;
mod room_database;
mod room_notify;
mod room_probe;
mod runbooks;
mod screens;
mod secrets;
mod service_verify;
mod taking_back;
mod testbed;
mod tidy;
mod under_load;
mod wasi;
mod world;
