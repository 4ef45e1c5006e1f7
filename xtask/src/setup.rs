//! `cargo xtask setup`: makes sure of what a build and a test need, and says what is there. Quick where nothing is missing.

use crate::trouble::Trouble;
use xtask::kubernetes::{self, Cluster, Kubebed};
use xtask::postgres::{Binaries, Error, Instance, NEWEST, OLDEST, PgBouncer, check_client_tools};
use xtask::wasm;

/// All that `cargo build` and `cargo test` need.
pub(crate) fn setup() -> Result<(), Trouble> {
    compiler()?;
    suite()?;
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

/// The oldest and the newest supported server, the one that `DATABASE_URL` names, the clients that windlass is compared with, a pool, and a
/// Kubernetes.
pub(crate) fn suite() -> Result<(), Trouble> {
    if let Some(given) = Instance::given()? {
        let major = given.check()?;
        eprintln!("PostgreSQL   {major}, the server that DATABASE_URL names");
    }
    for major in [OLDEST, NEWEST] {
        server(Binaries::major(major))?;
    }
    for (name, version) in check_client_tools()? {
        eprintln!("client       {name} {version}");
    }
    eprintln!("pool         PgBouncer {}", PgBouncer::find()?.version()?);
    match Cluster::given()? {
        Some(given) => {
            given.check()?;
            eprintln!(
                "Kubernetes   the cluster that {} names",
                kubernetes::VARIABLE
            );
        }
        None => {
            kubebed()?;
        }
    }
    Ok(())
}

/// The Kubernetes of the suite, built if it is not.
pub(crate) fn kubebed() -> Result<Kubebed, Trouble> {
    let kubebed = Kubebed::built(&say)?;
    let place = kubebed.program().parent().unwrap_or(kubebed.program());
    let place = place.strip_prefix(xtask::workspace()).unwrap_or(place);
    eprintln!(
        "Kubernetes   {} built, in {}",
        kubebed.version(),
        place.display()
    );
    Ok(kubebed)
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
