//! What is stored, entry by entry. A change here needs a new [`FORMAT`] and a golden file that stays readable.

use crate::call::{Applied, Effect, Prepared, Read, Revert, Reverted, Touch};
use crate::clock::Millis;
use crate::contract::{CallError, Level, Verdict};
use crate::grant::Side;
use crate::probe::Turn;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The version of the stored format.
pub const FORMAT: u32 = 1;

/// Names a run: sortable by time, short enough to type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// The part that tells it from the other runs of its day, which is enough where a name is typed.
    pub fn without_day(&self) -> &str {
        self.0.split_once('-').map_or(&self.0, |(_, rest)| rest)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry with its place in the run and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Position within the run, from 0.
    pub seq: u64,
    /// When it was recorded.
    pub at: Millis,
    /// What was recorded.
    pub entry: Entry,
}

/// A question to the host itself; nothing outside is touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the function of the same name in wit/procedure.wit"
)]
pub enum Ask {
    Now,
    Random { length: u32 },
    Sleep { milliseconds: u64 },
    Remember { key: String, value: String },
    Recall { key: String },
}

impl Ask {
    /// The function's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Random { .. } => "random",
            Self::Sleep { .. } => "sleep",
            Self::Remember { .. } => "remember",
            Self::Recall { .. } => "recall",
        }
    }
}

/// A call that was answered without changing the outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// A look at a target.
    Read(Read),
    /// A question to the host.
    Ask(Ask),
    /// A change that the room found impossible before anything was sent: always answered with an error.
    Effect(Effect),
}

/// How a run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// The stored format.
    pub format: u32,
    /// Name and version of the procedure.
    pub procedure: String,
    /// Its version.
    pub version: String,
    /// `sha256:…` of the component.
    pub digest: String,
    /// Logical name of the target.
    pub target: String,
    /// A JSON object.
    pub parameters: Value,
    /// Files of the grants and digests of their text.
    pub grants: Vec<String>,
    /// Digest of the plan that the run is bound to.
    pub plan: Option<String>,
    /// Who started it.
    pub by: String,
    /// Version of the host.
    pub host: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The procedure finished and every check passed.
    Succeeded,
    /// It finished, and a check could not decide. A person has to look; nothing was taken back.
    Inconclusive,
    /// It failed, and everything it did was taken back.
    FailedAndUnwound,
    /// An operator cancelled it, and everything it did was taken back.
    CancelledAndUnwound,
    /// It was refused before or during its work, and everything it did was taken back.
    Refused,
    /// An undo failed; a person is needed.
    Stuck,
    /// It had succeeded, and an operator took everything back.
    Undone,
    /// It was taken back as far as that goes: something was left to another hand, or cannot be taken back. A person has to look.
    TakenBackInPart,
}

/// One record. Effects are numbered from 1 within a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "an entry lives until it is written; the large ones are the effects, which cost much more"
)]
pub enum Entry {
    /// The first entry of a run.
    Begin(Begin),
    /// Another process took the run over.
    Resumed {
        /// Who.
        by: String,
        /// Files of the grants that hold from here on, and digests of their text; none where nothing but taking back follows.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        grants: Vec<String>,
    },
    /// A look or a question, and its answer.
    Observed {
        /// What was asked.
        call: Call,
        /// What the guest was told.
        answer: Result<Value, CallError>,
    },
    /// A durable wait began.
    Waiting {
        /// When it ends.
        until: Millis,
    },
    /// A call that was not allowed.
    Refused {
        /// The line of the call.
        call: String,
        /// The call itself, for replay.
        value: Value,
        /// Who does not allow it.
        side: Side,
        /// What the guest was told.
        error: CallError,
        /// The object that it turned out to touch, where that is what is not allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        touch: Option<Touch>,
    },
    /// A named stretch began.
    Step {
        /// Its name.
        name: String,
    },
    /// A line for people.
    Log {
        /// How important.
        level: Level,
        /// The line.
        message: String,
    },
    /// A finding.
    Check {
        /// What was checked.
        name: String,
        /// How it came out.
        verdict: Verdict,
        /// Why.
        evidence: String,
    },
    /// The guest panicked; it traps next.
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// An effect is about to happen. Durable before it does.
    Intended {
        /// Number of the effect.
        effect: u64,
        /// What.
        call: Effect,
        /// What was there before, and how to take it back.
        prepared: Prepared,
    },
    /// How to recognise the effect at the target later. Durable before the statement is sent.
    Noted {
        /// Number of the effect.
        effect: u64,
        /// The room's own record.
        note: Value,
    },
    /// An endpoint that is watched beside the run passes, or does not any more.
    Turned(Turn),
    /// The effect happened.
    Done {
        /// Number of the effect.
        effect: u64,
        /// What it came to.
        applied: Applied,
        /// True when the target was asked after a crash.
        confirmed: bool,
    },
    /// The effect failed; the target is as before, but for what is to be swept.
    Failed {
        /// Number of the effect.
        effect: u64,
        /// What the guest was told.
        error: CallError,
        /// What must be cleared away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sweep: Option<Revert>,
    },
    /// After a crash the target said that the effect did not happen. The guest will ask again.
    NotDone {
        /// Number of the effect.
        effect: u64,
        /// How we know.
        why: String,
        /// What must be cleared away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sweep: Option<Revert>,
    },
    /// The target could not tell whether the effect happened. A person decides.
    InDoubt {
        /// Number of the effect.
        effect: u64,
        /// What was asked and answered.
        why: String,
    },
    /// From here on the run is only taken back; the guest does not continue. May be repeated after an
    /// undo failed. Never after `End` but through `UndoRequested`.
    Unwinding {
        /// How the run will end if every undo succeeds.
        outcome: Outcome,
        /// Why it is taken back.
        why: String,
    },
    /// An undo or a sweep is about to happen. Durable before it does.
    Undoing {
        /// Number of the effect.
        effect: u64,
        /// What.
        revert: Revert,
    },
    /// An undo or a sweep ended well.
    Undone {
        /// Number of the effect.
        effect: u64,
        /// How.
        reverted: Reverted,
    },
    /// An undo or a sweep failed.
    UndoFailed {
        /// Number of the effect.
        effect: u64,
        /// Why.
        error: CallError,
    },
    /// The run pauses at a safe point; it can be resumed, undone or cancelled.
    Stopped {
        /// Why.
        why: String,
        /// True when the procedure did not repeat itself: it cannot go on, only be taken back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        diverged: bool,
    },
    /// Someone wants the run ended and taken back.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// Someone wants a finished run taken back.
    UndoRequested {
        /// Who.
        by: String,
    },
    /// The last entry, unless the run is undone later.
    End {
        /// How.
        outcome: Outcome,
        /// One sentence.
        summary: String,
    },
}
