//! What a run came to, told from its entries and from nothing else. Pure: the same entries make the same report.

mod build;
mod effect;
mod escape;
mod markdown;
mod next;
mod sent;
mod text;
mod watched;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

pub use effect::{EffectReport, Reversal};
pub use sent::Sent;
pub use watched::{Stretch, Watched};

/// Names the shape of the JSON document.
pub const SCHEMA: &str = "windlass.report/1";

/// A run for people and programs. Serialized it is the document [`SCHEMA`]. Text in it is as guests and targets gave it: only the text
/// and Markdown forms spell out what could play tricks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Name of the run.
    pub run: String,
    /// Where it stands.
    pub standing: Standing,
    /// The sentence it ended with, or why it stands where it stands.
    pub summary: Option<String>,
    /// Where the record stops making sense, if it does. What follows is told up to there.
    pub damage: Option<String>,
    /// What ran.
    pub subject: Subject,
    /// When the first entry was recorded.
    pub began: Option<Timestamp>,
    /// When it ended; the last time, if it was undone later.
    pub ended: Option<Timestamp>,
    /// From its begin to its first end, waits included, in milliseconds.
    pub took_ms: Option<u64>,
    /// In figures.
    pub counts: Counts,
    /// Its named stretches, first to last. The first has no name if something happened before a step was named.
    pub steps: Vec<Step>,
    /// What it changed or tried to, first to last.
    pub effects: Vec<EffectReport>,
    /// Messages to people, first to last. They are numbered among the effects.
    pub sent: Vec<Sent>,
    /// What users saw meanwhile, at endpoints that were watched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
    /// What it was not allowed to do.
    pub refusals: Vec<Refusal>,
    /// What it found; failed checks first, then undecided ones.
    pub checks: Vec<Check>,
    /// What it said.
    pub messages: Vec<Message>,
    /// The message of its panic.
    pub panicked: Option<String>,
    /// Who had a hand in it.
    pub people: Vec<Person>,
    /// What can be done now, best first.
    pub next: Vec<Next>,
    /// Hash of its last entry, in hex: an anchor for `windlass audit verify --head`, as long as the report is kept elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The zone of the times that people read beside UTC.
    #[serde(skip)]
    pub zone: TimeZone,
}

impl Report {
    /// The same with the hash of the run's last entry, which the entries alone do not tell.
    #[must_use]
    pub fn anchored(self, head: Option<String>) -> Self {
        Self { head, ..self }
    }

    /// The same with times in this zone too, for people.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing is recorded.
    #[default]
    Empty,
    /// A process is at work on it.
    Running,
    /// Its process went away between two effects, or two undos.
    Interrupted,
    /// Its process went away within an effect, or the target could not tell what became of one.
    InDoubt,
    /// It pauses.
    Stopped,
    /// It cannot go on, because its procedure did not repeat itself.
    Diverged,
    /// A process is taking it back.
    Unwinding,
    /// It finished and every check passed.
    Succeeded,
    /// It finished, and a check could not decide.
    Inconclusive,
    /// It failed, and was taken back.
    Failed,
    /// It was cancelled, and taken back.
    Cancelled,
    /// It was refused, and taken back.
    Refused,
    /// An undo failed.
    Stuck,
    /// It was undone later.
    Undone,
    /// It was taken back as far as that goes; a person has to look at what stays.
    TakenBackInPart,
}

/// What ran, on what, by whose leave.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// The procedure.
    pub procedure: String,
    /// Its version.
    pub version: String,
    /// `sha256:…` of its component.
    pub component: String,
    /// Logical name of the target.
    pub target: String,
    /// A JSON object.
    pub parameters: Value,
    /// Files of the grants with their digests.
    pub grants: Vec<String>,
    /// Digest of the plan that it was bound to.
    pub plan: Option<String>,
    /// Who started it.
    pub by: String,
    /// Version of windlass that began it.
    pub host: String,
}

/// A run in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Effects that happened, or may have.
    pub effects: usize,
    /// Effects that failed.
    pub failed: usize,
    /// Effects that were taken back.
    pub undone: usize,
    /// Effects that another hand had changed and that were left as they are.
    pub left_alone: usize,
    /// Undos and sweeps that failed.
    pub undo_failed: usize,
    /// Effects that happened, or may have, and cannot be taken back.
    pub irreversible: usize,
    /// Effects that the target could not tell about.
    pub in_doubt: usize,
    /// Effects that were started and have no end in the record.
    pub open: usize,
}

/// A named stretch of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// As the procedure calls it.
    pub name: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// Until the next one, or the end of the record.
    pub took_ms: u64,
    /// Numbers of its effects.
    pub effects: Vec<u64>,
}

/// A call that was not allowed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// The line of the call.
    pub call: String,
    /// Which side does not allow it.
    pub side: crate::grant::Side,
    /// What the procedure was told.
    pub message: String,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// `pass`, `fail` or `inconclusive`.
    pub verdict: &'static str,
    /// Why.
    pub evidence: String,
}

/// A line of the procedure for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Message {
    /// When.
    pub at: Timestamp,
    /// `debug`, `info`, `warning` or `error`.
    pub level: &'static str,
    /// The line.
    pub message: String,
}

/// Someone's hand in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Person {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// `started`, `resumed`, `cancelled` or `undid`.
    pub did: &'static str,
}

/// Something that can be done now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Next {
    /// What to type.
    pub command: String,
    /// What that does, as the end of a sentence that begins with the command.
    pub does: String,
}
