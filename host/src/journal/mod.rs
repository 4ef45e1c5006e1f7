//! The append-only record of every run: what was asked, what was there before, what came of it, and how it is taken back.

pub mod entry;
pub mod state;
pub mod store;

pub use entry::{Ask, Begin, Call, Entry, Outcome, RunId, Stamped};
pub use state::{EffectState, Phase, State};
pub use store::{Receipt, Store, StoreError};
