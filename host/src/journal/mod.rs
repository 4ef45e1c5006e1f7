//! The append-only record of every run: what was asked, what was there before, what came of it, and how it is taken back.

pub mod entry;
mod kind;
pub mod state;
pub mod store;

#[cfg(test)]
pub(crate) mod golden;

pub use entry::{Ask, Begin, Call, Entry, Outcome, RunId, Stamped};
pub use kind::KINDS;
pub use state::{EffectState, Finding, Illegal, Phase, State, Status, Sweep, UndoState};
pub use store::{Listed, Lost, Moment, Receipt, Store, StoreError, Verified, Watcher, Whose};
