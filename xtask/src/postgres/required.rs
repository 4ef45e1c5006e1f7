//! What tests take for granted: there after one `cargo xtask setup`, and asked for once in a process.

use super::{Binaries, Error, NEWEST, OLDEST, PgBouncer, client_tool};
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

const VERSIONS: usize = (NEWEST - OLDEST + 1) as usize;

/// Something that the suite needs is not here. Its debug form is for people, so that `unwrap` tells all of it.
#[derive(Clone)]
pub struct Missing(String);

impl fmt::Debug for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the suite is not set up: run `cargo xtask setup`\n{}",
            self.0
        )
    }
}

/// The server programs of a supported major version. A failure is remembered: nothing is fetched twice in vain.
pub fn required(major: u32) -> Result<Binaries, Missing> {
    static FOUND: [OnceLock<Result<Binaries, Missing>>; VERSIONS] =
        [const { OnceLock::new() }; VERSIONS];
    let slot = major
        .checked_sub(OLDEST)
        .and_then(|place| FOUND.get(usize::try_from(place).ok()?));
    let find = || Binaries::major(major).map_err(|error| missing(&error));
    match slot {
        Some(slot) => slot.get_or_init(find).clone(),
        None => find(),
    }
}

/// A client program that the suite compares windlass with: see [`client_tool`].
pub fn required_tool(name: &'static str) -> Result<PathBuf, Missing> {
    client_tool(name).map_err(|error| missing(&error))
}

/// The pool that the suite puts in front of servers.
pub fn required_pooler() -> Result<PgBouncer, Missing> {
    static FOUND: OnceLock<Result<PgBouncer, Missing>> = OnceLock::new();
    FOUND
        .get_or_init(|| PgBouncer::find().map_err(|error| missing(&error)))
        .clone()
}

fn missing(error: &Error) -> Missing {
    Missing(error.story())
}
