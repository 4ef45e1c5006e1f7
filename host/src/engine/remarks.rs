//! How much of what a guest says is kept: lines, steps, checks. Pure.

use super::halt::Halt;
use crate::contract::Level;
use crate::journal::Entry;

/// Remarks of one run that are kept.
const KEPT: u64 = 10_000;
/// Bytes of all of them together.
const KEPT_BYTES: usize = 4 << 20;
/// Remarks after which nobody believes that it will end.
const MADE: u64 = 100_000;

/// What a run's guest said so far. A resumed guest says it again and is counted again, so the same remarks are kept.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    made: u64,
    bytes: usize,
    full: bool,
}

impl Remarks {
    /// The entry to record: the remark, the one marker in the place of the first that is dropped, or none. An error ends the run.
    pub(super) fn admit(&mut self, remark: Entry) -> Result<Option<Entry>, Halt> {
        self.made += 1;
        if self.made > MADE {
            return Err(Halt::Refused(format!(
                "the procedure made more than {MADE} remarks"
            )));
        }
        if self.full {
            return Ok(None);
        }
        self.bytes = self.bytes.saturating_add(length(&remark));
        if self.made < KEPT && self.bytes <= KEPT_BYTES {
            return Ok(Some(remark));
        }
        self.full = true;
        Ok(Some(Entry::Log {
            level: Level::Warning,
            message: format!(
                "more than {KEPT} remarks or {} MB of them: the rest is dropped",
                KEPT_BYTES >> 20
            ),
        }))
    }
}

fn length(remark: &Entry) -> usize {
    match remark {
        Entry::Log { message, .. } | Entry::Panicked { message } => message.len(),
        Entry::Step { name } => name.len(),
        Entry::Check { name, evidence, .. } => name.len() + evidence.len(),
        Entry::Begin(_)
        | Entry::Resumed { .. }
        | Entry::Observed { .. }
        | Entry::Waiting { .. }
        | Entry::Refused { .. }
        | Entry::Intended { .. }
        | Entry::Noted { .. }
        | Entry::Turned(_)
        | Entry::Done { .. }
        | Entry::Failed { .. }
        | Entry::NotDone { .. }
        | Entry::InDoubt { .. }
        | Entry::Unwinding { .. }
        | Entry::Undoing { .. }
        | Entry::Undone { .. }
        | Entry::UndoFailed { .. }
        | Entry::Stopped { .. }
        | Entry::CancelRequested { .. }
        | Entry::UndoRequested { .. }
        | Entry::End { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes: usize) -> Entry {
        Entry::Log {
            level: Level::Info,
            message: "x".repeat(bytes),
        }
    }

    #[test]
    fn many_and_long_remarks_are_dropped_with_one_marker_and_too_many_end_the_run() {
        for bytes in [1, 4096] {
            let mut remarks = Remarks::default();
            let kept: Vec<_> = (0..MADE)
                .filter_map(|_| remarks.admit(log(bytes)).unwrap())
                .collect();
            let markers = kept.iter().filter(|entry| **entry != log(bytes)).count();
            assert_eq!(markers, 1);
            let most = if bytes == 1 { 10_000 } else { 1_025 };
            assert_eq!(kept.len(), most);
            assert!(remarks.admit(log(bytes)).is_err());
        }
    }
}
