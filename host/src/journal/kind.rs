//! The name of each kind of entry, as it is stored.

use super::entry::{Ask, Call, Entry};

/// One list for the names and for the match, so that a new kind cannot be left out of either.
macro_rules! kinds {
    ($($pattern:pat => $name:literal,)*) => {
        /// Every kind of entry that this version knows.
        pub const KINDS: &[&str] = &[$($name),*];

        impl Entry {
            /// The kind, as the stored entry names it.
            pub fn kind(&self) -> &'static str {
                match self {
                    $($pattern => $name,)*
                }
            }
        }
    };
}

kinds! {
    Self::Begin(_) => "begin",
    Self::Resumed { .. } => "resumed",
    Self::Observed { .. } => "observed",
    Self::Waiting { .. } => "waiting",
    Self::Refused { .. } => "refused",
    Self::Step { .. } => "step",
    Self::Log { .. } => "log",
    Self::Check { .. } => "check",
    Self::Panicked { .. } => "panicked",
    Self::Intended { .. } => "intended",
    Self::Noted { .. } => "noted",
    Self::Turned(_) => "turned",
    Self::Done { .. } => "done",
    Self::Failed { .. } => "failed",
    Self::NotDone { .. } => "not-done",
    Self::InDoubt { .. } => "in-doubt",
    Self::Unwinding { .. } => "unwinding",
    Self::Undoing { .. } => "undoing",
    Self::Undone { .. } => "undone",
    Self::UndoFailed { .. } => "undo-failed",
    Self::Stopped { .. } => "stopped",
    Self::CancelRequested { .. } => "cancel-requested",
    Self::UndoRequested { .. } => "undo-requested",
    Self::End { .. } => "end",
}

impl Entry {
    /// The kind, with what tells observations apart that are looked for later without decoding them all.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Observed {
                call: Call::Read(_),
                ..
            } => "observed/read",
            Self::Observed {
                call: Call::Ask(Ask::Remember { .. }),
                ..
            } => "observed/remember",
            Self::Observed {
                call: Call::Ask(_), ..
            } => "observed/ask",
            Self::Observed {
                call: Call::Effect(_),
                ..
            } => "observed/effect",
            Self::Begin(_)
            | Self::Resumed { .. }
            | Self::Waiting { .. }
            | Self::Refused { .. }
            | Self::Step { .. }
            | Self::Log { .. }
            | Self::Check { .. }
            | Self::Panicked { .. }
            | Self::Intended { .. }
            | Self::Noted { .. }
            | Self::Turned(_)
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::NotDone { .. }
            | Self::InDoubt { .. }
            | Self::Unwinding { .. }
            | Self::Undoing { .. }
            | Self::Undone { .. }
            | Self::UndoFailed { .. }
            | Self::Stopped { .. }
            | Self::CancelRequested { .. }
            | Self::UndoRequested { .. }
            | Self::End { .. } => self.kind(),
        }
    }
}

/// Whether a stored label is of a kind that this version knows.
pub(super) fn known(label: &str) -> bool {
    let kind = label.split_once('/').map_or(label, |(kind, _)| kind);
    KINDS.contains(&kind)
}

/// Whether entries under this label are answers to calls.
pub(super) fn answers(label: &str) -> bool {
    label.starts_with("observed/")
}

/// Whether entries under this label leave the state as it is, so that folding need not decode them.
pub(super) fn passes(label: &str) -> bool {
    let is_declined_effect = label == "observed/effect";
    (answers(label) && !is_declined_effect) || matches!(label, "log" | "waiting" | "turned")
}
