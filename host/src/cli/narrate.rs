//! A run as plain lines, entry after entry, for those who watch it.

use crate::call::Applied;
use crate::contract::{Level, Verdict};
use crate::journal::{EffectState, Entry, Stamped, State, UndoState};
use crate::plugin::builtin::title;
use crate::text::{duration, printable};
use std::time::Duration;

/// Follows a run and says in a line what each entry means, where it means something to people.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    state: State,
}

impl Narrator {
    /// One that joins a run of which this is already known.
    pub(super) fn after(state: State) -> Self {
        Self { state }
    }

    /// The state after everything that was told.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Takes the next entry. One that does not fit is told as it is: showing a damaged record is better than hiding it.
    pub(super) fn tell(&mut self, stamped: &Stamped) -> Option<String> {
        if let Err(error) = self.state.record(stamped) {
            return Some(format!(
                "! entry {}: {}",
                stamped.seq,
                printable(&error.to_string())
            ));
        }
        self.line(&stamped.entry)
            .map(|line| printable(&line).into_owned())
    }

    fn line(&self, entry: &Entry) -> Option<String> {
        Some(match entry {
            Entry::Begin(begin) => format!(
                "{} {} on {}, by {}",
                title(&begin.procedure, &begin.digest),
                begin.version,
                begin.target,
                begin.by
            ),
            Entry::Resumed { by, .. } => format!("resumed by {by}"),
            Entry::Step { name } => format!("- {name}"),
            Entry::Log { level, message } => match level {
                Level::Debug => return None,
                // A check of a plan that is neither passed nor failed.
                Level::Info if message.starts_with("· ") => message.clone(),
                Level::Info => format!("  {message}"),
                Level::Warning => format!("  warning: {message}"),
                Level::Error => format!("  error: {message}"),
            },
            Entry::Check {
                name,
                verdict,
                evidence,
            } => {
                let mark = match verdict {
                    Verdict::Pass => '✓',
                    Verdict::Fail => '✗',
                    Verdict::Inconclusive => '?',
                };
                format!("{mark} {name}: {evidence}")
            }
            Entry::Waiting { until } => format!("  waiting until {}", until.timestamp()),
            Entry::Refused { call, error, .. } => format!("✗ refused: {call}: {}", error.message),
            Entry::Panicked { message } => format!("✗ the procedure panicked: {message}"),
            Entry::Turned(turn) => match turn.passes {
                Some(true) => format!("  {} passes", turn.endpoint),
                Some(false) => format!("  {} does not pass: {}", turn.endpoint, turn.why),
                None => format!("  {} is not watched any more: {}", turn.endpoint, turn.why),
            },
            // The report that follows says first how it ended.
            Entry::Observed { .. } | Entry::Noted { .. } | Entry::End { .. } => return None,
            Entry::Intended { effect, .. }
            | Entry::Done { effect, .. }
            | Entry::Failed { effect, .. }
            | Entry::NotDone { effect, .. }
            | Entry::InDoubt { effect, .. }
            | Entry::Undoing { effect, .. }
            | Entry::Undone { effect, .. }
            | Entry::UndoFailed { effect, .. } => effect_line(entry, self.state.effect(*effect)?),
            Entry::Stopped { why, .. } => format!("stopped: {why}"),
            Entry::CancelRequested { by } => format!("{by} wants it cancelled"),
            Entry::UndoRequested { by } => format!("{by} wants it taken back"),
            Entry::Unwinding { why, .. } => format!("taking it back: {why}"),
        })
    }
}

fn effect_line(entry: &Entry, effect: &EffectState) -> String {
    let name = name(effect);
    let took = effect
        .took()
        .map(|ms| format!("  {}", duration(Duration::from_millis(ms))));
    let took = took.unwrap_or_default();
    match entry {
        Entry::Intended { prepared, .. } => format!("… {name}{}", spaced(&prepared.now)),
        Entry::Done {
            applied, confirmed, ..
        } => {
            let confirmed = if *confirmed && effect.call.changes_target() {
                "  (the target was asked)"
            } else {
                ""
            };
            format!(
                "{} {name}{}{took}{confirmed}",
                mark(effect, applied),
                change(&effect.prepared.now, &applied.after)
            )
        }
        Entry::Failed { error, .. } => format!("✗ {name}: {}{took}", error.message),
        Entry::NotDone { why, .. } => format!("· {name} did not happen: {why}"),
        Entry::InDoubt { why, .. } => format!("? {name} is in doubt: {why}"),
        Entry::Undoing { revert, .. } if is_sweep(effect) => {
            format!("… clearing away after {name}: {revert}")
        }
        Entry::Undone { reverted, .. } if is_sweep(effect) => {
            format!("↩ cleared away after {name}: {}", reverted_text(reverted))
        }
        Entry::UndoFailed { error, .. } if is_sweep(effect) => {
            format!(
                "✗ what {name} left could not be cleared away: {}",
                error.message
            )
        }
        Entry::Undoing { revert, .. } => format!("… taking back {name}: {revert}"),
        Entry::Undone { reverted, .. } => format!("↩ {name}: {}", reverted_text(reverted)),
        Entry::UndoFailed { error, .. } => {
            format!("✗ {name} could not be taken back: {}", error.message)
        }
        Entry::Begin(_)
        | Entry::Resumed { .. }
        | Entry::Observed { .. }
        | Entry::Waiting { .. }
        | Entry::Refused { .. }
        | Entry::Step { .. }
        | Entry::Log { .. }
        | Entry::Check { .. }
        | Entry::Panicked { .. }
        | Entry::Noted { .. }
        | Entry::Turned(_)
        | Entry::Stopped { .. }
        | Entry::CancelRequested { .. }
        | Entry::UndoRequested { .. }
        | Entry::Unwinding { .. }
        | Entry::End { .. } => name,
    }
}

