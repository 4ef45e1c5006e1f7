//! A report for a terminal of 80 columns: the answer first, the next command last.

use super::{EffectReport, Report, Reversal, Standing, Step};
use crate::plugin::builtin::title;
use crate::text::{counted, milliseconds, minute_in, printable, shorten, width, wrap};
use std::fmt::Write as _;

const COLUMNS: usize = 80;
/// Where the right-hand side of a line begins at most; longer lines do not push it.
const LEFT: usize = 50;

/// A line with what stands to its right.
struct Row {
    left: String,
    right: String,
    below: Vec<String>,
}

impl Report {
    /// For people, without a line's end after the last line. Text from guests and targets is made harmless.
    pub fn text(&self) -> String {
        let sections = [
            self.head(),
            self.work(),
            section("refused", &self.refused()),
            section("checks", &self.checked()),
            section("users", &self.seen_by_users()),
            section("sent", &self.told()),
            section("messages", &self.said()),
            section("next", &self.to_do()),
        ];
        let sections: Vec<_> = sections.into_iter().filter(|s| !s.is_empty()).collect();
        sections.join("\n\n")
    }

    /// One sentence: what became of the run.
    pub fn headline(&self) -> String {
        let took = self.took_ms.map(milliseconds).unwrap_or_default();
        let what = match self.standing {
            Standing::Empty => return format!("run {} has not begun", self.run),
            Standing::Running => "is at work".into(),
            Standing::Interrupted => "was interrupted".into(),
            Standing::InDoubt => format!("is in doubt after {took}"),
            Standing::Stopped => format!("stopped after {took}"),
            Standing::Unwinding => "is being taken back".into(),
            Standing::Succeeded => format!("succeeded in {took}"),
            Standing::Inconclusive => format!("is inconclusive after {took}"),
            Standing::Diverged => format!("cannot go on after {took}"),
            Standing::Failed if self.is_taken_back() => {
                format!("failed after {took} and was taken back")
            }
            Standing::Failed => format!("failed after {took}"),
            Standing::Cancelled if self.is_taken_back() => {
                format!("was cancelled after {took} and taken back")
            }
            Standing::Cancelled => format!("was cancelled after {took}"),
            Standing::Refused => format!("was refused after {took}"),
            Standing::Stuck => format!("is stuck after {took}"),
            Standing::Undone if self.is_taken_back() => "was undone".into(),
            Standing::Undone => "was undone; nothing had to be taken back".into(),
            Standing::TakenBackInPart => format!("was taken back in part after {took}"),
        };
        format!("run {} {what}: {}", self.run, self.figures())
    }

    /// Whether something had to be taken back and was, as far as other hands left it.
    fn is_taken_back(&self) -> bool {
        self.counts.undone + self.counts.left_alone > 0
    }

    /// `4 effects, 0 undone, 0 in doubt`, and what else is not zero. Without any effect, that nothing was changed.
    pub fn figures(&self) -> String {
        if self.effects.is_empty() {
            return "nothing was changed".into();
        }
        let counts = &self.counts;
        // Of a run that was left, an effect without an end is what is in doubt.
        let is_left = self.standing == Standing::InDoubt;
        let left = if is_left { counts.open } else { 0 };
        let mut text = format!(
            "{}, {} undone, {} in doubt",
            counted(counts.effects, "effect"),
            counts.undone,
            counts.in_doubt + left
        );
        for (count, what) in [
            (counts.open - left, "without a recorded end"),
            (counts.failed, "failed"),
            (counts.left_alone, "left alone"),
            (counts.undo_failed, "not taken back"),
            (counts.irreversible, "that cannot be taken back"),
        ] {
            if count > 0 {
                // Writing to a string does not fail.
                let _ = write!(text, ", {count} {what}");
            }
        }
        text
    }

