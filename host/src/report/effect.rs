//! One effect in a report.

use crate::call::{Reverted, Undo};
use crate::clock::Millis;
use crate::journal::{EffectState, Status, Sweep, UndoState};
use jiff::Timestamp;
use serde::Serialize;

/// One effect of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EffectReport {
    /// From 1.
    pub number: u64,
    /// What was done, without the object.
    pub action: &'static str,
    /// What it was done to.
    pub object: String,
    /// Logical name of the target.
    pub target: String,
    /// `done`, `failed`, `not-done`, `in-doubt`, or `started` while there is no end.
    pub status: &'static str,
    /// Why it failed, did not happen or is in doubt.
    pub why: Option<String>,
    /// True when the target was asked after a crash whether it happened.
    pub confirmed: bool,
    /// What was there before, in a few words.
    pub now: String,
    /// What was foreseen, in a few words.
    pub foreseen: String,
    /// What was there after it; empty unless it is done.
    pub after: String,
    /// How it is taken back, or why it need not or cannot be.
    pub undo: String,
    /// Whether it cannot be taken back.
    pub irreversible: bool,
    /// How far taking it back is.
    pub undone: Option<Reversal>,
    /// What had to be cleared away after it, and how far that is.
    pub sweep: Option<Reversal>,
    /// When it was announced.
    pub began: Option<Timestamp>,
    /// Until its end was recorded, in milliseconds.
    pub took_ms: Option<u64>,
}

/// How far taking back or clearing away is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reversal {
    /// `pending`, `started`, `restored`, `nothing-to-do`, `left-alone` or `failed`.
    pub state: &'static str,
    /// What was, or is to be, restored; or why not.
    pub what: String,
}

impl EffectReport {
    pub(super) fn of(effect: &EffectState) -> Self {
        let (status, why, confirmed) = match &effect.status {
            Status::Intended => ("started", None, false),
            Status::Done { confirmed, .. } => ("done", None, *confirmed),
            Status::Failed { error } => ("failed", Some(error.message.clone()), false),
            Status::NotDone { why } => ("not-done", Some(why.clone()), true),
            Status::InDoubt { why } => ("in-doubt", Some(why.clone()), false),
        };
        let after = match &effect.status {
            Status::Done { applied, .. } => applied.after.clone(),
            Status::Intended
            | Status::Failed { .. }
            | Status::NotDone { .. }
            | Status::InDoubt { .. } => String::new(),
        };
        Self {
            number: effect.number,
            action: effect.call.action(),
            object: effect.call.object_text(),
            target: effect.call.target().to_owned(),
            status,
            why,
            confirmed,
            now: effect.prepared.now.clone(),
            foreseen: effect.prepared.after.clone(),
            after,
            undo: effect.prepared.undo.to_string(),
            irreversible: matches!(effect.prepared.undo, Undo::Impossible(_) | Undo::Final(_)),
            undone: undone(effect),
            sweep: effect.sweep.as_ref().map(swept),
            began: effect.started.map(Millis::timestamp),
            took_ms: effect.took(),
        }
    }

    /// Whether it happened or may have.
    pub(super) fn counts(&self) -> bool {
        matches!(self.status, "done" | "in-doubt" | "started")
    }

    /// `214 MB → 31 MB`, with what is foreseen while there is no end; nothing where nothing is known.
    pub(super) fn change(&self) -> String {
        let after = match self.status {
            "done" => self.after.as_str(),
            "started" | "in-doubt" => self.foreseen.as_str(),
            _ => "",
        };
        match (self.now.as_str(), after) {
            ("", text) | (text, "") => text.to_owned(),
            (now, after) => format!("{now} → {after}"),
        }
    }
}

fn undone(effect: &EffectState) -> Option<Reversal> {
    match effect.prepared.undo {
        Undo::By(_) => Reversal::of(&effect.undo),
        Undo::NotNeeded(_) | Undo::Impossible(_) | Undo::Final(_) => None,
    }
}

/// Until it is cleared away, what is left is named.
fn swept(sweep: &Sweep) -> Reversal {
    let left = sweep.revert.to_string();
    match (&sweep.state, Reversal::of(&sweep.state)) {
        (_, None) => Reversal {
            state: "pending",
            what: left,
        },
        (UndoState::Failed(error), Some(failed)) => Reversal {
            what: format!("{left}: {}", error.message),
            ..failed
        },
        (_, Some(reversal)) => reversal,
    }
}

impl Reversal {
    fn of(state: &UndoState) -> Option<Self> {
        let (state, what) = match state {
            UndoState::None => return None,
            UndoState::Undoing => ("started", String::new()),
            UndoState::Undone(Reverted::Restored(what)) => ("restored", what.clone()),
            UndoState::Undone(Reverted::NothingToDo(why)) => ("nothing-to-do", why.clone()),
            UndoState::Undone(Reverted::LeftAlone(why)) => ("left-alone", why.clone()),
            UndoState::Failed(error) => ("failed", error.message.clone()),
        };
        Some(Self { state, what })
    }

    pub(super) fn is(&self, states: &[&str]) -> bool {
        states.contains(&self.state)
    }
}
