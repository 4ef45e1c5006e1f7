//! `cargo xtask setup`: makes sure of what a build and a test need, and says what is there. Quick where nothing is missing.

use crate::trouble::Trouble;
use xtask::postgres::{Binaries, Error, NEWEST, OLDEST};
use xtask::wasm;

/// All that `cargo build` and `cargo test` need.
pub(crate) fn setup() -> Result<(), Trouble> {
    compiler()?;
    servers_of_the_suite()?;
    eprintln!("ready: cargo build · cargo test · cargo xtask demo");
    Ok(())
}

/// The WebAssembly target from Debian's packages.
pub(crate) fn debian() -> Result<(), Trouble> {
    let toolchain = wasm::from_debian(&say)?;
    eprintln!(
        "compiler     Debian's is in target/wasm-toolchain; in use is {}",
        toolchain.rustc.display()
    );
    Ok(())
}

/// What compiles procedures.
pub(crate) fn compiler() -> Result<(), Trouble> {
    let toolchain = wasm::ensure(&say)?;
    eprintln!(
        "compiler     {} makes WebAssembly",
        toolchain.rustc.display()
    );
    Ok(())
}

/// The oldest and the newest supported server, and any other one that is installed.
pub(crate) fn servers_of_the_suite() -> Result<(), Trouble> {
    for major in [OLDEST, NEWEST] {
        server(Binaries::major(major))?;
    }
    Ok(())
}

/// Tells where a server's programs are.
pub(crate) fn server(binaries: Result<Binaries, Error>) -> Result<Binaries, Trouble> {
    let binaries = binaries?;
    let origin = if binaries.installed() {
        "installed"
    } else {
        "fetched"
    };
    let place = binaries.directory();
    let place = place.strip_prefix(xtask::workspace()).unwrap_or(place);
    eprintln!(
        "PostgreSQL   {} {origin}, in {}",
        binaries.version(),
        place.display()
    );
    Ok(binaries)
}

fn say(what: &str) {
    eprintln!("setup        {what}");
}
