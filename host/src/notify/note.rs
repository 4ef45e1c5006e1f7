//! What is noted of a message while it is sent, so that its end can be told after a crash. Pure.

use crate::clock::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The attempts at one message, in the order of their times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// What the receiver knows the message by.
    message: String,
    attempts: Vec<Attempt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    at: Millis,
    /// Why it certainly failed; absent while that is not known.
    failed: Option<String>,
}

impl Note {
    pub(super) fn new(message: &str) -> Self {
        Self {
            message: message.to_owned(),
            attempts: Vec::new(),
        }
    }

    /// What a room noted; none if that is something else.
    fn read(note: &Value) -> Option<Self> {
        serde_json::from_value(note.clone()).ok()
    }

    /// The attempt that begins now.
    pub(super) fn attempt(&mut self, at: Millis) {
        self.attempts.push(Attempt { at, failed: None });
    }

    /// The last attempt certainly failed.
    pub(super) fn failed(&mut self, why: &str) {
        if let Some(last) = self.attempts.last_mut() {
            last.failed = Some(why.to_owned());
        }
    }

    pub(super) fn count(&self) -> usize {
        self.attempts.len()
    }
}

/// How many attempts were begun.
pub fn attempts(note: Option<&Value>) -> usize {
    note.and_then(Note::read).map_or(0, |note| note.count())
}

/// Whether the last attempt may have arrived, for all that is noted. What cannot be read may have been anything.
pub(super) fn may_have_arrived(note: &Value) -> bool {
    Note::read(note).is_none_or(|note| {
        let last = note.attempts.last();
        last.is_some_and(|attempt| attempt.failed.is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_attempt_may_have_arrived_until_it_certainly_failed() {
        let mut note = Note::new("msg_1");
        let value = |note: &Note| serde_json::to_value(note).unwrap();
        assert!(!may_have_arrived(&value(&note)));
        note.attempt(Millis(1));
        assert!(may_have_arrived(&value(&note)));
        note.failed("the receiver answered 500");
        assert!(!may_have_arrived(&value(&note)));
        note.attempt(Millis(2));
        assert!(may_have_arrived(&value(&note)));
        assert_eq!(attempts(Some(&value(&note))), 2);
        assert!(may_have_arrived(&json!({"pid": 4711})));
        assert_eq!(attempts(None), 0);
    }
}
