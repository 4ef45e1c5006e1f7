//! windlass runs maintenance procedures as sandboxed WebAssembly components.
//!
//! Every touch of the outside is a value that passes one gate; `ARCHITECTURE.md` tells what follows from that.

pub mod call;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod contract;
pub mod database;
mod dial;
pub mod document;
pub mod engine;
pub mod folder;
pub mod grant;
pub mod journal;
pub mod notify;
pub mod plugin;
pub mod probe;
pub mod report;
mod secret;
mod suggest;
pub mod text;
mod tls;
