//! `windlass audit`: is the record whole?

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::text::counted;
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Audit,
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Recompute the journal's chain of hashes from its first entry
    Verify {
        /// A head that was printed earlier and noted elsewhere: nothing before it may have changed
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let Audit::Verify { head } = &args.command;
    let verified = context.store_to_read()?.verify(head.as_deref())?;
    if context.printer.is_json() {
        let document =
            json!({ "entries": verified.entries, "runs": verified.runs, "head": verified.head });
        context.printer.json("windlass.audit/1", &document)?;
        return Ok(Exit::Succeeded);
    }
    let noted = if head.is_some() {
        ", and it continues the head that you noted"
    } else {
        ""
    };
    context.printer.text(format_args!(
        "The record is whole: {} entries of {}{noted}.\nhead {}",
        verified.entries,
        counted(usize::try_from(verified.runs).unwrap_or(usize::MAX), "run"),
        verified.head
    ))?;
    context
        .printer
        .note("Note the head where windlass cannot write, and pass it back later with --head.");
    Ok(Exit::Succeeded)
}
