//! The effects of a plan as a table: names stay whole, and what does not fit beside them goes below.

use crate::engine::PlannedEffect;
use crate::text::{printable, width, wrap};

/// Columns between two fields.
const GAP: usize = 2;
/// The least that is kept free for what an effect changes.
const CHANGE: usize = 18;

/// Each effect with what it changes beside its object and how it is undone below it.
pub(super) fn table(effects: &[PlannedEffect], columns: usize) -> String {
    let rows: Vec<_> = effects.iter().map(Row::of).collect();
    let number = widest(rows.iter().map(|row| &row.number), columns);
    let action = widest(rows.iter().map(|row| &row.action), columns);
    let indent = number + action + 2 * GAP;
    let room = columns.saturating_sub(indent + GAP + CHANGE);
    let object = widest(rows.iter().map(|row| &row.object), room).max("OBJECT".len());
    let line = |number_text: &str, action_text: &str, object_text: &str| {
        let number_text = padded(number_text, number + GAP);
        let action_text = padded(action_text, action + GAP);
        format!("{number_text}{action_text}{object_text}")
    };
    let mut lines = vec![line("#", "EFFECT", &padded("OBJECT", object + GAP)) + "NOW → AFTER"];
    for row in &rows {
        let beside = padded(&row.object, object) + &" ".repeat(GAP) + &row.change;
        let fits = width(&row.object) <= object && indent + width(&beside) <= columns;
        let first = if fits { beside.trim_end() } else { &row.object };
        lines.push(line(&row.number, &row.action, first));
        let below = (!fits && !row.change.is_empty()).then_some(&row.change);
        for text in below.into_iter().chain(&row.details).chain([&row.undo]) {
            lines.push(wrap(
                &format!("{}{text}", " ".repeat(indent)),
                columns,
                indent + GAP,
            ));
        }
    }
    lines.join("\n")
}

struct Row {
    number: String,
    action: String,
    object: String,
    change: String,
    details: Vec<String>,
    undo: String,
}

impl Row {
    fn of(effect: &PlannedEffect) -> Self {
        let clean = |text: &str| printable(text).into_owned();
        let change = match (effect.now.as_str(), effect.after.as_str()) {
            ("", text) | (text, "") => text.to_owned(),
            (now, after) => format!("{now} → {after}"),
        };
        Self {
            number: effect.number.to_string(),
            action: clean(&effect.action),
            object: clean(&effect.object),
            change: clean(&change),
            details: effect
                .not_granted
                .then(|| "not granted yet".to_owned())
                .into_iter()
                .chain(effect.details.iter().map(|line| clean(line)))
                .collect(),
            undo: clean(&format!("undo: {}", effect.undo)),
        }
    }
}

/// The width of the widest text that is not wider than `most`.
fn widest<'a>(texts: impl Iterator<Item = &'a String>, most: usize) -> usize {
    texts
        .map(|text| width(text))
        .filter(|width| *width <= most)
        .max()
        .unwrap_or(0)
}

fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::engine::PlannedEffect;

    fn effect(number: u64, action: &str, object: &str, after: &str) -> PlannedEffect {
        PlannedEffect {
            number,
            key: String::new(),
            action: action.into(),
            object: object.into(),
            now: "86 MB".into(),
            after: after.into(),
            undo: "not needed: same index, rebuilt".into(),
            details: Vec::new(),
            reversible: true,
            message: false,
            not_granted: false,
            needs: crate::grant::Capabilities::default(),
        }
    }

    #[test]
    fn names_stay_whole_and_what_does_not_fit_beside_them_goes_below() {
        let long = format!("public.{}", "x".repeat(60));
        let effects = [
            effect(1, "reindex", "public.accounts_abalance", "~31 MB"),
            effect(2, "drop invalid index", &long, "gone"),
        ];
        let expected = format!(
            "\
#  EFFECT              OBJECT                    NOW → AFTER
1  reindex             public.accounts_abalance  86 MB → ~31 MB
                       undo: not needed: same index, rebuilt
2  drop invalid index  {long}
                       86 MB → gone
                       undo: not needed: same index, rebuilt"
        );
        assert_eq!(table(&effects, 80), expected);
    }
}
