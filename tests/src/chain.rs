//! A chain of kills through one run: each process kills itself at the first boundary at which no process before it did, so that a driver
//! which resumes the run until it ends has had it killed at every boundary once.
//!
//! The file is the chain's memory: a line `committed KIND` for each entry, and a line `killed BOUNDARY` for each kill.

use crate::send_self;
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use windlass::engine::OnCommit;
use windlass::journal::Moment;

/// Kinds that tell that the target has changed between the entry before and this one. Otherwise being killed before this one is being
/// killed after that one.
const CHANGES: [&str; 4] = ["done", "failed", "undone", "undo-failed"];

pub(crate) fn kill_each(wanted: Moment, file: &Path) -> OnCommit {
    let chain = Mutex::new(Chain::read(file));
    Arc::new(move |moment, _, stamped| {
        let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = stamped.entry.kind();
        let boundary = format!("killed {}", chain.boundary(kind));
        if moment == Moment::AfterCommit {
            chain.add(format!("committed {kind}"));
        }
        let is_wanted = wanted == Moment::AfterCommit || CHANGES.contains(&kind);
        if moment == wanted && is_wanted && !chain.lines.contains(&boundary) {
            chain.add(boundary);
            send_self(Signal::KILL);
        }
    })
}

struct Chain {
    lines: Vec<String>,
    file: File,
}

impl Chain {
    #[expect(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "a fault that cannot come is no fault"
    )]
    fn read(path: &Path) -> Self {
        let before = fs::read_to_string(path).unwrap_or_default();
        let file = File::options().create(true).append(true).open(path);
        Self {
            lines: before.lines().map(str::to_owned).collect(),
            file: file.expect("the suite names a file"),
        }
    }

    /// What is done again after a crash is the same boundary: otherwise a run that is killed after each announcement would never get
    /// beyond it.
    fn boundary(&self, kind: &str) -> String {
        let committed = |kind: &str| {
            let line = format!("committed {kind}");
            self.lines.iter().filter(|seen| **seen == line).count()
        };
        match kind {
            "intended" | "noted" | "done" | "failed" | "not-done" | "in-doubt" => {
                format!("{kind} {}", committed("done") + committed("failed") + 1)
            }
            "undoing" | "undone" | "undo-failed" => format!("{kind} {}", committed("undone") + 1),
            "observed" | "waiting" | "step" | "log" | "check" | "turned" | "refused" => {
                format!("{kind} {}", committed(kind) + 1)
            }
            _ => kind.to_owned(),
        }
    }

    #[expect(clippy::expect_used, reason = "a chain without memory never ends")]
    fn add(&mut self, line: String) {
        writeln!(self.file, "{line}").expect("the chain's file can be written");
        self.lines.push(line);
    }
}
