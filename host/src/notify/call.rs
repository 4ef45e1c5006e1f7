//! What a guest can ask of a channel, as values. Pure. `Display` is the line in plans and reports.

use crate::contract::notify_types::{Delivery, Field, Message};
use crate::contract::{CallError, ErrorKind};
use crate::text::is_deceptive;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Longest title, in characters.
const TITLE: usize = 200;
/// Longest text, in characters.
const TEXT: usize = 4_000;
/// Most fields.
const FIELDS: usize = 20;
/// Longest name of a field, in characters.
const NAME: usize = 80;
/// Longest value of a field, in characters.
const VALUE: usize = 500;
/// What stands where something was cut.
const CUT: &str = " … (cut)";
/// What stands for a character that could deceive.
const REPLACED: char = '\u{fffd}';

/// A message to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// `send` of `wit/notify.wit`.
    Send {
        /// Logical name.
        channel: String,
        /// What it is about.
        event: String,
        /// As it is sent: cut and clean. On the heap: entries of the journal are small otherwise.
        message: Box<Message>,
    },
}

impl Effect {
    /// A message as it would be sent: too long texts are cut with a marker, and characters that could deceive are replaced.
    pub fn send(channel: String, event: String, message: Message) -> Self {
        Self::Send {
            channel,
            event,
            message: Box::new(clean(message)),
        }
    }

    /// The logical name of the channel.
    pub fn channel(&self) -> &str {
        match self {
            Self::Send { channel, .. } => channel,
        }
    }

    /// What it is about.
    pub fn event(&self) -> &str {
        match self {
            Self::Send { event, .. } => event,
        }
    }

    /// What is done, without the object: the first column of a plan.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Send { .. } => "send",
        }
    }

    /// What it is done to, as people write it.
    pub fn object_text(&self) -> String {
        format!("{} to {}", self.event(), self.channel())
    }

    /// Refuses names that cannot be meant.
    pub fn check(&self) -> Result<(), CallError> {
        for (what, name) in [("channel", self.channel()), ("event", self.event())] {
            if !crate::plugin::is_name(name) {
                let message = format!(
                    "the name of the {what} is none: a lower-case letter, then letters, digits and `-`, at most 63"
                );
                return Err(CallError::new(ErrorKind::Invalid, message));
            }
        }
        Ok(())
    }

    /// What must agree between a planned message and the one that is sent.
    pub fn plan_key(&self) -> String {
        format!("notify-send {} {}", self.channel(), self.event())
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action(), self.event())
    }
}

/// How a message ended, from what the journal has as its answer; none if that is not a delivery.
pub fn delivery_of(answer: &Value) -> Option<Delivery> {
    serde_json::from_value(answer.clone()).ok()
}

/// How a message ended, in words.
pub fn ending(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Delivered => "delivered".into(),
        Delivery::GivenUp(why) => format!("given up: {why}"),
        Delivery::InDoubt(why) => format!("in doubt: {why}"),
    }
}

/// A value of ours as the journal keeps it.
pub(super) fn to_value<T: Serialize>(value: &T) -> Result<Value, CallError> {
    serde_json::to_value(value).map_err(|error| {
        let message = format!("cannot be recorded: {error}");
        CallError::new(ErrorKind::Invalid, message)
    })
}

fn clean(message: Message) -> Message {
    let Message {
        level,
        title,
        text,
        mut fields,
    } = message;
    let dropped = fields.len().saturating_sub(FIELDS);
    if dropped > 0 {
        fields.truncate(FIELDS - 1);
        fields.push(Field {
            name: "…".into(),
            value: format!("{} more fields (cut)", dropped + 1),
        });
    }
    let field = |field: Field| Field {
        name: line(&field.name, NAME),
        value: line(&field.value, VALUE),
    };
    Message {
        level,
        title: line(&title, TITLE),
        text: lines(&text, TEXT),
        fields: fields.into_iter().map(field).collect(),
    }
}

/// On one line.
fn line(text: &str, longest: usize) -> String {
    let one = text.chars().map(|char| match char {
        '\n' | '\r' | '\t' => ' ',
        char => harmless(char),
    });
    cut(one, longest)
}

/// Line ends stay; whatever kind they were, they are `\n` now.
fn lines(text: &str, longest: usize) -> String {
    let text = text.replace("\r\n", "\n");
    let many = text.chars().map(|char| match char {
        '\n' | '\r' => '\n',
        '\t' => ' ',
        char => harmless(char),
    });
    cut(many, longest)
}

fn harmless(char: char) -> char {
    if is_deceptive(char) { REPLACED } else { char }
}

fn cut(chars: impl Iterator<Item = char>, longest: usize) -> String {
    let mut chars = chars;
    let mut text: String = chars.by_ref().take(longest).collect();
    if chars.next().is_some() {
        let kept = longest.saturating_sub(CUT.chars().count());
        text = text.chars().take(kept).collect();
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::notify_types::Level;
    use proptest::prelude::*;

    fn message(title: &str, text: &str, fields: usize) -> Message {
        let field = |n: usize| Field {
            name: format!("n{n}"),
            value: "v".repeat(1000),
        };
        Message {
            level: Level::Info,
            title: title.into(),
            text: text.into(),
            fields: (0..fields).map(field).collect(),
        }
    }

    fn sent(message: Message) -> Message {
        let Effect::Send { message, .. } = Effect::send("ops".into(), "start".into(), message);
        *message
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_marker() {
        let cut = sent(message(&"t".repeat(300), &"x".repeat(10_000_000), 25));
        assert_eq!(cut.title.chars().count(), TITLE);
        assert_eq!(cut.text.chars().count(), TEXT);
        assert!(cut.title.ends_with(CUT) && cut.text.ends_with(CUT));
        assert_eq!(cut.fields.len(), FIELDS);
        assert_eq!(cut.fields[19].value, "6 more fields (cut)");
        assert_eq!(cut.fields[0].value.chars().count(), VALUE);
        let whole = message(&"t".repeat(TITLE), &"x".repeat(TEXT), 0);
        assert_eq!(sent(whole.clone()), whole);
    }

    #[test]
    fn only_text_has_lines() {
        let sent = sent(message("a\r\nBcc: x", "a\r\nb\rc\td", 0));
        assert_eq!(sent.title, "a  Bcc: x");
        assert_eq!(sent.text, "a\nb\nc d");
    }

    #[test]
    fn names_are_names() {
        for name in ["", "Ops", "a b", "a/b", "a.b", "*", "ä", &"a".repeat(64)] {
            let effect = Effect::send(name.into(), "start".into(), message("", "", 0));
            assert_eq!(effect.check().unwrap_err().kind, ErrorKind::Invalid);
            let effect = Effect::send("ops".into(), name.into(), message("", "", 0));
            assert_eq!(effect.check().unwrap_err().kind, ErrorKind::Invalid);
        }
        let effect = Effect::send("ops".into(), "end-2".into(), message("", "", 0));
        effect.check().unwrap();
        assert_eq!(effect.plan_key(), "notify-send ops end-2");
    }

    proptest! {
        /// A resumed guest says the same again, and what is cleaned twice is as if cleaned once.
        #[test]
        fn cleaning_leaves_nothing_deceptive_and_is_stable(title in any::<String>(), text in any::<String>()) {
            let once = sent(message(&title, &text, 0));
            prop_assert!(!once.title.contains(is_deceptive));
            prop_assert!(!once.text.replace('\n', "").contains(is_deceptive));
            prop_assert_eq!(sent(once.clone()), once);
        }
    }
}
