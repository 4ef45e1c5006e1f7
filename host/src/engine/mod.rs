//! The engine: one gate for all calls, the sandbox that guests run in, replay, unwind. It knows no target by its protocol.

pub mod permit;

pub use permit::{ChangePermit, Permit, Progress};