/// A message is told with its channel; a run has one target.
fn name(effect: &EffectState) -> String {
    let EffectState { number, call, .. } = effect;
    if call.changes_target() {
        format!("{number} {call}")
    } else {
        format!("{number} {call} {}", call.place())
    }
}

/// A message that was not delivered has ended, but not well.
fn mark(effect: &EffectState, applied: &Applied) -> char {
    let well = applied.after == effect.prepared.after || effect.call.changes_target();
    if well { '✓' } else { '!' }
}

/// What an effect left is cleared away before any undo begins.
fn is_sweep(effect: &EffectState) -> bool {
    effect.sweep.is_some() && effect.undo == UndoState::None
}

fn reverted_text(reverted: &crate::call::Reverted) -> String {
    use crate::call::Reverted;
    match reverted {
        Reverted::Restored(what) => format!("restored: {what}"),
        Reverted::NothingToDo(why) => format!("nothing to take back: {why}"),
        Reverted::LeftAlone(why) => format!("left alone: {why}"),
    }
}

fn spaced(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("  {text}")
    }
}

fn change(now: &str, after: &str) -> String {
    match (now.is_empty(), after.is_empty()) {
        (false, false) => format!("  {now} → {after}"),
        (true, true) => String::new(),
        (true, false) | (false, true) => format!("  {now}{after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::Narrator;
    use crate::clock::Millis;
    use crate::journal::{Entry, Stamped};
    use serde_json::json;

    fn told(entries: &[serde_json::Value]) -> Vec<String> {
        let mut narrator = Narrator::default();
        let stamped = entries.iter().enumerate().map(|(seq, entry)| Stamped {
            seq: seq as u64,
            at: Millis(seq as u64 * 700),
            entry: serde_json::from_value::<Entry>(entry.clone()).unwrap(),
        });
        stamped
            .filter_map(|stamped| narrator.tell(&stamped))
            .collect()
    }

    #[test]
    fn a_run_is_told_line_by_line_and_no_line_plays_tricks() {
        let begin = json!({
            "kind": "begin", "format": 1, "procedure": "pg-tidy", "version": "0.1.0", "digest": "sha256:0", "target": "orders",
            "parameters": {}, "grants": [], "plan": null, "by": "ana", "host": "0.1.0"
        });
        let call = json!({ "room": "database", "effect": "analyze", "database": "orders", "table": { "schema": "public", "name": "t\u{1b}[2J" } });
        let prepared = json!({
            "before": {}, "foreseen": null, "undo": { "not-needed": "statistics follow the rows" }, "touches": [], "now": "old", "after": "new"
        });
        let lines = told(&[
            begin,
            json!({ "kind": "step", "name": "analyze" }),
            json!({ "kind": "intended", "effect": 1, "call": call, "prepared": prepared }),
            json!({ "kind": "noted", "effect": 1, "note": {} }),
            json!({ "kind": "done", "effect": 1, "applied": { "answer": null, "after": "new" }, "confirmed": false }),
            json!({ "kind": "end", "outcome": "succeeded", "summary": "1 table analyzed" }),
        ]);
        assert_eq!(lines[0], "pg-tidy 0.1.0 on orders, by ana");
        assert_eq!(lines[1], "- analyze");
        assert!(
            lines[2].starts_with("… 1 analyze public.t") && lines[2].ends_with("old"),
            "{lines:?}"
        );
        assert!(lines[3].ends_with("old → new  1.4 s"), "{lines:?}");
        assert!(
            lines.iter().all(|line| !line.contains('\u{1b}')),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 4, "the report says how it ended: {lines:?}");
    }

    #[test]
    fn an_entry_that_does_not_fit_is_told_as_such() {
        let lines = told(&[json!({ "kind": "step", "name": "first" })]);
        assert!(lines[0].starts_with("! entry 0: "), "{lines:?}");
    }
}
