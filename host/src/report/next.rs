//! What can be done with a run now.

use super::{Next, Standing};
use crate::journal::{RunId, State, Status};

/// Best first.
pub(super) fn of(run: &RunId, state: &State, standing: Standing) -> Vec<Next> {
    let resume = |does: String| Next {
        command: format!("windlass resume {run}"),
        does,
    };
    let undo = |does: String| Next {
        command: format!("windlass undo {run}"),
        does,
    };
    let pending = numbers(state.to_undo().iter().map(|(number, _)| *number));
    match standing {
        Standing::Running | Standing::Unwinding => vec![Next {
            command: format!("windlass show {run} --follow"),
            does: "shows it as it goes".into(),
        }],
        Standing::Interrupted | Standing::InDoubt | Standing::Stopped
            if state.unwinding().is_some() =>
        {
            vec![resume("goes on taking it back".into())]
        }
        Standing::Interrupted | Standing::InDoubt | Standing::Stopped => {
            let goes_on = match state.open_effect() {
                Some(open) => format!(
                    "asks {} what became of effect {} and goes on",
                    open.call.target(),
                    open.number
                ),
                None => "goes on where it stopped".into(),
            };
            let back = match &pending {
                Some(effects) => format!("ends it and takes back {effects}"),
                None => "ends it; nothing has to be taken back".into(),
            };
            let mut next = vec![resume(goes_on), undo(back)];
            // Before the target was asked nobody has to know better.
            if let Some(open) = state.open_effect()
                && matches!(open.status, Status::InDoubt { .. })
            {
                next.push(Next {
                    command: format!("windlass resume {run} --effect {}=done", open.number),
                    does: "goes on with what you know; or =not-done".into(),
                });
            }
            next
        }
        Standing::Diverged => {
            let effects = pending.unwrap_or_else(|| "nothing".into());
            vec![undo(format!("ends it and takes back {effects}"))]
        }
        Standing::Stuck => tries(state, pending).map(undo).into_iter().collect(),
        Standing::Succeeded | Standing::Inconclusive => pending
            .map(|effects| undo(format!("takes back {effects}")))
            .into_iter()
            .collect(),
        Standing::Empty
        | Standing::Failed
        | Standing::Cancelled
        | Standing::Refused
        | Standing::Undone
        | Standing::TakenBackInPart => Vec::new(),
    }
}

/// What an undo of a stuck run tries. It can be stuck with all its work done, over what an effect left: that work goes too. None where
/// nothing can be tried: what was done stays.
fn tries(state: &State, pending: Option<String>) -> Option<String> {
    let swept = numbers(state.to_sweep().iter().map(|(number, _)| *number));
    let tries = match (swept, pending) {
        (None, None) if state.held_by().is_some() => return None,
        (None, None) => "it again".into(),
        (None, Some(effects)) => format!("{effects} again"),
        (Some(left), None) => format!("to clear away what {left} left"),
        (Some(left), Some(effects)) => {
            format!("to clear away what {left} left and to take back {effects}")
        }
    };
    Some(format!("tries {tries}, once the cause is mended"))
}

/// `effect 4`, `effects 1, 2 and 4`; none for none.
fn numbers(numbers: impl Iterator<Item = u64>) -> Option<String> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    let texts: Vec<_> = numbers.iter().map(u64::to_string).collect();
    match texts.split_last()? {
        (only, []) => Some(format!("effect {only}")),
        (last, rest) => Some(format!("effects {} and {last}", rest.join(", "))),
    }
}