    fn head(&self) -> String {
        let mut lines = vec![wrap(&self.headline(), COLUMNS, 2)];
        let mut add = |text: &str| lines.push(wrap(&format!("  {}", printable(text)), COLUMNS, 2));
        if let Some(damage) = &self.damage {
            add(&format!("the record is broken: {damage}"));
        }
        let said = |summary: &&String| !self.later_hands().any(|hand| hand == **summary);
        if let Some(summary) = self.summary.as_ref().filter(said) {
            add(summary);
        }
        if let Some(message) = &self.panicked {
            add(&format!("the procedure panicked: {message}"));
        }
        if let Some(began) = self.began {
            add(&self.origin(began));
        }
        lines.join("\n")
    }

    fn origin(&self, began: jiff::Timestamp) -> String {
        let subject = &self.subject;
        let mut text = format!(
            "{} {} on {}, by {}, {}",
            title(&subject.procedure, &subject.component),
            subject.version,
            subject.target,
            subject.by,
            minute_in(began.into(), &self.zone)
        );
        if let Some(plan) = &subject.plan {
            let digest = plan.strip_prefix("sha256:").unwrap_or(plan);
            let _ = write!(text, ", bound to plan {}", shorten_digest(digest));
        }
        let mut hands: Vec<_> = self.later_hands().collect();
        hands.dedup();
        for hand in hands {
            let _ = write!(text, ", {hand}");
        }
        text
    }

    /// Who else had a hand in it, and how: `undone by ana`.
    fn later_hands(&self) -> impl Iterator<Item = String> {
        let later = self.people.iter().filter(|person| person.did != "started");
        later.map(|person| format!("{} by {}", passive(person.did), person.by))
    }

    fn work(&self) -> String {
        let rows: Vec<_> = self.steps.iter().flat_map(|step| self.step(step)).collect();
        let lefts = rows.iter().map(|row| width(&row.left));
        let left = lefts.filter(|left| *left <= LEFT).max().unwrap_or(0);
        let lines: Vec<_> = rows.iter().map(|row| row.lines(left)).collect();
        lines.join("\n")
    }

    fn step<'a>(&'a self, step: &'a Step) -> impl Iterator<Item = Row> + 'a {
        let named = step.name.as_ref().map(|name| Row {
            left: shorten(&printable(name), COLUMNS - 20).into_owned(),
            right: milliseconds(step.took_ms),
            below: Vec::new(),
        });
        let effects = step
            .effects
            .iter()
            .filter_map(|number| self.effects.iter().find(|effect| effect.number == *number));
        named.into_iter().chain(effects.map(Row::effect))
    }

    fn refused(&self) -> Vec<String> {
        let line = |refusal: &super::Refusal| printable(&refusal.message).into_owned();
        self.refusals.iter().map(line).collect()
    }

    fn checked(&self) -> Vec<String> {
        let line = |check: &super::Check| {
            let mark = match check.verdict {
                "pass" => "✓",
                "fail" => "✗",
                _ => "?",
            };
            let (name, evidence) = (printable(&check.name), printable(&check.evidence));
            if evidence.is_empty() {
                format!("{mark} {name}")
            } else {
                format!("{mark} {name}: {evidence}")
            }
        };
        self.checks.iter().map(line).collect()
    }

    fn seen_by_users(&self) -> Vec<String> {
        let line = |watched: &super::Watched| {
            let mark = if watched.down.is_empty() {
                '✓'
            } else {
                '✗'
            };
            format!("{mark} {}", printable(&watched.line(&self.zone)))
        };
        self.watched.iter().map(line).collect()
    }

    fn told(&self) -> Vec<String> {
        let line = |sent: &super::Sent| {
            let mark = match sent.end {
                "delivered" => '✓',
                "in-doubt" => '?',
                "started" => '…',
                _ => '✗',
            };
            format!("{mark} {}", printable(&sent.line()))
        };
        self.sent.iter().map(line).collect()
    }

