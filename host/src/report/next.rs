//! What can be done with a run now.

use super::{Next, Standing};
use crate::journal::{RunId, State};

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
        Standing::Unfinished | Standing::InDoubt | Standing::Stopped => {
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
            vec![resume(goes_on), undo(back)]
        }
        Standing::Unwinding => vec![resume("goes on taking it back".into())],
        Standing::Stuck => {
            let swept = state.to_sweep().into_iter().map(|(number, _)| number);
            let mut left: Vec<_> = state
                .to_undo()
                .into_iter()
                .map(|(n, _)| n)
                .chain(swept)
                .collect();
            left.sort_unstable();
            left.dedup();
            let left = numbers(left.into_iter()).unwrap_or_else(|| "it".into());
            vec![undo(format!(
                "tries {left} again, once the cause is mended"
            ))]
        }
        Standing::Succeeded | Standing::Inconclusive => pending
            .map(|effects| undo(format!("takes back {effects}")))
            .into_iter()
            .collect(),
        Standing::Empty
        | Standing::Failed
        | Standing::Cancelled
        | Standing::Refused
        | Standing::Undone => Vec::new(),
    }
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
