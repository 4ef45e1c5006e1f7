//! The database room: what `wit/database.wit` promises, done on PostgreSQL 14 to 18.
//!
//! | effect | undo | in doubt: asks the server |
//! |---|---|---|
//! | vacuum | not needed: rows are unchanged | is the session still at work; then `last_vacuum` |
//! | analyze | not needed: statistics follow the rows | is the session still at work; then `last_analyze` |
//! | reindex | not needed: the same index, rebuilt | is the session still at work; then OID, `indisvalid`, `_ccnew`/`_ccold` |
//! | drop invalid index | not needed: no query can use it | does the index still exist |
//! | cancel backend | impossible: the statement's work is lost | is the session still at work |
//! | set parameters | what was set before, absent included | `pg_xact_status`; where that has forgotten, the catalog |

pub mod call;
pub mod client;
mod names;
mod parameters;
pub mod scope;
mod wit;

pub use call::{Effect, Read, Revert};
pub use client::{Client, Lock, LockError, Probe, Target, TargetError};
pub use scope::{Scope, Verb};