    fn said(&self) -> Vec<String> {
        self.messages
            .iter()
            .filter(|message| matches!(message.level, "warning" | "error"))
            .map(|message| format!("{}: {}", message.level, printable(&message.message)))
            .collect()
    }

    fn to_do(&self) -> Vec<String> {
        let line = |next: &super::Next| format!("{}  {}", next.command, printable(&next.does));
        self.next.iter().map(line).collect()
    }
}

fn section(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = lines
        .iter()
        .map(|line| wrap(&format!("  {line}"), COLUMNS, 6))
        .collect();
    format!("{title}\n{}", lines.join("\n"))
}

impl Row {
    fn effect(effect: &EffectReport) -> Self {
        let mark = match effect.status {
            "done" => "✓",
            "failed" => "✗",
            "in-doubt" => "?",
            "not-done" => "·",
            _ => "…",
        };
        let took = effect.took_ms.map(milliseconds).unwrap_or_default();
        let change = effect.change();
        let change = printable(&change);
        let gap = if change.is_empty() || took.is_empty() {
            ""
        } else {
            "  "
        };
        Self {
            left: format!(
                "  {mark} {} {} {}",
                effect.number,
                effect.action,
                printable(&effect.object)
            ),
            right: format!("{change}{gap}{took}"),
            below: below(effect),
        }
    }

    fn lines(&self, column: usize) -> String {
        let (left, right) = (width(&self.left), width(&self.right));
        let room = COLUMNS.saturating_sub(left + right);
        let aligned = column.saturating_sub(left) + 2;
        let mut text = if right > 0 && room >= 2 {
            format!(
                "{}{}{}",
                self.left,
                " ".repeat(aligned.min(room)),
                self.right
            )
        } else {
            wrap(&self.left, COLUMNS, 6)
        };
        if right > 0 && room < 2 {
            text.push('\n');
            text.push_str(&wrap(&format!("      {}", self.right), COLUMNS, 6));
        }
        for line in &self.below {
            text.push('\n');
            text.push_str(&wrap(&format!("      {line}"), COLUMNS, 8));
        }
        text
    }
}

/// Why it came out so, and what its undo is or was.
fn below(effect: &EffectReport) -> Vec<String> {
    let mut lines = Vec::new();
    match (effect.status, &effect.why) {
        ("not-done", Some(why)) => lines.push(format!("did not happen: {why}")),
        ("in-doubt", Some(why)) => lines.push(format!("in doubt: {why}")),
        ("started", _) => lines.push("it was started; its end is not recorded".into()),
        (_, Some(why)) => lines.push(why.clone()),
        (_, None) if effect.confirmed => {
            lines.push("its end was not recorded; asked, the target says that it happened".into());
        }
        (_, None) => {}
    }
    if let Some(sweep) = &effect.sweep {
        lines.push(reversal(sweep, "to clear away", "cleared away"));
    }
    match &effect.undone {
        Some(undone) => lines.push(reversal(undone, "to take back", "taken back")),
        None if effect.counts() => lines.push(format!("undo: {}", effect.undo)),
        None => {}
    }
    let harmless = |line: &String| printable(line).into_owned();
    lines.iter().map(harmless).collect()
}

/// One reversal in words.
pub(super) fn reversal(reversal: &Reversal, pending: &str, done: &str) -> String {
    let what = &reversal.what;
    match reversal.state {
        "pending" => format!("still {pending}: {what}"),
        "started" => format!("{done}? that was started; its end is not recorded"),
        "restored" => format!("{done}: {what}"),
        "nothing-to-do" => format!("{done}: nothing to do, {what}"),
        "left-alone" => format!("left alone: {what}"),
        _ => format!("could not be {done}: {what}"),
    }
}

/// As people say it.
fn shorten_digest(digest: &str) -> &str {
    digest.get(..6).unwrap_or(digest)
}

pub(super) fn passive(did: &'static str) -> &'static str {
    match did {
        "undid" => "undone",
        other => other,
    }
}
