//! A report as the change log of one maintenance.

use super::escape::{cell, code, plain};
use super::text::{passive, reversal};
use super::{EffectReport, Report, Sent};
use crate::plugin::builtin::title;
use crate::text::{milliseconds, minute_in};
use std::fmt::Write as _;

impl Report {
    /// A Markdown document, without a line's end after the last line. Text from guests and targets cannot mark up anything.
    pub fn markdown(&self) -> String {
        let subject = &self.subject;
        let title = format!(
            "# {} {} on {}",
            plain(&title(&subject.procedure, &subject.component)),
            plain(&subject.version),
            plain(&subject.target)
        );
        let parts = [
            title,
            plain(&self.headline()),
            self.facts(),
            section("Changes", &self.changes()),
            section("Checks", &self.check_table()),
            self.impact(),
            section("Messages", &self.message_table()),
            section("Issues", &list(&self.issues())),
            section("Follow-ups", &list(&self.follow_ups())),
        ];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("\n\n")
    }

    /// What users saw; nothing where nothing was watched.
    fn impact(&self) -> String {
        if self.watched.is_empty() {
            return String::new();
        }
        let lines = self.watched.iter().map(|watched| watched.line(&self.zone));
        section("Customer impact", &list(&lines.collect::<Vec<_>>()))
    }

