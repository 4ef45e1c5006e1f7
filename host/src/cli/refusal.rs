//! Explains what a run was refused: which side lacks it, in which file and line, and what would allow it.

use crate::call::{Effect, Read};
use crate::grant::{Asked, Explanation, Granted};
use crate::journal::{Call, Entry, Stamped};

/// Each refused call once, with its explanation.
pub(super) fn explanations(granted: &Granted, entries: &[Stamped]) -> Vec<(String, Explanation)> {
    let mut found: Vec<(String, Explanation)> = Vec::new();
    for stamped in entries {
        let Entry::Refused {
            value, side, error, ..
        } = &stamped.entry
        else {
            continue;
        };
        if found.iter().any(|(message, _)| *message == error.message) {
            continue;
        }
        if let Ok(effect) = serde_json::from_value::<Effect>(value.clone()) {
            found.push((
                error.message.clone(),
                granted.explain(*side, Asked::from(&effect)),
            ));
        } else if let Some(read) = read(value) {
            found.push((
                error.message.clone(),
                granted.explain(*side, Asked::from(&read)),
            ));
        }
    }
    found
}

fn read(value: &serde_json::Value) -> Option<Read> {
    match serde_json::from_value(value.clone()) {
        Ok(Call::Read(read)) => Some(read),
        Ok(Call::Ask(_) | Call::Effect(_)) | Err(_) => None,
    }
}
