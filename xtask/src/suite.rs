//! `cargo xtask test`: the whole suite.

use crate::setup;
use crate::trouble::Trouble;
use std::process::Command;
use xtask::shell;

/// Sets up, then runs `cargo test` with these arguments, on the whole workspace unless they name a package. The servers are started, and
/// ended, by the tests themselves.
pub(crate) fn test(arguments: &[&str]) -> Result<(), Trouble> {
    setup::compiler()?;
    setup::suite()?;
    let mut cargo = cargo();
    // One failure hides no other.
    cargo.args(["test", "--locked", "--no-fail-fast"]);
    let own = arguments.iter().take_while(|argument| **argument != "--");
    let names_a_package =
        |argument: &&&str| argument.starts_with("-p") || argument.starts_with("--package");
    if own.filter(names_a_package).count() == 0 {
        cargo.arg("--workspace");
    }
    cargo.args(arguments);
    Ok(shell::run(&mut cargo)?)
}

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(xtask::workspace());
    cargo
}
