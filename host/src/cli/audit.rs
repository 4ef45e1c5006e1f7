//! `windlass audit`: is the record whole?

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::journal::{Store, StoreError, Verified};
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
        #[arg(long, value_name = "HASH", value_parser = hash)]
        head: Option<String>,
    },
    /// Print every entry of every run as a line of JSON, and the head as the last one, once the record is found whole
    Export,
}

/// A slip of the pen is no tampering.
fn hash(text: &str) -> Result<String, String> {
    let hash = text.trim().to_lowercase();
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash {
        Ok(hash)
    } else {
        Err("a head is 64 hexadecimal digits".into())
    }
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let head = match &args.command {
        Audit::Verify { head } => head,
        Audit::Export => return export(context),
    };
    let verified = verify(context, head.as_deref())?;
    if context.printer.is_json() {
        let document = json!({
            "entries": verified.entries, "runs": verified.runs, "head": verified.head, "lost": verified.lost
        });
        context.printer.json("windlass.audit/1", &document)?;
    } else {
        context.printer.text(told(&verified, head.is_some()))?;
        context
            .printer
            .note("Note the head where windlass cannot write, and pass it back later with --head.");
    }
    Ok(if verified.lost.is_empty() {
        Exit::Succeeded
    } else {
        Exit::NeedsPerson
    })
}

fn verify(context: &Context, head: Option<&str>) -> Result<Verified, Failure> {
    let store =
        Store::open_read_only(&context.state_dir()?).map_err(|error| match (error, head) {
            // Where there was a head there was a journal.
            (StoreError::Missing { path }, Some(head)) => StoreError::HeadLost {
                path,
                head: head.to_owned(),
            },
            (error, _) => error,
        })?;
    Ok(store.verify(head)?)
}

/// The whole record, run by run, the oldest first.
fn export(context: &Context) -> Result<Exit, Failure> {
    let verified = verify(context, None)?;
    let store = Store::open_read_only(&context.state_dir()?)?;
    for (run, _) in store.runs()?.into_iter().rev() {
        for stamped in store.entries(&run)? {
            let line = json!({ "run": run, "stamped": stamped });
            context.printer.json_line("windlass.entry/1", &line)?;
        }
    }
    let last = json!({ "entries": verified.entries, "runs": verified.runs, "head": verified.head });
    context.printer.json_line("windlass.head/1", &last)?;
    Ok(Exit::Succeeded)
}

fn told(verified: &Verified, is_noted: bool) -> String {
    let noted = if is_noted {
        ", and continues the one that you noted"
    } else {
        ""
    };
    let runs = usize::try_from(verified.runs).unwrap_or(usize::MAX);
    let mut lines = vec![format!(
        "The record is whole up to this head{noted}: {} entries of {}.",
        verified.entries,
        counted(runs, "run"),
    )];
    lines.extend(verified.lost.iter().map(|lost| {
        format!(
            "The {} of run {} is no longer kept, so it cannot be resumed: {}",
            lost.what, lost.run, lost.digest
        )
    }));
    lines.push(format!("head {}", verified.head));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{hash, told};
    use crate::journal::{Lost, RunId, Verified};

    #[test]
    fn a_head_is_read_as_people_copy_it() {
        let head = "ab".repeat(32);
        assert_eq!(hash(&format!(" {} ", head.to_uppercase())).unwrap(), head);
        assert!(hash(&head[1..]).is_err() && hash(&"xy".repeat(32)).is_err());
    }

    #[test]
    fn what_is_no_longer_kept_is_told() {
        let lost = Lost {
            run: RunId("251121-k3f".into()),
            what: "plan",
            digest: "sha256:00".into(),
        };
        let verified = Verified {
            entries: 3,
            runs: 1,
            head: "ab".into(),
            lost: vec![lost],
        };
        assert_eq!(
            told(&verified, true),
            "The record is whole up to this head, and continues the one that you noted: 3 entries of 1 run.\n\
             The plan of run 251121-k3f is no longer kept, so it cannot be resumed: sha256:00\n\
             head ab"
        );
    }
}
