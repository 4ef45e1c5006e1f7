//! A message on its way: what the guest said, and what the host says about it.

use crate::clock::Millis;
use crate::contract::notify_types::{Level, Message};
use crate::journal::{RunId, State};
use crate::notify::Effect;
use crate::plugin::builtin::title;
use sha2::{Digest, Sha256};

/// A message with what no guest can change: where it comes from, and a name that is the same at every attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter {
    /// 32 hexadecimal digits made of run, channel and event.
    pub(super) id: String,
    pub(super) event: String,
    pub(super) message: Message,
    pub(super) run: RunId,
    /// Name and version.
    pub(super) procedure: String,
    pub(super) target: String,
    /// When it was written.
    pub(super) at: Millis,
}

impl Letter {
    /// The run's journal tells where the message comes from.
    pub(super) fn new(effect: &Effect, run: &RunId, so_far: &State, at: Millis) -> Self {
        let Effect::Send { event, message, .. } = effect;
        let begin = so_far.begin();
        let (procedure, target) = begin.map_or_else(Default::default, |begin| {
            let procedure = format!(
                "{} {}",
                title(&begin.procedure, &begin.digest),
                begin.version
            );
            (procedure, begin.target.clone())
        });
        Self {
            id: id(effect, run, so_far, ""),
            event: event.clone(),
            message: Message::clone(message),
            run: run.clone(),
            procedure,
            target,
            at,
        }
    }

    /// What the host itself says of a run that stands so: with each further entry of the run it is another message.
    pub(super) fn of_host(effect: &Effect, run: &RunId, so_far: &State, at: Millis) -> Self {
        let entries = so_far.entries().to_string();
        Self {
            id: id(effect, run, so_far, &entries),
            ..Self::new(effect, run, so_far, at)
        }
    }

    /// Where it comes from, in one line.
    pub(super) fn origin(&self) -> String {
        format!("{} on {}, run {}", self.procedure, self.target, self.run)
    }

    /// What it is about, in a word.
    pub(super) fn level(&self) -> &'static str {
        match self.message.level {
            Level::Info => "info",
            Level::Success => "success",
            Level::Warning => "warning",
            Level::Failure => "failure",
        }
    }

    /// The same as a mark.
    pub(super) fn mark(&self) -> char {
        match self.message.level {
            Level::Info => 'ℹ',
            Level::Success => '✓',
            Level::Warning => '⚠',
            Level::Failure => '✗',
        }
    }
}

/// Names of runs are unique in one state directory only, so what else tells runs apart counts too.
fn id(effect: &Effect, run: &RunId, so_far: &State, more: &str) -> String {
    let began = so_far.began().map_or(0, |at| at.0).to_string();
    let (digest, target) = so_far
        .begin()
        .map_or(("", ""), |begin| (&begin.digest, &begin.target));
    let mut hash = Sha256::new();
    let parts = [
        "windlass message",
        &run.0,
        &began,
        digest,
        target,
        effect.channel(),
        effect.event(),
        more,
    ];
    // A guest's own message has nothing more, and keeps the name that it always had.
    for part in parts.iter().take(if more.is_empty() { 7 } else { 8 }) {
        hash.update(part);
        hash.update([0]);
    }
    let digits = hex::encode(hash.finalize());
    digits.chars().take(32).collect()
}
