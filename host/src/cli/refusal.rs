//! Explains what a run was refused: which side lacks it, in which file and line, and what would allow it.

use super::failure::Failure;
use crate::call::{Effect, Read};
use crate::grant::{Asked, Granted};
use crate::journal::{Call, Entry, Stamped};
use serde::Serialize;

/// A refused call, explained.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    /// What the procedure was told.
    message: String,
    /// Why it was not allowed.
    pub(super) cause: String,
    /// What would allow it.
    pub(super) hint: Option<String>,
}

/// Each refused call once, with its explanation.
pub(super) fn explanations(granted: &Granted, entries: &[Stamped]) -> Vec<Explained> {
    let mut found: Vec<Explained> = Vec::new();
    for stamped in entries {
        if let Some(explained) = explained(granted, &stamped.entry)
            && found.iter().all(|other| other.message != explained.message)
        {
            found.push(explained);
        }
    }
    found
}

fn explained(granted: &Granted, entry: &Entry) -> Option<Explained> {
    let Entry::Refused {
        value,
        side,
        error,
        touch,
        ..
    } = entry
    else {
        return None;
    };
    let explanation = if let Ok(effect) = serde_json::from_value::<Effect>(value.clone()) {
        let rule = touch
            .as_ref()
            .and_then(|touch| granted.rule(&effect, touch));
        let asked = Asked::from(&effect);
        let asked = touch.as_ref().map_or(asked, |touch| asked.touching(touch));
        rule.unwrap_or_else(|| granted.explain(*side, asked))
    } else {
        granted.explain_read(*side, &read(value)?)?
    };
    Some(Explained {
        message: error.message.clone(),
        cause: explanation.cause,
        hint: explanation.hint,
    })
}

fn read(value: &serde_json::Value) -> Option<Read> {
    match serde_json::from_value(value.clone()) {
        Ok(Call::Read(read)) => Some(read),
        Ok(Call::Ask(_) | Call::Effect(_)) | Err(_) => None,
    }
}

impl From<Explained> for Failure {
    fn from(explained: Explained) -> Self {
        Self::refused(explained.message)
            .cause(explained.cause)
            .hint_if(explained.hint)
    }
}