    fn facts(&self) -> String {
        let subject = &self.subject;
        let mut rows = vec![
            ("Run", plain(&self.run)),
            (
                "Result",
                plain(self.summary.as_deref().unwrap_or("none yet")),
            ),
            ("Date", self.dates()),
            (
                "Duration",
                self.took_ms.map(milliseconds).unwrap_or_default(),
            ),
            ("Type", self.kind()),
            ("Target", plain(&subject.target)),
            (
                "Procedure",
                plain(&format!(
                    "{} {}, {}",
                    title(&subject.procedure, &subject.component),
                    subject.version,
                    subject.component
                )),
            ),
            ("Parameters", plain(&subject.parameters.to_string())),
            ("Grants", plain(&subject.grants.join(", "))),
            ("Plan", plain(subject.plan.as_deref().unwrap_or("none"))),
            ("People", self.hands()),
            ("Rollback", self.rollback()),
            ("Head", plain(self.head.as_deref().unwrap_or_default())),
        ];
        rows.retain(|(_, text)| !text.is_empty());
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, text)| format!("| {name} | {} |", cell(text)))
            .collect();
        format!("| | |\n|---|---|\n{}", rows.join("\n"))
    }

    fn dates(&self) -> String {
        let at = |time: jiff::Timestamp| minute_in(time.into(), &self.zone);
        match (self.began, self.ended) {
            (Some(began), Some(ended)) => format!("{} to {}", at(began), at(ended)),
            (Some(began), None) => format!("{}, not ended", at(began)),
            (None, _) => "not begun".into(),
        }
    }

    /// What was done, without the objects.
    fn kind(&self) -> String {
        let mut actions: Vec<_> = self.effects.iter().map(|effect| effect.action).collect();
        let mut seen = std::collections::BTreeSet::new();
        actions.retain(|action| seen.insert(*action));
        if actions.is_empty() {
            "no change was made".into()
        } else {
            plain(&actions.join(", "))
        }
    }

    fn hands(&self) -> String {
        let hands = self.people.iter().map(|person| {
            format!(
                "{} by {} ({})",
                passive(person.did),
                plain(&person.by),
                minute_in(person.at.into(), &self.zone)
            )
        });
        hands.collect::<Vec<_>>().join(", ")
    }

    fn rollback(&self) -> String {
        let counts = &self.counts;
        if counts.undone + counts.left_alone + counts.undo_failed == 0 {
            return "no".into();
        }
        // Writing to a string does not fail.
        let mut text = format!(
            "yes: {} of {} effects taken back",
            counts.undone, counts.effects
        );
        if counts.left_alone > 0 {
            let _ = write!(text, ", {} left alone", counts.left_alone);
        }
        if counts.undo_failed > 0 {
            let _ = write!(text, ", {} failed", counts.undo_failed);
        }
        text
    }

    fn changes(&self) -> String {
        if self.effects.is_empty() {
            return "None.".into();
        }
        let head = "| # | Change | Object | Before | After | Outcome | Undo | Took |\n|---|---|---|---|---|---|---|---|";
        let rows: Vec<_> = self.effects.iter().map(change).collect();
        format!("{head}\n{}", rows.join("\n"))
    }

    fn check_table(&self) -> String {
        if self.checks.is_empty() {
            return "None.".into();
        }
        let rows: Vec<_> = self
            .checks
            .iter()
            .map(|check| {
                format!(
                    "| {} | {} | {} |",
                    cell(&plain(&check.name)),
                    check.verdict,
                    cell(&plain(&check.evidence))
                )
            })
            .collect();
        format!(
            "| Check | Verdict | Evidence |\n|---|---|---|\n{}",
            rows.join("\n")
        )
    }

    fn message_table(&self) -> String {
        if self.sent.is_empty() {
            return "None.".into();
        }
        let row = |sent: &Sent| {
            let cells = [
                plain(&sent.channel),
                plain(&sent.event),
                sent.end.replace('-', " "),
                sent.attempts.to_string(),
                plain(sent.why.as_deref().unwrap_or_default()),
            ];
            format!("| {} |", cells.join(" | "))
        };
        let rows: Vec<_> = self.sent.iter().map(row).collect();
        format!(
            "| Channel | Event | End | Attempts | Why |\n|---|---|---|---|---|\n{}",
            rows.join("\n")
        )
    }

    fn issues(&self) -> Vec<String> {
        let damage = self
            .damage
            .iter()
            .map(|what| format!("the record is broken: {what}"));
        let panic = self
            .panicked
            .iter()
            .map(|what| format!("the procedure panicked: {what}"));
        let refusals = self
            .refusals
            .iter()
            .map(|r| format!("refused: {}", r.message));
        let effects = self.effects.iter().filter_map(|effect| {
            let why = effect.why.as_ref()?;
            Some(format!(
                "effect {}, {} {}: {why}",
                effect.number, effect.action, effect.object
            ))
        });
        let said = self
            .messages
            .iter()
            .filter(|message| matches!(message.level, "warning" | "error"))
            .map(|message| format!("{}: {}", message.level, message.message));
        damage
            .chain(panic)
            .chain(refusals)
            .chain(effects)
            .chain(said)
            .map(|text| plain(&text))
            .collect()
    }

    fn follow_ups(&self) -> Vec<String> {
        let checks = self
            .checks
            .iter()
            .filter(|check| check.verdict == "inconclusive")
            .map(|check| {
                format!(
                    "look at what check {} could not decide: {}",
                    check.name, check.evidence
                )
            });
        let left = self.effects.iter().filter_map(|effect| {
            let undone = effect.undone.as_ref()?;
            let open = undone.is(&["left-alone", "failed", "started"]);
            open.then(|| {
                format!(
                    "effect {}: {}",
                    effect.number,
                    reversal(undone, "to take back", "taken back")
                )
            })
        });
        let swept = self.effects.iter().filter_map(|effect| {
            let sweep = effect.sweep.as_ref()?;
            let open = sweep.is(&["pending", "failed", "started"]);
            open.then(|| {
                format!(
                    "effect {}: {}",
                    effect.number,
                    reversal(sweep, "to clear away", "cleared away")
                )
            })
        });
        let next = self
            .next
            .iter()
            .map(|next| format!("{} {}", code(&next.command), plain(&next.does)));
        let untold = self.sent.iter().filter(|sent| sent.is_open());
        let untold = untold.map(|sent| format!("people may not know: {}", sent.line()));
        let looked_at = checks.chain(left).chain(swept).chain(untold);
        looked_at.map(|text| plain(&text)).chain(next).collect()
    }
}

fn change(effect: &EffectReport) -> String {
    let undo = match &effect.undone {
        Some(undone) => reversal(undone, "to take back", "taken back"),
        None if effect.counts() => effect.undo.clone(),
        None => String::new(),
    };
    let cells = [
        effect.number.to_string(),
        plain(effect.action),
        plain(&effect.object),
        plain(&effect.now),
        plain(&effect.after),
        plain(effect.status),
        plain(&undo),
        effect.took_ms.map(milliseconds).unwrap_or_default(),
    ];
    let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
    format!("| {} |", cells.join(" | "))
}

fn section(title: &str, content: &str) -> String {
    format!("## {title}\n\n{content}")
}

fn list(items: &[String]) -> String {
    if items.is_empty() {
        return "None.".into();
    }
    let items: Vec<_> = items.iter().map(|item| format!("- {item}")).collect();
    items.join("\n")
}
