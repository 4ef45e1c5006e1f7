//! The engine: one gate for all calls, the sandbox that guests run in, replay, unwind. It knows no target by its protocol.

mod hooks;
pub mod permit;

pub use hooks::{Hooks, OnCall, OnCommit};
pub use permit::{ChangePermit, Permit, Progress};
