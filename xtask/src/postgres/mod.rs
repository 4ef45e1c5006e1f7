//! A real PostgreSQL: found on the machine or fetched, run as an unprivileged user, gone when its owner is gone.
//!
//! [`Binaries`] are the programs of one version, [`Server`] is a running one, [`Pooler`] is a pool in front of it, [`Instance`] is what a caller gets who does not care: the
//! server that `DATABASE_URL` names, else one of its own.

mod account;
mod address;
mod binaries;
mod error;
mod fetch;
mod given;
mod instance;
mod pooler;
mod required;
mod server;
mod standby;
mod statements;

pub use crate::fresh::secret;
pub use account::Account;
pub use address::{url_on_loopback, with_database, with_user};
pub use binaries::{Binaries, Version, check_client_tools, client_tool};
pub use error::Error;
pub use given::sweep;
pub use instance::Instance;
pub use pooler::{PgBouncer, Pooler};
pub use required::{Missing, required, required_pooler, required_tool};
pub use server::{Options, Server};
pub use statements::Statement;

/// The oldest supported major version.
pub const OLDEST: u32 = 14;
/// The newest supported major version.
pub const NEWEST: u32 = 18;

/// Opens a session. Blocking: not for use inside an async runtime.
pub fn connect(url: &str) -> Result<::postgres::Client, Error> {
    ::postgres::Client::connect(url, ::postgres::NoTls).map_err(Error::Connect)
}
