//! `cargo xtask`: what a newcomer's commands call.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prepares the machine and tells what it does"
)]

mod advisories;
mod cluster;
mod demo;
mod serve;
mod setup;
mod suite;
mod trouble;

use std::process::ExitCode;
use trouble::Trouble;

const USAGE: &str = "\
cargo xtask demo            a database is made, bloated, repaired and looked at again
cargo xtask demo --cluster  a rollout on a real Kubernetes, and one that takes itself back
cargo xtask test [ARGS]     the whole suite; ARGS go to `cargo test`
cargo xtask setup           what `cargo build` and `cargo test` need: the WebAssembly target, PostgreSQL, Kubernetes
cargo xtask setup --debian  the WebAssembly target from Debian's packages, even where there is another way
cargo xtask advisories [DB] what is known against the packages that are built in; DB is a copy of the advisory database
cargo xtask serve [MAJOR]   a PostgreSQL to try things on, until its standard input ends
cargo xtask cluster         a Kubernetes to try things on, until its standard input ends

DATABASE_URL names a server of yours, one that may be thrown away. The demo plays on it. The suite uses it in the place of the shared
servers of both versions; tests that crash, encrypt or copy a server, or have it for themselves, start their own.
WINDLASS_TEST_KUBECONFIG names the kubeconfig of such a cluster of yours: see tests/testbed/README.md. Else Go builds one, once.
";

fn main() -> ExitCode {
    match command(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            trouble.tell();
            trouble.exit_code()
        }
    }
}

fn command(mut arguments: Vec<String>) -> Result<(), Trouble> {
    if arguments.is_empty() {
        arguments.push("help".to_owned());
    }
    let rest = arguments.split_off(1);
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (arguments[0].as_str(), rest.as_slice()) {
        ("demo", []) => demo::demo(),
        ("demo", ["--cluster"]) => demo::cluster::demo(),
        ("test", arguments) => suite::test(arguments),
        ("setup", []) => setup::setup(),
        ("setup", ["--debian"]) => setup::debian(),
        ("advisories", []) => advisories::advisories(None),
        ("advisories", [folder]) => advisories::advisories(Some(folder)),
        ("cluster", []) => cluster::cluster(),
        ("serve", []) => serve::serve(None),
        ("serve", [major]) => serve::serve(Some(major)),
        ("help" | "--help" | "-h", _) => {
            print!("{USAGE}");
            Ok(())
        }
        (command, _) => Err(Trouble::Usage(command.to_owned())),
    }
}
