//! windlass runs maintenance procedures as sandboxed WebAssembly components.
//!
//! Every touch of the outside is a value that passes one gate; `ARCHITECTURE.md` tells what follows from that.
#![forbid(unsafe_code)]

pub mod call;
pub mod clock;
pub mod contract;
pub mod database;
pub mod engine;
pub mod grant;
pub mod journal;
pub mod report;
pub mod text;
