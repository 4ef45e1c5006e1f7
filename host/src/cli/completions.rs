//! `windlass completions`: a script for the operator's shell.

use super::context::Context;
use super::failure::{Exit, Failure};
use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "windlass",
        &mut script,
    );
    if context.printer.is_json() {
        let document = json!({
            "shell": args.shell.to_string(),
            "script": String::from_utf8_lossy(&script),
        });
        context.printer.json("windlass.completions/1", &document)?;
    } else {
        context.printer.raw(&script)?;
    }
    Ok(Exit::Succeeded)
}
